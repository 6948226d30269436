#ifndef XMMU_LIB_WORKLOAD_LINUX_TEXT_XEN_EVENT_H_
#define XMMU_LIB_WORKLOAD_LINUX_TEXT_XEN_EVENT_H_

// The `xen:` events of a paravirtual Linux (include/trace/events/xen.h): what
// its pv_ops.mmu were asked, and what they queue for Xen. Kernels until 5.9 have
// some more, which are read, too.
//
// Two shapes are read: that of the kernel, and what trace-cmd 3.1.6 prints where
// it cannot evaluate the kernel's format: `[FAILED TO PARSE] ptep=0x...
// pteval=DECIMAL`. Plain values; any thread.

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "workload/linux_text/text_event.h"

namespace xmmu {

// X(enumerator, name, what it announces). The name is without "xen_".
#define XMMU_XEN_EVENTS(X)                                                   \
  X(kSetPte, "mmu_set_pte", "an L1 entry is set")                            \
  X(kSetPteAt, "mmu_set_pte_at", "an L1 entry is set (until 5.9)")           \
  X(kSetPteAtomic, "mmu_set_pte_atomic", "an L1 entry is set (until 5.9)")   \
  X(kPteClear, "mmu_pte_clear", "an L1 entry is cleared (until 5.9)")        \
  X(kSetPmd, "mmu_set_pmd", "an L2 entry is set")                            \
  X(kPmdClear, "mmu_pmd_clear", "an L2 entry is cleared (until 5.9)")        \
  X(kSetPud, "mmu_set_pud", "an L3 entry is set")                            \
  X(kSetP4d, "mmu_set_p4d", "an L4 entry is set")                            \
  X(kProtStart, "mmu_ptep_modify_prot_start", "an entry's rights change")    \
  X(kProtCommit, "mmu_ptep_modify_prot_commit", "an entry's rights changed") \
  X(kAllocTable, "mmu_alloc_ptpage", "a page becomes a page table")          \
  X(kReleaseTable, "mmu_release_ptpage", "a page table becomes a page")      \
  X(kPin, "mmu_pgd_pin", "an address space is pinned")                       \
  X(kUnpin, "mmu_pgd_unpin", "an address space is unpinned")                 \
  X(kWriteCr3, "mmu_write_cr3", "a base pointer is loaded")                  \
  X(kFlushOne, "mmu_flush_tlb_one_user", "one address is flushed here")      \
  X(kFlushSingle, "mmu_flush_tlb_single", "the same (until 5.9)")            \
  X(kFlushAll, "mmu_flush_tlb", "everything is flushed here (until 5.9)")    \
  X(kFlushMulti, "mmu_flush_tlb_multi", "other CPUs flush, too")             \
  X(kFlushOthers, "mmu_flush_tlb_others", "other CPUs flush (until 5.9)")    \
  X(kBatch, "mc_batch", "a section that queues begins")                      \
  X(kIssue, "mc_issue", "it ends")                                           \
  X(kEntryAlloc, "mc_entry_alloc", "room for a call is taken")               \
  X(kEntry, "mc_entry", "a call is queued")                                  \
  X(kExtend, "mc_extend_args", "an operation may join the last queued call") \
  X(kCallback, "mc_callback", "a function is to be called after the flush")  \
  X(kFlushReason, "mc_flush_reason", "why the queue is issued")              \
  X(kFlush, "mc_flush", "the queue is issued")                               \
  X(kOther, "", "an event of no interest to memory")

enum class XenEventKind : uint8_t {
#define XMMU_ENUM(id, name, help) id,
  XMMU_XEN_EVENTS(XMMU_ENUM)
#undef XMMU_ENUM
};
#define XMMU_COUNT(...) +1
inline constexpr size_t kXenEventKinds = 0 XMMU_XEN_EVENTS(XMMU_COUNT);
#undef XMMU_COUNT

// "xen_mmu_set_pte".
absl::string_view XenEventName(XenEventKind kind);
absl::string_view XenEventHelp(XenEventKind kind);

enum class XenExtend : uint8_t { kOk, kBadOp, kNoSpace };

struct XenEvent {
  XenEventKind kind = XenEventKind::kOther;
  // The entry as it goes into the table, with the machine's frame: of kSetPte
  // to kSetP4d, kProtStart and kProtCommit. Of kSetP4d it has the guest's.
  uint64_t raw = 0;
  // What the text calls the address space: an address, or what the kernel
  // prints for it; empty if it tells none apart.
  absl::string_view mm;
  uint32_t level = 0;   // 2 to 4: an L3, L2, L1 table (kAllocTable)
  bool pinned = false;  // kAllocTable, kReleaseTable: its tree is
  bool user = false;    // kWriteCr3: that of user mode
  uint32_t op = 0;      // the hypercall's number: kEntry, kExtend
  XenExtend extend = XenExtend::kOk;
  uint64_t calls = 0;  // kFlush: in the queue
  uint64_t bytes = 0;  // kFlush: of arguments
};

// Reads an event whose name begins with "xen_".
//
// Errors: InvalidArgument with what is wrong, for one that is of the table and
// not as Linux or trace-cmd print it.
absl::StatusOr<XenEvent> ParseXenEvent(const TextEvent& event);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LINUX_TEXT_XEN_EVENT_H_
