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
#include "cli/console.h"

namespace xmmu::cli {

struct Command {
  // "compare"; "trace info" for what `xmmu trace info` calls. A command of two
  // words stands behind that of the first one alone, which only says which
  // there are.
  std::string_view name;
  std::string_view help;  // one line
  // What follows "xmmu compare [OPTION]..." in its usage, a line for each way
  // to call it; where there are commands of two words, "xmmu trace".
  std::string_view usage;
  // Names what the arguments that are no options are; empty if there are none.
  std::string_view files;
  std::string_view description;  // a paragraph
  // Its options, those of one group together, in the order of --help.
  std::vector<Option> (*options)();
  // Does the work; not called for --help. Null if a second word has to say what.
  // Errors: InvalidArgument for what the user can put right; Cancelled once
  // `console` has asked to stop.
  absl::Status (*run)(const Arguments& arguments, const Catalog& catalog,
                      Console& console);
  // The exit status for a command line that is wrong. A command that ends with
  // the status of another program has one that is not likely to be that's.
  int refusal_status = 2;
  // Whether it waits for signals by itself, and Console does not.
  bool takes_signals = false;
};

Command CompareCommand();
Command CrossoverCommand();
Command ShadowsCommand();
Command GridCommand();
Command PublishedCommand();
Command ExplainCommand();
Command DiffCommand();
Command CiteCommand();
Command RecordCommand();
Command ListCommand();
Command TraceCommand();
Command TraceInfoCommand();
Command TraceCompareCommand();
Command TraceHeadCommand();
Command TraceShowCommand();
Command TracePackCommand();
Command TraceCutCommand();
Command TraceReachCommand();
Command TraceCheckCommand();

// All of them, in the order of --help.
std::vector<Command> Commands();

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_COMMANDS_H_
