#ifndef XMMU_TESTS_GUEST_PVOPS_WORLD_H_
#define XMMU_TESTS_GUEST_PVOPS_WORLD_H_

// A guest under a hypervisor that records each hypercall; one that issues
// page-table operations as Linux 6.1 does; and the formulas for what must
// arrive then, found by measuring such a kernel on Xen 4.17.

#include <memory>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"
#include "guest/world.h"

namespace xmmu {

// What reached the hypervisor.
struct Issued {
  uint64_t faults = 0;                  // delivered to the guest kernel
  uint64_t emulated = 0;                // page-table writes
  uint64_t mmu_updates = 0;             // calls outside of multicalls
  uint64_t updates = 0;                 // requests in all of them
  uint64_t mappings = 0;                // update_va_mapping not in multicalls
  uint64_t mapping_flushes = 0;         // those of them that flush, too
  uint64_t mapping_members = 0;         // update_va_mapping inside multicalls
  uint64_t mmuext_calls = 0;            // calls outside of multicalls
  std::vector<size_t> multicalls = {};  // members of each
  uint64_t pins = 0;
  uint64_t unpins = 0;
  uint64_t base_loads = 0;     // operations; two a switch
  uint64_t page_flushes = 0;   // on this vCPU
  uint64_t full_flushes = 0;   // on this vCPU
  uint64_t multi_flushes = 0;  // of either kind, on several
  uint64_t active = 0;         // tables unhooked and opened to stores
  uint64_t inactive = 0;       // opened without unhooking

  bool operator==(const Issued&) const = default;
  uint64_t mmuext_ops() const { return pins + unpins + base_loads + flushes(); }
  uint64_t flushes() const {
    return page_flushes + full_flushes + multi_flushes;
  }
  uint64_t hypercalls() const {
    return mmu_updates + mappings + mmuext_calls + multicalls.size();
  }
};

void PrintTo(const Issued& issued, std::ostream* out);

// Records what arrives and delegates it to another policy.
class RecordingPolicy final : public Policy {
 public:
  RecordingPolicy(Host& host, std::string_view name)
      : inner_(FindPolicy(name)->make(host)) {}

  Issued issued;

  std::string_view name() const override { return inner_->name(); }
  absl::StatusOr<GuestAbi> Abi(PagingMode mode) const override {
    return inner_->Abi(mode);
  }
  absl::Status StartVcpu(VcpuContext& vcpu, Gfn root, Gfn user_root) override {
    return inner_->StartVcpu(vcpu, root, user_root);
  }
  HypercallResult Hypercall(VcpuContext& vcpu,
                            const xmmu::Hypercall& call) override;
  absl::Status LoadCr3(VcpuContext& vcpu, Gfn root) override {
    return inner_->LoadCr3(vcpu, root);
  }
  void FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                const TlbFlush& flush) override {
    inner_->FlushTlb(vcpu, vcpus, flush);
  }
  void SwitchMode(VcpuContext& vcpu, ModeSwitch how) override {
    inner_->SwitchMode(vcpu, how);
  }
  FaultOutcome HandlePageFault(VcpuContext& vcpu, const PageFault& fault,
                               const Access& access,
                               MemoryOperand& operand) override {
    return inner_->HandlePageFault(vcpu, fault, access, operand);
  }
  absl::Status Audit() const override { return inner_->Audit(); }

 private:
  void NoteOps(const MmuextCall& call);
  void NoteMembers(const MulticallCall& call);

  std::unique_ptr<Policy> inner_;
};

// A region with an L4 slot of its own.
inline constexpr VirtAddr kFarTables{uint64_t{1} << 40};
inline constexpr VirtAddr kStackPages{0x7ffe5ba75000};
// The process that the measurements were made in: its private pages, the L1
// tables they lie in, and its tables.
inline constexpr uint64_t kBasePages = 18;
inline constexpr uint64_t kBaseL1s = 4;
inline constexpr uint64_t kBaseL2s = 2;
inline constexpr uint64_t kBaseL3s = 2;

// A machine with one guest, and what it issues. Task 1 exists.
class RecordedWorld {
 public:
  explicit RecordedWorld(const Setting& setting, uint64_t memory_mib = 96);

  void Do(TaskId task, const GuestOp& op);
  // One access to each of `pages` pages.
  void Access(TaskId task, GuestOpKind kind, uint64_t pages, VirtAddr va) {
    for (uint64_t i = 0; i < pages; ++i) Do(task, AccessOp(kind, i, va));
  }
  // Runs `steps` and returns what was issued.
  template <typename Steps>
  Issued Take(Steps steps) {
    Mark();
    steps();
    return Since();
  }
  Issued Take(TaskId task, const GuestOp& op) {
    return Take([&] { Do(task, op); });
  }

  void Mark();
  Issued Since();
  GuestKernel& kernel() { return *kernel_; }
  uint64_t Counted(Counter counter) const;
  // How often the first CPU was charged for `event`.
  uint64_t Charged(CostEvent event) { return host_.cpu(0).clock.tally(event); }

 private:
  // The figures that counters have, not the recorded calls.
  Issued Counts() const;

  Host host_;
  std::unique_ptr<RecordingPolicy> policy_;
  std::unique_ptr<GuestKernel> kernel_;
  Issued before_;
  uint64_t fixed_ = 0;
};

class PvopsWorld : public RecordedWorld {
 public:
  // Task 1 runs on vCPU 0 with the base process's pages. With `threads` there
  // is a second vCPU that has its address space loaded all the time, and
  // actor() is the task on vCPU 1 that shares it.
  explicit PvopsWorld(bool threads = false, uint64_t memory_mib = 96);

  TaskId actor() const { return actor_; }
  using RecordedWorld::Access;
  using RecordedWorld::Do;
  using RecordedWorld::Take;
  void Do(const GuestOp& op) { Do(actor_, op); }
  void Access(GuestOpKind kind, uint64_t pages, VirtAddr va = kFarTables) {
    Access(actor_, kind, pages, va);
  }
  void MapAndStore(uint64_t pages, Backing backing = Backing::kAnonymous) {
    Do(FarMap(pages, backing));
    Access(GuestOpKind::kStore, pages);
  }
  static GuestOp FarMap(uint64_t pages, Backing backing = Backing::kAnonymous) {
    return MapOp(pages, backing, kMapRead | kMapWrite, kFarTables);
  }
  static GuestOp FarOp(GuestOpKind kind, uint64_t pages, uint8_t rights = 0) {
    return RangeOp(kind, pages, rights, kFarTables);
  }
  Issued Take(const GuestOp& op) { return Take(actor_, op); }

 private:
  TaskId actor_ = 1;
};

// The number of L1 tables of `pages` pages that begin with a table.
constexpr uint64_t TablesOf(uint64_t pages) { return (pages + 511) / 512; }
// The number of mmu_update calls for one queue of `updates`.
constexpr uint64_t Batches(uint64_t updates) { return (updates + 30) / 31; }
// The number of mmu_update calls for `pages` pages that begin with a table,
// with a queue for each L1.
constexpr uint64_t TableBatches(uint64_t pages) {
  return pages / 512 * Batches(512) + Batches(pages % 512);
}
// Adds the flush of `pages` pages.
inline void AddFlush(Issued& issued, uint64_t pages, bool threads) {
  if (threads) {
    ++issued.multi_flushes;
  } else if (pages <= 33) {
    issued.page_flushes += pages;
  } else {
    ++issued.full_flushes;
  }
}
// Adds the calls that follow from the rest: each flush is a call of its own.
inline Issued WithCalls(Issued issued) {
  issued.mmuext_calls = issued.flushes() + issued.base_loads / 2;
  return issued;
}
// Adds a queue of `entries`, issued 32 at a time.
inline void AddQueue(Issued& issued, uint64_t entries) {
  for (; entries > 32; entries -= 32) issued.multicalls.push_back(32);
  issued.multicalls.push_back(entries);
}

}  // namespace xmmu

#endif  // XMMU_TESTS_GUEST_PVOPS_WORLD_H_
