#ifndef XMMU_LIB_GUEST_MEMORY_MANAGER_H_
#define XMMU_LIB_GUEST_MEMORY_MANAGER_H_

// The guest kernel's memory management proper (Linux: mm/): what a fault, a
// system call, fork and exit do to an address space. It decides which
// page-table writes that takes; MmuOps decides how they are issued.

#include <algorithm>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "guest/digest.h"
#include "guest/kernel_core.h"
#include "guest/mmu_ops.h"
#include "guest/page_cache.h"
#include "guest/page_tables.h"
#include "guest/tlb_gather.h"
#include "xmmu/guest/resident_memory.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

enum class FaultResult : uint8_t {
  kResolved,
  kSpurious,  // a cached translation was older than its entry
  kRefused,   // no kernel resolves it (Linux: SIGSEGV)
};

class MemoryManager {
 public:
  MemoryManager(KernelCore& core, MmuOps& ops)
      : core_(core), ops_(ops), tables_(core, ops) {}

  // Makes a new, empty address space with one user.
  absl::StatusOr<std::unique_ptr<AddressSpace>> Create(Vcpu& vcpu);
  // Makes a copy-on-write copy of `parent` (dup_mmap).
  absl::StatusOr<std::unique_ptr<AddressSpace>> Fork(Vcpu& vcpu,
                                                     AddressSpace& parent);
  // The two halves of exec with its arguments' pages at [op.va, op.va +
  // op.length): they are written at the top of the new address space before it
  // is in use, and moved once it is (setup_arg_pages). Without arguments
  // nothing happens.
  // Errors: InvalidArgument if the arguments cannot be moved there.
  absl::Status PlaceArguments(Vcpu& vcpu, AddressSpace& mm, const GuestOp& op);
  absl::Status MoveArguments(Vcpu& vcpu, AddressSpace& mm, const GuestOp& op);
  // Unmaps everything and frees all tables but the roots (exit_mmap).
  void Teardown(Vcpu& vcpu, AddressSpace& mm, TaskDigest& digest);
  // Frees the roots. REQUIRES: `mm` has been torn down and is loaded nowhere.
  void Destroy(Vcpu& vcpu, AddressSpace& mm) { tables_.Destroy(vcpu, mm); }

  // Handles a fault of the program.
  absl::StatusOr<FaultResult> HandleFault(Vcpu& vcpu, AddressSpace& mm,
                                          const PageFault& fault);
  // Folds a fault that has been handled in `digest`, as far as it is the same
  // in guests with large pages and in those without.
  static void FoldFault(const AddressSpace& mm, const PageFault& fault,
                        FaultResult result, TaskDigest& digest);
  // To be called after each of the calls below, with its operation: large pages
  // that reach over the edge of a mapping are split (vma_adjust_trans_huge),
  // unless the mapping goes on there.
  void SettleEdges(Vcpu& vcpu, AddressSpace& mm, const GuestOp& op);

  // mmap, munmap, mprotect, mremap, madvise(MADV_DONTNEED). A mapping is of
  // `file`, which is nullptr if it is anonymous.
  absl::Status Map(Vcpu& vcpu, AddressSpace& mm, const GuestOp& op,
                   FileRef file, TaskDigest& digest);
  absl::Status Unmap(Vcpu& vcpu, AddressSpace& mm, VirtAddr va, uint64_t length,
                     TaskDigest& digest);
  absl::Status Protect(Vcpu& vcpu, AddressSpace& mm, VirtAddr va,
                       uint64_t length, uint8_t rights);
  absl::Status Remap(Vcpu& vcpu, AddressSpace& mm, const GuestOp& op,
                     TaskDigest& digest);
  absl::Status Discard(Vcpu& vcpu, AddressSpace& mm, VirtAddr va,
                       uint64_t length, TaskDigest& digest);
  // madvise and mlock: whatever Advice says.
  absl::Status Advise(Vcpu& vcpu, AddressSpace& mm, const GuestOp& op,
                      TaskDigest& digest);

  PageCache& cache() { return cache_; }
  // Frees the pages of files and objects that are gone. To be called at the end
  // of what may have dropped the last reference to one.
  void FreeDropped(Vcpu& vcpu);

  // See GuestKernel::ResidentOf().
  ResidentMemory Resident(const AddressSpace& mm) const;

 private:
  // Whole pages [start, end), checked to lie in the program's half.
  struct Range {
    VirtAddr start;
    VirtAddr end;
    uint64_t pages() const { return (end - start) >> kPageShift; }
    // Returns what of it lies in `vma`. REQUIRES: they meet.
    Range In(const Vma& vma) const {
      return {std::max(start, vma.start), std::min(end, vma.end)};
    }
  };
  absl::StatusOr<Range> PageRange(VirtAddr va, uint64_t length) const;

  // Makes an entry for a page of `vma`; `writable` is what the hardware gets.
  uint64_t UserEntry(Pfn pfn, const Vma& vma, bool writable, bool dirty) const;

  // Lets `vma` have the page at `va`, for writing if `write`: for a fault, or
  // without one to populate it (handle_mm_fault). It is the caller that has
  // checked the rights. Returns kSpurious if it has it already. `level`, if not
  // null, gets the level of the page's entry, if that is a large page's.
  absl::StatusOr<FaultResult> MakePage(Vcpu& vcpu, AddressSpace& mm, Vma& vma,
                                       VirtAddr va, bool write,
                                       int* level = nullptr);
  // Goes on with MakePage() where there is an L1 table (handle_pte_fault).
  absl::StatusOr<FaultResult> MakePageIn(Vcpu& vcpu, AddressSpace& mm, Vma& vma,
                                         const PteSlot& slot, bool write);
  // Whether a page of the shared mapping `vma` is mapped writable before it is
  // written to. One of a file on disk is not: its first write faults, so that
  // the filesystem learns of it (vma_wants_writenotify).
  bool WritableUnwritten(const Vma& vma) const;
  // Maps a page where there was none: demand-zero, or a page of a file.
  absl::Status FaultIn(Vcpu& vcpu, AddressSpace& mm, Vma& vma,
                       const PteSlot& slot, bool write);
  // Maps the file's pages around a read fault (do_fault_around).
  absl::Status FaultAround(Vcpu& vcpu, AddressSpace& mm, const Vma& vma,
                           const PteSlot& slot);
  // A write to a page that is mapped read-only gets a copy, or the page itself
  // if nobody else uses it (do_wp_page).
  absl::Status BreakCow(Vcpu& vcpu, AddressSpace& mm, Vma& vma,
                        const PteSlot& slot, uint64_t entry);
  absl::StatusOr<Pfn> CopyOf(Vcpu& vcpu, Pfn page);

  // --- The next are in mm_huge.cc. LargeRegion() returns what one L2 entry
  // maps around `va`.
  Range LargeRegion(VirtAddr va) const;
  uint64_t LeafFrames(int level) const {
    return uint64_t{1} << (LevelShift(core_.mode(), level) - kPageShift);
  }
  // Makes an entry for a large page.
  uint64_t LeafEntry(Pfn head, const Vma& vma, bool writable,
                     bool dirty) const {
    return UserEntry(head, vma, writable, dirty) | pte::kPageSize;
  }
  // Whether the first access to the region around `va` makes a large page by
  // `thp`, if the guest has any (hugepage_vma_check, transhuge_vma_suitable).
  bool WantsHuge(const AddressSpace& mm, const Vma& vma, VirtAddr va,
                 Thp thp) const;
  // As MakePage(), where a large page is to be made or is already. Returns
  // nothing if it ends with an L1 table there, or none.
  absl::StatusOr<std::optional<FaultResult>> MakeHugePage(
      Vcpu& vcpu, AddressSpace& mm, Vma& vma, const PteSlot& slot, bool write);
  // Makes a transparent large page in an empty slot. Returns whether there was
  // memory for it (do_huge_pmd_anonymous_page).
  absl::StatusOr<bool> FaultInHuge(Vcpu& vcpu, AddressSpace& mm, Vma& vma,
                                   const PteSlot& slot, bool write);
  // Gives write access to a large page that nobody else uses. Returns whether
  // it did (do_huge_pmd_wp_page).
  bool ReuseHuge(Vcpu& vcpu, AddressSpace& mm, const Vma& vma,
                 const PteSlot& slot, uint64_t entry);
  void ZeroBlock(Vcpu& vcpu, Pfn head, uint64_t frames);

  // --- The next are in mm_hugetlb.cc. MapRange() returns what a kMap maps.
  // Errors: InvalidArgument where mmap fails.
  absl::StatusOr<Range> MapRange(const GuestOp& op) const;
  // Whether an edge of `range` lies within a hugetlb page
  // (hugetlb_vm_op_split).
  static bool CutsHugetlb(const AddressSpace& mm, const Range& range);
  // Ends a `call` that would cut one, with an error unless the program may have
  // made it on what another task has mapped.
  static absl::Status RefuseToCut(const AddressSpace& mm, const Range& range,
                                  std::string_view call);
  // As MakePage(), for a hugetlb mapping whose pages are large (hugetlb_fault).
  absl::StatusOr<FaultResult> MakeHugetlbPage(Vcpu& vcpu, AddressSpace& mm,
                                              Vma& vma, VirtAddr va,
                                              bool write);
  absl::Status FaultInHugetlb(Vcpu& vcpu, AddressSpace& mm, Vma& vma,
                              const PteSlot& slot, bool write);
  absl::Status BreakCowOfHugetlb(Vcpu& vcpu, AddressSpace& mm, Vma& vma,
                                 const PteSlot& slot, uint64_t entry);
  // Return a page, a zeroed one, and a copy of the one at `head`.
  // Errors: ResourceExhausted if there is no memory in one piece.
  absl::StatusOr<Pfn> AllocHugetlb(int level);
  absl::StatusOr<Pfn> NewHugetlbPage(Vcpu& vcpu, int level);
  absl::StatusOr<Pfn> CopyOfHugetlb(Vcpu& vcpu, int level, Pfn head);
  // Returns the page for an empty slot with a mapping for the caller, and in
  // `own` whether it is the process's alone.
  absl::StatusOr<Pfn> HugetlbPage(Vcpu& vcpu, const Vma& vma,
                                  const PteSlot& slot, bool* own);
  // As MovePages(), for entries of `level`.
  absl::Status MoveHugetlb(Vcpu& vcpu, AddressSpace& mm, const Range& from,
                           VirtAddr to, int level);
  absl::StatusOr<Pfn> ZeroedPage(Vcpu& vcpu);
  // Returns the page of a file or shared object, with a reference for the
  // caller. If it is not in memory it is read in, or zeroed.
  absl::StatusOr<Pfn> FilePage(Vcpu& vcpu, const Vma& vma, VirtAddr va);
  absl::StatusOr<Pfn> NewFilePage(Vcpu& vcpu, const Vma& vma, uint64_t page);
  // Frees a page that the page cache has given up and nobody maps.
  void FreeCachePage(Vcpu& vcpu, Pfn page);

  // --- The next are in mm_sharing.cc and do nothing unless file pages are
  // shared. NoteSpace() remembers an address space that may map shared pages.
  void NoteSpace(AddressSpace& mm);
  // Whether new pages of `vma`'s file are shared.
  bool Shares(const Vma& vma) const;
  // ShareWindow() shares the pages of [start, end) of `vma` that are new in the
  // page cache, ShareFresh() those that FilePage() has just put there.
  absl::Status ShareWindow(Vcpu& vcpu, const Vma& vma, VirtAddr start,
                           VirtAddr end);
  void ShareFresh(Vcpu& vcpu);
  // Gives all mappings of the shared `page` one page of the guest's own
  // instead, and returns it with one reference for the page cache.
  absl::StatusOr<Pfn> Unshare(Vcpu& vcpu, const FileRef& file,
                              uint64_t file_page, Pfn page);
  // Lets the entry at `va` map `copy` if it maps the shared `page`.
  void Repoint(Vcpu& vcpu, AddressSpace& mm, VirtAddr va, Pfn page, Pfn copy);
  // Takes the shared `page` out of the kernel's direct map as well.
  void LeaveShare(Vcpu& vcpu, Pfn page);

  // --- The next are in mm_advise.cc.
  // MADV_FREE.
  absl::Status AdviseFree(Vcpu& vcpu, AddressSpace& mm, const Range& range);
  // Notes an advice that is a flag of the mapping. Returns false if Linux
  // refuses it of such a mapping.
  static bool TakeAdvice(Advice advice, Vma& vma);
  // Lets `change` alter the flags of what is mapped of `range`, VMA by VMA,
  // until it returns false.
  static void ChangeVmas(AddressSpace& mm, const Range& range,
                         absl::FunctionRef<bool(Vma&)> change);

  // --- The next are in mm_populate.cc. What a call does where a page cannot be
  // made:
  enum class AfterError : uint8_t { kGoOn, kStop };
  // Makes the pages of what is mapped of `range` (__mm_populate).
  absl::Status Populate(Vcpu& vcpu, AddressSpace& mm, const Range& range,
                        AfterError after);
  // MADV_POPULATE_READ, or MADV_POPULATE_WRITE if `write`.
  absl::Status AdvisePopulate(Vcpu& vcpu, AddressSpace& mm, const Range& range,
                              bool write);
  // Makes all pages of `range`, which is mapped.
  absl::Status PopulatePages(Vcpu& vcpu, AddressSpace& mm, const Range& range,
                             bool write);
  // mlock, mlock2 and munlock, or with a length of 0 mlockall and munlockall.
  absl::Status Lock(Vcpu& vcpu, AddressSpace& mm, const GuestOp& op,
                    MemoryLock lock);

  // --- The next are in mm_reclaim.cc. Reserve() drops pages of files, if the
  // options say so, until `frames` frames are free or no more can go.
  bool reclaims() const { return core_.options.reclaim != Reclaim::kNone; }
  void Reserve(Vcpu& vcpu, uint64_t frames) {
    if (reclaims() && core_.frames.free_frames() < frames) {
      MakeRoom(vcpu, frames);
    }
  }
  uint64_t FramesOfFault() const;
  // Whether pages of `vma`'s file may be reclaimed.
  bool IsReclaimable(const Vma& vma) const {
    return reclaims() && vma.file != nullptr && !vma.file->zero_filled();
  }
  void MakeRoom(Vcpu& vcpu, uint64_t frames);
  // Drops the page that was mapped longest ago. Returns false if it stays.
  bool DropOldest(Vcpu& vcpu);
  struct MappedAt {
    AddressSpace* mm;
    PteSlot slot;
  };
  // Finds all entries that map a page. Returns false if it has to stay.
  bool FindMappings(Vcpu& vcpu, const CachedPage& page, Pfn pfn,
                    std::vector<MappedAt>& mappings);
  // Clears the entry and returns what it was.
  uint64_t TakeMapping(Vcpu& vcpu, const MappedAt& mapping);
  // Notes that `entry` of `vma` is gone. Returns whether the page was one that
  // may be reclaimed: whether it was there then depends on how much memory
  // there is, and so it is no part of the digest.
  bool LeavesCache(const Vma& vma, VirtAddr va, uint64_t entry);

  // Clears all entries of `vma` and adds them to `gather`. With `flush` it
  // flushes before it forgets dirty pages of shared mappings.
  void Zap(Vcpu& vcpu, AddressSpace& mm, const Vma& vma, TaskDigest& digest,
           TlbGather& gather, bool flush);
  // Clears the entry and returns what it was.
  uint64_t TakeEntry(Vcpu& vcpu, AddressSpace& mm, const PteSlot& slot);
  // Whether the kernel flushes only what has changed, not all that it was asked
  // to change.
  bool gathers() const { return core_.traits.gathers; }
  // Flushes `range`, whose entries have changed, or only what was gathered.
  void FlushRange(Vcpu& vcpu, AddressSpace& mm, const Range& range,
                  TlbGather& gather);
  // Flushes and empties `gather`.
  void FlushGather(Vcpu& vcpu, AddressSpace& mm, TlbGather& gather);
  // Adds the entries that linked `tables`, counting no address below `floor`.
  static void GatherTables(const std::vector<TablePage>& tables, VirtAddr floor,
                           TlbGather& gather);
  // Gives back the pages that Zap() collected. REQUIRES: they have been
  // flushed.
  void ReleasePages();
  // Copies the entries of `vma` to a child, write-protecting private pages in
  // both (copy_page_range).
  absl::Status CopyEntries(Vcpu& vcpu, AddressSpace& parent,
                           AddressSpace& child, const Vma& vma);
  // Moves the entries of `from` to `to`, whole tables where it can
  // (move_page_tables).
  absl::Status MovePages(Vcpu& vcpu, AddressSpace& mm, const Range& from,
                         VirtAddr to);
  // Moves entries of one L1 table (move_ptes). If `from` has no table, `next`
  // becomes the end of what that table would map.
  absl::Status MoveEntries(Vcpu& vcpu, AddressSpace& mm, const Range& from,
                           VirtAddr to, VirtAddr* next);
  // Returns why Linux would refuse an mremap, or nullptr.
  // mremap of 0 bytes: maps what `op` says once more.
  absl::Status Duplicate(Vcpu& vcpu, AddressSpace& mm, const GuestOp& op,
                         TaskDigest& digest);
  static const char* RefusalOfRemap(AddressSpace& mm, const Range& from,
                                    const Range& to);
  // Frees the tables of `range` that are not needed any more after a move; see
  // GatherTables() for `floor`.
  void FreeLeftTables(Vcpu& vcpu, AddressSpace& mm, const Range& range,
                      VirtAddr floor);
  // Does mprotect's work on one VMA, or a part of one that has been cut off.
  absl::Status ProtectVma(Vcpu& vcpu, AddressSpace& mm, Vma vma, uint8_t rights,
                          TlbGather& gather);
  // As Protect(); with `anew` entries are also written whose mapping has these
  // rights already.
  absl::Status SetRights(Vcpu& vcpu, AddressSpace& mm, VirtAddr va,
                         uint64_t length, uint8_t rights, bool anew);
  // Returns the entry that mprotect makes of `entry` of `vma`, which maps a
  // page of `level`.
  uint64_t ProtectedEntry(const Vma& vma, int level, uint64_t entry) const;
  // Returns where exec writes `length` bytes of arguments.
  Range ArgumentPages(uint64_t length) const;

  // --- The next are in resident.cc and charge nothing. They add what a table,
  // or an entry that maps something, has of a program's memory to `sum`.
  void CountTable(const AddressSpace& mm, const TablePage& table,
                  ResidentMemory* sum) const;
  void CountLeaf(const AddressSpace& mm, VirtAddr va, int level, uint64_t entry,
                 ResidentMemory* sum) const;
  // Returns an entry as it is in memory.
  uint64_t Peek(Pfn table, int index) const;
  // Whether `page`, mapped at `va`, is one of the file's or object's own.
  static bool IsObjectPage(const Vma& vma, VirtAddr va, Pfn page);

  // Widens the bounds of shared mappings by `vma` (AddressSpace::shared_low).
  static void NoteShared(AddressSpace& mm, const Vma& vma);

  KernelCore& core_;
  MmuOps& ops_;
  PageTables tables_;
  PageCache cache_;
  // A page whose entry is gone, in 8 bytes, as an unmapping may have millions.
  class Zapped {
   public:
    Zapped(Pfn page, bool large) : bits_(page.value() << 1 | (large ? 1 : 0)) {}
    Pfn page() const { return Pfn(bits_ >> 1); }
    bool large() const { return (bits_ & 1) != 0; }

   private:
    uint64_t bits_;
  };
  std::vector<Zapped> zapped_;
  // Pages in the page cache that are to be shared and are not yet.
  std::vector<Pfn> fresh_;
  struct Space {
    AddressSpace* mm;
    std::weak_ptr<char> alive;
  };
  // In order of creation. Those that are gone are taken out once they may be
  // half of them.
  std::vector<Space> spaces_;
  size_t spaces_kept_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_MEMORY_MANAGER_H_
