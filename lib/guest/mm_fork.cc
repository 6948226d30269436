// Does the work of fork and exit (Linux: kernel/fork.c, dup_mmap; mm/memory.c,
// copy_page_range; mm/mmap.c, exit_mmap).

#include "guest/kernel_span.h"
#include "guest/memory_manager.h"
#include "xmmu/base/check.h"

namespace xmmu {

namespace {

// The most frames that an empty address space takes: both roots of a 64-bit
// paravirtual guest, or a root and the L2 that maps the kernel.
constexpr uint64_t kRoots = 2;

}  // namespace

absl::StatusOr<std::unique_ptr<AddressSpace>> MemoryManager::Create(
    Vcpu& vcpu) {
  Reserve(vcpu, kRoots);
  absl::StatusOr<std::unique_ptr<AddressSpace>> mm = tables_.Create(vcpu);
  if (mm.ok()) {
    (*mm)->users = 1;
    (*mm)->epoch = ++core_.epochs;
    NoteSpace(**mm);
  }
  return mm;
}

absl::Status MemoryManager::CopyEntries(Vcpu& vcpu, AddressSpace& parent,
                                        AddressSpace& child, const Vma& vma) {
  const Span span = KernelSpan(vcpu, "copy_page_range");
  return tables_.ForEachEntry(
      vcpu, parent, vma.start, vma.end,
      [&](const PteSlot& slot, uint64_t entry) {
        absl::StatusOr<PteSlot> target =
            tables_.Make(vcpu, child, slot.va, slot.level);
        absl::Status status = target.status();
        // The child splits its large page by itself (copy_huge_pmd).
        const bool large = slot.level > 1;
        if (status.ok() && large && !vma.hugetlb())
          status = tables_.Deposit(vcpu, child);
        if (!status.ok()) return status;
        if (Pte(entry).present() && Pte(entry).writable() && !vma.shared()) {
          const Span set = EntrySpan(vcpu, "ptep_set_wrprotect");
          ops_.WriteProtectPte(vcpu, parent, slot, entry);
        }
        // The child has not touched the page yet, and copies it on its first
        // write.
        const Pte copy = Pte(entry).Without(
            pte::kAccessed | (vma.shared() ? 0 : pte::kWritable));
        if (large) {
          core_.frames.GetBlock(core_.PfnOf(entry));
        } else {
          core_.frames.Get(core_.PfnOf(entry));
        }
        core_.frames.SetExclusive(core_.PfnOf(entry), false);
        // Bits that Xen keeps in an entry for itself are not copied.
        const Pte clean(core_.MakeEntry(
            core_.PfnOf(entry),
            copy.flags() & (pte::kPresent | pte::kWritable | pte::kUser |
                            pte::kDirty | pte::kGlobal | pte::kNoExecute |
                            (large ? pte::kPageSize : 0))));
        const uint64_t value =
            clean.present() ? clean.Without(pte::kGlobal).raw() : clean.raw();
        const Span set = EntrySpan(vcpu, "set_pte_at");
        ops_.SetPte(vcpu, child, *target, value);
        return absl::OkStatus();
      });
}

absl::StatusOr<std::unique_ptr<AddressSpace>> MemoryManager::Fork(
    Vcpu& vcpu, AddressSpace& parent) {
  const Span span = KernelSpan(vcpu, "dup_mmap");
  Reserve(vcpu, kRoots + parent.tables.size() + parent.deposits.size());
  absl::StatusOr<std::unique_ptr<AddressSpace>> child = Create(vcpu);
  if (!child.ok()) return child;
  (*child)->changed_by_several = parent.changed_by_several;
  bool copied = false;
  for (Vma vma : parent.vmas.All()) {
    if (vma.dont_fork) continue;
    // Locks are not inherited; what is wiped is left to the child's faults, and
    // is wiped for its children as well.
    vma.lock = MemoryLock::kNone;
    vma.has_own_pages = vma.has_own_pages && !vma.wipe_on_fork;
    (*child)->vmas.Insert(vma);
    NoteShared(**child, vma);
    if (vma.wipe_on_fork) continue;
    // Entries that a fault can make again are not copied (copy_page_range).
    if (!vma.has_own_pages && !core_.options.fork_copies_all) continue;
    copied = true;
    const absl::Status status = CopyEntries(vcpu, parent, **child, vma);
    if (!status.ok()) return status;
  }
  if (gathers()) {  // as dup_mmap, and in any case
    ops_.Activate(vcpu, **child);
    ops_.Flush(vcpu, parent, TlbFlush::NonGlobal());
    return child;
  }
  if (copied) ops_.Flush(vcpu, parent, TlbFlush::NonGlobal());
  ops_.Activate(vcpu, **child);
  return child;
}

void MemoryManager::Teardown(Vcpu& vcpu, AddressSpace& mm, TaskDigest& digest) {
  const Span span = KernelSpan(vcpu, "exit_mmap");
  ops_.Retire(vcpu, mm);
  // No program runs on these tables any more, so one flush at the end will do.
  const std::vector<Vma> all = mm.vmas.All();
  TlbGather gather;
  for (const Vma& vma : all) {
    Zap(vcpu, mm, vma, digest, gather, /*flush=*/false);
  }
  std::vector<TablePage> tables;
  for (const Vma& vma : all) {
    mm.vmas.Carve(vma.start, vma.end);
    tables_.FreeUnused(vcpu, mm, vma.start, vma.end, tables);
  }
  ops_.Flush(vcpu, mm, TlbFlush::NonGlobal());
  ReleasePages();
  tables_.ReleaseFrames(tables);
}

}  // namespace xmmu
