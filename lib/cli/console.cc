#include "cli/console.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
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

// The first signal that came, and the eventfd that tells of it: a handler of
// signals reaches nothing but what is static. A console has them as long as it
// lives.
std::atomic<int> first_signal = 0;
std::atomic<int> told_fd = -1;
static_assert(std::atomic<int>::is_always_lock_free);

void Note(int signal) {
  const int error = errno;
  int none = 0;
  if (first_signal.compare_exchange_strong(none, signal) && told_fd >= 0) {
    const uint64_t one = 1;
    // An eventfd that is 0 takes it.
    [[maybe_unused]] const ssize_t written = write(told_fd, &one, sizeof(one));
  }
  errno = error;
}

std::string Million(uint64_t operations) {
  return absl::StrFormat("%.1f million operations",
                         static_cast<double>(operations) / 1e6);
}

}  // namespace

Console::Console() {
  first_signal = 0;
  told_fd = signal_fd_ = eventfd(0, EFD_CLOEXEC);
  if (signal_fd_ < 0) return;
  struct sigaction action = {};
  action.sa_handler = &Note;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    sigaddset(&action.sa_mask, signal);
  }
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    if (!IsTaken(signal)) continue;
    sigaction(signal, &action, nullptr);
    taken_.push_back(signal);
  }
}

Console::~Console() {
  End();
  if (kept_ == nullptr) GiveBack();
}

void Console::GiveBack() {
  // Those that follow the first are of the same interrupt until the program has
  // ended.
  if (first_signal != 0) return;
  for (const int signal : taken_) std::signal(signal, SIG_DFL);
  taken_.clear();
  told_fd = -1;
  if (signal_fd_ >= 0) close(std::exchange(signal_fd_, -1));
}

absl::Status Console::BeginWithoutSignals() {
  GiveBack();
  signal_ = first_signal.load();
  return signal_ == 0 ? absl::OkStatus() : absl::CancelledError("stopped");
}

void Console::Begin(std::string name) {
  name_ = std::move(name);
  shows_ = isatty(STDERR_FILENO) == 1;
  end_fd_ = eventfd(0, EFD_CLOEXEC);
  try {
    if (signal_fd_ >= 0 && end_fd_ >= 0) {
      thread_ = std::thread([this] { Watch(); });
      return;
    }
  } catch (const std::system_error&) {
  }
  // Without the thread signals do what they do by default.
  GiveBack();
  signal_ = first_signal.load();
  if (signal_ != 0) stop_.request_stop();
}

void Console::End() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    // An eventfd that is 0 takes it.
    if (write(end_fd_, &one, sizeof(one)) < 0) return;
    thread_.join();
  }
  if (end_fd_ >= 0) close(std::exchange(end_fd_, -1));
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
  // Once a signal is known there is nothing more to learn of it.
  poll(events, signal_ == 0 ? 2 : 1, milliseconds);
  if (events[0].revents != 0) return false;
  signal_ = first_signal.load();
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
