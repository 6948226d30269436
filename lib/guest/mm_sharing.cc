// Shares file pages with other domains (GuestOptions::share_file_pages): the
// guest's side of make_ro_and_share. A page is shared as soon as it is in the
// page cache, when the kernel's direct map is all that maps it.
//
//   read in --make_ro_and_share--> shared: the direct map, and every mapping
//                                  of a program, lead read-only to a frame that
//                                  is nobody's
//   shared --write fault on a private mapping--> that mapping gets a copy
//   shared --mapped by a program to be written in place--> all mappings get one
//                                  copy, the new page of the file

#include "guest/memory_manager.h"
#include "xmmu/base/check.h"
#include "xmmu/xen/hypercall.h"

namespace xmmu {

// Pages of zeros differ from domain to domain as soon as they are used, and so
// does what a file holds that was made again.
bool MemoryManager::Shares(const Vma& vma) const {
  return core_.options.share_file_pages && !vma.shared() &&
         !vma.file->zero_filled() && !vma.file->made_again();
}

void MemoryManager::NoteSpace(AddressSpace& mm) {
  if (!core_.options.share_file_pages && !reclaims()) return;
  if (spaces_.size() > 2 * spaces_kept_) {
    std::erase_if(spaces_,
                  [](const Space& space) { return space.alive.expired(); });
    spaces_kept_ = spaces_.size();
  }
  spaces_.push_back({&mm, mm.alive});
}

// The pages of a window are shared by one call before any of them is mapped.
absl::Status MemoryManager::ShareWindow(Vcpu& vcpu, const Vma& vma,
                                        VirtAddr start, VirtAddr end) {
  if (!Shares(vma)) return absl::OkStatus();
  for (VirtAddr va = start; va < end; va += kPageSize) {
    absl::StatusOr<Pfn> page = FilePage(vcpu, vma, va);
    if (!page.ok()) return page.status();
    core_.frames.Put(*page);
  }
  ShareFresh(vcpu);
  return absl::OkStatus();
}

void MemoryManager::ShareFresh(Vcpu& vcpu) {
  if (fresh_.empty()) return;
  std::vector<VirtAddr> mappings;
  mappings.reserve(fresh_.size());
  for (const Pfn pfn : fresh_) mappings.push_back(core_.layout.DirectVa(pfn));
  // A queued request may still use such a frame as another page.
  ops_.FinishKernelWork(vcpu);
  const HypercallResult result =
      vcpu.Hypercall(MakeRoAndShareCall{.mappings = mappings});
  if (!result.status.ok()) core_.Fail(result.status);
  for (size_t i = 0; i < result.done; ++i) {
    const std::optional<PteSlot> slot =
        tables_.Find(vcpu, core_.init_mm, mappings[i]);
    XMMU_CHECK(slot.has_value());
    const uint64_t entry = tables_.Load(vcpu, *slot);
    XMMU_CHECK((entry & kSharedMark) != 0);
    core_.shared.Add(fresh_[i], Pte(entry).frame());
  }
  fresh_.clear();
}

absl::StatusOr<Pfn> MemoryManager::Unshare(Vcpu& vcpu, const FileRef& file,
                                           uint64_t file_page, Pfn page) {
  absl::StatusOr<Pfn> copy = CopyOf(vcpu, page);
  if (!copy.ok()) return copy;
  for (const Space& space : spaces_) {
    if (space.alive.expired()) continue;
    for (const Vma& vma : space.mm->vmas.All()) {
      if (vma.backing != Backing::kFilePrivate || vma.file != file) continue;
      const uint64_t first = vma.file_offset >> kPageShift;
      if (file_page < first) continue;
      const VirtAddr va = vma.start + ((file_page - first) << kPageShift);
      if (va < vma.end) Repoint(vcpu, *space.mm, va, page, *copy);
    }
  }
  LeaveShare(vcpu, page);
  return copy;
}

void MemoryManager::Repoint(Vcpu& vcpu, AddressSpace& mm, VirtAddr va, Pfn page,
                            Pfn copy) {
  const std::optional<PteSlot> slot = tables_.Find(vcpu, mm, va);
  if (!slot.has_value()) return;
  const Pte entry(tables_.Load(vcpu, *slot));
  if ((entry.raw() & kSharedMark) == 0 || core_.PfnOf(entry.raw()) != page) {
    return;
  }
  uint64_t kept = pte::kPresent | pte::kUser | pte::kAccessed | pte::kDirty |
                  pte::kNoExecute;
  if (!entry.present()) kept |= pte::kGlobal;  // PROT_NONE
  // A request is used because the table may belong to an address space that is
  // not in use: to the hypervisor it is no table then, and a store would not be
  // accepted.
  const MmuUpdate request{
      .entry = core_.EntryMachineAddr(slot->table, slot->index),
      .value = core_.MakeEntry(copy, entry.flags() & kept)};
  ops_.FinishKernelWork(vcpu);
  const absl::Status status =
      vcpu.Hypercall(MmuUpdateCall{.requests = {&request, 1}}).status;
  if (!status.ok()) core_.Fail(status);
  ops_.Flush(vcpu, mm, TlbFlush::Page(va));
  core_.frames.Get(copy);
  core_.frames.Put(page);
}

// The kernel's mapping is the last. If the hypervisor gives a new frame for the
// page's place it is memory again; otherwise the place stays empty.
void MemoryManager::LeaveShare(Vcpu& vcpu, Pfn page) {
  XMMU_CHECK(core_.frames.references(page) == 1);
  const VirtAddr va = core_.layout.DirectVa(page);
  const VaMappingFlush everywhere{.scope = FlushScope::kPage,
                                  .all_vcpus = true};
  ops_.FinishKernelWork(vcpu);
  absl::Status status =
      vcpu.Hypercall(UpdateVaMappingCall{.va = va, .flush = everywhere}).status;
  core_.shared.Remove(page);
  const bool populated =
      vcpu.Hypercall(PopulatePhysmapCall{.pfns = {&page, 1}}).done == 1;
  if (status.ok() && populated) {
    status = vcpu
                 .Hypercall(UpdateVaMappingCall{
                     .va = va, .value = core_.MakeKernelEntry(page, true)})
                 .status;
    core_.frames.Put(page);
  }
  if (!status.ok()) core_.Fail(status);
}

}  // namespace xmmu
