#include "cli/commands.h"

namespace xmmu::cli {

std::vector<Command> Commands() {
  return {CompareCommand(),    CrossoverCommand(),  ShadowsCommand(),
          GridCommand(),       PublishedCommand(),  ExplainCommand(),
          DiffCommand(),       CiteCommand(),       RecordCommand(),
          TraceCommand(),      TraceInfoCommand(),  TraceHeadCommand(),
          TraceShowCommand(),  TracePackCommand(),  TraceCutCommand(),
          TraceReachCommand(), TraceCheckCommand(), TraceCompareCommand(),
          ListCommand()};
}

}  // namespace xmmu::cli
