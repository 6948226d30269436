#include "policy/shadow/shadow_policy.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "policy/builtin.h"
#include "xmmu/xen/physmap.h"
#include "xmmu/xen/vm_exit.h"

namespace xmmu {

ShadowPolicy::ShadowPolicy(Host& host, std::string_view name,
                           const ShadowPool& pool, PagingMode shadow_of_2_level,
                           Factory make, bool pse_for_2_level)
    : host_(host),
      name_(name),
      pool_(pool),
      shadow_of_2_level_(shadow_of_2_level),
      pse_for_2_level_(pse_for_2_level),
      make_(std::move(make)),
      bare_(MakeNative(host)) {}

absl::StatusOr<GuestAbi> ShadowPolicy::Abi(PagingMode mode) const {
  if (mode == PagingMode::k5Level) {
    return absl::UnimplementedError(
        absl::StrFormat("%s has 2-level, PAE and 4-level guests", name_));
  }
  return GuestAbi{
      .translated = true,
      .large_pages = mode != PagingMode::k2Level || pse_for_2_level_};
}

absl::Status ShadowPolicy::StartVcpu(VcpuContext& vcpu, Gfn root, Gfn) {
  Domain& domain = *vcpu.domain;
  if (domain.id() >= domains_.size()) domains_.resize(domain.id() + 1u);
  std::unique_ptr<ShadowStrategy>& shadows = domains_[domain.id()];
  if (shadows == nullptr) {
    const PagingMode guest = domain.mode();
    const ShadowShape shape(
        guest, guest == PagingMode::k2Level ? shadow_of_2_level_ : guest);
    const absl::StatusOr<uint32_t> pool = PoolOf(domain, shape);
    if (!pool.ok()) return pool.status();
    shadows = make_(domain, shape, *pool);
  }
  return shadows->StartVcpu(vcpu, root);
}

absl::StatusOr<uint32_t> ShadowPolicy::PoolOf(const Domain& domain,
                                              const ShadowShape& shape) const {
  const uint32_t fewest = ShadowPaging::FewestShadows(domain, shape);
  const uint64_t frames = domain.p2m().size() * pool_.percent / 100;
  // A guest so small that its share does not do gets what it takes.
  uint64_t shadows = std::max<uint64_t>(frames / pool_.frames_a_shadow, fewest);
  if (pool_.shadows != 0) shadows = pool_.shadows;
  if (shadows >= fewest) return static_cast<uint32_t>(shadows);
  return absl::InvalidArgumentError(absl::StrFormat(
      "%s: a pool of %d shadows; expected %d or more for a %s guest with %d "
      "vCPUs",
      name_, shadows, fewest, PagingModeName(domain.mode()),
      domain.vcpu_count()));
}

HypercallResult ShadowPolicy::Hypercall(VcpuContext& vcpu,
                                        const xmmu::Hypercall& call) {
  Of(vcpu).EnterForHypercall(*vcpu.cpu);
  return Physmap(host_, vcpu, Of(vcpu)).Execute(call);
}

absl::Status ShadowPolicy::MovePage(VcpuContext& vcpu, Gfn gfn) {
  return Physmap(host_, vcpu, Of(vcpu)).Move(gfn);
}

absl::Status ShadowPolicy::LoadCr3(VcpuContext& vcpu, Gfn root) {
  return Of(vcpu).LoadCr3(vcpu, root);
}

void ShadowPolicy::FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                            const TlbFlush& flush) {
  Of(vcpu).FlushTlb(vcpu, vcpus, flush);
}

void ShadowPolicy::SwitchMode(VcpuContext& vcpu, ModeSwitch how) {
  bare_->SwitchMode(vcpu, how);
}

FaultOutcome ShadowPolicy::HandlePageFault(VcpuContext& vcpu,
                                           const PageFault& fault,
                                           const Access& access,
                                           MemoryOperand& operand) {
  return Of(vcpu).HandlePageFault(vcpu, fault, access, operand);
}

uint64_t ShadowPolicy::BookkeepingBytes() const {
  uint64_t bytes = 0;
  for (const auto& shadows : domains_) {
    if (shadows != nullptr) bytes += shadows->BookkeepingBytes();
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
    if (absl::Status ok = shadows->Audit(); !ok.ok()) return ok;
  }
  return absl::OkStatus();
}

}  // namespace xmmu
