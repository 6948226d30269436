#ifndef XMMU_LIB_CLI_RECORD_TREE_H_
#define XMMU_LIB_CLI_RECORD_TREE_H_

// Runs a command with all the processes that it starts, and waits for the last
// of them. Single-threaded: it blocks signals, and forks.

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace xmmu::cli {

struct TreeCommand {
  std::string path;
  std::vector<std::string> words;
  std::vector<std::string> environment;  // "NAME=VALUE"
};

struct TreeWatch {
  // Asked a few times a second: whether all processes are to be killed.
  absl::FunctionRef<bool()> is_void;
  // Told once, with their process ids, what the command has left running.
  absl::FunctionRef<void(const std::vector<pid_t>&)> left_running;
};

// Runs `command` with this process's descriptors. Signals that would end this
// process (SIGINT, SIGTERM, SIGHUP, SIGQUIT) go to the command, and once that
// has ended to what it has left running, which the second one kills; those of
// the keyboard have reached the command anyway. Returns the command's status as
// a shell says it: 128 and the number of a signal that killed it.
//
// Errors: InvalidArgument if the command cannot be started.
absl::StatusOr<int> RunTree(const TreeCommand& command, const TreeWatch& watch);

// Calls `work` in a child process and returns what it returned, OK or
// InvalidArgument. A signal that would end this process ends the child, so that
// the caller can clean up.
//
// Errors: those of `work`; Cancelled if a signal came; ResourceExhausted if the
// child ended in another way, as when memory is short.
absl::Status RunApart(absl::FunctionRef<absl::Status()> work);

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_RECORD_TREE_H_
