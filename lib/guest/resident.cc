// Counts what of an address space is in memory (Linux: the counters of
// mm_struct, and fs/proc/task_mmu.c, smaps_pte_range).

#include "guest/memory_manager.h"

namespace xmmu {

// Tables are read where they lie, not by the kernel's loads: looking costs
// nothing.
uint64_t MemoryManager::Peek(Pfn table, int index) const {
  return core_.host.memory().ReadEntry(core_.EntryMachineAddr(table, index),
                                       core_.entry_bytes());
}

void MemoryManager::CountLeaf(const AddressSpace& mm, VirtAddr va, int level,
                              uint64_t entry, ResidentMemory* sum) const {
  const Vma* const vma = mm.vmas.Find(va);
  const Pfn page = core_.PfnOf(entry);
  const bool zero = page == core_.zero_page || page == core_.huge_zero_page;
  if (vma == nullptr || zero) return;
  const uint64_t pages = uint64_t{1}
                         << (LevelShift(core_.mode(), level) - kPageShift);
  if (vma->page_shift != 0) {
    sum->hugetlb += pages;
  } else if (IsObjectPage(*vma, va, page)) {
    (vma->file->zero_filled() ? sum->shmem : sum->file) += pages;
  } else {
    sum->anonymous += pages;
    if (level > 1) sum->anon_huge += pages;
  }
}

// A private mapping of a file has the file's own pages until they are written
// to.
bool MemoryManager::IsObjectPage(const Vma& vma, VirtAddr va, Pfn page) {
  if (vma.file == nullptr) return false;
  const auto it = vma.file->pages.find(vma.FilePage(va));
  return it != vma.file->pages.end() && it->second == page;
}

void MemoryManager::CountTable(const AddressSpace& mm, const TablePage& table,
                               ResidentMemory* sum) const {
  const uint64_t span = uint64_t{1} << LevelShift(core_.mode(), table.level);
  const int count = EntryCount(core_.mode(), table.level);
  for (int i = 0; i < count; ++i) {
    const VirtAddr va = table.base + static_cast<uint64_t>(i) * span;
    // A root also maps the kernel.
    if (va >= core_.layout.user_end) break;
    const Pte entry(Peek(table.pfn, i));
    const bool leaf = table.level == 1 || entry.page_size();
    if (entry.raw() == 0 || !leaf) continue;
    CountLeaf(mm, va, table.level, entry.raw(), sum);
  }
}

ResidentMemory MemoryManager::Resident(const AddressSpace& mm) const {
  ResidentMemory sum;
  CountTable(mm,
             {.pfn = mm.root, .level = static_cast<uint8_t>(core_.levels())},
             &sum);
  // The tables laid by for splits count, too (mm_inc_nr_ptes).
  sum.table_frames = mm.tables.size() + mm.deposits.size();
  for (const TablePage& table : mm.tables) {
    if (!table.kernel_l2) CountTable(mm, table, &sum);
  }
  return sum;
}

}  // namespace xmmu
