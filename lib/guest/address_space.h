#ifndef XMMU_LIB_GUEST_ADDRESS_SPACE_H_
#define XMMU_LIB_GUEST_ADDRESS_SPACE_H_

// A process's memory as the guest kernel knows it (Linux: mm_struct and
// vm_area_struct): what is mapped where, and the tables that say so to the
// hardware.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/btree_map.h"
#include "xmmu/base/address.h"
#include "xmmu/mmu/pending_invalidation.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// [start, end), page-aligned.
struct Vma {
  VirtAddr start;
  VirtAddr end;
  uint8_t rights = 0;
  Backing backing = Backing::kAnonymous;
  uint32_t file = 0;         // file or shared object
  uint64_t file_offset = 0;  // of `start`, bytes
  // Some page may be the process's own (Linux: anon_vma): fork has to copy the
  // entries.
  bool has_own_pages = false;

  bool shared() const {
    return backing == Backing::kFileShared ||
           backing == Backing::kSharedAnonymous;
  }
  // Whether `next` begins where this ends and goes on as this does
  // (vma_merge).
  bool ContinuesWith(const Vma& next) const {
    return end == next.start && rights == next.rights &&
           backing == next.backing && file == next.file &&
           (!file_backed() || file_offset + (end - start) == next.file_offset);
  }
  bool file_backed() const {
    return backing == Backing::kFilePrivate || shared();
  }
  // Page number within the file or object.
  uint64_t FilePage(VirtAddr va) const {
    return (file_offset + (va - start)) >> kPageShift;
  }
};

// The VMAs of one address space, disjoint, by address.
class VmaMap {
 public:
  // The VMA that holds `va`, or nullptr.
  Vma* Find(VirtAddr va);
  const Vma* Find(VirtAddr va) const {
    return const_cast<VmaMap*>(this)->Find(va);
  }
  // Whether any VMA meets [start, end).
  bool Overlaps(VirtAddr start, VirtAddr end) const;
  // Removes whatever lies in [start, end), splitting VMAs at its edges; the
  // pieces removed, in order.
  std::vector<Vma> Carve(VirtAddr start, VirtAddr end);
  // What is one mapping to the program, of [start, end): nothing unless all of
  // it is mapped by VMAs of which each continues the one before. Changes
  // nothing.
  std::optional<Vma> OneMapping(VirtAddr start, VirtAddr end) const;
  // Adds one. REQUIRES: nothing overlaps.
  void Insert(const Vma& vma);
  std::vector<Vma> All() const;

 private:
  void SplitAt(VirtAddr va);

  absl::btree_map<VirtAddr, Vma> by_start_;
};

// One page-table page.
struct TablePage {
  Pfn pfn;
  uint8_t level = 0;
  // The L2 in slot 3 of a PAE root, which maps the kernel.
  bool kernel_l2 = false;
  VirtAddr base = {};  // first address that it maps
  bool kept = false;   // given up, but still a table
};

struct AddressSpace {
  Pfn root = kInvalidPfn;
  // 64-bit paravirtual: the root in user mode.
  Pfn user_root = kInvalidPfn;
  // Every table page of it but the roots.
  std::vector<TablePage> tables;
  VmaMap vmas;
  int users = 0;  // tasks
  // vCPUs that have it loaded.
  CpuMask active = 0;
  // A vfork child has changed its mappings: they are not what its owner made
  // them, and a recorded owner knows nothing of it (Valgrind runs a vfork as a
  // fork).
  bool changed_by_child = false;
  // Another number, in all of the kernel, after each change of `vmas`.
  uint64_t epoch = 0;
  // Its table pages are mapped read-only: changes go through the hypervisor.
  bool tables_read_only = false;
  bool pinned = false;
  // Bounds of all mappings so far that others may write; outside of them no VMA
  // need be looked up to know that a page is the program's own.
  VirtAddr shared_low{~uint64_t{0}};
  VirtAddr shared_high;
  // Expires with it.
  std::shared_ptr<char> alive = std::make_shared<char>();
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_ADDRESS_SPACE_H_
