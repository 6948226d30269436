#include "sim/migration.h"

#include <algorithm>

#include "xmmu/base/check.h"
#include "xmmu/sim/cost.h"

namespace xmmu {
namespace {

// This many operations are passed on at a time. They are few because those
// passed on to other tasks are not executed yet when a round is due.
constexpr uint64_t kPiece = 16;

}  // namespace

absl::StatusOr<std::span<const GuestOp>> MigratingWorkload::Next(TaskId task) {
  if (state_ == State::kBefore) Start();
  if (state_ == State::kLogging && until_round_ == 0) Round();
  std::span<const GuestOp>& rest = rest_[task];
  if (rest.empty()) {
    absl::StatusOr<std::span<const GuestOp>> ops = workload_.Next(task);
    if (!ops.ok()) return ops.status();
    rest = *ops;
  }
  uint64_t count = rest.size();
  if (state_ == State::kLogging) {
    count = std::min({count, kPiece, until_round_});
    until_round_ -= count;
  }
  const std::span<const GuestOp> piece = rest.first(count);
  rest = rest.subspan(count);
  return piece;
}

template <typename Call>
void MigratingWorkload::Domctl(Call call) {
  const Cost before = CostOf(host_);
  call(host_.cpu(0));
  report_.domctl_cycles += (CostOf(host_) - before).cycles;
  // The domain was paused meanwhile, so all CPUs go on at the same time.
  for (uint32_t id = 0; id < host_.cpu_count(); ++id) {
    host_.cpu(id).clock.AdvanceTo(host_.cpu(0).clock.now());
  }
}

void MigratingWorkload::Start() {
  state_ = State::kAfter;
  const absl::StatusOr<WriteLogging*> log = policy_.WriteLoggingOf(domain_);
  absl::Status status = log.status();
  if (log.ok()) {
    log_ = *log;
    Domctl([&](Cpu& cpu) { status = log_->Start(cpu); });
  }
  if (!status.ok()) {
    report_.refused = std::string(status.message());
    return;
  }
  state_ = State::kLogging;
  until_round_ = options_.every_ops;
  report_.pages_sent += domain_.p2m().populated();  // by the first round
}

void MigratingWorkload::Round() {
  uint64_t marked = 0;
  Domctl([&](Cpu& cpu) {
    const absl::StatusOr<DirtyBitmap> pages =
        log_->Fetch(cpu, DirtyFetch::kClean);
    XMMU_CHECK(pages.ok());
    marked = pages->count();
  });
  report_.dirty_pages.push_back(marked);
  report_.pages_sent += marked;
  until_round_ = options_.every_ops;
  if (++rounds_ == options_.rounds) Stop();
}

void MigratingWorkload::Stop() {
  state_ = State::kAfter;
  Domctl([&](Cpu& cpu) { XMMU_CHECK(log_->Stop(cpu).ok()); });
}

void MigratingWorkload::Finish() {
  if (state_ == State::kLogging) Round();
  if (state_ == State::kLogging) Stop();
}

}  // namespace xmmu
