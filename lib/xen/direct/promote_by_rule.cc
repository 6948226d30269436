// Validates tables that follow a rule, as the direct map of a guest that boots
// does: for each of its pages there is an entry that takes a reference, and all
// of them are alike. What promote.cc, page_type.cc and page_refs.cc do entry by
// entry is done here for a range of frames at once. Nothing is done where one
// entry might be refused, or something must be flushed.

#include "xen/direct/page_types.h"

namespace xmmu {
namespace {

constexpr uint64_t kTableEntries = 512;
constexpr uint64_t kNotWriteBack = pte::kPwt | pte::kPcd | pte::kPat;

// One use more of a writable page, without a hook.
void UseAsWritable(PageInfo& page) {
  if (page.type_count == 0) {
    page.l2_slot = kL2SlotMutable;
    page.hooked_in = kInvalidMfn;
  }
  ++page.type_count;
}

// The first use of a frame as a table, from its hook to its validation.
void BecomeTable(PageInfo& page, int level, Mfn parent) {
  ++page.ref_count;
  page.type = TableType(level);
  page.validated = true;
  page.non_coherent = false;
  page.hooked_in = parent;
  page.type_count = 1;
  page.linear_pt_count = 0;
}

}  // namespace

bool PageTypes::HasFrames(Mfn first, uint64_t count) const {
  return first.value() + count <= host_.frames().size();
}

bool PageTypes::CanBecomeTable(const PageInfo& page, int level,
                               Pte entry) const {
  const bool free = page.owner == domain_.id() && page.is_ram &&
                    page.ref_count > 0 && page.type_count == 0 &&
                    page.type != TableType(level);
  return free && entry.present() && BadFlags(entry, level + 1) == 0 &&
         host_.NeedFlush(domain_.dirty_cpus(), page.tlbflush_timestamp) == 0;
}

PageTypes::LeafTables PageTypes::FindLeafTables(Mfn table, int slot) const {
  const auto first = static_cast<uint64_t>(slot);
  const PhysMemory& memory = host_.memory();
  const auto upper = memory.RuleFrom(table, 1);
  if (!upper.has_value() || upper->step != kPageSize) return {};
  const Pte link(upper->WordAt(table, first));
  const Mfn tables = link.frame();
  if (!HasFrames(tables, kTableEntries) || Adjust(link, 2) != link) {
    return {};
  }
  const FrameTable& frames = host_.frames();
  const FrameTable::Piece piece =
      frames.PieceFrom(tables, kTableEntries - first);
  if (piece.own || !CanBecomeTable(piece.page, 1, link)) return {};
  const auto lower = memory.RuleFrom(tables, piece.count);
  if (!lower.has_value() || lower->step != kPageSize) return {};
  const LeafTables leaves{tables, lower->count, Pte(lower->entry)};
  return CanBeLeaves(leaves) ? leaves : LeafTables();
}

bool PageTypes::CanBeLeaves(const LeafTables& leaves) const {
  const Pte entry = leaves.entry;
  const Mfn first = entry.frame();
  const bool plain = entry.present() && BadFlags(entry, 1) == 0 &&
                     (entry.flags() & kNotWriteBack) == 0;
  if (!plain || !HasFrames(first, leaves.pages())) return false;
  const bool write = entry.writable();
  const bool apart = first + leaves.pages() <= leaves.tables ||
                     leaves.tables + leaves.count <= first;
  if (write && !apart) return false;
  return host_.frames().AllOf(first, leaves.pages(), [&](const PageInfo& page) {
    const bool own =
        page.owner == domain_.id() && page.is_ram && page.ref_count > 0;
    return own && (!write || (page.type == PageType::kWritable &&
                              page.validated && !page.pae_xen_l2));
  });
}

void PageTypes::PromoteLeafTables(const LeafTables& leaves, Mfn table,
                                  int slot) {
  const bool write = leaves.entry.writable();
  FrameTable& frames = host_.frames();
  frames.ForEachPiece(
      leaves.tables, leaves.count,
      [&](Mfn, uint64_t, PageInfo& page) { BecomeTable(page, 1, table); });
  frames.SetSlots(leaves.tables, leaves.count, static_cast<uint16_t>(slot));
  frames.ForEachPiece(leaves.entry.frame(), leaves.pages(),
                      [&](Mfn, uint64_t, PageInfo& page) {
                        ++page.ref_count;
                        if (write) UseAsWritable(page);
                      });
  const Pte adjusted = Adjust(leaves.entry, 1);
  if (adjusted != leaves.entry) {
    host_.memory().DescribeTables(leaves.tables, leaves.count, adjusted.raw(),
                                  kPageSize);
  }
  NoteTables(static_cast<int64_t>(leaves.count));
  Charge(CostEvent::kLockedOp,
         2 * leaves.count + (write ? 2 : 1) * leaves.pages());
  Charge(CostEvent::kTempMap, leaves.count);
  Count(Counter::kPromotions, leaves.count);
  Charge(CostEvent::kValidatePte, leaves.pages());
  Count(Counter::kValidatedPtes, leaves.pages());
}

int PageTypes::PromoteByRule(Mfn table, int level, int slot) {
  const bool plain = LevelCount(rules_.mode) == 4 && level < 4 &&
                     !walks_shadows() && !domain_.dirty_log().enabled() &&
                     !direct_.ptwr_in_use();
  if (!plain) return 0;
  if (level == 2) {
    const LeafTables leaves = FindLeafTables(table, slot);
    if (leaves.count > 0) PromoteLeafTables(leaves, table, slot);
    return static_cast<int>(leaves.count);
  }
  const Pte link = Load(EntryOf(table, slot));
  const Mfn child = link.frame();
  if (!link.present() || !host_.frames().Valid(child)) return 0;
  const FrameTable::Piece piece =
      std::as_const(host_).frames().PieceFrom(child, 1);
  if (piece.own || !CanBecomeTable(piece.page, 2, link)) return 0;
  const LeafTables leaves = FindLeafTables(child, 0);
  if (leaves.count < kTableEntries) return 0;
  const TypeRequest request = ChildRequest(3, table, slot);
  host_.frames().ForEachPiece(child, 1, [&](Mfn, uint64_t, PageInfo& page) {
    BecomeTable(page, 2, table);
    page.l2_slot = request.l2_slot;
  });
  PromoteLeafTables(leaves, child, 0);
  const Pte adjusted = Adjust(link, 3);
  if (adjusted != link) StoreUnlogged(EntryOf(table, slot), adjusted);
  NoteTables(1);
  Charge(CostEvent::kLockedOp, 2);
  Charge(CostEvent::kTempMap);
  Count(Counter::kPromotions);
  Charge(CostEvent::kValidatePte, kTableEntries);
  Count(Counter::kValidatedPtes, kTableEntries);
  return 1;
}

}  // namespace xmmu
