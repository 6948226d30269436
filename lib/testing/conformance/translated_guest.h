#ifndef XMMU_TESTING_CONFORMANCE_TRANSLATED_GUEST_H_
#define XMMU_TESTING_CONFORMANCE_TRANSLATED_GUEST_H_

// An unmodified guest with tables written by hand, under any policy that has
// such guests: everything that the tests do to it goes through its processor,
// faults and all.
//
// Frame n of the guest is mapped at kBase + n pages, writable, user; the tables
// are frames 0 (the root) to kTables - 1. All of memory is mapped by large
// pages at kLarge as well; there are no tables in its second half.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "xmmu/base/check.h"
#include "xmmu/machine/pte.h"
#include "xmmu/policy/policy.h"

namespace xmmu::conformance {

inline constexpr VirtAddr kBase{0x400000};
inline constexpr VirtAddr kLarge{0x40000000};
inline constexpr VirtAddr kFar{0x80000000};  // nothing yet, but an L2 table
inline constexpr uint64_t kTables = 8;
inline constexpr uint64_t kMapped = 64;  // frames at kBase
inline constexpr uint64_t kFrames = 1024;
inline constexpr uint64_t kUserRw =
    pte::kPresent | pte::kWritable | pte::kUser | pte::kAccessed | pte::kDirty;

class TranslatedGuest {
 public:
  // Both outlive the guest.
  TranslatedGuest(Host& the_host, Policy& the_policy, PagingMode mode,
                  int vcpus = 1)
      : host_(the_host), policy_(the_policy), mode_(mode) {
    domain = *host_.CreateDomain({.mode = mode,
                                  .memory_frames = kFrames,
                                  .vcpus = vcpus,
                                  .translated = true});
    root = NewTable();
    for (uint64_t pfn = 0; pfn < kMapped; ++pfn) {
      Poke(SlotFor(kBase + pfn * kPageSize), Entry(pfn));
    }
    constexpr uint64_t kFlags = kUserRw | pte::kPageSize;
    Poke(SlotFor(kLarge, 2), Entry(0, kFlags));
    if (mode != PagingMode::k2Level) {
      Poke(SlotFor(kLarge + 512 * kPageSize, 2), Entry(512, kFlags));
    }
    SlotFor(kFar, 2);
  }

  virtual ~TranslatedGuest() = default;
  TranslatedGuest(const TranslatedGuest&) = delete;
  TranslatedGuest& operator=(const TranslatedGuest&) = delete;

  // What has gone wrong first: an audit that found something, or an access that
  // faults for ever; "" if nothing.
  const std::string& wrong() const { return wrong_; }

  absl::Status Start() {
    for (uint32_t id = 0; id < domain->vcpu_count(); ++id) {
      const absl::Status status =
          policy_.StartVcpu(domain->vcpu(id), Gfn(root), kInvalidGfn);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  VcpuContext& vcpu(uint32_t id = 0) { return domain->vcpu(id); }
  Cpu& cpu(uint32_t id = 0) { return *vcpu(id).cpu; }
  uint64_t Count(Counter counter, uint32_t id = 0) {
    return cpu(id).counters[counter];
  }

  // Gives vCPU `id` its CPU, if another one has it.
  void Resume(uint32_t id) {
    Cpu& on = cpu(id);
    if (on.current == &vcpu(id)) return;
    if (on.current != nullptr) policy_.Deschedule(*on.current);
    host_.SwitchVcpu(on, vcpu(id));
  }

  // Executes `operand` at `va`, with all faults that are not the guest's own.
  // Returns whether it was completed; if not, last_fault is the guest's.
  bool Execute(VirtAddr va, MemoryOperand& operand, uint32_t id = 0) {
    const Access access{
        va, operand.writes() ? AccessKind::kWrite : AccessKind::kRead, user};
    for (int tries = 0; tries < 64; ++tries) {
      const TranslateResult result = cpu(id).mmu.Translate(access);
      if (result.ok()) {
        operand.Perform(host_.memory(), result.addr());
        last_addr = result.addr();
        return true;
      }
      const FaultOutcome outcome =
          policy_.HandlePageFault(vcpu(id), result.fault(), access, operand);
      CheckAudit();
      if (outcome.action == FaultAction::kEmulated) return true;
      if (outcome.action == FaultAction::kReflect) {
        last_fault = outcome.guest_fault;
        return false;
      }
    }
    Fail("faults for ever");
    return false;
  }
  bool Store(VirtAddr va, uint64_t value, uint32_t id = 0) {
    MemoryOperand operand{.kind = OperandKind::kStore,
                          .size = static_cast<uint8_t>(EntryBytes(mode_)),
                          .value = value};
    return Execute(va, operand, id);
  }
  bool Load(VirtAddr va, uint32_t id = 0) {
    MemoryOperand operand{.size = static_cast<uint8_t>(EntryBytes(mode_))};
    return Execute(va, operand, id);
  }
  // The frame that a load of `va` reaches; ~0 if it faults.
  uint64_t FrameAt(VirtAddr va, uint32_t id = 0) {
    if (!Load(va, id)) return ~uint64_t{0};
    return domain->p2m().PfnOf(FrameOf(last_addr)).value();
  }

  // Whether the policy's state is recounted after each of these.
  bool audits = true;

  void CheckAudit() {
    if (!audits) return;
    const absl::Status status = policy_.Audit();
    if (!status.ok()) Fail(status.ToString());
  }

  void Flush(const TlbFlush& flush, CpuMask vcpus = 1, uint32_t id = 0) {
    policy_.FlushTlb(vcpu(id), vcpus, flush);
    CheckAudit();
  }
  absl::Status LoadCr3(uint64_t pfn, uint32_t id = 0) {
    const absl::Status status = policy_.LoadCr3(vcpu(id), Gfn(pfn));
    CheckAudit();
    return status;
  }

  uint64_t Entry(uint64_t pfn, uint64_t flags = kUserRw) const {
    return Pte(Mfn(pfn), flags).raw();
  }
  // Returns the machine address of the slot of `level` for `va` in the tables
  // at the root, making those above as needed. Seen() is where the guest sees
  // it.
  MachineAddr SlotFor(VirtAddr va, int level = 1) {
    uint64_t table = root;
    for (int above = LevelCount(mode_); above > level; --above) {
      const MachineAddr slot = SlotIn(table, above, va);
      const Pte entry(host_.memory().ReadEntry(slot, EntryBytes(mode_)));
      if (entry.present()) {
        table = entry.frame().value();
        continue;
      }
      table = NewTable();
      const bool pdpte = mode_ == PagingMode::kPae && above == 3;
      Poke(slot, Entry(table, pdpte ? pte::kPresent : kUserRw));
    }
    return SlotIn(table, level, va);
  }
  VirtAddr Seen(MachineAddr slot) const {
    const Pfn pfn = domain->p2m().PfnOf(FrameOf(slot));
    return kBase + pfn.value() * kPageSize + PageOffset(slot);
  }
  MachineAddr SlotIn(uint64_t table, int level, VirtAddr va) const {
    return EntryAddress(mode_, AddressOf(domain->p2m().MfnOf(Pfn(table))),
                        IndexOf(mode_, level, va));
  }
  uint64_t TableOf(VirtAddr va) {
    return domain->p2m().PfnOf(FrameOf(SlotFor(va))).value();
  }
  // Writes an entry before the guest runs.
  void Poke(MachineAddr slot, uint64_t value) {
    host_.memory().WriteEntry(slot, EntryBytes(mode_), value);
  }
  uint64_t Peek(MachineAddr slot) const {
    return host_.memory().ReadEntry(slot, EntryBytes(mode_));
  }

  uint64_t NewTable() {
    XMMU_CHECK(next_table_ < kTables);
    return next_table_++;
  }

  Domain* domain = nullptr;
  uint64_t root = 0;
  bool user = true;  // the mode that it executes in
  MachineAddr last_addr;
  PageFault last_fault;

 protected:
  // Takes note of what has gone wrong.
  virtual void Fail(const std::string& what) {
    if (wrong_.empty()) wrong_ = what;
  }

 private:
  Host& host_;
  Policy& policy_;
  PagingMode mode_;
  uint64_t next_table_ = 0;
  std::string wrong_;
};

}  // namespace xmmu::conformance

#endif  // XMMU_TESTING_CONFORMANCE_TRANSLATED_GUEST_H_
