// The four slots of Xen's linear map in the kernel L2 of a PAE root: each leads
// to the L2 in one slot of the root, as if that were an L1. Xen 3.0.0,
// xen/arch/x86/mm.c, create_pae_xen_mappings; shared, as proposed before it.

#include "xen/direct/page_types.h"

namespace xmmu {
namespace {

// Xen: __PAGE_HYPERVISOR. Without US the slots are still in reach of the
// guest's ring, but they lie beyond its segments.
constexpr uint64_t kLinearSlotFlags =
    pte::kPresent | pte::kWritable | pte::kAccessed | pte::kDirty;

}  // namespace

void PageTypes::WriteLinearSlots(Mfn root) {
  const Mfn kernel_l2 = Load(EntryOf(root, 3)).frame();
  // The root's entries are one cache line. An L2 of the root's own is mapped,
  // and Xen copies its whole area into it; a shared L2 stays mapped, and only
  // the four slots are written.
  Charge(CostEvent::kTempMap);
  Charge(CostEvent::kXenPteRead);
  const int slots = CountSlots(3);
  if (!rules_.shared_kernel_l2) Charge(CostEvent::kTempMap);
  Charge(CostEvent::kXenPteWrite,
         static_cast<uint64_t>(rules_.shared_kernel_l2
                                   ? slots
                                   : rules_.xen_slots.last -
                                         rules_.xen_slots.first + 1));
  for (int slot = 0; slot < slots; ++slot) {
    const Pte entry = Load(EntryOf(root, slot));
    const Pte linear =
        entry.present() ? Pte(entry.frame(), kLinearSlotFlags) : Pte();
    Store(EntryOf(kernel_l2, rules_.linear_slot + slot), linear);
  }
}

void PageTypes::WriteOwnLinearSlots(Mfn root) {
  if (LinearInKernelL2() && !rules_.shared_kernel_l2) WriteLinearSlots(root);
}

void PageTypes::WriteLoadedLinearSlots(Mfn root) {
  if (LinearInKernelL2() && rules_.shared_kernel_l2) WriteLinearSlots(root);
}

void PageTypes::FollowRootChange(Mfn root) {
  WriteOwnLinearSlots(root);
  if (root == vcpu_.guest_table) WriteLoadedLinearSlots(root);
}

}  // namespace xmmu
