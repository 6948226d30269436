#ifndef XMMU_LIB_CLI_HELP_H_
#define XMMU_LIB_CLI_HELP_H_

// What --help prints, in the form that help2man makes manual pages of.

#include <span>
#include <string>

#include "cli/commands.h"

namespace xmmu::cli {

// `commands` are all commands.
std::string HelpOfProgram(std::span<const Command> commands);
std::string HelpOfCommand(const Command& command,
                          std::span<const Command> commands,
                          std::span<const Option> options);

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_HELP_H_
