#include "cli/record_tree.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace xmmu::cli {
namespace {

// How often the watch is asked, and signals that were missed are made up for.
constexpr timespec kTick = {0, 200'000'000};
constexpr int kKilled = 128;

// Blocks the signals that end a program, and SIGCHLD, for as long as it lives:
// they are then waited for.
class WatchedSignals {
 public:
  WatchedSignals() {
    sigemptyset(&set_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD}) {
      sigaddset(&set_, signal);
    }
    sigprocmask(SIG_BLOCK, &set_, &before_);
    // If it is ignored, children leave no status.
    std::signal(SIGCHLD, SIG_DFL);
  }
  ~WatchedSignals() { Restore(); }
  WatchedSignals(const WatchedSignals&) = delete;
  WatchedSignals& operator=(const WatchedSignals&) = delete;

  void Restore() const { sigprocmask(SIG_SETMASK, &before_, nullptr); }

  // Returns a signal that ends programs, or 0 after a while or when a child has
  // changed its state. `by_hand` says whether a process sent it, and not the
  // terminal to the whole group.
  int Wait(bool* by_hand) const {
    siginfo_t info;
    const int signal = sigtimedwait(&set_, &info, &kTick);
    if (signal <= 0 || signal == SIGCHLD) return 0;
    *by_hand = info.si_code <= 0;
    return signal;
  }

 private:
  sigset_t set_;
  sigset_t before_;
};

std::vector<char*> PointersTo(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) {
    pointers.push_back(const_cast<char*>(word.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

// A recorder that was killed can end nothing, and what nobody waits for would
// fill the disk. It is for this process only: a child does not inherit it.
void EndWithParent() { prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); }

// Becomes the command, with signals as programs expect them; tells the errno of
// a failure through `failure`.
[[noreturn]] void BecomeCommand(const TreeCommand& command,
                                const WatchedSignals& signals, int failure) {
  const std::vector<char*> words = PointersTo(command.words);
  const std::vector<char*> environment = PointersTo(command.environment);
  EndWithParent();
  std::signal(SIGPIPE, SIG_DFL);
  std::signal(SIGXFSZ, SIG_DFL);
  signals.Restore();
  execve(command.path.c_str(), words.data(), environment.data());
  const int error = errno;
  if (write(failure, &error, sizeof(error)) < 0) _exit(1);
  _exit(1);
}

// The processes whose parent is this one; as their own parents end, all
// descendants come to be among them.
std::vector<pid_t> Children() {
  const std::string file =
      absl::StrCat("/proc/self/task/", getpid(), "/children");
  std::ifstream list(file);
  std::vector<pid_t> children;
  for (pid_t child; list >> child;) children.push_back(child);
  return children;
}

void SignalAll(int signal) {
  for (const pid_t child : Children()) kill(child, signal);
}

int ShellStatus(int status) {
  return WIFSIGNALED(status) ? kKilled + WTERMSIG(status) : WEXITSTATUS(status);
}

// What is left of a tree: reaps its processes until there are none.
class TreeWaiter {
 public:
  TreeWaiter(pid_t command, const TreeWatch& watch,
             const WatchedSignals& signals)
      : command_(command), watch_(watch), signals_(signals) {}

  int Wait() {
    while (Reap()) {
      if (ended_ && !told_) {
        told_ = true;
        watch_.left_running(Children());
      }
      bool by_hand = false;
      const int signal = signals_.Wait(&by_hand);
      if (signal != 0) PassOn(signal, by_hand);
      if (watch_.is_void()) SignalAll(SIGKILL);
    }
    return status_;
  }

 private:
  // Returns whether there are children still.
  bool Reap() {
    int status = 0;
    pid_t child = 0;
    while ((child = waitpid(-1, &status, WNOHANG)) > 0) {
      if (child != command_) continue;
      status_ = ShellStatus(status);
      ended_ = true;
    }
    return child == 0;
  }

  void PassOn(int signal, bool by_hand) {
    if (ended_) {
      SignalAll(asked_ ? SIGKILL : SIGTERM);
      asked_ = true;
    } else if (by_hand) {
      kill(command_, signal);
    }
  }

  const pid_t command_;
  const TreeWatch& watch_;
  const WatchedSignals& signals_;
  int status_ = 0;
  bool ended_ = false;
  bool told_ = false;
  bool asked_ = false;  // what is left running has been asked to end
};

// The limit is for the command. It is lifted as far as this user may.
void LiftFileLimit() {
  constexpr rlim_t kMost = 4096;
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kMost) return;
  const rlimit most = {kMost, std::max(kMost, limit.rlim_max)};
  const rlimit hard = {limit.rlim_max, limit.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &most) != 0) setrlimit(RLIMIT_NOFILE, &hard);
}

// What a child that works apart tells through `pipe`: the message of an error.
[[noreturn]] void WorkApart(absl::FunctionRef<absl::Status()> work, int pipe) {
  EndWithParent();
  LiftFileLimit();
  const absl::Status status = work();
  const std::string message(status.message());
  const ssize_t written =
      status.ok() ? 0 : write(pipe, message.data(), message.size());
  _exit(status.ok() && written >= 0 ? 0 : 1);
}

std::string ReadAll(int descriptor) {
  std::string text;
  char part[4096];
  for (ssize_t got; (got = read(descriptor, part, sizeof(part))) > 0;) {
    text.append(part, static_cast<size_t>(got));
  }
  return text;
}

}  // namespace

absl::StatusOr<int> RunTree(const TreeCommand& command,
                            const TreeWatch& watch) {
  int failure[2];
  if (pipe2(failure, O_CLOEXEC) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot make a pipe: ", std::strerror(errno)));
  }
  const WatchedSignals signals;
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  const pid_t child = fork();
  if (child == 0) BecomeCommand(command, signals, failure[1]);
  close(failure[1]);
  int error = child < 0 ? errno : 0;
  const bool started =
      child > 0 && read(failure[0], &error, sizeof(error)) == 0;
  close(failure[0]);
  const int status = child < 0 ? 0 : TreeWaiter(child, watch, signals).Wait();
  if (started) return status;
  return absl::InvalidArgumentError(
      absl::StrCat(command.path, ": ", std::strerror(error)));
}

absl::Status RunApart(absl::FunctionRef<absl::Status()> work) {
  int told[2];
  if (pipe2(told, O_CLOEXEC) != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot make a pipe: ", std::strerror(errno)));
  }
  const WatchedSignals signals;
  const pid_t child = fork();
  if (child == 0) WorkApart(work, told[1]);
  close(told[1]);
  int status = -1;
  int signal = 0;
  while (child > 0 && waitpid(child, &status, WNOHANG) == 0) {
    bool by_hand = false;
    const int got = signals.Wait(&by_hand);
    if (got == 0) continue;
    signal = got;
    kill(child, SIGKILL);
  }
  const std::string message = ReadAll(told[0]);
  close(told[0]);
  if (signal != 0) {
    return absl::CancelledError(absl::StrCat("stopped by a signal (",
                                             strsignal(signal),
                                             "): there is no recording"));
  }
  if (child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    return absl::OkStatus();
  }
  if (!message.empty()) return absl::InvalidArgumentError(message);
  return absl::ResourceExhaustedError(
      "the recording could not be packed: memory is short");
}

}  // namespace xmmu::cli
