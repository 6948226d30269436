#ifndef XMMU_TESTS_GUEST_VIRTUAL_TLB_H_
#define XMMU_TESTS_GUEST_VIRTUAL_TLB_H_

// The simplest strategy for a guest whose tables hold guest frame numbers: a
// table tree of the hypervisor's own that is filled on faults and thrown away
// on every flush, as a TLB would be. It is here to show that the guest kernel,
// the vCPU door and the Policy interface are right for translated guests;
// nobody would want to run on it.
//
//   entry missing --fault, the guest's tables allow it--> copied, A set
//   copied read-only --write fault, allowed--> writable, D set
//   anything --MOV CR3, flush--> everything missing

#include <map>
#include <memory>
#include <vector>

#include "xmmu/base/check.h"
#include "xmmu/machine/pte.h"
#include "xmmu/policy/policies.h"

namespace xmmu {

class VirtualTlb final : public Policy {
 public:
  explicit VirtualTlb(Host& host)
      : host_(host), bare_(FindPolicy("native")->make(host)) {}

  std::string_view name() const override { return "virtual-tlb"; }
  absl::StatusOr<GuestAbi> Abi(PagingMode) const override {
    GuestAbi abi;
    abi.translated = true;
    return abi;
  }

  absl::Status StartVcpu(VcpuContext& vcpu, Gfn root, Gfn) override {
    ControlRegisters registers =
        KernelControlRegisters(vcpu.domain->mode(), host_.model().features);
    vcpu.guest_table = vcpu.domain->MfnOf(root);
    registers.cr3 = AddressOf(NewTable(vcpu)).value();
    vcpu.cr3 = registers.cr3;
    vcpu.registers = registers;
    if (vcpu.cpu->current == &vcpu) {
      XMMU_CHECK(!vcpu.cpu->mmu.Reset(registers).has_value());
    }
    return absl::OkStatus();
  }
  absl::Status LoadCr3(VcpuContext& vcpu, Gfn root) override {
    vcpu.guest_table = vcpu.domain->MfnOf(root);
    Forget(vcpu);
    return absl::OkStatus();
  }
  void FlushTlb(VcpuContext& vcpu, CpuMask vcpus, const TlbFlush&) override {
    for (uint32_t id = 0; id < vcpu.domain->vcpu_count(); ++id) {
      if ((vcpus & MaskOf(id)) != 0) Forget(vcpu.domain->vcpu(id));
    }
  }
  void SwitchMode(VcpuContext& vcpu, ModeSwitch how) override {
    bare_->SwitchMode(vcpu, how);
  }

  FaultOutcome HandlePageFault(VcpuContext& vcpu, const PageFault& fault,
                               const Access& access, MemoryOperand&) override {
    const GuestWalk walk = Walk(vcpu, access);
    if (!walk.allowed) {
      PageFault seen = fault;
      seen.error_code &= ~pf::kProtection;
      if (walk.present) seen.error_code |= pf::kProtection;
      return {FaultAction::kReflect, seen};
    }
    Fill(vcpu, access, walk);
    return {FaultAction::kRetry, {}};
  }

 private:
  struct GuestWalk {
    bool present = false;
    bool allowed = false;
    uint64_t leaf_flags = 0;  // for our 4 KiB entry
    Mfn frame;                // machine frame of the page
  };

  static MachineAddr SlotAt(const VcpuContext& vcpu, Mfn table, int level,
                            VirtAddr va) {
    const PagingMode mode = vcpu.domain->mode();
    return EntryAddress(mode, AddressOf(table), IndexOf(mode, level, va));
  }

  // Walks the guest's tables and, if the access is allowed, sets A and D there.
  GuestWalk Walk(const VcpuContext& vcpu, const Access& access) {
    const PagingMode mode = vcpu.domain->mode();
    const int bytes = EntryBytes(mode);
    GuestWalk walk;
    bool writable = true;
    bool user = true;
    bool no_execute = false;
    Mfn table = vcpu.guest_table;
    std::vector<std::pair<MachineAddr, Pte>> path;
    for (int level = LevelCount(mode);; --level) {
      const MachineAddr slot = SlotAt(vcpu, table, level, access.va);
      const Pte entry(host_.memory().ReadEntry(slot, bytes));
      if (!entry.present()) return walk;
      const bool pdpte = mode == PagingMode::kPae && level == 3;
      if (!pdpte) {
        path.emplace_back(slot, entry);
        writable &= entry.writable();
        user &= entry.user();
        no_execute |= entry.no_execute();
      }
      const bool leaf = level == 1 || (!pdpte && entry.page_size());
      uint64_t gfn = entry.frame().value();
      if (leaf) {
        const uint64_t frames = uint64_t{1} << (LevelShift(mode, level) - 12);
        gfn = (gfn & ~(frames - 1)) |
              ((access.va.value() >> kPageShift) & (frames - 1));
        walk.frame = vcpu.domain->MfnOf(Gfn(gfn));
        break;
      }
      table = vcpu.domain->MfnOf(Gfn(gfn));
    }
    walk.present = true;
    const bool write = access.is_write();
    walk.allowed = (!write || writable) && (!access.user || user) &&
                   (!access.is_fetch() || !no_execute);
    if (!walk.allowed) return walk;
    for (auto& [slot, entry] : path) entry = entry.With(pte::kAccessed);
    if (write) path.back().second = path.back().second.With(pte::kDirty);
    for (const auto& [slot, entry] : path) {
      host_.memory().WriteEntry(slot, bytes, entry.raw());
    }
    const bool dirty = path.back().second.dirty();
    walk.leaf_flags = pte::kPresent | (writable && dirty ? pte::kWritable : 0) |
                      (user ? pte::kUser : 0) |
                      (no_execute ? pte::kNoExecute : 0);
    return walk;
  }

  void Fill(VcpuContext& vcpu, const Access& access, const GuestWalk& walk) {
    const PagingMode mode = vcpu.domain->mode();
    const int bytes = EntryBytes(mode);
    Mfn table = FrameOf(MachineAddr(vcpu.cr3));
    for (int level = LevelCount(mode); level > 1; --level) {
      const MachineAddr slot = SlotAt(vcpu, table, level, access.va);
      Pte entry(host_.memory().ReadEntry(slot, bytes));
      if (!entry.present()) {
        const bool pdpte = mode == PagingMode::kPae && level == 3;
        entry = Pte(NewTable(vcpu), pte::kPresent);
        if (!pdpte) entry = entry.With(pte::kWritable | pte::kUser);
        host_.memory().WriteEntry(slot, bytes, entry.raw());
        if (pdpte) XMMU_CHECK(!vcpu.cpu->mmu.LoadCr3(vcpu.cr3).has_value());
      }
      table = entry.frame();
    }
    host_.memory().WriteEntry(SlotAt(vcpu, table, 1, access.va), bytes,
                              Pte(walk.frame, walk.leaf_flags).raw());
  }

  Mfn NewTable(VcpuContext& vcpu) {
    tables_[&vcpu].push_back(host_.AllocXenFrame());
    return tables_[&vcpu].back();
  }

  void Forget(VcpuContext& vcpu) {
    for (Mfn table : tables_[&vcpu]) host_.FreeXenFrame(table);
    tables_[&vcpu].clear();
    vcpu.cr3 = AddressOf(NewTable(vcpu)).value();
    XMMU_CHECK(!vcpu.cpu->mmu.LoadCr3(vcpu.cr3).has_value());
    XMMU_CHECK(!vcpu.cpu->mmu.FlushAll().has_value());
  }

  Host& host_;
  std::unique_ptr<Policy> bare_;
  // The map is only looked up, never iterated.
  std::map<const VcpuContext*, std::vector<Mfn>> tables_;
};

}  // namespace xmmu

#endif  // XMMU_TESTS_GUEST_VIRTUAL_TLB_H_
