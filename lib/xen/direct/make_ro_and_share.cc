// HYPERVISOR_make_ro_and_share: J. G. Hansen on xen-devel, "Re: copy on write
// memory", a variant of update_va_mapping that was proposed and never built.
// What the proposal leaves open is decided here: all mappings must be named;
// nothing is hashed before no processor can write to it any more; a hash that
// is found is not believed without a comparison; and who does not have a shared
// frame by sharing cannot get it by its number.

#include <algorithm>

#include "xen/direct/page_sharing.h"
#include "xmmu/base/check.h"

namespace xmmu {

HypercallResult PageSharing::MakeRoAndShare(const MakeRoAndShareCall& call) {
  Count(Counter::kCallsToMakeRoAndShare);
  HypercallResult result;
  XenErrno error = XenErrno::kOk;
  std::vector<ShareCandidate> candidates;
  for (size_t next = 0; next < call.mappings.size();) {
    ShareCandidate page;
    const size_t end = NextPage(call.mappings, next, page, error);
    if (error == XenErrno::kOk) error = MakeReadOnly(page);
    if (error != XenErrno::kOk) break;
    result.done = static_cast<uint32_t>(end);
    candidates.push_back(std::move(page));
    next = end;
  }
  // The pages are shared only now that all are read-only, so that one flush
  // serves all of them.
  for (const ShareCandidate& page : candidates) SharePage(page);
  result.status = StatusOf(error);
  return result;
}

size_t PageSharing::NextPage(std::span<const VirtAddr> mappings, size_t first,
                             ShareCandidate& page, XenErrno& error) {
  size_t i = first;
  for (; i < mappings.size(); ++i) {
    Charge(CostEvent::kCopyIn);
    const std::optional<MachineAddr> where = FindMappedEntry(mappings[i]);
    if (!where.has_value()) {
      // Only the first address must be mapped; an unmapped later one ends this
      // page's list.
      if (i == first) {
        error = Refuse(XenErrno::kEINVAL, "nothing is mapped at that address");
      }
      break;
    }
    const Mfn frame = ReadEntry(*where).frame();
    if (i == first) page.frame = frame;
    if (frame != page.frame) break;
    page.entries.push_back(*where);
  }
  return i;
}

std::optional<MachineAddr> PageSharing::FindMappedEntry(VirtAddr va) {
  const std::optional<MachineAddr> where = lookup_.FindL1Entry(va);
  if (!where.has_value()) return std::nullopt;
  const Mfn table = FrameOf(*where);
  if (rules_.va_lookup != VaLookup::kLinearL1) Charge(CostEvent::kTempMap);
  if (!host_.frames().Valid(table)) return std::nullopt;
  const PageInfo& page = Page(table);
  // The frame to which a stale translation led may be no table of the domain's
  // any more.
  const bool is_l1 = page.owner == domain_.id() && page.type == PageType::kL1 &&
                     page.validated && page.type_count > 0;
  if (!is_l1 || !Load(*where).present()) return std::nullopt;
  return where;
}

// The page is refused unless the mappings named are all references to it.
XenErrno PageSharing::MakeReadOnly(ShareCandidate& page) {
  const Mfn mfn = page.frame;
  if (types_.IsIoMemory(mfn)) {
    return Refuse(XenErrno::kEINVAL, "device memory is not shared");
  }
  if (Page(mfn).owner == kDomCow) return XenErrno::kOk;  // it is shared already
  if (!types_.GetPage(mfn, domain_.id())) {
    return Refuse(XenErrno::kEINVAL, "the frame is not the domain's");
  }
  const XenErrno error = CheckSoleMappings(page);
  if (error == XenErrno::kOk) {
    for (const MachineAddr where : page.entries) {
      const Pte entry = ReadEntry(where);
      if (!entry.writable()) continue;
      UpdateEntry(where, entry, entry.Without(pte::kWritable), false);
      types_.PutPageType(mfn);
    }
  }
  types_.PutPage(mfn);
  return error;
}

// One entry named twice would hide a mapping that is not named.
XenErrno PageSharing::CheckSoleMappings(const ShareCandidate& page) {
  std::vector<MachineAddr> distinct = page.entries;
  std::sort(distinct.begin(), distinct.end());
  if (std::adjacent_find(distinct.begin(), distinct.end()) != distinct.end()) {
    return Refuse(XenErrno::kEINVAL, "a mapping is named twice");
  }
  const auto writable = static_cast<uint64_t>(std::count_if(
      distinct.begin(), distinct.end(),
      [this](MachineAddr where) { return Load(where).writable(); }));
  const PageInfo& info = Page(page.frame);
  // Beside the mappings: the allocation's, and the one held here.
  const uint64_t refs = distinct.size() + 2;
  if (!info.allocated || info.xen_heap || info.ref_count != refs ||
      info.type_count != writable) {
    return Refuse(XenErrno::kEBUSY, "the page is in use elsewhere, too");
  }
  return XenErrno::kOk;
}

void PageSharing::SharePage(const ShareCandidate& page) {
  const Mfn mfn = page.frame;
  // The page was named before in the same call, or has been shared already.
  if (Page(mfn).owner != domain_.id()) return;
  // The type keeps writable mappings away; taking it flushes the TLBs that may
  // still hold one.
  XMMU_CHECK(types_.GetPageType(mfn, {PageType::kShared}) == XenErrno::kOk);
  Charge(CostEvent::kTempMap);
  Charge(CostEvent::kHashPage);
  Charge(CostEvent::kLockedOp);  // the lock of the table
  const uint64_t hash = HashContent(host_.memory(), mfn);
  const std::optional<Mfn> same = FindSame(mfn, hash);
  if (!same.has_value()) host_.sharing().Insert(mfn, hash);
  for (const MachineAddr where : page.entries) {
    const Pte entry = ReadEntry(where);
    XMMU_CHECK(entry.present() && entry.frame() == mfn && !entry.writable());
    const Pte shared(same.value_or(mfn), entry.flags() | kSharedMark);
    UpdateEntry(where, entry, shared, false);
    if (same.has_value()) {
      Charge(CostEvent::kLockedOp);
      ++Page(*same).ref_count;
    }
    host_.sharing().AddMapping(shared.frame(), domain_.id());
  }
  if (same.has_value()) {
    Count(Counter::kPagesMerged);
    GiveUp(page);
  } else {
    Count(Counter::kPagesShared);
    Donate(mfn);
  }
}

std::optional<Mfn> PageSharing::FindSame(Mfn mfn, uint64_t hash) {
  Charge(CostEvent::kXenPteRead);  // the bucket
  for (const Mfn candidate : host_.sharing().WithHash(hash)) {
    if (candidate.value() >= host_.FrameLimit(rules_.mode)) continue;
    Charge(CostEvent::kTempMap);
    Charge(CostEvent::kComparePage);
    if (host_.memory().SameContent(mfn, candidate)) return candidate;
  }
  return std::nullopt;
}

// The former owner has no more right to the shared page than any other domain
// that maps it.
void PageSharing::Donate(Mfn mfn) {
  PageInfo& page = Page(mfn);
  const Pfn pfn = domain_.p2m().PfnOf(mfn);
  if (pfn != kInvalidPfn) domain_.p2m().Clear(pfn);
  page.owner = kDomCow;
  page.allocated = false;
  types_.PutPage(mfn);  // the allocation's
}

// Each entry that led to the page had a reference to it; the type's and the
// allocation's are dropped as well.
void PageSharing::GiveUp(const ShareCandidate& page) {
  types_.PutPageType(page.frame);
  for (size_t i = 0; i < page.entries.size(); ++i) types_.PutPage(page.frame);
  Page(page.frame).allocated = false;
  types_.PutPage(page.frame);
}

}  // namespace xmmu
