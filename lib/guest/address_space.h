#ifndef XMMU_LIB_GUEST_ADDRESS_SPACE_H_
#define XMMU_LIB_GUEST_ADDRESS_SPACE_H_

// A process's memory as the guest kernel knows it (Linux: mm_struct and
// vm_area_struct): what is mapped where, and the tables that show it to the
// hardware.

#include <cstdint>
#include <iterator>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "guest/page_cache.h"
#include "xmmu/base/address.h"
#include "xmmu/base/check.h"
#include "xmmu/mmu/pending_invalidation.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// Which large pages a mapping may have.
enum class HugeAdvice : uint8_t {
  kDefault,
  kHuge,    // MADV_HUGEPAGE
  kNoHuge,  // MADV_NOHUGEPAGE
};

// How a mapping is locked in memory. A fork's child has no locks.
enum class MemoryLock : uint8_t {
  kNone,
  kLocked,   // VM_LOCKED
  kOnFault,  // VM_LOCKED and VM_LOCKONFAULT
};

// A mapping of [start, end), which are page-aligned.
struct Vma {
  VirtAddr start;
  VirtAddr end;
  uint8_t rights = 0;
  Backing backing = Backing::kAnonymous;
  FileRef file = {};         // file or shared object, else nullptr (vm_file)
  uint64_t file_offset = 0;  // of `start`, in bytes
  // Whether some page may be the process's own (Linux: anon_vma), so that fork
  // has to copy the entries.
  bool has_own_pages = false;
  // MAP_HUGETLB: log2 of the bytes of the pages that it asks for, whatever size
  // the guest has; else 0.
  uint8_t page_shift = 0;
  HugeAdvice huge = HugeAdvice::kDefault;
  MemoryLock lock = MemoryLock::kNone;
  bool dont_fork = false;        // VM_DONTCOPY
  bool wipe_on_fork = false;     // VM_WIPEONFORK
  bool one_page_faults = false;  // no fault maps pages around its own
  // Whether some guest of the comparison may have had a large page here, or
  // other vCPUs decide which pages of its object there are. How many faults
  // there are, and which flags entries have, is then no part of the digest, nor
  // is what is given up of a zero-filled object (TaskDigest::GaveUp). It stays
  // with what the mapping becomes.
  bool digest_plain = false;

  bool hugetlb() const { return page_shift != 0; }
  // The bytes of the pages that it asks for.
  uint64_t page_bytes() const {
    return hugetlb() ? uint64_t{1} << page_shift : kPageSize;
  }
  // Whether one of these pages begins at `va`.
  bool IsBetweenPages(VirtAddr va) const {
    return (va.value() & (page_bytes() - 1)) == 0;
  }
  // Returns a length in bytes as one of whole such pages.
  uint64_t RoundUp(uint64_t length) const {
    return (length + page_bytes() - 1) & ~(page_bytes() - 1);
  }
  bool shared() const {
    return backing == Backing::kFileShared ||
           backing == Backing::kSharedAnonymous;
  }
  // Whether `next` begins where this VMA ends and continues it (vma_merge).
  bool ContinuesWith(const Vma& next) const {
    return end == next.start && rights == next.rights &&
           backing == next.backing && file == next.file &&
           page_shift == next.page_shift && huge == next.huge &&
           lock == next.lock && dont_fork == next.dont_fork &&
           wipe_on_fork == next.wipe_on_fork &&
           (!file_backed() || file_offset + (end - start) == next.file_offset);
  }
  bool file_backed() const {
    return backing == Backing::kFilePrivate || shared();
  }
  // Cuts off what lies outside of [low, high). REQUIRES: not all does.
  void Clip(VirtAddr low, VirtAddr high) {
    if (low > start) {
      file_offset += low - start;
      start = low;
    }
    if (high < end) end = high;
  }
  // Returns the page number of `va` within the file or object.
  uint64_t FilePage(VirtAddr va) const {
    return (file_offset + (va - start)) >> kPageShift;
  }
};

// The VMAs of one address space, which are disjoint and sorted by address.
class VmaMap {
 public:
  // Returns the VMA that holds `va`, or nullptr.
  Vma* Find(VirtAddr va) {
    if (last_ != nullptr && last_->start <= va && va < last_->end) return last_;
    return Search(va);
  }
  const Vma* Find(VirtAddr va) const {
    return const_cast<VmaMap*>(this)->Find(va);
  }
  // Whether any VMA meets [start, end).
  bool Overlaps(VirtAddr start, VirtAddr end) const;
  // Removes whatever lies in [start, end), splitting VMAs at its edges. Returns
  // the pieces removed, in order.
  std::vector<Vma> Carve(VirtAddr start, VirtAddr end);
  // Returns the one VMA that [start, end) is to the program, or nothing unless
  // all of it is mapped by VMAs of which each continues the one before. Changes
  // nothing.
  std::optional<Vma> OneMapping(VirtAddr start, VirtAddr end) const;
  // Makes one VMA of those that meet [start, end), and returns it. REQUIRES:
  // OneMapping(start, end).
  Vma& Join(VirtAddr start, VirtAddr end);
  // Sets digest_plain of the mapping at `va`, that is of all VMAs that continue
  // each other around it. REQUIRES: something is mapped there.
  void MarkPlain(VirtAddr va);
  // Sets it wherever a VMA that meets or touches [start, end) continues one
  // that has it, or is continued by one. VMAs that are one mapping to the
  // program all have it or all have not, if this is called after each change.
  void SpreadPlain(VirtAddr start, VirtAddr end);
  // Adds a VMA. REQUIRES: none overlaps it.
  void Insert(const Vma& vma);
  std::vector<Vma> All() const;
  // Returns those that have some of [start, end), whole, in order.
  std::vector<Vma> Overlapping(VirtAddr start, VirtAddr end) const;
  // Returns those that map the byte at `offset` of `file`.
  std::vector<const Vma*> OfFile(const FileObject* file, uint64_t offset) const;
  // Returns the end of what is mapped from `start` on without a hole, up to
  // `end`.
  VirtAddr EndOfMapped(VirtAddr start, VirtAddr end) const;

 private:
  // Find() where it is not the last one again.
  Vma* Search(VirtAddr va);
  void SplitAt(VirtAddr va);
  // To be called before a VMA comes, goes, or gets other bounds.
  void ForgetLast() { last_ = nullptr; }

  absl::btree_map<VirtAddr, Vma> by_start_;
  // What Find() returned last, or nullptr: a fault and what it is recorded as
  // look the same VMA up (Linux, before 6.1: vmacache_find).
  Vma* last_ = nullptr;
};

// One page-table page.
struct TablePage {
  Pfn pfn;
  uint8_t level = 0;
  // Whether it is the L2 in slot 3 of a PAE root, which maps the kernel.
  bool kernel_l2 = false;
  VirtAddr base = {};  // first address that it maps
  bool kept = false;   // given up, but kept as a table
};

// The table pages of one address space, in the order in which they came. What
// is done to one of them takes the same time however many there are.
class TableList {
 public:
  using Tables = std::list<TablePage>;

  TableList() = default;
  TableList(const TableList&) = delete;
  TableList& operator=(const TableList&) = delete;

  void Add(const TablePage& table) {
    tables_.push_back(table);
    by_pfn_[table.pfn] = std::prev(tables_.end());
  }
  // Returns the table in `pfn`. REQUIRES: there is one.
  TablePage& Get(Pfn pfn) { return *Place(pfn); }
  // Takes it out of the list and returns it. REQUIRES: there is one.
  TablePage Remove(Pfn pfn) {
    const Tables::iterator place = Place(pfn);
    const TablePage table = *place;
    by_pfn_.erase(pfn);
    tables_.erase(place);
    return table;
  }
  void clear() {
    tables_.clear();
    by_pfn_.clear();
  }
  size_t size() const { return tables_.size(); }
  Tables::const_iterator begin() const { return tables_.begin(); }
  Tables::const_iterator end() const { return tables_.end(); }

 private:
  Tables::iterator Place(Pfn pfn) {
    const auto it = by_pfn_.find(pfn);
    XMMU_CHECK(it != by_pfn_.end());
    return it->second;
  }

  Tables tables_;
  absl::flat_hash_map<Pfn, Tables::iterator> by_pfn_;  // only looked up
};

struct AddressSpace {
  Pfn root = kInvalidPfn;
  // The root in user mode of a 64-bit paravirtual guest.
  Pfn user_root = kInvalidPfn;
  // All its table pages but the roots.
  TableList tables;
  // A zeroed table page for each large page that may have to be split, none of
  // which is linked.
  std::vector<Pfn> deposits;
  VmaMap vmas;
  int users = 0;              // tasks that use it
  uint64_t minor_faults = 0;  // see GuestKernel::MinorFaultsOf()
  // The vCPUs that have it loaded.
  CpuMask active = 0;
  // Whether several tasks may have changed its mappings: threads, or a vfork
  // child. They are then not what one of them made them, and a call may find
  // something else than its program expects (of a vfork child a recorded parent
  // knows nothing: Valgrind runs a vfork as a fork).
  bool changed_by_several = false;
  // Whether it has ever had a second thread.
  bool threaded = false;
  // What its pages are pages of to Sightings, once it has been threaded or is a
  // fork's copy of one that was; else 0. No FileObject::identity().
  uint64_t object = 0;
  // A number that is new in all of the kernel after each change of `vmas`.
  uint64_t epoch = 0;
  // Whether its table pages are mapped read-only, so that changes go through
  // the hypervisor.
  bool tables_read_only = false;
  bool pinned = false;
  // The bounds of all mappings so far that others may write. Outside of them a
  // page is known to be the program's own without looking up its VMA.
  VirtAddr shared_low{~uint64_t{0}};
  VirtAddr shared_high;
  // Expires with the address space: MemoryManager watches it.
  std::shared_ptr<char> alive = std::make_shared<char>();
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_ADDRESS_SPACE_H_
