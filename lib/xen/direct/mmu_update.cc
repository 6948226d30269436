// HYPERVISOR_mmu_update: Xen 4.17, xen/arch/x86/mm.c, do_mmu_update.

#include "xen/direct/hypercalls.h"

namespace xmmu {

// The pseudo domains can always be named; what they own decides what comes of
// the request.
bool Hypercalls::ResolveOwner(DomainId named, DomainId& owner,
                              XenErrno& error) {
  if (named == kDomSelf) {
    owner = domain_.id();
    return true;
  }
  if (named == kDomIo || named == kDomXen) {
    owner = named;
    return true;
  }
  const bool exists =
      named != domain_.id() && host_.FindDomain(named) != nullptr;
  error = exists ? RefuseAs(XenErrno::kEPERM, "no rights on that domain")
                 : RefuseAs(XenErrno::kESRCH, "no such foreign domain");
  return false;
}

HypercallResult Hypercalls::MmuUpdates(const MmuUpdateCall& call) {
  Count(Counter::kCallsToMmuUpdate);
  HypercallResult result;
  XenErrno error = XenErrno::kOk;
  DomainId page_owner = kDomInvalid;
  DomainId table_owner = kDomInvalid;
  // The own domain may be named as owner of the tables by its number.
  const bool own_tables =
      call.page_table_owner == domain_.id() ||
      ResolveOwner(call.page_table_owner, table_owner, error);
  if (!own_tables || !ResolveOwner(call.page_owner, page_owner, error)) {
    result.status = StatusOf(error);
    return result;
  }
  for (const MmuUpdate& request : call.requests) {
    Charge(CostEvent::kCopyIn);
    error = OneUpdate(request, page_owner);
    if (error != XenErrno::kOk) break;
    ++result.done;
  }
  Count(Counter::kNumPageUpdates, result.done);
  result.status = StatusOf(error);
  return result;
}

XenErrno Hypercalls::OneUpdate(const MmuUpdate& request, DomainId page_owner) {
  switch (request.command) {
    case MmuUpdateCommand::kNormal:
    case MmuUpdateCommand::kPreserveAd:
    case MmuUpdateCommand::kNoTranslate:
      break;
    case MmuUpdateCommand::kMachphys:
      return UpdateMachphys(request, page_owner);
    default:
      return RefuseAs(XenErrno::kENOSYS, "unknown mmu_update command");
  }
  const Mfn table = FrameOf(request.entry);
  PageInfo* const page = host_.frames().Valid(table) ? &Page(table) : nullptr;
  if (page == nullptr || !types_.GetPage(*page, domain_.id())) {
    return Refuse(XenErrno::kEINVAL, "the table is not the domain's");
  }
  if (table != mapped_) {
    Charge(CostEvent::kTempMap);
    mapped_ = table;
  }
  const auto bytes = static_cast<uint64_t>(entry_bytes());
  const MachineAddr entry(request.entry.value() & ~(bytes - 1));
  XenErrno error;
  if (types_.LockPage(*page)) {
    error = UpdateTable(entry, page->type, request, page_owner);
    types_.UnlockPage(*page);
  } else {
    error = types_.GetPageType(table, *page, {PageType::kWritable});
    if (error == XenErrno::kOk) {
      Count(Counter::kWritableMmuUpdates);
      Charge(CostEvent::kXenPteWrite);
      Store(entry, EntryValue(request.value));
      types_.PutPageType(table);
    }
  }
  types_.PutPage(table, *page);
  return error;
}

XenErrno Hypercalls::UpdateTable(MachineAddr entry, PageType type,
                                 const MmuUpdate& request,
                                 DomainId page_owner) {
  const Pte value = EntryValue(request.value);
  const bool preserve_ad = request.command == MmuUpdateCommand::kPreserveAd;
  if (type == PageType::kL1) {
    return types_.ModL1Entry(entry, value, preserve_ad, page_owner);
  }
  if (type == PageType::kWritable) {
    Count(Counter::kWritableMmuUpdates);
    Charge(CostEvent::kXenPteWrite);
    Store(entry, value);
    return XenErrno::kOk;
  }
  if (!IsPageTable(type)) {
    return Refuse(XenErrno::kEINVAL, "neither a table nor a writable page");
  }
  if (page_owner != domain_.id()) {
    return Refuse(XenErrno::kEINVAL, "tables refer to own tables only");
  }
  const XenErrno error =
      types_.ModUpperEntry(entry, value, LevelOf(type), preserve_ad);
  if (error == XenErrno::kOk) OweUpperUpdateFlush();
  return error;
}

// Paging-structure caches, and Xen's linear map, may hold the old entry.
void Hypercalls::OweUpperUpdateFlush() {
  if (!rules_.flush_on_upper_update) return;
  request_.pending.Add(domain_.dirty_cpus(), FullFlush());
}

// The machine-to-physical table is the domain's P2M read backwards; a guest
// that renumbers its frames is none of the simulator's business. The page that
// the frame is said to be is marked (Xen 4.17: paging_mark_pfn_dirty, after
// set_gpfn_from_mfn; 3.0.0: mark_dirty there), if the domain has such a page:
// beyond the bitmap nobody asks.
XenErrno Hypercalls::UpdateMachphys(const MmuUpdate& request,
                                    DomainId page_owner) {
  const Mfn mfn = FrameOf(request.entry);
  if (!types_.GetPage(mfn, page_owner)) {
    return Refuse(XenErrno::kEINVAL, "the frame is not the domain's");
  }
  const bool own = page_owner == domain_.id();
  if (own && request.value < domain_.p2m().size()) {
    MarkDirty(cpu_, domain_, Pfn(request.value));
  }
  types_.PutPage(mfn);
  return XenErrno::kOk;
}

}  // namespace xmmu
