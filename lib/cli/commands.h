#ifndef XMMU_LIB_CLI_COMMANDS_H_
#define XMMU_LIB_CLI_COMMANDS_H_

// The commands of the program, a row each. A further one is a .cc with a
// function that returns its row, declared here and called in commands.cc.

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "cli/arguments.h"
#include "cli/catalog.h"

namespace xmmu::cli {

struct Command {
  std::string_view name;  // "compare"
  std::string_view help;  // one line
  // What follows "xmmu compare [OPTION]..." in its usage, a line for each way
  // to call it.
  std::string_view usage;
  // Names what the arguments that are no options are; empty if there are none.
  std::string_view files;
  std::string_view description;  // a paragraph
  // Its options, those of one group together, in the order of --help.
  std::vector<Option> (*options)();
  // Does the work; not called for --help.
  // Errors: InvalidArgument for what the user can put right.
  absl::Status (*run)(const Arguments& arguments, const Catalog& catalog);
};

Command CompareCommand();
Command CrossoverCommand();
Command ShadowsCommand();
Command GridCommand();
Command PublishedCommand();
Command ListCommand();

// All of them, in the order of --help.
std::vector<Command> Commands();

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_COMMANDS_H_
