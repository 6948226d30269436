#ifndef XMMU_LIB_CLI_EXIT_STATUS_H_
#define XMMU_LIB_CLI_EXIT_STATUS_H_

// Exit statuses beside those of Main(): a command that runs another program ends
// as that does. Any thread.

#include <optional>

#include "absl/status/status.h"

namespace xmmu::cli {

// `error`, with which the program ends with `exit_status` after the message.
absl::Status WithExitStatus(absl::Status error, int exit_status);

// Ends with `exit_status` and without a message.
absl::Status EndWith(int exit_status);

// What `status` asks for, if it is one of the two.
std::optional<int> ExitStatusOf(const absl::Status& status);

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_EXIT_STATUS_H_
