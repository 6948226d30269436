#ifndef XMMU_POLICY_SHADOW_SHADOW_POLICY_H_
#define XMMU_POLICY_SHADOW_SHADOW_POLICY_H_

// The base of all strategies of shadow page tables, built-in ones and a user's
// own. Two classes share the work:
//
//   ShadowPolicy    what is alike whatever the shadows are: the guest's ABI,
//                   starting vCPUs, the size of the pool, hypercalls about
//                   memory, changes of mode; keeps one ShadowStrategy a domain
//   ShadowStrategy  the shadows of one domain: how MOV CR3, a flush and a page
//                   fault go, in steps that a derived class fills in
//
// The guest runs on tables that a domain's pool of frames is made of, and comes
// to the hypervisor by a GuestDoor. What of a shadow follows from the guest's
// tables, and what the hooks of ShadowPaging are for, is told there.
//
// To write a strategy of one's own:
//
//  * Derive from ShadowStrategy. Three functions are pure: FollowFlush(),
//    Answer() and a constructor that passes its arguments on. Everything else
//    has a default that is right, if slow: the guest's memory is the source of
//    every shadow entry, a search of all shadows finds mappings, the least
//    recently used shadow makes room.
//  * Make a ShadowPolicy with a factory of it (MakerOf), or derive from
//    ShadowPolicy too, for ticks and figures of one's own; StrategyOf() is the
//    way to a domain's shadows.
//
// What must hold whenever the guest runs, and Policy::Audit() checks:
//
//  * No shadow entry and no TLB entry grants more than the guest's tables do,
//    or did when the guest last flushed that address.
//  * A table that is in sync cannot be written to by any entry.
//  * Flushes that changes owe have been executed: the functions of this class
//    do that last, by Finish().
//
// Who changes shadows outside of these functions, in a tick, calls Finish() in
// the end. The door charges the way in and out; every function of ShadowPaging
// charges what it says; a derived class charges what it does besides.
//
// Single-threaded.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "xmmu/policy/policy.h"
#include "xmmu/policy/shadow/guest_door.h"
#include "xmmu/policy/shadow_options.h"
#include "xmmu/xen/shadow/shadow_paging.h"

namespace xmmu {

class ShadowStrategy : public ShadowPaging {
 public:
  // A pool of `shadows` shadows for `domain`, whose guest comes by `door`. All
  // outlive it.
  ShadowStrategy(Host& host, Domain& domain, const ShadowShape& shape,
                 uint32_t shadows, const GuestDoor& door = VmDoor())
      : ShadowPaging(host, domain, shape, shadows), door_(door) {}

  // The Policy functions of these names, for the guest of this domain. Each
  // charges the way in and out and what the steps below take.
  absl::Status LoadCr3(VcpuContext& vcpu, Gfn root);
  void FlushTlb(VcpuContext& vcpu, CpuMask vcpus, const TlbFlush& flush);
  FaultOutcome HandlePageFault(VcpuContext& vcpu, const PageFault& fault,
                               const Access& access, MemoryOperand& operand);

  // Bytes of the hypervisor's heap beside the pool.
  virtual uint64_t BookkeepingBytes() const { return 0; }
  // Bytes of the simulating computer's memory that the shadows take, beside
  // simulated memory.
  virtual uint64_t HostBytes() const { return pages().host_bytes(); }
  // The pool, and whatever else belongs to it. The parts of one strategy are
  // always the same.
  virtual std::vector<MemoryPart> MemoryParts() const {
    return {PartOfPool("shadows", 1)};
  }

 protected:
  // How much of a processor's TLB has to go for a flush of the guest's.
  enum class FlushReach : uint8_t {
    kNothing,  // no shadow leads to the page, so the TLB cannot hold it
    kPage,     // the page that the guest flushes
    kAll,      // more: the page is a piece of a large one, or all is flushed
  };

  // --- MOV CR3: BeforeCr3(), then SetRoot(), then AfterCr3(), whether or not
  // the new root was refused.
  virtual void BeforeCr3(VcpuContext&) {}
  virtual void AfterCr3(VcpuContext&) {}

  // --- A flush of `vcpus`: BeforeFlush(), then FollowFlush() for each of them,
  // that of `vcpu` first, then AfterFollow(); all this for each page, if it is
  // of pages; and then the flush itself of the widest reach that was asked for.
  virtual void BeforeFlush(VcpuContext&, CpuMask, const TlbFlush&) {}
  // Makes the shadows what `vcpu` must see of its tables once it has executed
  // `flush`. Not kNothing, unless `flush` is of a page.
  virtual FlushReach FollowFlush(VcpuContext& vcpu, const TlbFlush& flush) = 0;
  virtual void AfterFollow(VcpuContext&, const TlbFlush&) {}

  // --- A page fault of the guest, whose way in has been charged: removes the
  // cause, performs the access, or leaves it to the guest by Inject(). A write
  // to a table can be performed by Emulate() if a kernel makes it and `operand`
  // writes. The others are of a program, or of a kernel that zeroes or copies a
  // whole page: they say that the frame is no table any more (EvictTable()).
  virtual FaultOutcome Answer(VcpuContext& vcpu, const PageFault& fault,
                              const Access& access, MemoryOperand& operand) = 0;

  // Called last by all of the above: executes the flushes owed, save on
  // `flushed`, CPUs that have flushed everything. Overridden by strategies that
  // give up shadows with their last link.
  virtual void Finish(Cpu& cpu, CpuMask flushed = 0) {
    FlushOwed(cpu, flushed);
  }

  // Hands a fault to the handler of `vcpu`. Charges the delivery.
  void Inject(VcpuContext& vcpu) const { door_.Inject(vcpu); }
  const GuestDoor& door() const { return door_; }
  // A part of the pool's memory of which each shadow has `frames`.
  MemoryPart PartOfPool(std::string_view name, uint64_t frames) const {
    return {name, pages().count() * frames * kPageSize,
            pages().peak_in_use() * frames * kPageSize};
  }

 private:
  const GuestDoor& door_;
};

struct ShadowPolicyOptions {
  std::string name;
  ShadowPoolOptions pool = {};
  uint32_t frames_a_shadow = 1;  // of the pool
  // The format of the shadows of a 2-level guest; other guests have shadows of
  // their own mode.
  PagingMode shadow_of_2_level = PagingMode::kPae;
  // Whether a 2-level guest finds large pages in its CPUID.
  bool pse_for_2_level = true;
  const GuestDoor* door = &VmDoor();
};

class ShadowPolicy : public Policy {
 public:
  // Makes the shadows of `domain`, a pool of `shadows` of them.
  using Factory = std::function<std::unique_ptr<ShadowStrategy>(
      Domain& domain, const ShadowShape& shape, uint32_t shadows)>;

  // `host` outlives it. What `make` makes comes by the door of `options`.
  ShadowPolicy(Host& host, ShadowPolicyOptions options, Factory make);

  std::string_view name() const override { return options_.name; }
  // Errors: Unimplemented for guests that do not come by the door; no such Xen
  // had 5-level ones.
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
    return &StrategyOf(domain);
  }
  uint64_t BookkeepingBytes() const override;
  uint64_t HostBytes() const override;
  std::vector<MemoryPart> MemoryParts() const override;
  absl::Status Audit() const override;

 protected:
  // The shadows of `domain`. REQUIRES: a vCPU of it has been started.
  ShadowStrategy& StrategyOf(const Domain& domain) {
    return *domains_[domain.id()];
  }

 private:
  absl::StatusOr<uint32_t> PoolOf(const Domain& domain,
                                  const ShadowShape& shape) const;

  Host& host_;
  const ShadowPolicyOptions options_;
  const Factory make_;
  std::unique_ptr<Policy> bare_;  // what never comes to the hypervisor
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

#endif  // XMMU_POLICY_SHADOW_SHADOW_POLICY_H_
