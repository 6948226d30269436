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

// X(enumerator, report name, help). A help says what the counter includes, and
// what one could take for it but it does not, and is true when read alone.
#define XMMU_COUNTERS(X)                                                      \
  X(kAccesses, "accesses",                                                    \
    "fetches, loads and stores that the guest program performed, one for "    \
    "each page touched; neither attempts that faulted nor the kernel's")      \
  X(kTlbL1Hits, "tlb_l1_hits",                                                \
    "translations found in an L1 TLB, the guest kernel's too, and those "     \
    "that do not grant the access")                                           \
  X(kTlbL2Hits, "tlb_l2_hits",                                                \
    "translations found in the L2 TLB after a miss in L1, the guest "         \
    "kernel's too, and those that do not grant the access")                   \
  X(kPageWalks, "page_walks",                                                 \
    "walks of the tables in CR3 by a processor, for program and kernel, "     \
    "those that ended in a fault included; a walk in two dimensions is one")  \
  X(kPteLoads, "pte_loads",                                                   \
    "entries loaded by page walks, those of nested tables included; PAE's "   \
    "PDPTE registers are none")                                               \
  X(kNestedPteLoads, "nested_pte_loads",                                      \
    "of pte_loads those of nested tables")                                    \
  X(kNestedTlbHits, "nested_tlb_hits",                                        \
    "guest-physical addresses that a walk found in the nested TLB")           \
  X(kNestedPscHits, "nested_psc_hits",                                        \
    "walks of nested tables begun below their root, by a paging-structure "   \
    "cache")                                                                  \
  X(kNestedViolations, "nested_violations",                                   \
    "accesses, walks and loads of PDPTEs that nested tables stopped (EPT "    \
    "violation, nested page fault); no page_faults")                          \
  X(kVmExits, "vm_exits",                                                     \
    "VM exits with the entry that follows, for whatever reason: faults "      \
    "under shadows, violations, hypercalls, interrupts, intercepted "         \
    "instructions")                                                           \
  X(kPscHits, "psc_hits",                                                     \
    "page walks begun below the root, by a paging-structure cache")           \
  X(kAdUpdates, "ad_updates",                                                 \
    "entries in which a page walk set A, D or both, nested ones included; "   \
    "not what software sets")                                                 \
  X(kHardwareFaults, "page_faults",                                           \
    "#PF and #GP that accesses of program and kernel raised, whoever "        \
    "resolved them: guest_page_faults and fixed_faults, spurious ones "       \
    "included, nested_violations not")                                        \
  X(kGuestFaults, "guest_page_faults",                                        \
    "#PF and #GP that reached the guest kernel: demand faults, "              \
    "copy-on-write, spurious ones, those that ended in a signal")             \
  X(kFixedFaults, "fixed_faults",                                             \
    "of page_faults those that the hypervisor resolved, retried or emulated " \
    "without its guest")                                                      \
  X(kSignals, "signals",                                                      \
    "accesses of the guest program that its kernel refused (SIGSEGV): "       \
    "nothing is mapped there, or not with that right; the program goes on "   \
    "without them")                                                           \
  X(kPtwrEmulations, "ptwr_emulations",                                       \
    "instructions of a paravirtual kernel that write to a page table, "       \
    "emulated by Xen; an entry stored by halves is two")                      \
  X(kPtwrRefused, "ptwr_refused",                                             \
    "instructions that write to a page table, refused by Xen's emulation; "   \
    "the fault is the guest's then")                                          \
  X(kPtwrActive, "ptwr_active",                                               \
    "page tables of the address space in use that were unhooked and opened "  \
    "to stores")                                                              \
  X(kPtwrInactive, "ptwr_inactive",                                           \
    "page tables of no address space in use that were opened to stores as "   \
    "they were")                                                              \
  X(kPtwrChanged, "wpt_updates",                                              \
    "entries found changed when open page tables were closed, a refused one " \
    "included")                                                               \
  X(kPtwrClosed0, "wpt_closed_0",                                             \
    "open page tables closed with no entry changed; one that is validated "   \
    "anew is in none of these")                                               \
  X(kPtwrClosed1, "wpt_closed_1",                                             \
    "open page tables closed with one entry changed")                         \
  X(kPtwrClosed2, "wpt_closed_2",                                             \
    "open page tables closed with two entries changed")                       \
  X(kPtwrClosed4, "wpt_closed_4",                                             \
    "open page tables closed with 3 or 4 entries changed")                    \
  X(kPtwrClosed8, "wpt_closed_8",                                             \
    "open page tables closed with 5 to 8 entries changed")                    \
  X(kPtwrClosed16, "wpt_closed_16",                                           \
    "open page tables closed with 9 to 16 entries changed")                   \
  X(kPtwrClosed32, "wpt_closed_32",                                           \
    "open page tables closed with 17 to 32 entries changed")                  \
  X(kPtwrClosed64, "wpt_closed_64",                                           \
    "open page tables closed with 33 to 64 entries changed")                  \
  X(kPtwrClosed128, "wpt_closed_128",                                         \
    "open page tables closed with 65 to 128 entries changed")                 \
  X(kPtwrClosed256, "wpt_closed_256",                                         \
    "open page tables closed with 129 to 256 entries changed")                \
  X(kPtwrClosed512, "wpt_closed_512",                                         \
    "open page tables closed with 257 to 512 entries changed")                \
  X(kPtwrClosed1024, "wpt_closed_1024",                                       \
    "open page tables closed with 513 to 1024 entries changed")               \
  X(kShadowFills, "shadow_fills",                                             \
    "faults for whose address all shadow entries on the way were made, in "   \
    "log-dirty mode of paravirtual guests too")                               \
  X(kShadowsMade, "shadows_made",                                             \
    "shadow tables made: of guest tables at each level, and of large pages "  \
    "in pieces")                                                              \
  X(kShadowsRecycled, "shadows_recycled",                                     \
    "shadow tables torn down because the pool was empty; not those whose "    \
    "guest table ended")                                                      \
  X(kShadowOpened, "shadow_out_of_sync",                                      \
    "times that a shadowed guest table became writable and went out of sync") \
  X(kShadowResyncs, "shadow_resyncs",                                         \
    "guest tables out of sync that were compared and are in sync again")      \
  X(kShadowResynced, "shadow_resynced_ptes",                                  \
    "shadow entries found older than the guest's, in a table made in sync "   \
    "or on the way of an access")                                             \
  X(kShadowDropped, "shadow_dropped",                                         \
    "shadows of guest tables given up because nothing refers to them any "    \
    "more")                                                                   \
  X(kLogDirtyMarked, "log_dirty_marked",                                      \
    "pages newly marked in the log of dirty pages; one that is written "      \
    "again in the same round does not count")                                 \
  X(kLogDirtyRounds, "log_dirty_rounds",                                      \
    "times that the log of dirty pages was fetched and cleared; a look at "   \
    "it does not count")                                                      \
  X(kShadowEmulations, "shadow_fault_emulate_write",                          \
    "instructions that write to a shadowed guest table, emulated by Xen; an " \
    "entry stored by halves is two")                                          \
  X(kShadowUnshadowed, "shadow_fault_emulate_failed",                         \
    "guest tables unshadowed because a program, or an instruction that the "  \
    "emulator does not know, wrote to them")                                  \
  X(kShadowEarlyUnshadow, "shadow_early_unshadow",                            \
    "guest tables unshadowed, and roots in use emptied, because zeros were "  \
    "written to them one after the other")                                    \
  X(kShadowGuessed, "shadow_writeable_h",                                     \
    "writable mappings of a guest table found where Xen guesses that "        \
    "kernels map them")                                                       \
  X(kShadowBruteForce, "shadow_writeable_bf",                                 \
    "searches of the L1 shadows for writable mappings of a guest table that " \
    "guessing did not find")                                                  \
  X(kShadowFastNotPresent, "shadow_fault_fast_gnp",                           \
    "faults handed to the guest because of a mark in the shadow entry, "      \
    "without a walk")                                                         \
  X(kShadowFastEmulations, "shadow_fault_emulate_fast",                       \
    "of shadow_fault_emulate_write those without a walk, on the page of the " \
    "last one")                                                               \
  X(kShadowPrefetched, "shadow_prefetched",                                   \
    "shadow entries made beside the one that faulted, before they were "      \
    "needed")                                                                 \
  X(kShadowUnsyncEvict, "shadow_unsync_evict",                                \
    "guest tables made in sync to let another go out of sync")                \
  X(kShadowFixupEvict, "shadow_oos_fixup_evict",                              \
    "writable mappings of a table out of sync that lost write access to one " \
    "more")                                                                   \
  X(kHypercalls, "hypercalls",                                                \
    "entries into the hypervisor for a hypercall, a multicall being one; a "  \
    "paravirtual guest's MOV to CR3 and flushes, and the toolstack's calls "  \
    "for a log, included")                                                    \
  X(kMulticalls, "multicalls",                                                \
    "of hypercalls those that carried a list of calls")                       \
  X(kCallsToMmuUpdate, "calls_to_mmu_update",                                 \
    "mmu_update calls, inside a multicall too, refused ones included")        \
  X(kNumPageUpdates, "num_page_updates",                                      \
    "requests inside mmu_update calls that were carried out")                 \
  X(kWritableMmuUpdates, "writable_mmu_updates",                              \
    "mmu_update requests that wrote to a page that is no page table")         \
  X(kCallsToUpdateVaMapping, "calls_to_update_va",                            \
    "update_va_mapping calls, inside a multicall too, refused ones included") \
  X(kCallsToMmuextOp, "calls_to_mmuext_op",                                   \
    "mmuext_op calls, inside a multicall too, refused ones included")         \
  X(kNumMmuextOps, "num_mmuext_ops",                                          \
    "operations inside mmuext_op calls that were carried out")                \
  X(kPins, "pins",                                                            \
    "page tables pinned, once each; those below a pinned root do not count")  \
  X(kUnpins, "unpins",                                                        \
    "page tables unpinned, once each; those below a pinned root do not "      \
    "count")                                                                  \
  X(kPromotions, "validated_tables",                                          \
    "page tables whose validation began, each of a tree for itself, refused " \
    "ones included")                                                          \
  X(kDemotions, "devalidated_tables",                                         \
    "page tables devalidated, each of a tree for itself")                     \
  X(kValidatedPtes, "validated_ptes",                                         \
    "entries, empty ones too, scanned to validate whole tables, to the "      \
    "refused one; not single updates, nor tables compared with a snapshot")   \
  X(kDevalidatedPtes, "devalidated_ptes",                                     \
    "entries, empty ones too, scanned to devalidate whole tables; not what "  \
    "a failed validation undoes")                                             \
  X(kTypeChangeFlushes, "need_flush_tlb_flush",                               \
    "changes of a frame's type that forced a TLB flush, on however many "     \
    "CPUs")                                                                   \
  X(kCallsToMakeRoAndShare, "calls_to_make_ro_and_share",                     \
    "make_ro_and_share calls, refused ones included")                         \
  X(kPagesShared, "pages_shared",                                             \
    "pages that became shared frames, their content being new")               \
  X(kPagesMerged, "pages_merged",                                             \
    "pages freed because a shared frame has their content")                   \
  X(kSharedFreed, "shared_freed", "shared frames freed with their last use")  \
  X(kTlbFlushes, "tlb_flushes",                                               \
    "TLB flushes wider than a page, for each CPU: MOV to CR3 that flushes "   \
    "(process switches too), CR0, CR4, INVPCID, INVEPT, INVVPID; not what "   \
    "VM exits drop")                                                          \
  X(kTlbFlushesFiltered, "tlb_flushes_filtered",                              \
    "MOV to CR3 that a flush filter kept from flushing")                      \
  X(kTlbPageFlushes, "tlb_page_flushes",                                      \
    "TLB flushes of one address, for each CPU: INVLPG, INVLPGA, INVPCID and " \
    "INVVPID of an address; not what faults drop")                            \
  X(kIpis, "ipis",                                                            \
    "interprocessor interrupts received, one for each CPU that was "          \
    "interrupted")                                                            \
  X(kCr3Loads, "cr3_loads",                                                   \
    "MOV to CR3 by guest or hypervisor, to switch or to flush, those that "   \
    "flush nothing included")                                                 \
  X(kContextSwitches, "context_switches",                                     \
    "times that the guest kernel switched to a process, the first run of "    \
    "each included")                                                          \
  X(kModeSwitches, "mode_switches",                                           \
    "changes of a 64-bit paravirtual guest between kernel and user mode by "  \
    "system call, interrupt and return; not those by a fault")                \
  X(kSyscalls, "syscalls",                                                    \
    "system calls of the guest program, each that maps, forks, execs, waits " \
    "or exits included")                                                      \
  X(kForks, "forks", "processes forked, by fork or vfork")                    \
  X(kExecs, "execs", "programs executed by exec")                             \
  X(kExits, "exits", "processes ended")                                       \
  X(kDemandZero, "demand_zero",                                               \
    "pages zeroed for the program: by a first write, or by exec for its "     \
    "arguments; no page tables")                                              \
  X(kCowCopies, "cow_copies",                                                 \
    "pages copied by a write: shared since a fork, or of a file mapped "      \
    "privately; of the zero page in demand_zero instead")                     \
  X(kCowReuses, "cow_reuses",                                                 \
    "pages that a write made writable without a copy: nobody else had them, " \
    "or the mapping is shared")                                               \
  X(kFileMapped, "file_mapped",                                               \
    "pages of files and of shared memory mapped by faults, all those that a " \
    "fault maps around its own included")                                     \
  X(kCopyFaults, "copy_faults",                                               \
    "of guest_page_faults those of the kernel, as it copied to or from the "  \
    "program's memory for a system call")                                     \
  X(kPopulated, "populated",                                                  \
    "pages, large ones being one each, that the kernel made without a fault " \
    "of the program: MAP_POPULATE, mlock, MADV_POPULATE_READ and _WRITE")     \
  X(kThpFaultAlloc, "thp_fault_alloc",                                        \
    "large pages zeroed by a first write to transparent huge memory, "        \
    "populated ones included; their 4 KiB pages are not in demand_zero")      \
  X(kThpFaultFallback, "thp_fault_fallback",                                  \
    "first accesses to transparent huge memory that took a 4 KiB page, as "   \
    "no large page's memory was free in one piece")                           \
  X(kThpZeroPage, "thp_zero_page",                                            \
    "first reads of transparent huge memory, mapped to the one large page "   \
    "of zeros")                                                               \
  X(kThpSplitPmd, "thp_split_pmd",                                            \
    "large entries of transparent huge memory split into 4 KiB entries")      \
  X(kHugetlbMapped, "hugetlb_mapped",                                         \
    "large pages of MAP_HUGETLB mappings made by faults or populated")        \
  X(kLargeDenied, "large_denied",                                             \
    "regions of a large page's size that would have been one page each, and " \
    "are 4 KiB ones as the hypervisor gives the guest no large pages")        \
  X(kReclaimed, "reclaimed",                                                  \
    "pages of files that were dropped from the page cache for want of "       \
    "memory")                                                                 \
  X(kPteStores, "pte_stores",                                                 \
    "entries of L1 tables that the guest kernel set, changed or cleared by "  \
    "an instruction, emulated or not; by halves counts once")

enum class Counter : uint8_t {
#define XMMU_ENUM(id, name, help) id,
  XMMU_COUNTERS(XMMU_ENUM)
#undef XMMU_ENUM
};

#define XMMU_COUNT(...) +1
inline constexpr size_t kCounterCount = 0 XMMU_COUNTERS(XMMU_COUNT);
#undef XMMU_COUNT

// Returns the counter, one of kPtwrClosed0 to kPtwrClosed1024, that counts
// tables closed with `changed` entries changed, at most 1024.
constexpr Counter PtwrClosedCounter(uint64_t changed) {
  const auto first = static_cast<size_t>(Counter::kPtwrClosed0);
  if (changed == 0) return Counter::kPtwrClosed0;
  const auto powers = static_cast<size_t>(std::bit_width(changed - 1));
  return static_cast<Counter>(first + 1 + powers);
}

// The name in reports and the help text of a counter.
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
  // Returns what was counted since `earlier`, a copy taken before.
  Counters operator-(const Counters& earlier) const;
  bool operator==(const Counters&) const = default;

 private:
  std::array<uint64_t, kCounterCount> values_{};
};

}  // namespace xmmu

#endif  // XMMU_BASE_COUNTERS_H_
