// Makes room in the guest's memory by dropping clean pages of files
// (Reclaim::kCleanFile; Linux: mm/vmscan.c, without swap and writeback).
//
// Each step of an operation first makes sure that there is what it may need;
// no allocation drops anything by itself, so nothing goes that the step at hand
// uses. Pages go in the order in which they were last mapped (simplified: Linux
// keeps two lists and also looks at accessed flags). Left alone are pages that
// were written to by a program, since nobody writes them back, and pages of
// locked mappings and of tmpfs and its kin.

#include <algorithm>

#include "guest/kernel_span.h"
#include "guest/memory_manager.h"
#include "xmmu/xen/hypercall.h"

namespace xmmu {
namespace {

// Linux: SWAP_CLUSTER_MAX, the pages that one go is to reclaim at least.
constexpr uint64_t kReclaimBatch = 32;

}  // namespace

// How many frames making one page may take: the tables on the way, a page of a
// file and a copy of it, and the pages around it.
uint64_t MemoryManager::FramesOfFault() const {
  return static_cast<uint64_t>(core_.levels() + 2 +
                               core_.options.fault_around_pages);
}

void MemoryManager::MakeRoom(Vcpu& vcpu, uint64_t frames) {
  const Span span = KernelSpan(vcpu, "shrink_lruvec");
  ops_.FinishKernelWork(vcpu);
  uint64_t dropped = 0;
  // Pages that have to stay become the youngest, so each is looked at once.
  for (size_t left = cache_.reclaimable(); left > 0; --left) {
    if (core_.frames.free_frames() >= frames && dropped >= kReclaimBatch) break;
    if (DropOldest(vcpu)) ++dropped;
  }
  ops_.FinishKernelWork(vcpu);
}

// Source: shrink_folio_list, try_to_unmap.
bool MemoryManager::DropOldest(Vcpu& vcpu) {
  const CachedPage page = cache_.Oldest();
  const Pfn pfn = page.file->pages.at(page.number);
  cache_.Touch(*page.file, page.number);
  std::vector<MappedAt> mappings;
  if (!FindMappings(vcpu, page, pfn, mappings)) return false;
  bool dirty = false;
  for (const MappedAt& mapping : mappings) {
    dirty |= Pte(TakeMapping(vcpu, mapping)).dirty();
    ops_.Flush(vcpu, *mapping.mm, TlbFlush::Page(mapping.slot.va));
    core_.frames.Put(pfn);
  }
  if (dirty) {  // written to since it was looked at
    cache_.KeepDirty(*page.file, page.number);
    return false;
  }
  cache_.Drop(*page.file, page.number);
  FreeCachePage(vcpu, pfn);
  vcpu.cpu().counters.Add(Counter::kReclaimed);
  return true;
}

// The address spaces that map the file are known (i_mmap), and each is walked
// to the entry (page_vma_mapped_walk), until all mappings are found.
bool MemoryManager::FindMappings(Vcpu& vcpu, const CachedPage& page, Pfn pfn,
                                 std::vector<MappedAt>& mappings) {
  const uint64_t mapped = core_.frames.references(pfn) - 1;
  const uint64_t offset = page.number << kPageShift;
  for (const Space& space : spaces_) {
    if (mappings.size() == mapped) break;
    if (space.alive.expired()) continue;
    for (const Vma* vma : space.mm->vmas.OfFile(page.file, offset)) {
      const VirtAddr va = vma->start + (offset - vma->file_offset);
      vcpu.cpu().clock.Charge(CostEvent::kGuestPteWork);
      const std::optional<PteSlot> slot = tables_.Find(vcpu, *space.mm, va);
      if (!slot.has_value()) continue;
      const Pte entry(tables_.Load(vcpu, *slot));
      if (entry.raw() == 0 || core_.PfnOf(entry.raw()) != pfn) continue;
      if (vma->lock != MemoryLock::kNone) return false;
      if (entry.dirty()) {
        cache_.KeepDirty(*page.file, page.number);
        return false;
      }
      mappings.push_back({space.mm, *slot});
    }
  }
  return true;
}

// The tables of an address space that is neither in use nor pinned are no
// tables to the hypervisor, which then accepts no store to them, but requests.
uint64_t MemoryManager::TakeMapping(Vcpu& vcpu, const MappedAt& mapping) {
  const bool unknown = core_.abi.paravirtual && mapping.mm->tables_read_only &&
                       mapping.mm->active == 0 &&
                       core_.options.pin == PinWhen::kNever;
  if (!unknown) return ops_.ClearPte(vcpu, *mapping.mm, mapping.slot);
  const uint64_t old = tables_.Load(vcpu, mapping.slot);
  const MmuUpdate request{
      .entry = core_.EntryMachineAddr(mapping.slot.table, mapping.slot.index)};
  const absl::Status status =
      vcpu.Hypercall(MmuUpdateCall{.requests = {&request, 1}}).status;
  if (!status.ok()) core_.Fail(status);
  return old;
}

// set_page_dirty, in zap_pte_range.
bool MemoryManager::LeavesCache(const Vma& vma, VirtAddr va, uint64_t entry) {
  if (!IsReclaimable(vma) || !IsObjectPage(vma, va, core_.PfnOf(entry))) {
    return false;
  }
  if (Pte(entry).dirty()) cache_.KeepDirty(*vma.file, vma.FilePage(va));
  return true;
}

}  // namespace xmmu
