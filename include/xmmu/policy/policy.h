#ifndef XMMU_POLICY_POLICY_H_
#define XMMU_POLICY_POLICY_H_

// A Policy is one way for a hypervisor to let a guest own page tables that it
// must not be trusted with: direct paging, unhooking, trap-and-emulate,
// shadowing, nested paging; or none at all (bare hardware). It sees what
// reaches a hypervisor on real hardware: hypercalls, privileged instructions,
// mode switches and faults; and acts through the Host it was made with: tables,
// frames, registers and invalidations. It never replaces the MMU, and it never
// sees an access that translates.
//
// Each guest event or fault is one virtual call, a memory access is none. Every
// call says which vCPU it happens on; guests are SMP, and there may be several
// domains. A policy keeps no pointer to the guest's software.
//
// Each call charges the clock of the vCPU's CPU for everything the event costs,
// hardware transition included. Single-threaded.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "xmmu/mmu/access.h"
#include "xmmu/mmu/memory_operand.h"
#include "xmmu/mmu/pending_invalidation.h"
#include "xmmu/xen/domain.h"
#include "xmmu/xen/host.h"
#include "xmmu/xen/hypercall.h"
#include "xmmu/xen/write_logging.h"

namespace xmmu {

// What the guest kernel is told about the machine it finds itself on. The guest
// layer builds its tables and picks its operations by this.
struct GuestAbi {
  // The kernel runs deprivileged: it must ask by hypercall for what would be a
  // privileged instruction, and its page tables must be mapped read-only.
  bool paravirtual = false;
  // Page tables hold pseudo-physical frame numbers (DomainOptions::translated).
  bool translated = false;
  // Plain stores to L1 tables in use work (by hardware or by trapping).
  bool stores_to_l1 = true;
  // Each such store traps by itself, so that a kernel does well to make few.
  bool stores_trap = false;
  // Large pages of 2 or 4 MiB may be used, by the kernel and by programs; and
  // those of 1 GiB, by programs in 64-bit modes.
  bool large_pages = true;
  bool pages_1g = false;
  // The global flag may be used in the kernel's mappings.
  bool global_pages = true;
  // Each PAE root needs an L2 of its own in slot 3.
  bool private_pae_kernel_l2 = false;

  // Privilege at which the guest kernel's accesses are judged: a 64-bit
  // paravirtual kernel runs in ring 3.
  bool kernel_in_ring3(PagingMode mode) const {
    return paravirtual && LevelCount(mode) >= 4;
  }
};

enum class FaultAction : uint8_t {
  kRetry,     // cause removed: execute the access again
  kEmulated,  // the access has been performed for the guest
  kReflect,   // the guest's own: deliver `guest_fault` to its handler
};

struct FaultOutcome {
  FaultAction action = FaultAction::kReflect;
  PageFault guest_fault;  // as the guest is to see it; for kReflect
};

// Why the guest changes between user and kernel mode.
enum class ModeSwitch : uint8_t {
  kSyscall,              // user to kernel, by SYSCALL / INT
  kSysret,               // kernel to user, the return from kSyscall
  kInterrupt,            // user to kernel, by a timer interrupt
  kFaultReturn,          // kernel to user, from a fault or interrupt handler
  kFaultReturnToKernel,  // back to the kernel that a spurious fault interrupted
};

// Memory that a strategy takes for its own ends.
struct MemoryPart {
  std::string_view name;  // "shadows", "backlinks"
  uint64_t reserved_bytes = 0;
  uint64_t peak_bytes = 0;  // the most of it that was in use at a time

  bool operator==(const MemoryPart&) const = default;
};

// Pages of one size that nested tables map.
struct NestedPages {
  uint64_t bytes = 0;  // of a page: 4 KiB, 2 MiB or 1 GiB
  uint64_t count = 0;  // of all domains

  bool operator==(const NestedPages&) const = default;
};

// What a policy asks for that wants control from time to time.
struct TickRequest {
  Cycles period;  // of each CPU's clock; not 0
};

// A figure of a policy's own, for reports.
struct OwnFigure {
  // Letters, digits, '.', '_', '-' and '+'; no name of a CostEvent, a
  // component, a counter or anything else of the policy's.
  std::string name;
  std::string unit;  // "cycles", "pages"; empty for a plain number
  std::string help;  // one sentence
  std::variant<uint64_t, double> value;
};

class Policy {
 public:
  virtual ~Policy() = default;

  // Name in reports and in the table of policies, e.g. "trap-and-emulate".
  virtual std::string_view name() const = 0;

  // What a guest of `mode` finds.
  // Errors: Unimplemented, with a reason, for a paging mode that this strategy
  // has no guests of.
  virtual absl::StatusOr<GuestAbi> Abi(PagingMode mode) const = 0;

  // `vcpu` starts in kernel mode on the boot tables at `root` (a frame as the
  // guest counts it), which the domain builder has written to guest memory.
  // 64-bit paravirtual guests also name a user-mode root; others pass
  // kInvalidGfn. Control registers are set here. Not charged: comparisons start
  // after boot.
  virtual absl::Status StartVcpu(VcpuContext& vcpu, Gfn root,
                                 Gfn user_root) = 0;

  // The guest kernel executes a hypercall.
  // Errors: Unimplemented (ENOSYS) where there is no hypervisor to call.
  virtual HypercallResult Hypercall(VcpuContext& vcpu,
                                    const xmmu::Hypercall& call);

  // The toolstack moves the page at `gfn` to another machine frame, which the
  // guest of `vcpu` does not notice. See Physmap::Move.
  // Errors: Unimplemented for guests that know their machine frames.
  virtual absl::Status MovePage(VcpuContext& vcpu, Gfn gfn);

  // The guest kernel executes MOV to CR3 with the address of `root`.
  // Errors: InvalidArgument where it would get a #GP.
  virtual absl::Status LoadCr3(VcpuContext& vcpu, Gfn root) = 0;

  // The guest kernel flushes `flush` on `vcpus` of its domain (its own one
  // included or not): INVLPG of each page or MOV CR3 here, one IPI of its own
  // to each of the others, however many pages there are. Paravirtual guests
  // that may not do so use mmuext_op instead.
  virtual void FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                        const TlbFlush& flush) = 0;

  // `vcpu` is about to lose the CPU that it runs on to another vCPU (Xen 2.0:
  // __enter_scheduler). Host::SwitchVcpu charges the switch itself.
  virtual void Deschedule(VcpuContext&) {}

  // The guest changes mode. Charges the transition, by hardware and hypervisor.
  virtual void SwitchMode(VcpuContext& vcpu, ModeSwitch how) = 0;

  // How often Tick() is wanted; nothing: never, which costs nothing. Asked when
  // the guests have been booted, and after each tick, when the answer may be
  // another one; after nothing it is not asked again on that CPU. See
  // xmmu/policy/tick.h.
  virtual std::optional<TickRequest> tick() const { return std::nullopt; }
  // The timer that tick() asked for has interrupted `vcpu` between two
  // operations of its guest. May do all that HandlePageFault() may; charges it.
  // The exit or interrupt itself has been charged.
  virtual void Tick(VcpuContext&) {}

  // All guests have been booted: what is charged and counted from now on is
  // reported. For figures of one's own that leave out the boot.
  virtual void BootEnded() {}

  // `access`, carrying `operand`, faulted. Removes the cause, performs it, or
  // leaves it to the guest; then it also charges what it takes until the
  // guest's handler runs. REQUIRES: `fault` is what translating `access` now
  // answers.
  virtual FaultOutcome HandlePageFault(VcpuContext& vcpu,
                                       const PageFault& fault,
                                       const Access& access,
                                       MemoryOperand& operand) = 0;

  // Returns what logs the pages of `domain` that are written to; it is the same
  // for all of the domain's life. REQUIRES: a vCPU of the domain has been
  // started. See xmmu/xen/dirty_log.h.
  // Errors: Unimplemented, with a reason, for a strategy that cannot.
  virtual absl::StatusOr<WriteLogging*> WriteLoggingOf(Domain& domain);

  // Whether a hypervisor runs beneath the guests: then its frame table and
  // machine-to-physical map, which any strategy needs, count among the memory
  // that it costs (Host::frame_bookkeeping_bytes()).
  virtual bool has_hypervisor() const { return true; }

  // Bytes of the strategy's own bookkeeping, beside two kinds that reports find
  // by themselves: the frames that it has taken (Host::xen_frames()), and what
  // any hypervisor keeps of a guest's frames (Host::frame_bookkeeping_bytes()).
  virtual uint64_t BookkeepingBytes() const { return 0; }

  // What that memory is for, summed over all domains. Empty unless the strategy
  // has kinds of memory beside page tables and bookkeeping.
  virtual std::vector<MemoryPart> MemoryParts() const { return {}; }

  // Bytes of the simulating computer's memory that the strategy takes for its
  // records of frames, tables and shadows, beside simulated memory.
  virtual uint64_t HostBytes() const { return 0; }

  // The pages of the host's nested tables as of now, the largest first, sizes
  // of which there is none left out. Empty for a strategy without such tables.
  virtual std::vector<NestedPages> NestedPageCounts() const { return {}; }

  // What the strategy has to report beside what all of them do, as of now. It
  // has the same names in the same order whenever asked. Own events that take
  // time are registered with Host::AddOwnEvent() instead.
  virtual std::vector<OwnFigure> Figures() const { return {}; }

  // Recounts the strategy's own state from the tables and says the first
  // difference in words. For tests and debugging; not charged.
  virtual absl::Status Audit() const { return absl::OkStatus(); }
};

}  // namespace xmmu

#endif  // XMMU_POLICY_POLICY_H_
