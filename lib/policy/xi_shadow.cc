#include "xmmu/policy/xi_shadow.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "policy/builtin.h"
#include "policy/xi_paging.h"

// xi-shadow: the shadow page tables that Virtual Iron proposed for unmodified
// guests in 2006, which were never merged.
//
// The guest's MOV CR3, INVLPG and page faults exit; it runs on shadows in
// 64-bit format (PAE for a 32-bit guest) that are taken from a pool and filled
// an entry at a time.
//
//   state of a guest table
//
//     none --first used as one: SPTI, write access removed by backlinks--> in
//          sync
//     in sync --the guest writes: that mapping made writable--> out of sync
//     out of sync --MOV CR3, flush: write access removed, changed entries
//          remade--> in sync;  if nothing links to it--> none
//     any --its SPTIs are needed elsewhere, least recently used first--> none
//
// What the guest's tables say while they are out of sync reaches the shadows
// where it could reach a processor: at a fault for the address on the way, at
// INVLPG for that page and all upper levels, at MOV CR3 for all.
//
// lib/policy/xi_paging.h has the SPTI and its source, xi_decision.h the
// decisions at a fault, xi_paging.cc those at each level of a table.
//
// The hypervisor is a 64-bit one, as XI's was; the machine's costs are used as
// they are. VM exits leave TLBs alone here.

namespace xmmu {
namespace {

class XiShadow final : public Policy {
 public:
  XiShadow(Host& host, const XiShadowOptions& options)
      : host_(host), options_(options), bare_(MakeNative(host)) {}

  std::string_view name() const override { return options_.name; }

  absl::StatusOr<GuestAbi> Abi(PagingMode mode) const override {
    if (mode == PagingMode::k5Level) {
      return absl::UnimplementedError(
          "XI shadow has 2-level, PAE and 4-level guests");
    }
    GuestAbi abi;
    abi.translated = true;
    return abi;
  }

  absl::Status StartVcpu(VcpuContext& vcpu, Gfn root, Gfn) override {
    Domain& domain = *vcpu.domain;
    if (domain.id() >= domains_.size()) domains_.resize(domain.id() + 1u);
    std::unique_ptr<XiPaging>& paging = domains_[domain.id()];
    if (paging == nullptr) {
      const ShadowShape shape = ShapeOf(domain.mode());
      const absl::StatusOr<uint32_t> pool = PoolOf(domain, shape);
      if (!pool.ok()) return pool.status();
      paging =
          std::make_unique<XiPaging>(host_, domain, shape, options_, *pool);
    }
    return paging->StartVcpu(vcpu, root);
  }

  absl::Status LoadCr3(VcpuContext& vcpu, Gfn root) override {
    return Of(vcpu).LoadCr3(vcpu, root);
  }
  void FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                const TlbFlush& flush) override {
    Of(vcpu).FlushTlb(vcpu, vcpus, flush);
  }
  // Its own affair: nothing of it exits.
  void SwitchMode(VcpuContext& vcpu, ModeSwitch how) override {
    bare_->SwitchMode(vcpu, how);
  }
  FaultOutcome HandlePageFault(VcpuContext& vcpu, const PageFault& fault,
                               const Access& access,
                               MemoryOperand& operand) override {
    return Of(vcpu).HandlePageFault(vcpu, fault, access, operand);
  }

  uint64_t BookkeepingBytes() const override {
    uint64_t bytes = 0;
    for (const auto& paging : domains_) {
      if (paging != nullptr) bytes += paging->BookkeepingBytes();
    }
    return bytes;
  }
  absl::Status Audit() const override {
    for (const auto& paging : domains_) {
      if (paging == nullptr) continue;
      if (absl::Status ok = paging->Audit(); !ok.ok()) return ok;
    }
    return absl::OkStatus();
  }

 private:
  static ShadowShape ShapeOf(PagingMode guest) {
    return {guest, guest == PagingMode::k2Level ? PagingMode::kPae : guest};
  }

  absl::StatusOr<uint32_t> PoolOf(const Domain& domain,
                                  const ShadowShape& shape) const {
    const uint32_t fewest = ShadowPaging::FewestShadows(domain, shape);
    const uint64_t frames = domain.p2m().size() * options_.pool_percent / 100;
    // A guest so small that its share does not do gets what it takes.
    uint64_t shadows =
        std::max<uint64_t>(frames / XiPaging::FramesOfShadow(options_), fewest);
    if (options_.pool_shadows != 0) shadows = options_.pool_shadows;
    if (shadows >= fewest) return static_cast<uint32_t>(shadows);
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s: a pool of %d shadows; expected %d or more for a %s guest with %d "
        "vCPUs",
        options_.name, shadows, fewest, PagingModeName(domain.mode()),
        domain.vcpu_count()));
  }

  XiPaging& Of(const VcpuContext& vcpu) { return *domains_[vcpu.domain->id()]; }

  Host& host_;
  const XiShadowOptions options_;
  std::unique_ptr<Policy> bare_;
  std::vector<std::unique_ptr<XiPaging>> domains_;  // by domain id
};

}  // namespace

std::unique_ptr<Policy> MakeXiShadow(Host& host,
                                     const XiShadowOptions& options) {
  return std::make_unique<XiShadow>(host, options);
}

std::unique_ptr<Policy> MakeXiShadow(Host& host) {
  return MakeXiShadow(host, {});
}
std::unique_ptr<Policy> MakeXiShadowZeroed(Host& host) {
  return MakeXiShadow(host,
                      {.name = "xi-shadow-zeroed", .zeroed_beforehand = true});
}
std::unique_ptr<Policy> MakeXiShadowSearch(Host& host) {
  return MakeXiShadow(host, {.name = "xi-shadow-search", .backlinks = false});
}

}  // namespace xmmu
