#ifndef XMMU_BASE_COUNTERS_H_
#define XMMU_BASE_COUNTERS_H_

// Event counters, named as Xen's performance counters (perfc_defn.h) where Xen
// has one. Counting is free: no counter charges a clock.
//
// Single-threaded; one set a simulated CPU, added up for a report.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace xmmu {

// X(enumerator, report name, help)
#define XMMU_COUNTERS(X)                                                      \
  X(kAccesses, "accesses", "accesses of the guest program, per page touched") \
  X(kTlbL1Hits, "tlb_l1_hits", "translations served by an L1 TLB")            \
  X(kTlbL2Hits, "tlb_l2_hits", "translations served by the L2 TLB")           \
  X(kPageWalks, "page_walks", "page walks")                                   \
  X(kPteLoads, "pte_loads", "entries loaded by page walks")                   \
  X(kNestedPteLoads, "nested_pte_loads", "... of nested tables")              \
  X(kNestedTlbHits, "nested_tlb_hits",                                        \
    "guest-physical addresses served by the nested TLB")                      \
  X(kNestedPscHits, "nested_psc_hits",                                        \
    "nested walks shortened by a paging-structure cache")                     \
  X(kNestedViolations, "nested_violations",                                   \
    "accesses stopped by the nested tables")                                  \
  X(kVmExits, "vm_exits", "VM exits")                                         \
  X(kPscHits, "psc_hits", "walks shortened by a paging-structure cache")      \
  X(kAdUpdates, "ad_updates", "A or D flags set by page walks")               \
  X(kHardwareFaults, "page_faults", "page faults raised by the hardware")     \
  X(kGuestFaults, "guest_page_faults", "page faults the guest kernel saw")    \
  X(kFixedFaults, "fixed_faults", "faults the hypervisor resolved by itself") \
  X(kPtwrEmulations, "ptwr_emulations", "page-table writes emulated")         \
  X(kPtwrRefused, "ptwr_refused", "page-table writes refused by emulation")   \
  X(kPtwrActive, "ptwr_active", "page tables unhooked and opened to stores")  \
  X(kPtwrInactive, "ptwr_inactive", "page tables opened to stores as such")   \
  X(kPtwrChanged, "wpt_updates", "entries found changed in open page tables") \
  X(kPtwrClosed0, "wpt_closed_0", "open page tables closed with no change")   \
  X(kPtwrClosed1, "wpt_closed_1", "with one entry changed")                   \
  X(kPtwrClosed2, "wpt_closed_2", "with two entries changed")                 \
  X(kPtwrClosed4, "wpt_closed_4", "with 3 or 4 entries changed")              \
  X(kPtwrClosed8, "wpt_closed_8", "with 5 to 8 entries changed")              \
  X(kPtwrClosed16, "wpt_closed_16", "with 9 to 16 entries changed")           \
  X(kPtwrClosed32, "wpt_closed_32", "with 17 to 32 entries changed")          \
  X(kPtwrClosed64, "wpt_closed_64", "with 33 to 64 entries changed")          \
  X(kPtwrClosed128, "wpt_closed_128", "with 65 to 128 entries changed")       \
  X(kPtwrClosed256, "wpt_closed_256", "with 129 to 256 entries changed")      \
  X(kPtwrClosed512, "wpt_closed_512", "with 257 to 512 entries changed")      \
  X(kPtwrClosed1024, "wpt_closed_1024", "with 513 to 1024 entries changed")   \
  X(kShadowFills, "shadow_fills", "shadow paths made for an access")          \
  X(kShadowsMade, "shadows_made", "shadow tables made")                       \
  X(kShadowsRecycled, "shadows_recycled",                                     \
    "shadow tables torn down for want of others")                             \
  X(kShadowOpened, "shadow_out_of_sync",                                      \
    "shadowed tables that went out of sync")                                  \
  X(kShadowResyncs, "shadow_resyncs", "tables compared and made in sync")     \
  X(kShadowResynced, "shadow_resynced_ptes",                                  \
    "entries found changed in them, or on the way of an access")              \
  X(kShadowDropped, "shadow_dropped",                                         \
    "tables out of sync that nothing used, and that are tables no more")      \
  X(kLogDirtyMarked, "log_dirty_marked",                                      \
    "pages marked in the log of dirty pages")                                 \
  X(kLogDirtyRounds, "log_dirty_rounds",                                      \
    "times that log was fetched and cleared")                                 \
  X(kShadowEmulations, "shadow_fault_emulate_write",                          \
    "stores to shadowed tables emulated, each entry then made anew")          \
  X(kShadowUnshadowed, "shadow_fault_emulate_failed",                         \
    "tables that are none for being written in ways that no kernel does")     \
  X(kShadowEarlyUnshadow, "shadow_early_unshadow",                            \
    "tables that are none, or roots emptied, for being written with zeros")   \
  X(kShadowGuessed, "shadow_writeable_h",                                     \
    "writable mappings of tables found where they were guessed to be")        \
  X(kShadowBruteForce, "shadow_writeable_bf",                                 \
    "searches of all L1 shadows for them")                                    \
  X(kShadowFastNotPresent, "shadow_fault_fast_gnp",                           \
    "faults handed to the guest by a mark in the shadow, without a walk")     \
  X(kShadowFastEmulations, "shadow_fault_emulate_fast",                       \
    "... emulated without a walk, on the page of the last one")               \
  X(kShadowPrefetched, "shadow_prefetched",                                   \
    "shadow entries made before they were needed")                            \
  X(kShadowUnsyncEvict, "shadow_unsync_evict",                                \
    "tables made in sync to let another go out of sync")                      \
  X(kShadowFixupEvict, "shadow_oos_fixup_evict",                              \
    "mappings of them that lost write access to one more")                    \
  X(kHypercalls, "hypercalls", "ring crossings for hypercalls")               \
  X(kMulticalls, "multicalls", "hypercalls that carried several")             \
  X(kCallsToMmuUpdate, "calls_to_mmu_update", "mmu_update calls")             \
  X(kNumPageUpdates, "num_page_updates", "requests inside mmu_update calls")  \
  X(kWritableMmuUpdates, "writable_mmu_updates",                              \
    "mmu_update requests that hit a page that is no page table")              \
  X(kCallsToUpdateVaMapping, "calls_to_update_va", "update_va_mapping calls") \
  X(kCallsToMmuextOp, "calls_to_mmuext_op", "mmuext_op calls")                \
  X(kNumMmuextOps, "num_mmuext_ops", "operations inside mmuext_op calls")     \
  X(kPins, "pins", "page tables pinned")                                      \
  X(kUnpins, "unpins", "page tables unpinned")                                \
  X(kPromotions, "validated_tables", "page tables validated")                 \
  X(kDemotions, "devalidated_tables", "page tables devalidated")              \
  X(kValidatedPtes, "validated_ptes", "entries scanned by validation")        \
  X(kDevalidatedPtes, "devalidated_ptes", "entries scanned by devalidation")  \
  X(kTypeChangeFlushes, "need_flush_tlb_flush",                               \
    "TLB flushes forced by a type change")                                    \
  X(kCallsToMakeRoAndShare, "calls_to_make_ro_and_share",                     \
    "make_ro_and_share calls")                                                \
  X(kPagesShared, "pages_shared", "pages that became shared frames")          \
  X(kPagesMerged, "pages_merged", "pages freed for a shared frame")           \
  X(kSharedFreed, "shared_freed", "shared frames freed with their last use")  \
  X(kTlbFlushes, "tlb_flushes", "TLB flushes wider than a page")              \
  X(kTlbFlushesFiltered, "tlb_flushes_filtered",                              \
    "MOV to CR3 that a flush filter kept from flushing")                      \
  X(kTlbPageFlushes, "tlb_page_flushes", "INVLPG and its kin")                \
  X(kIpis, "ipis", "interprocessor interrupts received")                      \
  X(kCr3Loads, "cr3_loads", "MOV to CR3")                                     \
  X(kContextSwitches, "context_switches", "process switches of the guest")    \
  X(kModeSwitches, "mode_switches", "guest user/kernel switches through Xen") \
  X(kSyscalls, "syscalls", "system calls of the guest program")               \
  X(kForks, "forks", "processes forked")                                      \
  X(kExecs, "execs", "programs executed")                                     \
  X(kExits, "exits", "processes ended")                                       \
  X(kDemandZero, "demand_zero", "pages zeroed on a fault")                    \
  X(kCowCopies, "cow_copies", "pages copied on a write fault")                \
  X(kCowReuses, "cow_reuses", "pages reused by their last owner on a fault")  \
  X(kFileMapped, "file_mapped", "file pages mapped by faults")                \
  X(kPteStores, "pte_stores", "page-table entries stored by guest instructions")

enum class Counter : uint8_t {
#define XMMU_ENUM(id, name, help) id,
  XMMU_COUNTERS(XMMU_ENUM)
#undef XMMU_ENUM
};

#define XMMU_COUNT(...) +1
inline constexpr size_t kCounterCount = 0 XMMU_COUNTERS(XMMU_COUNT);
#undef XMMU_COUNT

// The kPtwrClosed... that counts tables closed with `changed` entries changed,
// at most 1024.
constexpr Counter PtwrClosedCounter(uint64_t changed) {
  const auto first = static_cast<size_t>(Counter::kPtwrClosed0);
  if (changed == 0) return Counter::kPtwrClosed0;
  const auto powers = static_cast<size_t>(std::bit_width(changed - 1));
  return static_cast<Counter>(first + 1 + powers);
}

std::string_view CounterName(Counter counter);
std::string_view CounterHelp(Counter counter);

class Counters {
 public:
  void Add(Counter counter, uint64_t times = 1) {
    values_[static_cast<size_t>(counter)] += times;
  }
  uint64_t operator[](Counter counter) const {
    return values_[static_cast<size_t>(counter)];
  }
  Counters& operator+=(const Counters& other);
  // What was counted since `earlier`, a copy taken before.
  Counters operator-(const Counters& earlier) const;
  bool operator==(const Counters&) const = default;

 private:
  std::array<uint64_t, kCounterCount> values_{};
};

}  // namespace xmmu

#endif  // XMMU_BASE_COUNTERS_H_
