#ifndef XMMU_BASE_OVERLAP_H_
#define XMMU_BASE_OVERLAP_H_

// Overlap states which work a processor does at the same time. Cycles are
// serialised unless one of these options is switched on: each event takes its
// price before the next begins. An out-of-order processor hides a part of that.
// How much it hides depends on which instruction waits for which, and traces of
// addresses do not say that. So no price contains any of it: a CycleClock keeps
// what the options hide as an amount of its own, beside the cycles charged,
// which stay what they were.
//
//   hidden_per_mille  This share of each latency (a second-level TLB hit, a
//                     walk and its loads, a data access beyond the L1 cache)
//                     passes beside other work. Fractions of cycles that this
//                     leaves are carried on, so none is lost.
//   walkers           After a TLB miss the program goes on as soon as fewer
//                     walks than this are outstanding. With one walker that is
//                     when the walk ends; with more it is at once while a
//                     walker is free, or else when the first walk ends. The
//                     part of a walk that the program did not wait for is
//                     hidden.
//
// With both options on, hidden_per_mille shortens the walks that the walkers
// overlap. All other work waits for all outstanding walks to end: exceptions
// and system calls, hypercalls, VM exits, MOV to a control register, INVLPG,
// interrupts, and the work of the guest's kernel and of the hypervisor, which
// is charged in lumps, so that nothing is known of its instructions. The cycles
// of such a wait were hidden before and are hidden no longer.
//
// The model claims no more than a bound. No access waits for another's result,
// not even for the translation that it needs itself, and an access to a page
// whose walk is outstanding finds it in the TLB: N walkers hide the most that N
// walkers could hide of the walks of a program. No window of instructions ends
// the overlap, and walkers do not compete for caches or memory.
//
// Plain values; any thread.

namespace xmmu {

// The most walkers there may be (assumed: more than any processor has).
inline constexpr int kMaxWalkers = 16;

struct Overlap {
  int walkers = 1;           // 1 to kMaxWalkers; 1: walks are serialised
  int hidden_per_mille = 0;  // 0 to 1000

  // Whether any of it is switched on.
  constexpr bool on() const { return walkers > 1 || hidden_per_mille > 0; }
  bool operator==(const Overlap&) const = default;
};

}  // namespace xmmu

#endif  // XMMU_BASE_OVERLAP_H_
