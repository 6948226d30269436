#ifndef XMMU_GUEST_GUEST_OPTIONS_H_
#define XMMU_GUEST_GUEST_OPTIONS_H_

// How a guest kernel behaves towards its page tables, apart from any hypervisor
// mechanism. Published results depend on both, so both are options with names,
// and every report row shows them.
// Sources: the Linux sides of Xen 1.x to 3.1 and mainline's pvops.
//
// Plain values; any thread.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "xmmu/machine/paging_mode.h"
#include "xmmu/policy/policy.h"

namespace xmmu {

// How page-table writes are issued.
enum class GuestOps : uint8_t {
  // Plain instructions change L1 tables, on bare hardware and for guests that
  // rely on writable page tables or emulation. Paravirtual guests still change
  // L2 and above of a table in use by mmu_update, which Xen never emulates.
  kStores,
  // Each change is one update_va_mapping if the address space is the current
  // one, else one mmu_update (Linux 2.6.12 to 2.6.16 on Xen 3.0).
  kUpdateVaMapping,
  // mmu_update goes through a queue of 2048, flushed when full, on a TLB flush,
  // on a change of L2 or above and before leaving the kernel (Linux 2.4 on Xen
  // 1 and 2).
  kQueue,
  // mmu_update is batched by 31 inside lazy MMU regions (fork, munmap,
  // mprotect, mremap) and issued one by one outside; table and CR3 operations
  // go by multicall (the batching of mainline's pvops, without its plain atomic
  // clears).
  kMulticall,
  // What a 64-bit paravirtual kernel really issues (Linux 6.1 on Xen 4.17):
  // entries are set by mmu_update, one each outside of lazy MMU regions and in
  // batches of 31 inside; fork's write protection and every clear are atomic
  // instructions on the table itself, which the hypervisor has to emulate;
  // mprotect goes by preserve-A/D updates; everything else by one queue of
  // multicall entries, flushed as the kernel's mmu_gather says.
  kPvops,

  // The following are kernels of a certain time, which mix these ways. In all
  // of them what a fault installs or replaces goes by update_va_mapping, the
  // flush included.
  //
  // Linux 2.4 on Xen 1 and 2: all else goes through one queue of 2048 requests,
  // together with table operations, flushes and CR3. It pins early.
  kLinux24,
  // Linux 2.6.9 on Xen 2.0 with writable page tables: all else goes by plain
  // loads and stores, and L2 by mmu_update. It pins early.
  kLinux269,
  // Linux 2.6.12 to 2.6.16 on Xen 3.0: entries are set by update_va_mapping in
  // the current address space and by plain stores in others; they are cleared
  // and made read-only by atomic instructions. It pins late: a fork's child
  // when it first runs.
  kLinux2612,
  // Linux 2.6.18 on Xen 3.1, without writable page tables: as kLinux2612, but
  // entries are made read-only by update_va_mapping, and PAE entries are
  // cleared by CMPXCHG8B. It pins late: a fork's child at once.
  kLinux2618,
};

// When page tables are made read-only and pinned.
enum class PinWhen : uint8_t {
  kEarly,  // each table when it is allocated (Linux 2.4, 2.6.9)
  kLate,   // the whole tree at its first use; unpinned before it is torn down
           // (Linux 2.6.12 and later)
  kNever,  // read-only as with kLate, never pinned
};

// Which anonymous memory of programs gets large pages as it is first touched
// (Linux: /sys/kernel/mm/transparent_hugepage/enabled, which
// Documentation/admin-guide/mm/transhuge.rst explains). There is no khugepaged:
// memory that has 4 KiB pages keeps them.
enum class Thp : uint8_t {
  kNever,
  kMadvise,  // what MADV_HUGEPAGE asks for
  kAlways,   // all but what MADV_NOHUGEPAGE asks for
};

// What happens when the guest's memory is used up.
enum class Reclaim : uint8_t {
  kNone,  // running out of memory is an error
  // Clean pages of files, least recently mapped first, are unmapped and dropped
  // from the page cache (Linux: mm/vmscan.c without swap).
  kCleanFile,
};

struct GuestOptions {
  GuestOps ops = GuestOps::kStores;
  PinWhen pin = PinWhen::kLate;
  // Accesses of a task between two scheduling decisions.
  uint64_t quantum_ops = 100'000;
  // File pages mapped by one read fault, a power of two (Linux since 3.15: 16).
  int fault_around_pages = 1;
  // Ranges of at most this many pages are flushed page by page, larger ones by
  // dropping everything (Linux since 3.16: 33; 2.4 and 2.6: 0).
  uint64_t flush_ceiling_pages = 0;
  // Three changes of Linux's mm/ that every way of issuing writes shares:
  // mprotect gives write access back at once where a page is the process's
  // alone (since 6.0, can_change_pte_writable), mremap moves whole L1 tables
  // (since 5.1, move_normal_pmd), and the first write through a shared mapping
  // to a page of a file on disk is a fault (since 2.6.19,
  // vma_wants_writenotify).
  bool recent_mm = false;
  // fork copies every entry, those too that a fault would make anew from a file
  // (Linux before 2.6.14, copy_page_range).
  bool fork_copies_all = false;
  // Up to 50 roots and tables that are given up are kept for the next process,
  // empty, read-only and pinned (Linux 2.4 for i386: pgd_quicklist and
  // pte_quicklist). This applies to 2-level guests on bare hardware and those
  // that pin early; others free them.
  bool keeps_tables = false;
  // Pages of files that programs map privately are shared with other domains by
  // make_ro_and_share when they are read in (J. G. Hansen's proposal on
  // xen-devel; never built). Paravirtual guests only.
  bool share_file_pages = false;
  // A guest whose hypervisor gives it no large pages (GuestAbi::large_pages)
  // has none, whatever is here.
  Thp thp = Thp::kNever;
  // By which setting the digest decides where pages may be large, and so leaves
  // out faults and flags that depend on the size: the most permissive of all
  // guests whose digests are compared. No less than `thp`.
  Thp digest_thp = Thp::kNever;
  Reclaim reclaim = Reclaim::kNone;
};

// Returns what the Linux of its time did on such an ABI. If every change is a
// hypercall, that is the queue with early pinning for 2-level guests (Linux
// 2.4), single update_va_mapping with late pinning for PAE (2.6.12 to 2.6.16),
// and multicalls with late pinning for 4-level (kMulticall). If tables can be
// stored to, it is 2.6.12 with late pinning; if each store traps, 2.6.18, or
// 6.1 for 4-level. Guests of 4 and 5 levels have transparent huge pages where
// programs ask for them (Thp::kMadvise), older ones none.
GuestOptions DefaultGuestOptions(const GuestAbi& abi, PagingMode mode);

// Checks that a guest with `options` can run on `abi`.
// Errors: InvalidArgument saying which operations would do.
absl::Status CheckGuestOptions(const GuestAbi& abi,
                               const GuestOptions& options);

// Whether `ops` stands for a kernel of a certain time rather than for one way
// of issuing writes.
bool IsLinuxOfATime(GuestOps ops);

// The names are "stores", "update-va-mapping", "queue", "multicall", "pvops",
// "linux-2.4", "linux-2.6.9", "linux-2.6.12" and "linux-2.6.18"; "early",
// "late" and "never".
std::string_view GuestOpsName(GuestOps ops);
std::string_view GuestOpsHelp(GuestOps ops);
std::optional<GuestOps> ParseGuestOps(std::string_view name);
std::span<const GuestOps> AllGuestOps();
std::string_view PinWhenName(PinWhen pin);
std::string_view PinWhenHelp(PinWhen pin);
std::optional<PinWhen> ParsePinWhen(std::string_view name);
std::span<const PinWhen> AllPinWhen();
// "never", "madvise" and "always"; "none" and "clean-file".
std::string_view ThpName(Thp thp);
std::string_view ThpHelp(Thp thp);
std::optional<Thp> ParseThp(std::string_view name);
std::span<const Thp> AllThp();
std::string_view ReclaimName(Reclaim reclaim);
std::string_view ReclaimHelp(Reclaim reclaim);
std::optional<Reclaim> ParseReclaim(std::string_view name);
std::span<const Reclaim> AllReclaim();

}  // namespace xmmu

#endif  // XMMU_GUEST_GUEST_OPTIONS_H_
