// Base pointers and pins: Xen 4.17, xen/arch/x86/mm.c, new_guest_cr3 and the
// pin operations of do_mmuext_op.

#include "xen/direct/base_pointers.h"
#include "xen/direct/direct_write_logging.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

// CR3 is 32 bits wide in PAE mode, and the linear slot of a 2-level root, an
// entry of 4 bytes, names the root's own frame.
constexpr uint64_t kLowFrames = uint64_t{1} << 20;

// The flags of slot 0 of the hidden L4 (Xen: new_guest_cr3).
constexpr uint64_t kHiddenEntryFlags =
    pte::kPresent | pte::kWritable | pte::kUser | pte::kAccessed;
// The flags of the linear slot (Xen: __PAGE_HYPERVISOR_RW).
constexpr uint64_t kLinearEntryFlags = pte::kPresent | pte::kWritable |
                                       pte::kAccessed | pte::kDirty |
                                       pte::kNoExecute;

}  // namespace

XenErrno BasePointers::Pin(Mfn table, int level) {
  TypeRequest request{TableType(level)};
  const XenErrno error = types_.GetPageType(table, request);
  if (error != XenErrno::kOk) return error;
  PageInfo& page = Page(table);
  Charge(CostEvent::kLockedOp);  // test and set of PGT_pinned
  if (page.pinned) {
    types_.PutPageType(table);
    return Refuse(XenErrno::kEINVAL, "the table is pinned already");
  }
  page.pinned = true;
  types_.NotePinChange(table);
  Count(Counter::kPins);
  return XenErrno::kOk;
}

XenErrno BasePointers::Unpin(Mfn table) {
  PageInfo& page = Page(table);
  Charge(CostEvent::kLockedOp);  // test and clear of PGT_pinned
  if (!page.pinned) return Refuse(XenErrno::kEINVAL, "the table is not pinned");
  page.pinned = false;
  Count(Counter::kUnpins);
  types_.PutPageAndType(table);
  return XenErrno::kOk;
}

void BasePointers::LoadCr3(Mfn root) {
  vcpu_.cr3 = AddressOf(LoadedFor(root)).value();
  if (cpu_.current != &vcpu_) return;
  XMMU_CHECK(!host_.LoadCr3(cpu_, vcpu_.cr3).has_value());
}

XenErrno BasePointers::NewBasePointer(Mfn root) {
  if (rules_.hidden_l4) return NewHiddenRoot(root);
  const Span span = XenSpan("new_guest_cr3");
  const Mfn old = vcpu_.guest_table;
  if (root != old) {
    const bool narrow = LinearAddressBits(rules_.hardware) == 32;
    if (narrow && root.value() >= kLowFrames) {
      return Refuse(XenErrno::kEINVAL, "CR3 cannot hold that frame");
    }
    const XenErrno error =
        types_.GetPageAndType(root, {TableType(LevelCount(rules_.mode))});
    if (error != XenErrno::kOk) return error;
    vcpu_.guest_table = root;
  }
  types_.WriteLoadedLinearSlots(root);
  LoadCr3(root);
  if (root != old && old != kInvalidMfn) types_.PutPageAndType(old);
  return XenErrno::kOk;
}

XenErrno BasePointers::NewHiddenRoot(Mfn root) {
  const Span span = XenSpan("new_guest_cr3");
  const Mfn old = vcpu_.guest_table;
  const MachineAddr slot0 = AddressOf(direct_.vcpu(vcpu_.id).hidden_l4);
  const Pte old_entry = ReadEntry(slot0);
  if (root != old) {
    const XenErrno error = types_.GetPageAndType(root, {PageType::kL3});
    if (error != XenErrno::kOk) return error;
    vcpu_.guest_table = root;
  }
  UpdateEntry(slot0, old_entry, Pte(root, kHiddenEntryFlags), false);
  if (root != old && old != kInvalidMfn) types_.PutPageAndType(old);
  LoadCr3(direct_.vcpu(vcpu_.id).hidden_l4);
  return XenErrno::kOk;
}

XenErrno BasePointers::NewUserBasePointer(Mfn root) {
  // Frame 0 is Xen's word for "none".
  const Mfn wanted = root == Mfn(0) ? kInvalidMfn : root;
  const Mfn old = vcpu_.guest_table_user;
  if (wanted == old) return XenErrno::kOk;
  if (wanted != kInvalidMfn) {
    const XenErrno error = types_.GetPageAndType(wanted, {PageType::kL4});
    if (error != XenErrno::kOk) return error;
  }
  vcpu_.guest_table_user = wanted;
  if (old != kInvalidMfn) types_.PutPageAndType(old);
  return XenErrno::kOk;
}

XenErrno BasePointers::BootRoot(Mfn root, Mfn& base) {
  const int level = LevelCount(rules_.mode);
  if (!types_.GetPage(root, domain_.id())) {
    return Refuse(XenErrno::kEINVAL, "the root is not the domain's");
  }
  // A further vCPU may start on a root that is pinned already.
  XenErrno error = XenErrno::kOk;
  if (Page(root).pinned) {
    types_.PutPage(root);
  } else {
    error = Pin(root, level);
    if (error != XenErrno::kOk) {
      types_.PutPage(root);
      return error;
    }
  }
  error = types_.GetPageAndType(root, {TableType(level)});
  if (error == XenErrno::kOk) base = root;
  return error;
}

absl::Status BasePointers::Boot(Mfn root, Mfn user_root) {
  XenErrno error = BootRoot(root, vcpu_.guest_table);
  if (error == XenErrno::kOk && user_root != kInvalidMfn &&
      LevelCount(rules_.mode) == 4) {
    error = BootRoot(user_root, vcpu_.guest_table_user);
  }
  if (error != XenErrno::kOk) return StatusOf(error);
  Mfn hardware_root = root;
  if (rules_.hidden_l4) {
    direct_.vcpu(vcpu_.id).hidden_l4 = host_.AllocXenFrame();
    hardware_root = direct_.vcpu(vcpu_.id).hidden_l4;
    Store(AddressOf(hardware_root), Pte(root, kHiddenEntryFlags));
    uint64_t flags = kLinearEntryFlags;
    if (!host_.model().features.nx) flags &= ~pte::kNoExecute;
    Store(EntryOf(hardware_root, rules_.linear_slot),
          Pte(hardware_root, flags));
  }
  types_.WriteLoadedLinearSlots(root);
  vcpu_.kernel_mode = true;
  vcpu_.cr3 = AddressOf(LoadedFor(hardware_root)).value();
  return absl::OkStatus();
}

Mfn BasePointers::LoadedFor(Mfn root) {
  if (!walks_shadows()) return root;
  return direct_.write_logging()->LoadedFor(cpu_, vcpu_, root);
}

}  // namespace xmmu
