#include "cli/commands.h"

namespace xmmu::cli {

std::vector<Command> Commands() {
  return {CompareCommand(),   CrossoverCommand(), ShadowsCommand(),
          GridCommand(),      PublishedCommand(), TraceCommand(),
          TraceInfoCommand(), ListCommand()};
}

}  // namespace xmmu::cli
