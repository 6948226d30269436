#include "cli/console.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/exit_status.h"

namespace xmmu::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kFirstLine = 1000;  // milliseconds
constexpr int kNextLine = 200;
// How long what runs may take to stop by itself.
constexpr int kGrace = 250;
// Shells give a program that a signal has ended 128 and the signal's number.
constexpr int kBySignal = 128;

// Whether `signal` does what it does to a program by default; a shell has its
// background jobs ignore SIGINT, and nohup SIGHUP.
bool IsTaken(int signal) {
  struct sigaction action;
  return sigaction(signal, nullptr, &action) == 0 &&
         action.sa_handler == SIG_DFL;
}

std::string Million(uint64_t operations) {
  return absl::StrFormat("%.1f million operations",
                         static_cast<double>(operations) / 1e6);
}

}  // namespace

Console::Console() { BlockSignals(); }

Console::~Console() {
  End();
  if (!before_.has_value()) return;
  // What has come since is of the same interrupt.
  constexpr timespec kNow = {};
  while (signal_ != 0 && sigtimedwait(&signals_, nullptr, &kNow) > 0) {
  }
  pthread_sigmask(SIG_SETMASK, &*before_, nullptr);
}

void Console::BlockSignals() {
  sigemptyset(&signals_);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    if (IsTaken(signal)) sigaddset(&signals_, signal);
  }
  before_.emplace();
  pthread_sigmask(SIG_BLOCK, &signals_, &*before_);
}

void Console::Begin(std::string name) {
  name_ = std::move(name);
  shows_ = isatty(STDERR_FILENO) == 1;
  signal_fd_ = signalfd(-1, &signals_, SFD_CLOEXEC);
  end_fd_ = eventfd(0, EFD_CLOEXEC);
  try {
    if (signal_fd_ >= 0 && end_fd_ >= 0) {
      thread_ = std::thread([this] { Watch(); });
      return;
    }
  } catch (const std::system_error&) {
  }
  // Without the thread signals do what they do by default.
  LeaveSignals();
}

void Console::LeaveSignals() {
  pthread_sigmask(SIG_SETMASK, &*before_, nullptr);
  before_.reset();
}

void Console::End() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    // An eventfd that is 0 takes it.
    if (write(end_fd_, &one, sizeof(one)) < 0) return;
    thread_.join();
  }
  for (int* descriptor : {&signal_fd_, &end_fd_}) {
    if (*descriptor >= 0) close(std::exchange(*descriptor, -1));
  }
  Wipe();
}

std::string Console::Message() const {
  return absl::StrCat(
      "interrupted by SIG", sigabbrev_np(signal_),
      writing_ ? " while the result was written" : ": nothing is written");
}

absl::Status Console::ResultOf(const absl::Status& status) const {
  if (signal_ == 0 || status.ok()) return status;
  return WithExitStatus(absl::CancelledError(Message()), kBySignal + signal_);
}

absl::Status Console::BeginOutput() {
  const Hold hold(*this);
  if (stop_.stop_requested()) return absl::CancelledError("stopped");
  writing_ = true;
  Wipe();
  shows_ = false;
  return absl::OkStatus();
}

void Console::RemoveIfEnded(std::string path) {
  const Hold hold(*this);
  removed_ = std::move(path);
}

void Console::Watch() {
  int pause = kFirstLine;
  while (signal_ == 0) {
    if (!Wait(shows_ ? pause : -1)) return;
    if (signal_ == 0) Draw();
    pause = kNextLine;
  }
  stop_.request_stop();
  // What comes now is of the same interrupt: timeout(1) sends it twice.
  const Clock::time_point end =
      Clock::now() + std::chrono::milliseconds(kGrace);
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - Clock::now());
    if (left.count() <= 0) EndProgram();
    if (!Wait(static_cast<int>(left.count()))) return;
  }
}

bool Console::Wait(int milliseconds) {
  pollfd events[] = {{end_fd_, POLLIN, 0}, {signal_fd_, POLLIN, 0}};
  poll(events, 2, milliseconds);
  if (events[0].revents != 0) return false;
  signalfd_siginfo info;
  if (events[1].revents != 0 &&
      read(signal_fd_, &info, sizeof(info)) == sizeof(info) && signal_ == 0) {
    signal_ = static_cast<int>(info.ssi_signo);
  }
  return true;
}

void Console::Draw() {
  const std::lock_guard lock(drawing_);
  if (!shows_) return;
  const uint64_t expected = progress_.expected();
  const uint64_t operations = progress_.operations();
  std::string line;
  if (expected > 1) {
    line = absl::StrCat(progress_.finished(), " of ", expected, " done");
  }
  if (operations > 0) {
    absl::StrAppend(&line, line.empty() ? "" : ", ", Million(operations));
  }
  if (line.empty()) return;
  drawn_ = true;
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
}

void Console::Wipe() {
  const std::lock_guard lock(drawing_);
  if (std::exchange(drawn_, false)) std::fputs("\r\033[K", stderr);
  shows_ = false;
}

void Console::EndProgram() {
  const Hold hold(*this);
  if (!removed_.empty()) unlink(removed_.c_str());
  Wipe();
  const std::string line = absl::StrCat("xmmu ", name_, ": ", Message(), "\n");
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
  _exit(kBySignal + signal_);
}

}  // namespace xmmu::cli
