#ifndef XMMU_LIB_CLI_RUN_COMMAND_H_
#define XMMU_LIB_CLI_RUN_COMMAND_H_

// Runs a command once its arguments are known, whoever has read them: a command
// line, or a program that calls it as a function.
//
// Any thread, each with a console of its own.

#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/arguments.h"
#include "cli/catalog.h"
#include "cli/commands.h"
#include "cli/console.h"

namespace xmmu::cli {

// The words of a command line that its report repeats: where a report goes, and
// on how many cores it was made, is no part of what it says.
std::vector<std::string> WordsOfReport(std::vector<std::string> words);

// Adds to `arguments` what the file of --config says of `options`, and runs the
// command, which is one that runs.
// Errors: those of ReadConfig() and of the command; InvalidArgument for a file
// given to a command that reads none.
absl::Status RunWithConfig(const Command& command,
                           std::span<const Option> options, Arguments arguments,
                           const Catalog& catalog, Console& console);

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_RUN_COMMAND_H_
