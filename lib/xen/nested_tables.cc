#include "xmmu/xen/nested_tables.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "xmmu/machine/pte.h"
#include "xmmu/mmu/internal/nested_walker.h"

namespace xmmu {
namespace {

constexpr PagingMode kMode = PagingMode::k4Level;
constexpr int kRootLevel = LevelCount(kMode);
constexpr int kEntries = 512;

// Both formats have these flags in the same place.
constexpr uint64_t kWritable = pte::kWritable;
static_assert(ept::kWrite == kWritable);

// 4 KiB pages that an entry of `level` maps.
constexpr uint64_t PagesOf(int level) {
  return uint64_t{1} << (LevelShift(kMode, level) - kPageShift);
}

// The first page of those that an entry of `level` for `pfn` maps.
constexpr Pfn FirstOf(Pfn pfn, int level) {
  return Pfn(pfn.value() / PagesOf(level) * PagesOf(level));
}

// The level of the largest leaf that the machine's nested tables may have.
int LargestLeafOf(const MachineModel& model) {
  const bool ept = model.features.vendor == Vendor::kIntel;
  if (ept && !model.nested.pages_2m) return 1;
  const bool pages_1g = model.features.pages_1g;
  return pages_1g && (!ept || model.nested.pages_1g) ? 3 : 2;
}

// Xen 4.17, xen/arch/x86/mm/p2m-ept.c and p2m-pt.c.
const char* SetEntryName(bool ept) {
  return ept ? "ept_set_entry" : "p2m_pt_set_entry";
}

}  // namespace

NestedTables::NestedTables(Host& host, const Domain& domain, int max_leaf)
    : host_(host),
      domain_(domain),
      max_leaf_(std::min(max_leaf, LargestLeafOf(host.model()))),
      ept_(host.model().features.vendor == Vendor::kIntel) {
  tables_.Push(host.AllocXenFrame());
}

NestedTables::~NestedTables() { host_.FreeXenFrames(tables_); }

VmControls NestedTables::Controls(uint16_t tag) const {
  return {.nested = true,
          .nested_mode = kMode,
          .root = AddressOf(root()),
          .accessed_dirty = host_.model().nested.accessed_dirty,
          .tag = tag};
}

Mfn NestedTables::NewTable(CycleClock& clock) {
  clock.Charge(CostEvent::kZeroPage);
  const Mfn table = host_.AllocXenFrame();
  tables_.Push(table);
  return table;
}

uint64_t NestedTables::Read(MachineAddr slot) const {
  return host_.memory().Read64(slot);
}

void NestedTables::Write(MachineAddr slot, uint64_t entry, CycleClock& clock) {
  host_.memory().Write64(slot, entry);
  clock.Charge(CostEvent::kXenPteWrite);
}

uint64_t NestedTables::TableEntry(Mfn table) const {
  const uint64_t ordinary = pte::kPresent | pte::kWritable | pte::kUser;
  return Pte(table, ept_ ? ept::kRights : ordinary).raw();
}

uint64_t NestedTables::LeafEntry(Mfn first, int level, bool writable) const {
  static_assert(ept::kPageSize == pte::kPageSize);
  const uint64_t large = level > 1 ? pte::kPageSize : 0;
  const uint64_t whole =
      TableEntry(first) | large | (ept_ ? ept::kWriteBack : 0);
  return writable ? whole : whole & ~kWritable;
}

// A page is writable at once if the log lets every 4 KiB of it be.
bool NestedTables::MayBeWritable(Pfn first, int level) const {
  const DirtyLog& log = domain_.dirty_log();
  if (!log.enabled()) return true;
  for (uint64_t i = 0; i < PagesOf(level); ++i) {
    if (!log.IsDirty(first + i)) return false;
  }
  return true;
}

bool NestedTables::IsLeaf(uint64_t entry, int level) const {
  return level == 1 || Pte(entry).page_size();
}

MachineAddr NestedTables::SlotOf(Mfn table, int level, Pfn pfn) {
  const VirtAddr gpa(pfn.value() << kPageShift);
  return EntryAddress(kMode, AddressOf(table), IndexOf(kMode, level, gpa));
}

NestedTables::Place NestedTables::Find(Pfn pfn) const {
  Mfn table = root();
  for (int level = kRootLevel;; --level) {
    const MachineAddr slot = SlotOf(table, level, pfn);
    const uint64_t entry = Read(slot);
    if (entry == 0 || IsLeaf(entry, level)) return {slot, level};
    table = Pte(entry).frame();
  }
}

int NestedTables::LeafLevelOf(Pfn pfn) const {
  const Place place = Find(pfn);
  return Read(place.slot) == 0 ? 0 : place.level;
}

bool NestedTables::Fits(Pfn pfn, int level) const {
  const Pfn first = FirstOf(pfn, level);
  const Mfn mfn = domain_.p2m().MfnOf(first);
  if (mfn == kInvalidMfn || mfn.value() % PagesOf(level) != 0) return false;
  return domain_.p2m().RunFrom(first, PagesOf(level)) == PagesOf(level);
}

int NestedTables::LargestLeaf(Pfn pfn) const {
  int level = max_leaf_;
  while (level > 1 && !Fits(pfn, level)) --level;
  return level;
}

void NestedTables::MapAll(CycleClock& clock) {
  for (Pfn pfn; pfn.value() < domain_.p2m().size();) {
    const uint64_t mapped = MapByRule(pfn, clock);
    pfn += mapped;
    if (mapped > 0) continue;
    Map(pfn, clock);
    const int level = std::max(1, LeafLevelOf(pfn));
    pfn = FirstOf(pfn, level) + PagesOf(level);
  }
}

// A table of leaves is regular if its first page begins it, all its pages lie in
// one piece, and no larger leaf fits.
uint64_t NestedTables::MapByRule(Pfn pfn, CycleClock& clock) {
  const int leaf = LargestLeaf(pfn);
  const int above = leaf + 1;
  const bool regular =
      leaf < 3 && pfn == FirstOf(pfn, above) && !domain_.dirty_log().enabled();
  if (!regular || domain_.p2m().MfnOf(pfn) == kInvalidMfn) return 0;
  if (leaf < max_leaf_ &&
      domain_.p2m().MfnOf(pfn).value() % PagesOf(above) == 0) {
    return 0;  // a larger leaf may fit further on
  }
  const uint64_t run = domain_.p2m().RunFrom(pfn, PagesOf(3));
  const Place place = Find(pfn);
  if (run < PagesOf(above) || place.level <= leaf || Read(place.slot) != 0) {
    return 0;
  }
  const bool tables = leaf == 1 && place.level == 3 && pfn == FirstOf(pfn, 3) &&
                      run == PagesOf(3);
  if (tables && MapTables(pfn, place, clock)) return PagesOf(3);
  MapTable(pfn, leaf, place, clock);
  return PagesOf(above);
}

// The first page of a table meets the empty entry above it, all others the
// entries of the table.
void NestedTables::MapTable(Pfn pfn, int level, const Place& place,
                            CycleClock& clock) {
  constexpr uint64_t kCount = kEntries;
  clock.Charge(CostEvent::kXenPteRead,
               static_cast<uint64_t>(kRootLevel - place.level + 1));
  MachineAddr slot = place.slot;
  for (int at = place.level; at > level; --at) {
    const Mfn table = NewTable(clock);
    Write(slot, TableEntry(table), clock);
    slot = SlotOf(table, at - 1, pfn);
  }
  const Mfn mfn = domain_.p2m().MfnOf(pfn);
  const Mfn table = FrameOf(slot);
  const uint64_t step = PagesOf(level) << kPageShift;
  if (host_.memory().HasWords(table)) {  // it was another table once
    for (uint64_t i = 0; i < kCount; ++i) {
      host_.memory().Write64(AddressOf(table) + 8 * i,
                             LeafEntry(mfn, level, true) + i * step);
    }
  } else {
    host_.memory().DescribeTables(table, 1, LeafEntry(mfn, level, true), step);
  }
  leaves(level) += kCount;
  clock.Charge(CostEvent::kXenPteWrite, kCount);
  clock.Charge(CostEvent::kXenPteRead,
               (kCount - 1) * static_cast<uint64_t>(kRootLevel - level + 1));
}

// An L2 table comes from the host first, and then its L1 tables in their order.
bool NestedTables::MapTables(Pfn pfn, const Place& place, CycleClock& clock) {
  constexpr uint64_t kCount = kEntries;
  const std::optional<Mfn> l2 = host_.AllocXenFrames(1 + kCount);
  if (!l2.has_value()) return false;
  const Mfn l1 = *l2 + 1;
  tables_.Push(*l2, 1 + kCount);
  clock.Charge(CostEvent::kZeroPage, 1 + kCount);
  host_.memory().DescribeTables(*l2, 1, TableEntry(l1), kPageSize);
  host_.memory().DescribeTables(
      l1, kCount, LeafEntry(domain_.p2m().MfnOf(pfn), 1, true), kPageSize);
  Write(place.slot, TableEntry(*l2), clock);
  leaves(1) += kCount * kCount;
  clock.Charge(CostEvent::kXenPteWrite, kCount + kCount * kCount);
  // The first page of all meets the empty L3 entry, that of each further L1
  // table the empty L2 entry, and every other one the L1 table.
  clock.Charge(CostEvent::kXenPteRead,
               2 + 3 * (kCount - 1) + 4 * kCount * (kCount - 1));
  return true;
}

bool NestedTables::Map(Pfn pfn, CycleClock& clock) {
  Span span(clock, Actor::kXen, SetEntryName(ept_));
  span.Hex("gfn", pfn.value());
  const Mfn mfn = domain_.p2m().MfnOf(pfn);
  if (mfn == kInvalidMfn) return false;
  Place place = Find(pfn);
  clock.Charge(CostEvent::kXenPteRead,
               static_cast<uint64_t>(kRootLevel - place.level + 1));
  if (Read(place.slot) != 0) return true;
  const int leaf = std::min(place.level, LargestLeaf(pfn));
  while (place.level > leaf) {
    const Mfn table = NewTable(clock);
    Write(place.slot, TableEntry(table), clock);
    --place.level;
    place.slot = SlotOf(table, place.level, pfn);
  }
  const Pfn first = FirstOf(pfn, leaf);
  Write(place.slot,
        LeafEntry(domain_.p2m().MfnOf(first), leaf, MayBeWritable(first, leaf)),
        clock);
  ++leaves(leaf);
  return true;
}

// An entry whose rights do not change is only looked at.
void NestedTables::SetWritableBelow(Mfn table, int level, bool writable,
                                    CycleClock& clock) {
  clock.Charge(CostEvent::kXenPteRead, kEntries);
  for (int i = 0; i < kEntries; ++i) {
    const MachineAddr slot = EntryAddress(kMode, AddressOf(table), i);
    const uint64_t entry = Read(slot);
    if (entry == 0) continue;
    if (!IsLeaf(entry, level)) {
      SetWritableBelow(Pte(entry).frame(), level - 1, writable, clock);
      continue;
    }
    const uint64_t now = writable ? entry | kWritable : entry & ~kWritable;
    if (now != entry) Write(slot, now, clock);
  }
}

void NestedTables::SetAllWritable(bool writable, CycleClock& clock) {
  SetWritableBelow(root(), kRootLevel, writable, clock);
}

bool NestedTables::MakeWritable(Pfn pfn, CycleClock& clock) {
  const Span span(clock, Actor::kXen, SetEntryName(ept_));
  Place place = Find(pfn);
  clock.Charge(CostEvent::kXenPteRead,
               static_cast<uint64_t>(kRootLevel - place.level + 1));
  if (Read(place.slot) == 0) return false;
  if ((Read(place.slot) & kWritable) != 0) return true;
  while (place.level > 1) {
    Split(place, clock);
    place = Find(pfn);
  }
  Write(place.slot, Read(place.slot) | kWritable, clock);
  return true;
}

// The pieces lead where the whole did: no flush is owed for this alone. Flags
// that the processor has set go to each piece.
void NestedTables::Split(const Place& place, CycleClock& clock) {
  const Span span(clock, Actor::kXen, "split of a large page");
  const uint64_t whole = Read(place.slot);
  const int level = place.level - 1;
  const bool writable = (whole & kWritable) != 0;
  const Mfn table = NewTable(clock);
  const uint64_t kept =
      ept_ ? ept::kAccessed | ept::kDirty : pte::kAccessed | pte::kDirty;
  for (int i = 0; i < kEntries; ++i) {
    const Mfn first =
        Pte(whole).frame() + static_cast<uint64_t>(i) * PagesOf(level);
    Write(EntryAddress(kMode, AddressOf(table), i),
          LeafEntry(first, level, writable) | (whole & kept), clock);
  }
  Write(place.slot, TableEntry(table), clock);
  --leaves(place.level);
  leaves(level) += kEntries;
}

bool NestedTables::Unmap(Pfn pfn, CycleClock& clock) {
  Span span(clock, Actor::kXen, SetEntryName(ept_));
  span.Hex("gfn", pfn.value());
  Place place = Find(pfn);
  clock.Charge(CostEvent::kXenPteRead,
               static_cast<uint64_t>(kRootLevel - place.level + 1));
  if (Read(place.slot) == 0) return false;
  while (place.level > 1) {
    Split(place, clock);
    place = Find(pfn);
  }
  Write(place.slot, 0, clock);
  --leaves(1);
  return true;
}

bool NestedTables::Owns(Mfn mfn) const { return tables_.Contains(mfn); }

absl::Status NestedTables::AuditTable(Mfn table, int level, Pfn first,
                                      Recount& recount) const {
  for (int i = 0; i < kEntries; ++i) {
    const MachineAddr slot = EntryAddress(kMode, AddressOf(table), i);
    const uint64_t entry = Read(slot);
    if (entry == 0) continue;
    const Pfn pfn = first + static_cast<uint64_t>(i) * PagesOf(level);
    const Mfn frame = Pte(entry).frame();
    if (!IsLeaf(entry, level)) {
      ++recount.tables;
      if (!Owns(frame)) {
        return absl::InternalError(absl::StrFormat(
            "nested L%d of pfn 0x%x is frame 0x%x, which is no nested table",
            level - 1, pfn.value(), frame.value()));
      }
      const absl::Status status = AuditTable(frame, level - 1, pfn, recount);
      if (!status.ok()) return status;
      continue;
    }
    if ((entry & kWritable) != 0 && !MayBeWritable(pfn, level)) {
      return absl::InternalError(absl::StrFormat(
          "nested tables: pfn 0x%x, writable and not marked", pfn.value()));
    }
    for (uint64_t page = 0; page < PagesOf(level); ++page) {
      const Mfn wanted = domain_.p2m().MfnOf(pfn + page);
      if (wanted == frame + page) continue;
      return absl::InternalError(absl::StrFormat(
          "nested tables: pfn 0x%x leads to 0x%x, the P2M says 0x%x",
          pfn.value() + page, frame.value() + page, wanted.value()));
    }
    recount.pages += PagesOf(level);
    ++recount.leaves[static_cast<size_t>(level)];
  }
  return absl::OkStatus();
}

absl::Status NestedTables::Audit(bool complete) const {
  Recount recount;
  absl::Status status = AuditTable(root(), kRootLevel, Pfn(), recount);
  if (!status.ok()) return status;
  if (recount.tables != tables_.size()) {
    return absl::InternalError(
        absl::StrFormat("%d nested tables are in use, %d allocated",
                        recount.tables, tables_.size()));
  }
  if (recount.leaves != leaves_) {
    return absl::InternalError("leaves of nested tables are miscounted");
  }
  const uint64_t pages = domain_.p2m().populated();
  if (complete && recount.pages != pages) {
    return absl::InternalError(absl::StrFormat(
        "nested tables map %d pages of %d", recount.pages, pages));
  }
  return absl::OkStatus();
}

}  // namespace xmmu
