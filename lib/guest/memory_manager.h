#ifndef XMMU_LIB_GUEST_MEMORY_MANAGER_H_
#define XMMU_LIB_GUEST_MEMORY_MANAGER_H_

// The guest kernel's memory management proper (Linux: mm/): what a fault, a
// system call, fork and exit do to an address space. Which page-table writes
// that takes is decided here; how they are issued, in MmuOps.

#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "guest/digest.h"
#include "guest/kernel_core.h"
#include "guest/mmu_ops.h"
#include "guest/page_tables.h"
#include "guest/tlb_gather.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

enum class FaultResult : uint8_t {
  kResolved,
  kSpurious,  // nothing to do: a translation was older than its entry
  kRefused,   // one that no kernel resolves (Linux: SIGSEGV)
};

class MemoryManager {
 public:
  MemoryManager(KernelCore& core, MmuOps& ops)
      : core_(core), ops_(ops), tables_(core, ops) {}

  // A new, empty address space with one user.
  absl::StatusOr<std::unique_ptr<AddressSpace>> Create(Vcpu& vcpu);
  // Copy-on-write copy of `parent` (dup_mmap).
  absl::StatusOr<std::unique_ptr<AddressSpace>> Fork(Vcpu& vcpu,
                                                     AddressSpace& parent);
  // The two halves of exec with its arguments' pages at [op.va, op.va +
  // op.length): they are written at the top of the new address space before it
  // is in use, and moved once it is (setup_arg_pages). Nothing if there are
  // none.
  // Errors: InvalidArgument where they cannot go.
  absl::Status PlaceArguments(Vcpu& vcpu, AddressSpace& mm, const GuestOp& op);
  absl::Status MoveArguments(Vcpu& vcpu, AddressSpace& mm, const GuestOp& op);
  // Unmaps everything and frees all tables but the roots (exit_mmap).
  void Teardown(Vcpu& vcpu, AddressSpace& mm, TaskDigest& digest);
  // Frees the roots. REQUIRES: torn down, loaded nowhere.
  void Destroy(Vcpu& vcpu, AddressSpace& mm) { tables_.Destroy(vcpu, mm); }

  // A fault of the program.
  absl::StatusOr<FaultResult> HandleFault(Vcpu& vcpu, AddressSpace& mm,
                                          const PageFault& fault);

  // mmap, munmap, mprotect, mremap, madvise(MADV_DONTNEED).
  absl::Status Map(Vcpu& vcpu, AddressSpace& mm, const GuestOp& op,
                   TaskDigest& digest);
  absl::Status Unmap(Vcpu& vcpu, AddressSpace& mm, VirtAddr va, uint64_t length,
                     TaskDigest& digest);
  absl::Status Protect(Vcpu& vcpu, AddressSpace& mm, VirtAddr va,
                       uint64_t length, uint8_t rights);
  absl::Status Remap(Vcpu& vcpu, AddressSpace& mm, const GuestOp& op,
                     TaskDigest& digest);
  absl::Status Discard(Vcpu& vcpu, AddressSpace& mm, VirtAddr va,
                       uint64_t length, TaskDigest& digest);

 private:
  // [start, end) of whole pages, checked to be the program's.
  struct Range {
    VirtAddr start;
    VirtAddr end;
    uint64_t pages() const { return (end - start) >> kPageShift; }
  };
  absl::StatusOr<Range> PageRange(VirtAddr va, uint64_t length) const;

  // An entry for a page of `vma`. `writable` is for the hardware.
  uint64_t UserEntry(Pfn pfn, const Vma& vma, bool writable, bool dirty) const;

  absl::Status FaultIn(Vcpu& vcpu, AddressSpace& mm, Vma& vma,
                       const PteSlot& slot, bool write);
  absl::Status FaultAround(Vcpu& vcpu, AddressSpace& mm, const Vma& vma,
                           const PteSlot& slot);
  absl::Status BreakCow(Vcpu& vcpu, AddressSpace& mm, Vma& vma,
                        const PteSlot& slot, uint64_t entry);
  absl::StatusOr<Pfn> CopyOf(Vcpu& vcpu, Pfn page);
  absl::StatusOr<Pfn> ZeroedPage(Vcpu& vcpu);
  // The page of a file or shared object, with a reference for the caller.
  absl::StatusOr<Pfn> FilePage(Vcpu& vcpu, const Vma& vma, VirtAddr va);

  // --- mm_sharing.cc; all without effect unless file pages are shared.
  void NoteSpace(AddressSpace& mm);
  // Shares the pages of [start, end) of `vma` that are new in the page cache,
  // or those that FilePage has just put there.
  absl::Status ShareWindow(Vcpu& vcpu, const Vma& vma, VirtAddr start,
                           VirtAddr end);
  void ShareFresh(Vcpu& vcpu);
  // Gives all who map the shared `page` one page of the guest's own instead,
  // with one reference for the page cache.
  absl::StatusOr<Pfn> Unshare(Vcpu& vcpu, uint32_t file, uint64_t file_page,
                              Pfn page);
  void Repoint(Vcpu& vcpu, AddressSpace& mm, VirtAddr va, Pfn page, Pfn copy);
  void LeaveShare(Vcpu& vcpu, Pfn page);

  // Clears all entries of `vma`, adding them to `gather`; with `flush` it is
  // flushed before pages are forgotten that others might write back.
  void Zap(Vcpu& vcpu, AddressSpace& mm, const Vma& vma, TaskDigest& digest,
           TlbGather& gather, bool flush);
  // Whether the kernel flushes what has changed rather than what it was asked
  // to change.
  bool gathers() const { return core_.traits.gathers; }
  // Flushes `range`, whose entries have changed, or what was gathered of it.
  void FlushRange(Vcpu& vcpu, AddressSpace& mm, const Range& range,
                  TlbGather& gather);
  // Flushes and empties `gather`.
  void FlushGather(Vcpu& vcpu, AddressSpace& mm, TlbGather& gather);
  // Adds the links that led to `tables`, not looking below `floor`.
  static void GatherTables(const std::vector<TablePage>& tables, VirtAddr floor,
                           TlbGather& gather);
  // After a flush: gives back what Zap collected.
  void ReleasePages();
  absl::Status CopyEntries(Vcpu& vcpu, AddressSpace& parent,
                           AddressSpace& child, const Vma& vma);
  // move_page_tables.
  absl::Status MovePages(Vcpu& vcpu, AddressSpace& mm, const Range& from,
                         VirtAddr to);
  // Of one L1 table. `next` becomes the end of what has no table, if `from`
  // has none.
  absl::Status MoveEntries(Vcpu& vcpu, AddressSpace& mm, const Range& from,
                           VirtAddr to, VirtAddr* next);
  // Why Linux would refuse an mremap, or nullptr.
  static const char* RefusalOfRemap(AddressSpace& mm, const Range& from,
                                    const Range& to);
  // Frees the tables that nothing in `range` needs any more, after a move; see
  // GatherTables for `floor`.
  void FreeLeftTables(Vcpu& vcpu, AddressSpace& mm, const Range& range,
                      VirtAddr floor);
  // The rights that mprotect gives the hardware for `entry` of `vma`.
  uint64_t ProtectedEntry(const Vma& vma, uint64_t entry) const;
  // Where exec writes `length` bytes of arguments.
  Range ArgumentPages(uint64_t length) const;
  static void NoteShared(AddressSpace& mm, const Vma& vma);

  KernelCore& core_;
  MmuOps& ops_;
  PageTables tables_;
  // (file or object, page number) -> page; holds one reference each. Only
  // looked up, never iterated.
  absl::flat_hash_map<std::pair<uint32_t, uint64_t>, Pfn> page_cache_;
  std::vector<Pfn> zapped_;
  // In the page cache and not yet shared.
  std::vector<Pfn> fresh_;
  struct Space {
    AddressSpace* mm;
    std::weak_ptr<char> alive;
  };
  std::vector<Space> spaces_;  // in the order of their making
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_MEMORY_MANAGER_H_
