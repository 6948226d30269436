// Whole tables: Xen 4.17, xen/arch/x86/mm.c, promote_l1_table.. l4,
// demote_l1_table.. l4, init_xen_l4_slots, init_xen_pae_l2_slots.

#include "xen/direct/page_types.h"

namespace xmmu {
namespace {

// One frame stands for all tables of Xen's to which its slots refer: it is in
// Xen's own memory, 2 MiB aligned (assumed).
constexpr Mfn kXensTables{0x200};
// Xen 4.17: PERDOMAIN_VIRT_START is slot 260 of the L4, for every guest.
constexpr int kPerDomainSlot = 260;

// What validates and devalidates a table of `level`, under 4.17 and 3.0.
constexpr const char* PromoteName(bool of_4_17, int level) {
  constexpr const char* kNames[2][kMaxPvLevels] = {
      {"alloc_l1_table", "alloc_l2_table", "alloc_l3_table", "alloc_l4_table"},
      {"promote_l1_table", "promote_l2_table", "promote_l3_table",
       "promote_l4_table"}};
  return kNames[of_4_17 ? 1 : 0][level - 1];
}
constexpr const char* DemoteName(bool of_4_17, int level) {
  constexpr const char* kNames[2][kMaxPvLevels] = {
      {"free_l1_table", "free_l2_table", "free_l3_table", "free_l4_table"},
      {"demote_l1_table", "demote_l2_table", "demote_l3_table",
       "demote_l4_table"}};
  return kNames[of_4_17 ? 1 : 0][level - 1];
}

}  // namespace

bool PageTypes::IsGuestSlot(const PageInfo& table, int level, int slot) const {
  if (level != rules_.xen_slots.level) return true;
  if (rules_.kernel_l2 && !table.pae_xen_l2) return true;
  return !rules_.xen_slots.Contains(slot);
}

XenErrno PageTypes::Promote(Mfn table, int level, bool& keeps_type) {
  Span span = XenSpan(PromoteName(rules_.detailed_errors, level));
  span.Hex("frame", table.value());
  Charge(CostEvent::kTempMap);
  Count(Counter::kPromotions);
  if (level == 1) return PromoteL1(table);
  return PromoteUpper(table, level, keeps_type);
}

XenErrno PageTypes::PromoteL1(Mfn table) {
  const int slots = CountSlots(1);
  int slot = 0;
  XenErrno error = XenErrno::kOk;
  for (; slot < slots; ++slot) {
    const Pte old = Load(EntryOf(table, slot));
    if (!old.present()) continue;
    Pte entry = old;
    error = GetPageFromL1e(entry, domain_.id());
    if (error != XenErrno::kOk) break;
    entry = Adjust(entry, 1);
    if (entry != old) StoreUnlogged(EntryOf(table, slot), entry);
  }
  const auto scanned =
      static_cast<uint64_t>(error == XenErrno::kOk ? slots : slot + 1);
  Charge(CostEvent::kValidatePte, scanned);
  Count(Counter::kValidatedPtes, scanned);
  if (error == XenErrno::kOk) return error;
  Charge(CostEvent::kValidatePte, static_cast<uint64_t>(slot));
  while (slot-- > 0) PutPageFromL1e(Load(EntryOf(table, slot)));
  return error;
}

XenErrno PageTypes::PromoteUpper(Mfn table, int level, bool& keeps_type) {
  // A PAE root has four entries; the rest of its frame is cleared.
  if (rules_.kernel_l2 && level == 3) {
    for (int slot = CountSlots(3); slot < CountSlots(1); ++slot) {
      if (Load(EntryOf(table, slot)) != Pte())
        StoreUnlogged(EntryOf(table, slot), {});
    }
  }
  const PageInfo& page = Page(table);
  const int slots = CountSlots(level);
  uint64_t scanned = 0;
  for (int slot = 0; slot < slots; ++slot) {
    if (!IsGuestSlot(page, level, slot)) continue;
    if (const int done = PromoteByRule(table, level, slot); done > 0) {
      scanned += static_cast<uint64_t>(done);
      slot += done - 1;
      continue;
    }
    ++scanned;
    bool child_keeps_type = false;
    const XenErrno error = PromoteSlot(table, level, slot, child_keeps_type);
    if (error == XenErrno::kOk) continue;
    Charge(CostEvent::kValidatePte, scanned);
    Count(Counter::kValidatedPtes, scanned);
    FailPromotion(table, level, slot, child_keeps_type);
    keeps_type = slot > 0;
    return error;
  }
  Charge(CostEvent::kValidatePte, scanned);
  Count(Counter::kValidatedPtes, scanned);
  WriteXenSlots(table, level);
  if (level == 3) WriteOwnLinearSlots(table);
  return XenErrno::kOk;
}

XenErrno PageTypes::PromoteSlot(Mfn table, int level, int slot,
                                bool& child_keeps_type) {
  const MachineAddr where = EntryOf(table, slot);
  const Pte old = Load(where);
  const bool kernel_slot = rules_.kernel_l2 && level == 3 && slot == 3;
  if (!old.present()) {
    if (!kernel_slot) return XenErrno::kOk;
    return Refuse(XenErrno::kEINVAL, "slot 3 of the PAE root is empty");
  }
  const XenErrno error = GetPageFromUpper(old, level, table, slot);
  if (error != XenErrno::kOk) {
    child_keeps_type = table_keeps_type_;
    return error;
  }
  const bool own = kernel_slot && !rules_.shared_kernel_l2;
  if (own && Page(old.frame()).type_count != 1) {
    PutPageAndType(old.frame(), table);
    return Refuse(XenErrno::kEINVAL, "slot 3 of the PAE root is shared");
  }
  const Pte entry = Adjust(old, level);
  if (entry != old) StoreUnlogged(where, entry);
  return XenErrno::kOk;
}

// The slots below `slot` are undone. A child that failed half-way counts as
// done in part, and is undone like them, unless it hung in the first slot.
void PageTypes::FailPromotion(Mfn table, int level, int slot,
                              bool child_keeps_type) {
  if (child_keeps_type && slot > 0) TakeBack(EntryOf(table, slot));
  const PageInfo& page = Page(table);
  uint64_t scanned = 0;
  while (slot-- > 0) {
    if (!IsGuestSlot(page, level, slot)) continue;
    ++scanned;
    const MachineAddr where = EntryOf(table, slot);
    PutPageFromUpper(Load(where), table);
    if (level == 3) TakeBack(where);
  }
  Charge(CostEvent::kValidatePte, scanned);
}

// Xen: unadjust_guest_l3e.
void PageTypes::TakeBack(MachineAddr entry) {
  const Pte old = Load(entry);
  if (rules_.taken_back == 0 || !old.present()) return;
  StoreUnlogged(entry, old.Without(rules_.taken_back));
}

// One entry stands for all those of Xen's that the simulated machine does not
// go through. Xen's entries stay when the table is demoted, and so keep it, and
// copies of it, from becoming a table of another kind.
void PageTypes::WriteXenSlots(Mfn table, int level) {
  const XenSlots& slots = rules_.xen_slots;
  if (level != slots.level) return;
  if (rules_.kernel_l2 && !Page(table).pae_xen_l2) return;
  for (int slot = slots.first; slot <= slots.last; ++slot) {
    if (Load(EntryOf(table, slot)) != Pte())
      StoreUnlogged(EntryOf(table, slot), {});
  }
  if (rules_.kernel_l2) {
    // The machine-to-physical table, in large pages.
    StoreUnlogged(EntryOf(table, slots.first),
                  Pte(kXensTables, pte::kPresent | pte::kPageSize));
    return;
  }
  uint64_t flags =
      pte::kPresent | pte::kWritable | pte::kAccessed | pte::kDirty;
  // Without NX the bit is reserved.
  const bool no_execute = host_.model().features.nx;
  if (LevelCount(rules_.mode) >= 4 && no_execute) flags |= pte::kNoExecute;
  if (rules_.linear_slot >= 0) {
    StoreUnlogged(EntryOf(table, rules_.linear_slot), Pte(table, flags));
  }
  if (level < 4) return;
  StoreUnlogged(EntryOf(table, kPerDomainSlot), Pte(kXensTables, flags));
}

void PageTypes::Demote(Mfn table, int level) {
  Span span = XenSpan(DemoteName(rules_.detailed_errors, level));
  span.Hex("frame", table.value());
  Charge(CostEvent::kTempMap);
  Count(Counter::kDemotions);
  uint64_t scanned = 0;
  if (level == 1) {
    const int slots = CountSlots(1);
    for (int slot = 0; slot < slots; ++slot) {
      PutPageFromL1e(Load(EntryOf(table, slot)));
    }
    scanned = static_cast<uint64_t>(slots);
  } else {
    const PageInfo& page = Page(table);
    for (int slot = CountSlots(level) - 1; slot >= 0; --slot) {
      if (!IsGuestSlot(page, level, slot)) continue;
      ++scanned;
      const bool put = PutPageFromUpper(Load(EntryOf(table, slot)), table);
      if (put && level == 3) TakeBack(EntryOf(table, slot));
    }
  }
  Charge(CostEvent::kValidatePte, scanned);
  Count(Counter::kDevalidatedPtes, scanned);
}

}  // namespace xmmu
