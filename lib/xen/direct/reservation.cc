// Pages given back and descriptor tables: Xen 4.17, xen/common/memory.c,
// decrease_reservation and populate_physmap; xen/common/page_alloc.c,
// alloc_heap_pages; xen/arch/x86/pv/descriptor-tables.c.

#include "xen/direct/hypercalls.h"

namespace xmmu {
namespace {

// A segment descriptor (SDM Vol. 3A, "Segment Descriptors").
constexpr uint64_t kDescriptorPresent = uint64_t{1} << 47;
constexpr uint64_t kDescriptorCodeOrData = uint64_t{1} << 44;
constexpr int kDescriptorTypeShift = 40;

// Xen: FIRST_RESERVED_GDT_PAGE, xen/include/public/arch-x86/xen.h.
constexpr size_t kGuestGdtPages = 14;

// Whether Xen lets a guest have `descriptor`: one that is not present, a code
// or data segment, or type 0, the second half of a call gate. Xen also checks
// call gates and fixes privilege levels; here gates are refused.
bool MayHaveDescriptor(uint64_t descriptor) {
  if ((descriptor & kDescriptorPresent) == 0) return true;
  if ((descriptor & kDescriptorCodeOrData) != 0) return true;
  return (descriptor >> kDescriptorTypeShift & 0xf) == 0;
}

}  // namespace

uint32_t Hypercalls::DecreaseReservation(std::span<const Mfn> frames) {
  uint32_t done = 0;
  for (const Mfn mfn : frames) {
    if (!types_.GetPage(mfn, domain_.id())) break;
    PageInfo& page = Page(mfn);
    Charge(CostEvent::kLockedOp);  // test and clear of PGC_allocated
    if (page.allocated) {
      page.allocated = false;
      types_.PutPage(mfn);
    }
    types_.PutPage(mfn);
    ++done;
  }
  return done;
}

// No TLB may still lead to a frame that is about to change hands: the flush
// that a free frame owes, as after an unmapping without one, is executed now.
uint32_t Hypercalls::PopulatePhysmap(std::span<const Pfn> pfns) {
  uint32_t done = 0;
  for (const Pfn pfn : pfns) {
    P2m& p2m = domain_.p2m();
    if (pfn.value() >= p2m.size() || p2m.MfnOf(pfn) != kInvalidMfn) break;
    const std::optional<Mfn> mfn = host_.AllocFrame(domain_, pfn);
    if (!mfn.has_value()) break;
    const CpuMask cpus =
        host_.NeedFlush(host_.AllCpus(), Page(*mfn).tlbflush_timestamp);
    if (cpus != 0) FlushNow(cpus, FullFlush());
    Charge(CostEvent::kLockedOp);  // assign_pages
    ++done;
  }
  return done;
}

XenErrno Hypercalls::SetGdt(std::span<const Mfn> frames) {
  if (frames.size() > kGuestGdtPages) {
    return Refuse(XenErrno::kEINVAL, "entries that are Xen's");
  }
  for (size_t i = 0; i < frames.size(); ++i) {
    const XenErrno error =
        types_.GetPageAndType(frames[i], {PageType::kSegDesc});
    if (error == XenErrno::kOk) continue;
    while (i-- > 0) types_.PutPageAndType(frames[i]);
    return error;
  }
  std::vector<Mfn>& installed = direct_.vcpu(vcpu_.id).gdt_frames;
  for (const Mfn old : installed) types_.PutPageAndType(old);
  installed.assign(frames.begin(), frames.end());
  return XenErrno::kOk;
}

XenErrno PageTypes::ValidateDescriptors(Mfn page) {
  Charge(CostEvent::kTempMap);
  for (uint64_t offset = 0; offset < kPageSize; offset += 8) {
    const uint64_t raw = host_.memory().Read64(AddressOf(page) + offset);
    if (MayHaveDescriptor(raw)) continue;
    return Refuse(XenErrno::kEINVAL, "a descriptor that Xen does not allow");
  }
  return XenErrno::kOk;
}

}  // namespace xmmu
