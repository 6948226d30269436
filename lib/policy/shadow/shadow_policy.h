#ifndef XMMU_LIB_POLICY_SHADOW_SHADOW_POLICY_H_
#define XMMU_LIB_POLICY_SHADOW_SHADOW_POLICY_H_

// What all strategies of shadow page tables look like to their guests, which
// run unmodified: MOV CR3, INVLPG and page faults exit to the hypervisor, the
// guest's changes of mode do not. One ShadowStrategy a
// domain does the rest.
//
// Single-threaded.

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "xmmu/policy/policy.h"
#include "xmmu/xen/shadow/shadow_paging.h"
#include "xmmu/xen/vm_exit.h"

namespace xmmu {

// The shadows of one domain, and what they make of the guest's events. Each
// charges the VM exits and all that follows; see the Policy function of its
// name.
class ShadowStrategy : public ShadowPaging {
 public:
  using ShadowPaging::ShadowPaging;

  virtual absl::Status LoadCr3(VcpuContext& vcpu, Gfn root) = 0;
  virtual void FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                        const TlbFlush& flush) = 0;
  virtual FaultOutcome HandlePageFault(VcpuContext& vcpu,
                                       const PageFault& fault,
                                       const Access& access,
                                       MemoryOperand& operand) = 0;
  // The way in of a hypercall. Charges it.
  virtual void EnterForHypercall(Cpu& cpu) { ChargeVmExit(cpu); }
  // Host bytes beside the pool.
  virtual uint64_t BookkeepingBytes() const { return 0; }
  // The pool, and whatever else belongs to it. The parts of one strategy are
  // always the same.
  virtual std::vector<MemoryPart> MemoryParts() const {
    return {PartOfPool("shadows", 1)};
  }

 protected:
  // A part of which each shadow has `frames`.
  MemoryPart PartOfPool(std::string_view name, uint64_t frames) const {
    return {name, pages().count() * frames * kPageSize,
            pages().peak_in_use() * frames * kPageSize};
  }
};

// How many frames of the hypervisor's a domain's shadows may take.
struct ShadowPool {
  uint32_t percent = 0;  // of the guest's memory; at least what it must have
  uint32_t shadows = 0;  // so many shadows instead, if not 0
  uint32_t frames_a_shadow = 1;
};

class ShadowPolicy final : public Policy {
 public:
  // Makes the shadows of `domain`, a pool of `shadows` of them.
  using Factory = std::function<std::unique_ptr<ShadowStrategy>(
      Domain& domain, const ShadowShape& shape, uint32_t shadows)>;

  // 2-level guests are shadowed in mode `shadow_of_2_level`, others in their
  // own; `pse_for_2_level`: and find large pages in their CPUID. `host`
  // outlives it.
  ShadowPolicy(Host& host, std::string_view name, const ShadowPool& pool,
               PagingMode shadow_of_2_level, Factory make,
               bool pse_for_2_level = true);

  std::string_view name() const override { return name_; }
  // Errors: Unimplemented for 5-level guests, which no such Xen had.
  absl::StatusOr<GuestAbi> Abi(PagingMode mode) const override;
  // Errors: InvalidArgument for a pool too small for the guest to make
  // progress.
  absl::Status StartVcpu(VcpuContext& vcpu, Gfn root, Gfn) override;
  // Errors: Unimplemented for all but changes of its memory.
  HypercallResult Hypercall(VcpuContext& vcpu,
                            const xmmu::Hypercall& call) override;
  absl::Status MovePage(VcpuContext& vcpu, Gfn gfn) override;
  absl::Status LoadCr3(VcpuContext& vcpu, Gfn root) override;
  void FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                const TlbFlush& flush) override;
  void SwitchMode(VcpuContext& vcpu, ModeSwitch how) override;
  FaultOutcome HandlePageFault(VcpuContext& vcpu, const PageFault& fault,
                               const Access& access,
                               MemoryOperand& operand) override;
  absl::StatusOr<WriteLogging*> WriteLoggingOf(Domain& domain) override {
    return domains_[domain.id()].get();
  }
  uint64_t BookkeepingBytes() const override;
  std::vector<MemoryPart> MemoryParts() const override;
  absl::Status Audit() const override;

 private:
  absl::StatusOr<uint32_t> PoolOf(const Domain& domain,
                                  const ShadowShape& shape) const;
  ShadowStrategy& Of(const VcpuContext& vcpu) {
    return *domains_[vcpu.domain->id()];
  }

  Host& host_;
  const std::string_view name_;
  const ShadowPool pool_;
  const PagingMode shadow_of_2_level_;
  const bool pse_for_2_level_;
  const Factory make_;
  std::unique_ptr<Policy> bare_;
  std::vector<std::unique_ptr<ShadowStrategy>> domains_;  // by domain id
};

// Shadows of class `Strategy`, made with `options`.
template <typename Strategy, typename Options>
ShadowPolicy::Factory MakerOf(Host& host, const Options& options) {
  return [&host, options](Domain& domain, const ShadowShape& shape,
                          uint32_t shadows) {
    return std::make_unique<Strategy>(host, domain, shape, options, shadows);
  };
}

}  // namespace xmmu

#endif  // XMMU_LIB_POLICY_SHADOW_SHADOW_POLICY_H_
