#include "xmmu/sim/guest_driver.h"

#include "guest/kernel_layout.h"
#include "xmmu/base/check.h"
#include "xmmu/machine/pte.h"

namespace xmmu {
namespace {

// Bits 9 to 11 are software's; Linux and Xen leave bit 9 of a user page alone
// (_PAGE_BIT_UNUSED1).
constexpr uint64_t kUnused = uint64_t{1} << 9;

}  // namespace

absl::StatusOr<GuestDriver> GuestDriver::Create(
    const SimulatorOptions& options) {
  auto simulator = Simulator::Create(options);
  if (!simulator.ok()) return simulator.status();
  GuestDriver guest(*std::move(simulator));
  guest.Start(kFirstTask);
  if (!guest.status().ok()) return guest.status();
  return guest;
}

void GuestDriver::Start(TaskId task) {
  task_ = task;
  if (status_.ok()) status_ = simulator_->guest().CreateProcess(task);
}

void GuestDriver::Perform(const GuestOp& op) {
  if (status_.ok() && options().stop.stop_requested()) {
    status_ = absl::CancelledError("stopped");
  }
  if (status_.ok()) status_ = simulator_->guest().Perform(task_, op);
}

void GuestDriver::Map(uint64_t pages, Backing backing) {
  Perform({.kind = GuestOpKind::kMap,
           .rights = kMapRead | kMapWrite,
           .backing = backing,
           .va = kRegion,
           .length = pages * kPageSize});
}

void GuestDriver::Protect(uint64_t pages, uint8_t rights, uint64_t first) {
  Perform({.kind = GuestOpKind::kProtect,
           .rights = rights,
           .va = kRegion + first * kPageSize,
           .length = pages * kPageSize});
}

void GuestDriver::Unmap(uint64_t pages) {
  Perform({.kind = GuestOpKind::kUnmap,
           .va = kRegion,
           .length = pages * kPageSize});
}

void GuestDriver::Write(uint64_t pages, uint64_t first) {
  Access(GuestOpKind::kStore, pages, first);
}

void GuestDriver::Read(uint64_t pages, uint64_t first) {
  Access(GuestOpKind::kLoad, pages, first);
}

GuestDriver::L1Entry GuestDriver::FindEntry(uint64_t page) {
  Domain& domain = simulator_->domain();
  const PagingMode mode = domain.mode();
  const auto roots = simulator_->guest().RootsOf(task_);
  XMMU_CHECK(roots.has_value());
  const VirtAddr va = kRegion + page * kPageSize;
  Pfn table = roots->root;
  L1Entry entry;
  entry.bytes = EntryBytes(mode);
  for (int level = LevelCount(mode); level > 0; --level) {
    const int index = IndexOf(mode, level, va);
    const MachineAddr frame = AddressOf(domain.p2m().MfnOf(table));
    entry.at = EntryAddress(mode, frame, index);
    entry.value = simulator_->host().memory().ReadEntry(entry.at, entry.bytes);
    entry.va =
        LayoutOf(mode).DirectVa(table) +
        static_cast<uint64_t>(index) * static_cast<uint64_t>(entry.bytes);
    table = domain.PfnOf(Gfn(Pte(entry.value).frame().value()));
  }
  return entry;
}

Cost GuestDriver::StoreToEntry(uint64_t times) {
  if (!status_.ok()) return {};
  const L1Entry entry = FindEntry();
  Vcpu& vcpu = simulator_->guest().vcpu(0);
  vcpu.SwitchMode(ModeSwitch::kSyscall);
  // The first store is not measured.
  vcpu.Store(entry.va, entry.bytes, entry.value);
  const Cost cost = Measure([&] {
    for (uint64_t i = 0; i < times; ++i) {
      vcpu.Store(entry.va, entry.bytes,
                 i % 2 == 0 ? entry.value | kUnused : entry.value);
    }
  });
  vcpu.SwitchMode(ModeSwitch::kSysret);
  return cost;
}

void GuestDriver::Access(GuestOpKind kind, uint64_t pages, uint64_t first) {
  for (uint64_t i = first; i < first + pages; ++i) {
    Perform({.kind = kind, .va = kRegion + i * kPageSize, .length = 4});
  }
}

}  // namespace xmmu
