#include "sim/bench_guest.h"

namespace xmmu {

absl::StatusOr<BenchGuest> BenchGuest::Create(const SimulatorOptions& options) {
  auto simulator = Simulator::Create(options);
  if (!simulator.ok()) return simulator.status();
  BenchGuest guest(*std::move(simulator));
  guest.Start(kFirstTask);
  if (!guest.status().ok()) return guest.status();
  return guest;
}

void BenchGuest::Start(TaskId task) {
  task_ = task;
  if (status_.ok()) status_ = simulator_->guest().CreateProcess(task);
}

void BenchGuest::Perform(const GuestOp& op) {
  if (status_.ok()) status_ = simulator_->guest().Perform(task_, op);
}

void BenchGuest::Map(uint64_t pages, Backing backing) {
  Perform({.kind = GuestOpKind::kMap,
           .rights = kMapRead | kMapWrite,
           .backing = backing,
           .va = kRegion,
           .length = pages * kPageSize});
}

void BenchGuest::Protect(uint64_t pages, uint8_t rights, uint64_t first) {
  Perform({.kind = GuestOpKind::kProtect,
           .rights = rights,
           .va = kRegion + first * kPageSize,
           .length = pages * kPageSize});
}

void BenchGuest::Unmap(uint64_t pages) {
  Perform({.kind = GuestOpKind::kUnmap,
           .va = kRegion,
           .length = pages * kPageSize});
}

void BenchGuest::Write(uint64_t pages, uint64_t first) {
  Access(GuestOpKind::kStore, pages, first);
}

void BenchGuest::Read(uint64_t pages, uint64_t first) {
  Access(GuestOpKind::kLoad, pages, first);
}

void BenchGuest::Access(GuestOpKind kind, uint64_t pages, uint64_t first) {
  for (uint64_t i = first; i < first + pages; ++i) {
    Perform({.kind = kind, .va = kRegion + i * kPageSize, .length = 4});
  }
}

}  // namespace xmmu
