// Switching the log of a paravirtual domain on and off, and the faults
// meanwhile. direct_write_logging_fill.cc makes the shadows.

#include "xen/direct/direct_write_logging.h"

#include "absl/strings/str_cat.h"
#include "xen/direct/writable_tables.h"
#include "xmmu/base/check.h"
#include "xmmu/base/span_log.h"
#include "xmmu/xen/direct/direct_paging.h"

namespace xmmu {
namespace {

// The frames that CR3 outside long mode, and a 4-byte entry, can name.
constexpr uint64_t kFramesBelow4GiB = uint64_t{1} << 20;

}  // namespace

DirectWriteLogging::DirectWriteLogging(Host& host, Domain& domain)
    : WriteLogging(host, domain),
      host_(host),
      domain_(domain),
      mode_(HardwareMode(domain.mode(), host.model().features,
                         host.linear_map())),
      walker_(host.memory(), nullptr, host.cpu(0).clock, host.cpu(0).counters),
      pool_(DefaultPool(domain)),
      roots_(domain.vcpu_count(), kInvalidMfn) {}

DirectWriteLogging::~DirectWriteLogging() {
  if (on()) ReturnPool();
}

uint32_t DirectWriteLogging::DefaultPool(const Domain& domain) {
  constexpr uint32_t kAVcpu = 128;
  constexpr uint64_t kFramesPerMib = 256;
  return kAVcpu * static_cast<uint32_t>(domain.vcpu_count()) +
         static_cast<uint32_t>(domain.p2m().size() / kFramesPerMib);
}

uint32_t DirectWriteLogging::FewestShadows() const {
  return static_cast<uint32_t>(domain_.vcpu_count()) +
         static_cast<uint32_t>(top_level());
}

absl::Status DirectWriteLogging::EnableLogging(Cpu& cpu) {
  XMMU_CHECK(!on() && pool_ >= FewestShadows());
  absl::Status status = CloseTables(cpu);
  if (status.ok()) status = TakePool();
  if (!status.ok()) return status;
  domain_.direct().set_write_logging(this);
  for (uint32_t id = 0; id < domain_.vcpu_count(); ++id) {
    VcpuContext& vcpu = domain_.vcpu(id);
    if (vcpu.guest_table == kInvalidMfn) continue;  // not started yet
    const Mfn root = FrameOf(MachineAddr(vcpu.cr3));
    vcpu.cr3 = AddressOf(LoadedFor(cpu, vcpu, root)).value();
  }
  Reload(cpu);
  return absl::OkStatus();
}

void DirectWriteLogging::CleanLog(Cpu& cpu, const DirtyBitmap&) {
  DropAll(cpu);
}

void DirectWriteLogging::DisableLogging(Cpu& cpu) {
  for (uint32_t id = 0; id < domain_.vcpu_count(); ++id) {
    if (roots_[id] == kInvalidMfn) continue;
    domain_.vcpu(id).cr3 = AddressOf(roots_[id]).value();
    roots_[id] = kInvalidMfn;
  }
  Reload(cpu);
  ReturnPool();
}

// The work is charged to the CPU that asks for the log, not to the vCPU in
// whose name it is done.
absl::Status DirectWriteLogging::CloseTables(Cpu& cpu) {
  if (!domain_.direct().ptwr_in_use()) return absl::OkStatus();
  const PvRules* const rules =
      FindPvRules(domain_.mode(), host_.model().features, host_.linear_map());
  XMMU_CHECK(rules != nullptr);
  PvRequest request(host_, domain_.vcpu(0), *rules, cpu);
  WritableTables(request).CloseTables();
  request.Finish();
  if (!domain_.crashed()) return absl::OkStatus();
  return XenError(XenErrno::kEINVAL, absl::StrCat("the domain has crashed: ",
                                                  domain_.crash_reason()));
}

absl::Status DirectWriteLogging::TakePool() {
  shadows_.emplace(host_, mode_, pool_);
  bool reachable = true;
  for (const auto& [first, count] : shadows_->pool().runs()) {
    reachable &= mode_ == PagingMode::k4Level ||
                 first.value() + count <= kFramesBelow4GiB;
  }
  if (reachable) return absl::OkStatus();
  ReturnPool();
  return XenError(XenErrno::kENOMEM, "no frames below 4 GiB for shadows");
}

void DirectWriteLogging::ReturnPool() {
  shadows_.reset();
  domain_.direct().set_write_logging(nullptr);
}

// A vCPU that does not run now will find nothing of its own in the TLB when it
// does: this flush, or another domain's turn on its CPU, has emptied it.
void DirectWriteLogging::Reload(Cpu& cpu) {
  for (uint32_t id = 0; id < domain_.vcpu_count(); ++id) {
    const VcpuContext& vcpu = domain_.vcpu(id);
    if (vcpu.guest_table == kInvalidMfn || vcpu.cpu->current != &vcpu) continue;
    XMMU_CHECK(!vcpu.cpu->mmu.LoadCr3(vcpu.cr3).has_value());
  }
  host_.Flush(cpu, domain_.dirty_cpus(), TlbFlush::All());
}

Mfn DirectWriteLogging::LoadedFor(Cpu& cpu, const VcpuContext& vcpu, Mfn root) {
  ShadowId id = FindOrMake(cpu, root, top_level());
  if (id == kNoShadow) {
    Recycle(cpu);
    id = FindOrMake(cpu, root, top_level());
  }
  XMMU_CHECK(id != kNoShadow);
  roots_[vcpu.id] = root;
  return (*shadows_)[id].mfn;
}

std::optional<PageFault> DirectWriteLogging::HandleFault(VcpuContext& vcpu,
                                                         const PageFault& fault,
                                                         const Access& access) {
  if (fault.vector != FaultVector::kPageFault) return fault;
  Cpu& cpu = *vcpu.cpu;
  const Span span(cpu.clock, Actor::kXen, "sh_page_fault");
  cpu.clock.Charge(CostEvent::kLockedOp);
  const WalkResult walk = WalkGuest(vcpu, access);
  if (!walk.ok) return PageFault{access.va, walk.error_code, walk.vector};
  XMMU_CHECK(walk.translation.page_shift == kPageShift);
  if (access.is_write()) {
    MarkDirty(cpu, domain_, FrameOf(walk.translation.base));
  }
  if (!TryFill(vcpu, access.va)) {
    Recycle(cpu);
    XMMU_CHECK(TryFill(vcpu, access.va));
  }
  cpu.counters.Add(Counter::kShadowFills);
  // A processor that walks the PDPTEs in memory has dropped what it held by the
  // fault; one with PDPTE registers must load them anew if the entry is new.
  if (mode_ == PagingMode::kPae && !cpu.mmu.features().walks_pdptes) {
    const int slot = IndexOf(mode_, 3, access.va);
    const ShadowId root = Find(roots_[vcpu.id], 3);
    const uint64_t pdpte = shadows_->Read({root, slot}).raw();
    if (cpu.mmu.pdpte_registers()[static_cast<size_t>(slot)] != pdpte) {
      host_.Flush(cpu, MaskOf(cpu.id), TlbFlush::NonGlobal());
    }
  }
  return std::nullopt;
}

bool DirectWriteLogging::Allows(VcpuContext& vcpu, const Access& access) {
  return WalkGuest(vcpu, access).ok;
}

}  // namespace xmmu
