// What strategies of shadow page tables have in common: the order of the steps
// at each event of the guest's (ShadowStrategy), and all that has nothing to do
// with shadows (ShadowPolicy).

#include "xmmu/policy/shadow/shadow_policy.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "xmmu/policy/policies.h"
#include "xmmu/xen/physmap.h"
#include "xmmu/xen/vm_exit.h"

namespace xmmu {
namespace {

// Frames of the hypervisor's for roots, snapshots and their like: 4 MiB.
constexpr uint64_t kXenSlack = 1024;

}  // namespace

absl::Status ShadowStrategy::LoadCr3(VcpuContext& vcpu, Gfn root) {
  door_.EnterByCall(*vcpu.cpu);
  BeforeCr3(vcpu);
  const absl::Status status = SetRoot(vcpu, root);
  AfterCr3(vcpu);
  Finish(*vcpu.cpu);
  return status;
}

// The other CPUs are interrupted for real, whatever they find to be done; only
// the initiator's own flush may be left out.
void ShadowStrategy::FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                              const TlbFlush& flush) {
  Cpu& cpu = *vcpu.cpu;
  const CpuMask own = vcpus & MaskOf(vcpu.id);
  // A guest that asks by hypercall names one page at a time, and a processor
  // that flushes for itself alone executes one INVLPG after the other.
  if (flush.count > 1 && (vcpus == own || door_.hypervisor_in_shadows())) {
    return flush.ForEach(
        [&](const TlbFlush& page) { FlushTlb(vcpu, vcpus, page); });
  }
  // All is flushed by clearing and setting CR4.PGE; each INVLPG exits.
  const uint64_t exits = flush.scope == FlushScope::kAll ? 2 : flush.count;
  const std::optional<uint64_t> others_exit =
      door_.EnterToFlush(cpu, own != 0, exits);
  const Span span = XenSpan(cpu, &ShadowWords::flush);
  GuestShootdown shootdown(host(), vcpu, vcpus & ~own, others_exit);
  FlushReach reach = FlushReach::kNothing;
  flush.ForEach([&](const TlbFlush& part) {
    BeforeFlush(vcpu, vcpus, part);
    if (own != 0) reach = std::max(reach, FollowFlush(vcpu, part));
    for (uint32_t id = 0; id < domain().vcpu_count(); ++id) {
      if (((vcpus & ~own) & MaskOf(id)) == 0) continue;
      reach = std::max(reach, FollowFlush(domain().vcpu(id), part));
    }
    AfterFollow(vcpu, part);
  });
  shootdown.Wait();
  CpuMask cpus = shootdown.cpus();
  if (own != 0 && reach != FlushReach::kNothing) cpus |= MaskOf(cpu.id);
  const bool all = reach == FlushReach::kAll;
  host().Flush(cpu, cpus, all ? TlbFlush::NonGlobal() : flush);
  Finish(cpu, all ? cpus : 0);
}

FaultOutcome ShadowStrategy::HandlePageFault(VcpuContext& vcpu,
                                             const PageFault& fault,
                                             const Access& access,
                                             MemoryOperand& operand) {
  door_.EnterByFault(*vcpu.cpu, fault.vector);
  // A #GP has nothing to do with shadows.
  if (fault.vector != FaultVector::kPageFault) {
    Inject(vcpu);
    return {FaultAction::kReflect, fault};
  }
  const Span span = XenSpan(*vcpu.cpu, &ShadowWords::fault);
  const FaultOutcome outcome = Answer(vcpu, fault, access, operand);
  Finish(*vcpu.cpu);
  return outcome;
}

ShadowPolicy::ShadowPolicy(Host& host, ShadowPolicyOptions options,
                           Factory make)
    : host_(host),
      options_(std::move(options)),
      make_(std::move(make)),
      bare_(FindPolicy("native")->make(host)) {}

absl::StatusOr<GuestAbi> ShadowPolicy::Abi(PagingMode mode) const {
  if (!options_.door->HasGuests(mode)) {
    return absl::UnimplementedError(
        absl::StrFormat("%s has %s", name(), options_.door->guests()));
  }
  GuestAbi abi;
  abi.translated = true;
  abi.large_pages = mode != PagingMode::k2Level || options_.pse_for_2_level;
  options_.door->Restrict(abi);
  return abi;
}

absl::Status ShadowPolicy::StartVcpu(VcpuContext& vcpu, Gfn root, Gfn) {
  Domain& domain = *vcpu.domain;
  if (domain.id() >= domains_.size()) domains_.resize(domain.id() + 1u);
  std::unique_ptr<ShadowStrategy>& shadows = domains_[domain.id()];
  if (shadows == nullptr) {
    const PagingMode guest = domain.mode();
    const ShadowShape shape(guest, guest == PagingMode::k2Level
                                       ? options_.shadow_of_2_level
                                       : guest);
    const absl::StatusOr<uint32_t> pool = PoolOf(domain, shape);
    if (!pool.ok()) return pool.status();
    // What a strategy takes beside its pool is assumed to be no more than that.
    const absl::Status room = host_.ReserveXenRoom(
        uint64_t{*pool} * options_.frames_a_shadow + kXenSlack);
    if (!room.ok()) return room;
    shadows = make_(domain, shape, *pool);
  }
  const absl::Status status = shadows->StartVcpu(vcpu, root);
  if (status.ok()) options_.door->Start(vcpu);
  return status;
}

// The number of shadows in the pool of `domain`. A guest so small that its
// share does not do gets what it takes.
absl::StatusOr<uint32_t> ShadowPolicy::PoolOf(const Domain& domain,
                                              const ShadowShape& shape) const {
  const uint32_t fewest = ShadowPaging::FewestShadows(domain, shape);
  const ShadowPoolOptions& pool = options_.pool;
  const uint64_t frames = domain.p2m().size() * pool.percent / 100;
  uint64_t shadows =
      std::max<uint64_t>(frames / options_.frames_a_shadow, fewest);
  if (pool.shadows != 0) shadows = pool.shadows;
  if (shadows >= fewest) return static_cast<uint32_t>(shadows);
  return absl::InvalidArgumentError(absl::StrFormat(
      "%s: a pool of %d shadows; expected %d or more for a %s guest with %d "
      "vCPUs",
      name(), shadows, fewest, PagingModeName(domain.mode()),
      domain.vcpu_count()));
}

HypercallResult ShadowPolicy::Hypercall(VcpuContext& vcpu,
                                        const xmmu::Hypercall& call) {
  options_.door->EnterForHypercall(*vcpu.cpu);
  return Physmap(host_, vcpu, StrategyOf(*vcpu.domain)).Execute(call);
}

absl::Status ShadowPolicy::MovePage(VcpuContext& vcpu, Gfn gfn) {
  return Physmap(host_, vcpu, StrategyOf(*vcpu.domain)).Move(gfn);
}

absl::Status ShadowPolicy::LoadCr3(VcpuContext& vcpu, Gfn root) {
  return StrategyOf(*vcpu.domain).LoadCr3(vcpu, root);
}

void ShadowPolicy::FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                            const TlbFlush& flush) {
  StrategyOf(*vcpu.domain).FlushTlb(vcpu, vcpus, flush);
}

void ShadowPolicy::SwitchMode(VcpuContext& vcpu, ModeSwitch how) {
  options_.door->SwitchMode(vcpu, how);
  bare_->SwitchMode(vcpu, how);
}

FaultOutcome ShadowPolicy::HandlePageFault(VcpuContext& vcpu,
                                           const PageFault& fault,
                                           const Access& access,
                                           MemoryOperand& operand) {
  return StrategyOf(*vcpu.domain).HandlePageFault(vcpu, fault, access, operand);
}

uint64_t ShadowPolicy::BookkeepingBytes() const {
  uint64_t bytes = 0;
  for (const auto& shadows : domains_) {
    if (shadows != nullptr) bytes += shadows->BookkeepingBytes();
  }
  return bytes;
}

uint64_t ShadowPolicy::HostBytes() const {
  uint64_t bytes = 0;
  for (const auto& shadows : domains_) {
    if (shadows != nullptr) bytes += shadows->HostBytes();
  }
  return bytes;
}

std::vector<MemoryPart> ShadowPolicy::MemoryParts() const {
  std::vector<MemoryPart> sum;
  for (const auto& shadows : domains_) {
    if (shadows == nullptr) continue;
    const std::vector<MemoryPart> parts = shadows->MemoryParts();
    if (sum.empty()) sum.resize(parts.size());
    for (size_t i = 0; i < parts.size(); ++i) {
      sum[i].name = parts[i].name;
      sum[i].reserved_bytes += parts[i].reserved_bytes;
      sum[i].peak_bytes += parts[i].peak_bytes;
    }
  }
  return sum;
}

absl::Status ShadowPolicy::Audit() const {
  for (const auto& shadows : domains_) {
    if (shadows == nullptr) continue;
    const absl::Status status = shadows->Audit();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace xmmu
