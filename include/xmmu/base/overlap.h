#ifndef XMMU_BASE_OVERLAP_H_
#define XMMU_BASE_OVERLAP_H_

// What goes on at the same time. Cycles are serialised unless one of these
// options is switched on: each event takes its price before the next begins. An
// out-of-order processor hides a part of that; how much depends on what depends
// on what, which traces of addresses do not say. So nothing of it is in any
// price: a CycleClock keeps what the options hide as an amount of its own,
// beside the cycles charged, which stay what they were.
//
//   hidden_per_mille  F. Of each latency of a second-level TLB hit, a walk and
//                     its loads, or a data access beyond the L1 cache this
//                     share passes beside other work. The fractions of cycles
//                     that this leaves are carried on: none is lost.
//   walkers           N. After a TLB miss the program goes on as soon as fewer
//                     than N walks are outstanding: with one walker that is
//                     when the walk ends; with more it goes on at once while
//                     others are free, or else when the first one ends. Of a
//                     walk that is hidden which the program did not wait for.
//
// With both the first one shortens the walks that the second one overlaps.
// All else waits for all outstanding walks to end: exceptions and system calls,
// hypercalls, VM exits, MOV to a control register, INVLPG, interrupts, and the
// work of the guest's kernel and of the hypervisor, which is charged in lumps
// of whose instructions nothing is known. What such a wait takes was hidden
// before and is so no longer.
//
// What it does not claim. No access waits for another's result, not even for
// the translation that it needs itself, and an access to a page whose walk is
// outstanding finds it in the TLB: so with N walkers this is a bound, the most
// that N walkers could hide of the walks of a program. No window of
// instructions ends it, and walkers do not compete for caches or memory.
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
