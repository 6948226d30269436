#include "cli/progress.h"

#include <unistd.h>

#include <cstdio>
#include <span>
#include <utility>

namespace xmmu::cli {
namespace {

constexpr std::chrono::milliseconds kFirst{1000};
constexpr std::chrono::milliseconds kEvery{200};

// Passes a workload through and counts what it hands out.
class WatchedWorkload final : public Workload {
 public:
  WatchedWorkload(std::unique_ptr<Workload> workload, Progress& progress)
      : workload_(std::move(workload)), progress_(progress) {}

  std::string name() const override { return workload_->name(); }
  TaskId first_task() const override { return workload_->first_task(); }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    absl::StatusOr<std::span<const GuestOp>> ops = workload_->Next(task);
    if (ops.ok()) progress_.Advance(ops->size());
    return ops;
  }

 private:
  std::unique_ptr<Workload> workload_;
  Progress& progress_;
};

}  // namespace

Progress::Progress(size_t rows)
    : shown_(isatty(STDERR_FILENO) == 1),
      rows_(rows),
      next_(Clock::now() + kFirst) {}

Progress::~Progress() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

std::unique_ptr<Workload> Progress::Watch(const std::string& row,
                                          std::unique_ptr<Workload> workload) {
  ++row_;
  name_ = row;
  operations_ = 0;
  return std::make_unique<WatchedWorkload>(std::move(workload), *this);
}

void Progress::Advance(uint64_t operations) {
  operations_ += operations;
  if (!shown_ || Clock::now() < next_) return;
  next_ = Clock::now() + kEvery;
  drawn_ = true;
  std::fprintf(stderr, "\r\033[Krow %zu of %zu, %s: %.1f million operations",
               row_, rows_, name_.c_str(),
               static_cast<double>(operations_) / 1e6);
  std::fflush(stderr);
}

}  // namespace xmmu::cli
