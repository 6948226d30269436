#ifndef XMMU_BASE_CYCLES_H_
#define XMMU_BASE_CYCLES_H_

// Simulated time. Everything that takes time is one of the CostEvents below, or
// an event of a policy's own; a CycleClock counts how often each happened and
// prices them. Nothing else in xmmu knows time: there is no wall clock.
//
// Keeping the tally instead of a sum has two uses: a report can say exactly
// which constant its cycles rest on, and the components add up to the total by
// construction.
//
// Single-threaded; one clock a simulated CPU.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/base/optimization.h"
#include "xmmu/base/overlap.h"

namespace xmmu {

// Core cycles of the simulated machine.
class Cycles {
 public:
  constexpr Cycles() = default;
  constexpr explicit Cycles(uint64_t count) : count_(count) {}
  constexpr uint64_t count() const { return count_; }
  constexpr auto operator<=>(const Cycles&) const = default;
  constexpr Cycles operator+(Cycles other) const {
    return Cycles(count_ + other.count_);
  }
  constexpr Cycles operator-(Cycles other) const {
    return Cycles(count_ - other.count_);
  }
  constexpr Cycles operator*(uint64_t times) const {
    return Cycles(count_ * times);
  }
  constexpr Cycles& operator+=(Cycles other) {
    count_ += other.count_;
    return *this;
  }

 private:
  uint64_t count_ = 0;
};

// The columns that cycles are reported under, in report order.
// X(enumerator, report name, help)
#define XMMU_COMPONENTS(X)                                                  \
  X(kExecute, "execute", "instructions and accesses of the guest program")  \
  X(kData, "data", "data accesses beyond the L1 cache (off by default)")    \
  X(kTlb, "tlb", "second-level TLB hits")                                   \
  X(kWalk, "walk", "page-walk overhead and A/D updates by the walker")      \
  X(kPteLoad, "pte_load", "page-table entries loaded by the walker, flat")  \
  X(kPteLoadL1, "pte_load_l1", "entry loads that hit the L1 cache")         \
  X(kPteLoadL2, "pte_load_l2", "entry loads that hit the L2 cache")         \
  X(kPteLoadL3, "pte_load_l3", "entry loads that hit the L3 cache")         \
  X(kPteLoadDram, "pte_load_dram", "entry loads that came from memory")     \
  X(kException, "exception", "exception delivery and IRET, by hardware")    \
  X(kRingCrossing, "ring_crossing", "faults and syscalls bounced by Xen")   \
  X(kHypercall, "hypercall", "hypercall entry, exit, dispatch, arguments")  \
  X(kVmExit, "vm_exit", "VM exits and entries, and their dispatch")         \
  X(kPageRefs, "page_refs", "locked updates of reference and type counts")  \
  X(kValidation, "validation", "entries scanned to validate or devalidate") \
  X(kPteUpdate, "pte_update", "page-table entries read or written by Xen")  \
  X(kEmulation, "emulation", "decoding and emulating guest instructions")   \
  X(kCr3, "cr3", "MOV to CR3 and its direct aftermath")                     \
  X(kTlbFlush, "tlb_flush", "INVLPG, INVPCID and global flushes")           \
  X(kIpi, "ipi", "interprocessor interrupts and waiting for them")          \
  X(kZero, "zero", "zeroing pages")                                         \
  X(kCopy, "copy", "copying pages")                                         \
  X(kSharing, "sharing", "hashing and comparing pages to share them")       \
  X(kGuestKernel, "guest_kernel", "the guest kernel's own paths")

enum class Component : uint8_t {
#define XMMU_ENUM(id, name, help) id,
  XMMU_COMPONENTS(XMMU_ENUM)
#undef XMMU_ENUM
};

// Everything that takes time is in this list. What an event costs is a property
// of the machine: see machine/machine_model.h.
// X(enumerator, component, name, help)
#define XMMU_COST_EVENTS(X)                                                    \
  X(kAccess, kExecute, "access", "one fetch, load or store of the program")    \
  X(kDependentLoad, kExecute, "dependent_load",                                \
    "L1 hit of a load that the next one waits for (pointer chase)")            \
  X(kDataL2, kData, "data_l2", "data access served by L2, beyond an L1 hit")   \
  X(kDataL2Far, kData, "data_l2_far",                                          \
    "data access served by L2, outside the page of the last, beyond an L1 "    \
    "hit")                                                                     \
  X(kDataL3, kData, "data_l3", "data access served by L3, beyond an L1 hit")   \
  X(kDataDram, kData, "data_dram", "data access to DRAM, beyond an L1 hit")    \
  X(kDataDramRowHit, kData, "data_dram_row_hit",                               \
    "data access to an open row of DRAM, beyond an L1 hit")                    \
  X(kDataWait, kData, "data_wait",                                             \
    "one cycle of waiting for a line that is being prefetched")                \
  X(kTlbL2Hit, kTlb, "tlb_l2_hit", "L1 TLB miss that hits the L2 TLB")         \
  X(kWalkOverhead, kWalk, "walk_overhead", "one page walk, without loads")     \
  X(kAdUpdate, kWalk, "ad_update", "locked update of A or D by the walker")    \
  X(kPteLoadFlat, kPteLoad, "pte_load_flat", "entry load, flat timing")        \
  X(kPteLoadL1, kPteLoadL1, "pte_load_l1", "entry load served by L1")          \
  X(kPteLoadL2, kPteLoadL2, "pte_load_l2", "entry load served by L2")          \
  X(kPteLoadL3, kPteLoadL3, "pte_load_l3", "entry load served by L3")          \
  X(kPteLoadDram, kPteLoadDram, "pte_load_dram", "entry load from DRAM")       \
  X(kExceptionEntry, kException, "exception_entry", "#PF or #GP delivery")     \
  X(kIret, kException, "iret", "IRET to an outer ring")                        \
  X(kSyscallInt, kException, "syscall_int", "INT n with ring change + IRET")   \
  X(kSyscallFast, kException, "syscall_fast", "SYSCALL/SYSENTER and return")   \
  X(kBounce, kRingCrossing, "bounce", "Xen hands an exception to its guest")   \
  X(kSyscallBounce, kRingCrossing, "syscall_bounce",                           \
    "Xen hands a 64-bit SYSCALL to its guest kernel")                          \
  X(kIretHypercall, kRingCrossing, "iret_hypercall",                           \
    "64-bit guest kernel returns to user mode through Xen")                    \
  X(kHypercallInt, kHypercall, "hypercall_int", "INT 0x82 and return")         \
  X(kHypercallSyscall, kHypercall, "hypercall_syscall",                        \
    "hypercall by SYSCALL and return")                                         \
  X(kHypercallWork, kHypercall, "hypercall_work",                              \
    "dispatch, checks and locks of one hypercall")                             \
  X(kMulticallEntry, kHypercall, "multicall_entry",                            \
    "one call inside a multicall")                                             \
  X(kCopyIn, kHypercall, "copy_in", "guarded copy of one request")             \
  X(kContinuation, kHypercall, "continuation", "re-entry after preemption")    \
  X(kLockedOp, kPageRefs, "locked_op", "locked read-modify-write, L1 hit")     \
  X(kValidatePte, kValidation, "validate_pte", "entry scanned, flags checked") \
  X(kSnapshotCompare, kValidation, "snapshot_compare",                         \
    "entry of a writable page table compared with its snapshot")               \
  X(kXenPteRead, kPteUpdate, "xen_pte_read", "entry read by Xen")              \
  X(kXenPteWrite, kPteUpdate, "xen_pte_write", "plain entry write by Xen")     \
  X(kXenPteCas, kPteUpdate, "xen_pte_cas", "locked entry write by Xen")        \
  X(kTempMap, kPteUpdate, "temp_map", "temporary mapping of a frame by Xen")   \
  X(kEmulate, kEmulation, "emulate", "fetch, decode, emulate one instruction") \
  X(kMovCr3, kCr3, "mov_cr3", "MOV to CR3 that flushes")                       \
  X(kMovCr3NoFlush, kCr3, "mov_cr3_noflush", "MOV to CR3 with bit 63 set")     \
  X(kCr3Refill, kCr3, "cr3_refill", "front-end refill after MOV to CR3")       \
  X(kInvlpg, kTlbFlush, "invlpg", "INVLPG")                                    \
  X(kInvpcid, kTlbFlush, "invpcid", "INVPCID, any type")                       \
  X(kMovCr4, kTlbFlush, "mov_cr4", "MOV to CR4 or CR0")                        \
  X(kIpiSend, kIpi, "ipi_send", "sending an IPI")                              \
  X(kIpiDelivery, kIpi, "ipi_delivery", "flight of an IPI, waited for")        \
  X(kIpiHandler, kIpi, "ipi_handler", "interrupt, handler and IRET")           \
  X(kIpiWait, kIpi, "ipi_wait", "one cycle of waiting for the slowest CPU")    \
  X(kVmExit, kVmExit, "vm_exit", "VM exit and entry, by hardware")             \
  X(kVmExitWork, kVmExit, "vm_exit_work",                                      \
    "state saved, exit dispatched, state restored by the hypervisor")          \
  X(kNestedViolation, kVmExit, "nested_violation",                             \
    "handling one violation of the nested tables, without entry writes")       \
  X(kInvept, kVmExit, "invept", "INVEPT, or a flush of an ASID by VMRUN")      \
  X(kInvvpid, kVmExit, "invvpid", "INVVPID or INVLPGA")                        \
  X(kZeroPage, kZero, "zero_page", "zeroing 4 KiB, cached")                    \
  X(kCopyPage, kCopy, "copy_page", "copying 4 KiB, cached")                    \
  X(kHashPage, kSharing, "hash_page", "hashing the content of 4 KiB")          \
  X(kComparePage, kSharing, "compare_page", "comparing 4 KiB with 4 KiB")      \
  X(kGuestFaultPath, kGuestKernel, "guest_fault_path",                         \
    "guest kernel's handling of one fault")                                    \
  X(kGuestSyscallPath, kGuestKernel, "guest_syscall_path",                     \
    "guest kernel's work of one system call")                                  \
  X(kGuestSwitchPath, kGuestKernel, "guest_switch_path",                       \
    "guest scheduler, one process switch")                                     \
  X(kGuestPteWork, kGuestKernel, "guest_pte_work",                             \
    "guest kernel's loop over one page-table entry")                           \
  X(kGuestAccess, kGuestKernel, "guest_access",                                \
    "guest kernel's load or store of a page-table entry, L1 hit")              \
  X(kGuestLockedOp, kGuestKernel, "guest_locked_op",                           \
    "guest kernel's locked instruction on a page-table entry")

enum class CostEvent : uint8_t {
#define XMMU_ENUM(id, component, name, help) id,
  XMMU_COST_EVENTS(XMMU_ENUM)
#undef XMMU_ENUM
};

#define XMMU_COUNT(...) +1
inline constexpr size_t kComponentCount = 0 XMMU_COMPONENTS(XMMU_COUNT);
inline constexpr size_t kCostEventCount = 0 XMMU_COST_EVENTS(XMMU_COUNT);
#undef XMMU_COUNT

// Report names and help texts; no cost.
std::string_view ComponentName(Component component);
std::string_view ComponentHelp(Component component);
std::string_view CostEventName(CostEvent event);
std::string_view CostEventHelp(CostEvent event);
Component ComponentOf(CostEvent event);

// See base/span_log.h.
class SpanLog;

// Names an event of a policy's own that takes time, beside the CostEvents: they
// are numbered in the order in which CycleClock::AddOwnEvent() was given them.
enum class OwnEventId : uint32_t {};

// Cycles per CostEvent.
using PriceList = std::array<uint64_t, kCostEventCount>;

// How often each CostEvent was charged.
using CostTally = std::array<uint64_t, kCostEventCount>;

class CycleClock {
 public:
  explicit CycleClock(const PriceList& prices) : prices_(prices) {}

  // Charges `event`, `times` times.
  void Charge(CostEvent event, uint64_t times = 1) {
    // The program's own accesses are never hidden and wait for no walk; a log
    // finds them by the tally.
    if (event != CostEvent::kAccess && ABSL_PREDICT_FALSE(does_more_)) {
      return ChargeAndMore(event, times);
    }
    Add(event, times);
  }

  // Adds an event of a policy's own, which takes `price` cycles that count under
  // `component`. Charges nothing. See Host::AddOwnEvent(), which adds it to the
  // clocks of all CPUs and is what policies call.
  OwnEventId AddOwnEvent(Component component, uint64_t price);
  // Charges the own event `id`, `times` times, like a CostEvent of its
  // component. REQUIRES: AddOwnEvent() has returned `id`.
  void Charge(OwnEventId id, uint64_t times = 1);
  // How often the own event `id` was charged.
  uint64_t tally(OwnEventId id) const {
    return own_events_[static_cast<size_t>(id)].tally;
  }

  // Sets what goes on at the same time from now on; see base/overlap.h, which
  // gives the ranges of the values.
  void SetOverlap(const Overlap& overlap);
  bool overlaps() const { return overlaps_; }
  // Whether a charge does more than to add: anything overlaps, or charges are
  // written to a log.
  bool does_more() const { return does_more_; }
  // Leaves the walk that began at `begin` and has been charged since to a
  // walker, if there is more than one. REQUIRES: nothing but the walk has been
  // charged since.
  void LeaveToWalker(Cycles begin);

  // Lets spans of this clock go to track `track` of `log`, which outlives the
  // clock or is taken away by nullptr; charges go there too if the log wants
  // them. REQUIRES: nothing overlaps, since time steps back with that.
  void set_span_log(SpanLog* log, uint32_t track);
  // nullptr: nobody wants spans.
  SpanLog* spans() const { return spans_; }
  uint32_t span_track() const { return span_track_; }

  // Lets time pass to `when` without work, if that lies in the future: the CPU
  // was idle. Idle cycles are in now() but in no component.
  void AdvanceTo(Cycles when) {
    if (when > now()) idle_ += when.count() - now().count();
  }

  // Simulated time of this CPU: busy and idle cycles, less those hidden.
  Cycles now() const { return Cycles(busy_ + idle_ - hidden_); }
  // Cycles charged, serialised; equals the sum of by_component().
  Cycles busy() const { return Cycles(busy_); }
  Cycles idle() const { return Cycles(idle_); }
  // Busy cycles that passed beside others, see base/overlap.h.
  Cycles hidden() const { return Cycles(hidden_); }

  // How often `event` was charged.
  uint64_t tally(CostEvent event) const {
    return tally_[static_cast<size_t>(event)];
  }
  const CostTally& tallies() const { return tally_; }
  uint64_t price(CostEvent event) const {
    return prices_[static_cast<size_t>(event)];
  }
  Cycles charged(CostEvent event) const {
    return Cycles(tally(event) * price(event));
  }
  std::array<Cycles, kComponentCount> by_component() const;

 private:
  struct OwnEvent {
    Component component;
    uint64_t price = 0;
    uint64_t tally = 0;
  };

  void Add(CostEvent event, uint64_t times) {
    const auto index = static_cast<size_t>(event);
    tally_[index] += times;
    busy_ += times * prices_[index];
  }
  // Charge() where anything overlaps or charges are recorded.
  void ChargeAndMore(CostEvent event, uint64_t times);
  // Hides the share Overlap::hidden_per_mille of `cycles` of latency.
  void Hide(uint64_t cycles);
  // Lets the program wait until all outstanding walks have ended.
  void WaitForWalks();

  PriceList prices_;
  CostTally tally_{};
  std::vector<OwnEvent> own_events_;  // by OwnEventId
  uint64_t busy_ = 0;
  uint64_t idle_ = 0;
  uint64_t hidden_ = 0;
  bool does_more_ = false;  // whether a charge does more than to add
  bool overlaps_ = false;
  Overlap overlap_;
  uint64_t hidden_thousandths_ = 0;  // not in hidden_ yet
  std::vector<uint64_t> walk_ends_;  // of the outstanding walks
  SpanLog* spans_ = nullptr;
  uint32_t span_track_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_BASE_CYCLES_H_
