#include "xmmu/testing/test_guest.h"

#include <gtest/gtest.h>

#include <utility>

#include "xmmu/base/check.h"

namespace xmmu::testing {
namespace {

// Where Map() begins: clear of the null page and below every kernel (assumed:
// any address would do).
constexpr VirtAddr kFirstMapping{0x10000000};
// Mappings begin at multiples of 4 MiB, so that none shares an L1 table with
// another in any paging mode.
constexpr uint64_t kMappingAlignment = uint64_t{4} << 20;

std::unique_ptr<Simulator> MakeSimulator(const SimulatorOptions& options) {
  absl::StatusOr<std::unique_ptr<Simulator>> simulator =
      Simulator::Create(options);
  if (!simulator.ok()) ADD_FAILURE() << simulator.status();
  XMMU_CHECK(simulator.ok());
  return *std::move(simulator);
}

void ExpectOk(const absl::Status& status) {
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace

TestGuest::TestGuest(const SimulatorOptions& options)
    : simulator_(MakeSimulator(options)), next_va_(kFirstMapping) {
  Start();
}

TaskId TestGuest::Start() {
  task_ = ++last_task_;
  ExpectOk(kernel().CreateProcess(task_));
  return task_;
}

TaskId TestGuest::Fork() {
  const TaskId child = ++last_task_;
  Perform({.kind = GuestOpKind::kFork, .child = child});
  return child;
}

void TestGuest::Exit() { Perform({.kind = GuestOpKind::kExit}); }

VirtAddr TestGuest::Map(uint64_t pages, Backing backing) {
  const VirtAddr va = next_va_;
  const uint64_t bytes = pages * kPageSize;
  next_va_ +=
      (bytes + kMappingAlignment - 1) / kMappingAlignment * kMappingAlignment;
  Perform({.kind = GuestOpKind::kMap,
           .rights = kMapRead | kMapWrite,
           .backing = backing,
           .va = va,
           .length = bytes});
  return va;
}

void TestGuest::Unmap(VirtAddr va, uint64_t pages) {
  Perform({.kind = GuestOpKind::kUnmap, .va = va, .length = pages * kPageSize});
}

void TestGuest::Protect(VirtAddr va, uint64_t pages, uint8_t rights) {
  Perform({.kind = GuestOpKind::kProtect,
           .rights = rights,
           .va = va,
           .length = pages * kPageSize});
}

void TestGuest::Read(VirtAddr va, uint64_t pages) {
  Touch(GuestOpKind::kLoad, va, pages);
}

void TestGuest::Write(VirtAddr va, uint64_t pages) {
  Touch(GuestOpKind::kStore, va, pages);
}

void TestGuest::Touch(GuestOpKind kind, VirtAddr va, uint64_t pages) {
  for (uint64_t i = 0; i < pages; ++i) {
    Perform({.kind = kind, .va = va + i * kPageSize, .length = 4});
  }
}

void TestGuest::Syscall() { Perform({.kind = GuestOpKind::kSyscall}); }

void TestGuest::Perform(const GuestOp& op) {
  ExpectOk(kernel().Perform(task_, op));
}

}  // namespace xmmu::testing
