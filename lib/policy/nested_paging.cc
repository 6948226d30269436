// nested-paging: the processor translates the guest's physical addresses by
// tables of the hypervisor's (Xen: hardware-assisted paging; EPT, NPT).
//
// The guest is unmodified and owns its tables: MOV to CR3, INVLPG, faults and
// stores to tables never leave it and cost what they cost on bare hardware.
// What it pays is in the walks, which are two-dimensional. The hypervisor acts
// on violations of the nested tables alone:
//
//   page of the P2M not mapped --violation--> mapped, guest goes on
//   page given back --hypercall--> unmapped, flushed everywhere, free
//   page read-only, for the log --violation of a write--> marked, writable
//   page of nobody accessed --violation--> emulated as memory that is not there
//
// The interrupts that the guest sends to its other processors exit as
// xmmu/xen/vm_exit.h says.
// Source: Xen 4.17, xen/arch/x86/hvm/hvm.c, hvm_hap_nested_page_fault;
// xen/arch/x86/mm/hap, p2m-ept.c.

#include <memory>
#include <span>
#include <vector>

#include "absl/strings/str_format.h"
#include "xmmu/base/check.h"
#include "xmmu/base/span_log.h"
#include "xmmu/machine/control_registers.h"
#include "xmmu/policy/policies.h"
#include "xmmu/xen/nested_tables.h"
#include "xmmu/xen/physmap.h"
#include "xmmu/xen/vm_exit.h"

namespace xmmu {
namespace {

// Beyond this the walk of one access would need more pages than there are
// tables in both dimensions.
constexpr int kMaxViolations = 64;

struct NestedPagingOptions {
  std::string_view name;
  int max_leaf = 3;  // the largest pages are those of an entry of this level
  // Pages are mapped by the violations of their first access.
  bool on_demand = false;
};

// Logs the pages that the guest writes to. All pages are made read-only at
// once, as Xen did before 4.5; the processor's own log (PML) is not simulated.
// Where EPT has accessed and dirty flags, a page walk's look at a guest table
// counts as a write to it, and marks it; a load of a PAE guest's PDPTEs is a
// read (SDM Vol. 3C, "Accessed and Dirty Flags for EPT"). Source: Xen 4.17,
// xen/arch/x86/mm/hap/hap.c, hap_enable_log_dirty and on; 4.4:
// xen/arch/x86/mm/p2m.c, p2m_change_entry_type_global.
class NestedLog final : public WriteLogging {
 public:
  NestedLog(Host& host, Domain& domain, NestedTables& tables)
      : WriteLogging(host, domain),
        host_(host),
        domain_(domain),
        tables_(tables) {}

 private:
  absl::Status EnableLogging(Cpu& cpu) override {
    Protect(cpu);
    return absl::OkStatus();
  }
  void CleanLog(Cpu& cpu, const DirtyBitmap&) override { Protect(cpu); }
  // Rights are only added, so nothing is flushed. Large pages that were split
  // stay split.
  void DisableLogging(Cpu& cpu) override {
    tables_.SetAllWritable(true, cpu.clock);
  }
  void Protect(Cpu& cpu) {
    const Span span(cpu.clock, Actor::kXen, "hap_enable_log_dirty");
    tables_.SetAllWritable(false, cpu.clock);
    host_.FlushNested(cpu, domain_);
  }

  Host& host_;
  Domain& domain_;
  NestedTables& tables_;
};

// A domain's nested tables follow its P2M.
class NestedPhysmap final : public PhysmapUser {
 public:
  NestedPhysmap(Host& host, Domain& domain, NestedTables& tables,
                bool on_demand)
      : host_(host), domain_(domain), tables_(tables), on_demand_(on_demand) {}

  void FrameLeaves(Cpu& cpu, Gfn gfn) override {
    tables_.Unmap(Pfn(gfn.value()), cpu.clock);
  }
  void FlushLeft(Cpu& cpu) override { host_.FlushNested(cpu, domain_); }
  void FrameArrived(Cpu& cpu, Gfn gfn) override {
    if (!on_demand_) tables_.Map(Pfn(gfn.value()), cpu.clock);
  }

 private:
  Host& host_;
  Domain& domain_;
  NestedTables& tables_;
  const bool on_demand_;
};

class NestedPaging final : public Policy {
 public:
  NestedPaging(Host& host, const NestedPagingOptions& options)
      : host_(host),
        options_(options),
        bare_(FindPolicy("native")->make(host)) {}

  std::string_view name() const override { return options_.name; }

  absl::StatusOr<GuestAbi> Abi(PagingMode) const override {
    return GuestAbi{.translated = true,
                    .pages_1g = host_.model().features.pages_1g};
  }

  absl::Status StartVcpu(VcpuContext& vcpu, Gfn root, Gfn) override;
  HypercallResult Hypercall(VcpuContext& vcpu,
                            const xmmu::Hypercall& call) override;
  absl::Status MovePage(VcpuContext& vcpu, Gfn gfn) override;
  absl::Status LoadCr3(VcpuContext& vcpu, Gfn root) override;
  void FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                const TlbFlush& flush) override;

  void SwitchMode(VcpuContext& vcpu, ModeSwitch how) override {
    bare_->SwitchMode(vcpu, how);
  }

  FaultOutcome HandlePageFault(VcpuContext& vcpu, const PageFault& fault,
                               const Access& access,
                               MemoryOperand& operand) override;

  absl::StatusOr<WriteLogging*> WriteLoggingOf(Domain& domain) override {
    return &domains_[domain.id()]->log;
  }

  std::vector<NestedPages> NestedPageCounts() const override;

  uint64_t HostBytes() const override {
    uint64_t bytes = 0;
    for (const auto& domain : domains_) {
      if (domain != nullptr) bytes += domain->tables.host_bytes();
    }
    return bytes;
  }

  absl::Status Audit() const override {
    for (const auto& domain : domains_) {
      if (domain == nullptr) continue;
      const absl::Status status = domain->tables.Audit(!options_.on_demand);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  struct PerDomain {
    PerDomain(Host& host, Domain& domain, int max_leaf)
        : tables(host, domain, max_leaf), log(host, domain, tables) {}
    NestedTables tables;
    NestedLog log;
  };

  // The nested tables of the domain of `vcpu`, made at first use.
  NestedTables& TablesOf(VcpuContext& vcpu);
  uint16_t TagOf(const VcpuContext& vcpu) const;
  // Maps the root of a PAE guest before a flush loads pointers from it.
  void MapRoot(VcpuContext& target);
  // Removes the cause of a violation. Returns false if it cannot: there is no
  // memory. Charges the exit and all that follows.
  bool Fix(VcpuContext& vcpu, const PageFault& violation);
  FaultOutcome Emulate(VcpuContext& vcpu, const PageFault& violation,
                       MemoryOperand& operand);
  // Runs an instruction of the guest's until it meets no violation any more.
  template <typename Instruction>
  absl::Status Run(VcpuContext& vcpu, Instruction instruction);

  Host& host_;
  const NestedPagingOptions options_;
  std::unique_ptr<Policy> bare_;
  std::vector<std::unique_ptr<PerDomain>> domains_;  // by domain id
};

NestedTables& NestedPaging::TablesOf(VcpuContext& vcpu) {
  const auto id = static_cast<size_t>(vcpu.domain->id());
  if (id >= domains_.size()) domains_.resize(id + 1);
  std::unique_ptr<PerDomain>& domain = domains_[id];
  if (domain == nullptr) {
    domain =
        std::make_unique<PerDomain>(host_, *vcpu.domain, options_.max_leaf);
    if (!options_.on_demand) domain->tables.MapAll(vcpu.cpu->clock);
  }
  return domain->tables;
}

// Each vCPU has a tag of its own, for good (assumed; Xen hands out new ones
// instead of flushing). 0 means that the machine has none.
uint16_t NestedPaging::TagOf(const VcpuContext& vcpu) const {
  if (!host_.model().nested.tags) return 0;
  const auto domain = static_cast<uint32_t>(vcpu.domain->id()) - 1;
  return static_cast<uint16_t>(domain * kMaxCpus + vcpu.id + 1);
}

std::vector<NestedPages> NestedPaging::NestedPageCounts() const {
  std::vector<NestedPages> sizes;
  for (int level = 3; level >= 1; --level) {
    uint64_t count = 0;
    for (const auto& domain : domains_) {
      if (domain != nullptr) count += domain->tables.LeavesOf(level);
    }
    if (count == 0) continue;
    sizes.push_back(
        {uint64_t{1} << LevelShift(PagingMode::k4Level, level), count});
  }
  return sizes;
}

template <typename Instruction>
absl::Status NestedPaging::Run(VcpuContext& vcpu, Instruction instruction) {
  for (int i = 0; i < kMaxViolations; ++i) {
    const std::optional<PageFault> fault = instruction();
    if (!fault.has_value()) return absl::OkStatus();
    if (!fault->is_violation()) {
      return absl::InvalidArgumentError("#GP on MOV to CR3");
    }
    if (!Fix(vcpu, *fault)) {
      return absl::InvalidArgumentError("page directory pointers in no page");
    }
  }
  XMMU_CHECK(false && "violations without end");
  return absl::OkStatus();
}

absl::Status NestedPaging::StartVcpu(VcpuContext& vcpu, Gfn root, Gfn) {
  if (vcpu.id == 0) {
    // As many tables as there would be with leaves of 4 KiB alone, whole ones
    // of all levels; large leaves may be split.
    const uint64_t leaves = vcpu.domain->p2m().size() / 512 + 1;
    const absl::Status room = host_.ReserveXenRoom(leaves + leaves / 512 + 4);
    if (!room.ok()) return room;
  }
  ControlRegisters registers =
      KernelControlRegisters(vcpu.domain->mode(), host_.model().features);
  registers.cr3 = AddressOf(root).value();
  vcpu.guest_table = vcpu.domain->MfnOf(root);
  vcpu.cr3 = registers.cr3;
  vcpu.registers = registers;
  vcpu.vm = TablesOf(vcpu).Controls(TagOf(vcpu));
  // If another vCPU has the CPU, this one starts with Host::SwitchVcpu.
  if (vcpu.cpu->current != &vcpu) {
    TablesOf(vcpu).Map(Pfn(root.value()), vcpu.cpu->clock);
    return absl::OkStatus();
  }
  return Run(vcpu, [&] { return vcpu.cpu->mmu.EnterVm(vcpu.vm, registers); });
}

absl::Status NestedPaging::LoadCr3(VcpuContext& vcpu, Gfn root) {
  const uint64_t cr3 = AddressOf(root).value();
  const absl::Status status =
      Run(vcpu, [&] { return vcpu.cpu->mmu.LoadCr3(cr3); });
  if (!status.ok()) return status;
  vcpu.guest_table = vcpu.domain->MfnOf(root);
  vcpu.cr3 = cr3;
  return status;
}

void NestedPaging::FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                            const TlbFlush& flush) {
  if (flush.scope == FlushScope::kNone) return;
  const CpuMask own = vcpus & MaskOf(vcpu.id);
  // INVLPG and MOV CR3 do not exit.
  GuestShootdown shootdown(host_, vcpu, vcpus & ~own, /*exits=*/0);
  for (uint32_t id = 0; id < vcpu.domain->vcpu_count(); ++id) {
    const VcpuContext& target = vcpu.domain->vcpu(id);
    if ((vcpus & MaskOf(id)) == 0 || target.cpu->current == &target) continue;
    // A vCPU that does not run would flush once it does. Its entries go now:
    // nothing can use them meanwhile.
    if (target.vm.tag != 0) target.cpu->mmu.FlushTag(target.vm.tag);
  }
  for (uint32_t id = 0; id < vcpu.domain->vcpu_count(); ++id) {
    if ((vcpus & MaskOf(id)) != 0) MapRoot(vcpu.domain->vcpu(id));
  }
  shootdown.Wait();
  const CpuMask here = own != 0 ? MaskOf(vcpu.cpu->id) : 0;
  host_.Flush(*vcpu.cpu, shootdown.cpus() | here, flush);
}

// MOV CR3 loads the PDPTEs of a PAE guest (not on AMD); if their page is not
// mapped, that is a violation.
void NestedPaging::MapRoot(VcpuContext& target) {
  const bool loads = target.domain->mode() == PagingMode::kPae &&
                     host_.model().features.vendor != Vendor::kAmd;
  const Pfn root(target.cr3 >> kPageShift);
  if (!loads || target.cpu->current != &target ||
      TablesOf(target).LeafLevelOf(root) != 0) {
    return;
  }
  ChargeVmExit(*target.cpu);
  target.cpu->clock.Charge(CostEvent::kNestedViolation);
  TablesOf(target).Map(root, target.cpu->clock);
}

bool NestedPaging::Fix(VcpuContext& vcpu, const PageFault& violation) {
  ChargeVmExit(*vcpu.cpu);
  Span span(vcpu.cpu->clock, Actor::kXen, "hvm_hap_nested_page_fault");
  span.Hex("gpa", violation.gpa.value());
  vcpu.cpu->clock.Charge(CostEvent::kNestedViolation);
  XMMU_CHECK((violation.error_code & nested::kMisconfiguration) == 0);
  Domain& domain = *vcpu.domain;
  const Pfn pfn(FrameOf(violation.gpa).value());
  const bool logged = (violation.error_code & nested::kWrite) != 0 &&
                      domain.dirty_log().enabled() &&
                      domain.p2m().MfnOf(pfn) != kInvalidMfn;
  if (logged) MarkDirty(*vcpu.cpu, domain, pfn);
  NestedTables& tables = TablesOf(vcpu);
  if (!tables.Map(pfn, vcpu.cpu->clock)) return false;
  return !logged || tables.MakeWritable(pfn, vcpu.cpu->clock);
}

FaultOutcome NestedPaging::HandlePageFault(VcpuContext& vcpu,
                                           const PageFault& fault,
                                           const Access& access,
                                           MemoryOperand& operand) {
  if (!fault.is_violation()) {
    return bare_->HandlePageFault(vcpu, fault, access, operand);
  }
  if (Fix(vcpu, fault)) return {FaultAction::kRetry, {}};
  return Emulate(vcpu, fault, operand);
}

// Memory that is not there reads as ones and takes no stores (Xen:
// hvm_hap_nested_page_fault, handle_mmio with no device). If a guest's table is
// there, the emulator cannot walk it either, and the domain is given up.
FaultOutcome NestedPaging::Emulate(VcpuContext& vcpu,
                                   const PageFault& violation,
                                   MemoryOperand& operand) {
  const Span span(vcpu.cpu->clock, Actor::kXen, "handle_mmio");
  vcpu.cpu->clock.Charge(CostEvent::kEmulate);
  if ((violation.error_code & nested::kFinalAddress) == 0) {
    vcpu.domain->Crash(absl::StrFormat(
        "a page table at guest-physical 0x%x, where there is no memory",
        violation.gpa.value()));
    return {FaultAction::kReflect, PageFault{violation.va, 0}};
  }
  const uint64_t ones = operand.mask();
  operand.seen = ones;
  if (operand.kind == OperandKind::kCmpxchg) {
    operand.zf = (operand.expected & ones) == ones;
  }
  return {FaultAction::kEmulated, {}};
}

HypercallResult NestedPaging::Hypercall(VcpuContext& vcpu,
                                        const xmmu::Hypercall& call) {
  ChargeVmExit(*vcpu.cpu);  // VMCALL
  NestedPhysmap user(host_, *vcpu.domain, TablesOf(vcpu), options_.on_demand);
  return Physmap(host_, vcpu, user).Execute(call);
}

absl::Status NestedPaging::MovePage(VcpuContext& vcpu, Gfn gfn) {
  NestedPhysmap user(host_, *vcpu.domain, TablesOf(vcpu), options_.on_demand);
  return Physmap(host_, vcpu, user).Move(gfn);
}

std::unique_ptr<Policy> MakeNestedPaging(Host& host,
                                         const NestedPagingOptions& options) {
  return std::make_unique<NestedPaging>(host, options);
}

}  // namespace

std::span<const PolicyEntry> NestedPagingRows() {
  static constexpr PolicyEntry kRows[] = {
      {"nested-paging",
       "the processor translates twice (EPT, NPT); the guest owns its tables",
       [](Host& host) {
         return MakeNestedPaging(host, {.name = "nested-paging"});
       }},
      {"nested-paging-4k", "nested paging without large pages in nested tables",
       [](Host& host) {
         return MakeNestedPaging(host,
                                 {.name = "nested-paging-4k", .max_leaf = 1});
       },
       "nested-paging"},
      {"nested-paging-on-demand",
       "nested paging, each page mapped by the violation of its first access",
       [](Host& host) {
         return MakeNestedPaging(host, {.name = "nested-paging-on-demand",
                                        .max_leaf = 1,
                                        .on_demand = true});
       },
       "nested-paging"},
  };
  return kRows;
}

}  // namespace xmmu
