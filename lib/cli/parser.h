#ifndef XMMU_LIB_CLI_PARSER_H_
#define XMMU_LIB_CLI_PARSER_H_

// Reads the words of a command line. Everything is taken as it was meant or
// refused: options by their whole name with two dashes, values that are not
// empty, nothing twice but what may repeat.
//
// It is CLI11 (https://github.com/CLIUtils/CLI11) that reads them. Its errors
// are exceptions and its header is large: both stay in parser.cc.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/arguments.h"

namespace xmmu::cli {

struct CommandOptions {
  std::string_view name;  // "compare", "trace", "trace info"
  std::vector<Option> options;
};

struct CommandLine {
  std::string command;  // empty: none
  Arguments arguments;
};

// The command that `words` name: the first word that is no option, with the
// second if both together are a command. Empty if the first is none of
// `commands`.
std::string CommandOf(std::span<const CommandOptions> commands,
                      std::span<const std::string> words);

// The word that calls the command `name` within the command `group`: "info" for
// "trace info" within "trace", and "trace" for "trace" within "". Empty if it
// is not called there.
std::string_view NameWithin(std::string_view name, std::string_view group);

// Reads `words`, the command line without the program's name:
//   COMMAND --a=VALUE --a VALUE --switch --switch=false FILE... -- FILE...
// Without a command there are --help and --version.
// Errors: InvalidArgument with the word and what would do.
absl::StatusOr<CommandLine> ParseCommandLine(
    std::span<const CommandOptions> commands, std::vector<std::string> words);

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_PARSER_H_
