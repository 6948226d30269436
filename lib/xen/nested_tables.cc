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

}  // namespace

NestedTables::NestedTables(Host& host, const Domain& domain, int max_leaf)
    : host_(host),
      domain_(domain),
      max_leaf_(std::min(max_leaf, LargestLeafOf(host.model()))),
      ept_(host.model().features.vendor == Vendor::kIntel),
      tables_{host.AllocXenFrame()} {}

NestedTables::~NestedTables() {
  for (const Mfn table : tables_) host_.FreeXenFrame(table);
}

VmControls NestedTables::Controls(uint16_t tag) const {
  return {.nested = true,
          .nested_mode = kMode,
          .root = AddressOf(tables_.front()),
          .accessed_dirty = host_.model().nested.accessed_dirty,
          .tag = tag};
}

Mfn NestedTables::NewTable(CycleClock& clock) {
  clock.Charge(CostEvent::kZeroPage);
  tables_.push_back(host_.AllocXenFrame());
  return tables_.back();
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
  Mfn table = tables_.front();
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

uint64_t NestedTables::LeavesOf(int level) const {
  return LeavesBelow(tables_.front(), kRootLevel, level);
}

uint64_t NestedTables::LeavesBelow(Mfn table, int table_level,
                                   int level) const {
  uint64_t leaves = 0;
  for (int i = 0; i < kEntries; ++i) {
    const uint64_t entry = Read(EntryAddress(kMode, AddressOf(table), i));
    if (entry == 0) continue;
    if (IsLeaf(entry, table_level)) {
      leaves += table_level == level ? 1 : 0;
    } else {
      leaves += LeavesBelow(Pte(entry).frame(), table_level - 1, level);
    }
  }
  return leaves;
}

bool NestedTables::Fits(Pfn pfn, int level) const {
  const Pfn first = FirstOf(pfn, level);
  const Mfn mfn = domain_.p2m().MfnOf(first);
  if (mfn == kInvalidMfn || mfn.value() % PagesOf(level) != 0) return false;
  for (uint64_t i = 1; i < PagesOf(level); ++i) {
    if (domain_.p2m().MfnOf(first + i) != mfn + i) return false;
  }
  return true;
}

int NestedTables::LargestLeaf(Pfn pfn) const {
  int level = max_leaf_;
  while (level > 1 && !Fits(pfn, level)) --level;
  return level;
}

void NestedTables::MapAll(CycleClock& clock) {
  for (Pfn pfn; pfn.value() < domain_.p2m().size();) {
    Map(pfn, clock);
    const int level = std::max(1, LeafLevelOf(pfn));
    pfn = FirstOf(pfn, level) + PagesOf(level);
  }
}

bool NestedTables::Map(Pfn pfn, CycleClock& clock) {
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
  SetWritableBelow(tables_.front(), kRootLevel, writable, clock);
}

bool NestedTables::MakeWritable(Pfn pfn, CycleClock& clock) {
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
}

bool NestedTables::Unmap(Pfn pfn, CycleClock& clock) {
  Place place = Find(pfn);
  clock.Charge(CostEvent::kXenPteRead,
               static_cast<uint64_t>(kRootLevel - place.level + 1));
  if (Read(place.slot) == 0) return false;
  while (place.level > 1) {
    Split(place, clock);
    place = Find(pfn);
  }
  Write(place.slot, 0, clock);
  return true;
}

bool NestedTables::Owns(Mfn mfn) const {
  return std::find(tables_.begin(), tables_.end(), mfn) != tables_.end();
}

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
  }
  return absl::OkStatus();
}

absl::Status NestedTables::Audit(bool complete) const {
  Recount recount;
  absl::Status status = AuditTable(tables_.front(), kRootLevel, Pfn(), recount);
  if (!status.ok()) return status;
  if (recount.tables != tables_.size()) {
    return absl::InternalError(
        absl::StrFormat("%d nested tables are in use, %d allocated",
                        recount.tables, tables_.size()));
  }
  uint64_t pages = 0;
  for (Pfn pfn; pfn.value() < domain_.p2m().size(); ++pfn) {
    if (domain_.p2m().MfnOf(pfn) != kInvalidMfn) ++pages;
  }
  if (complete && recount.pages != pages) {
    return absl::InternalError(absl::StrFormat(
        "nested tables map %d pages of %d", recount.pages, pages));
  }
  return absl::OkStatus();
}

}  // namespace xmmu
