#include "xmmu/xen/shadow/shadow_pages.h"

#include <algorithm>
#include <utility>

#include "xen/shadow/shadow_index.h"
#include "xmmu/base/check.h"

namespace xmmu {

ShadowPages::ShadowPages(Host& host, PagingMode mode, uint32_t count)
    : host_(host),
      mode_(mode),
      large_shift_(LevelShift(mode, 2) - kPageShift),
      pool_(host.AllocXenPool(count)) {}

ShadowPages::~ShadowPages() { host_.FreeXenFrames(pool_); }

ShadowId ShadowPages::Find(const ShadowKey& key) const {
  if (key.splinter) {
    const auto it = splinters_.find(key.gfn);
    return it == splinters_.end() ? kNoShadow : it->second;
  }
  const GuestTable* const table = FindTable(key.gfn);
  if (table == nullptr) return kNoShadow;
  const auto it =
      std::find_if(table->shadows.begin(), table->shadows.end(),
                   [&](ShadowId id) { return pages_[id].key == key; });
  return it == table->shadows.end() ? kNoShadow : *it;
}

GuestTable& ShadowPages::MakeTable(Gfn gfn) {
  uint32_t& place = table_at_.At(gfn.value());
  if (place == 0 && free_tables_.empty()) {
    tables_.emplace_back();
    place = static_cast<uint32_t>(tables_.size());
  } else if (place == 0) {
    place = free_tables_.back();
    free_tables_.pop_back();
  }
  return tables_[place - 1];
}

void ShadowPages::DropTable(Gfn gfn) {
  uint32_t& place = table_at_.At(gfn.value());
  tables_[place - 1] = GuestTable();
  free_tables_.push_back(std::exchange(place, 0));
}

uint32_t& ShadowPages::TablesNear(Gfn gfn) {
  return tables_near_.At(gfn.value() >> large_shift_);
}

ShadowId ShadowPages::Take(const ShadowKey& key) {
  XMMU_CHECK(!full());
  ShadowId id = made();
  if (free_.empty()) {
    pages_.Add().mfn = pool_.At(id);
    by_frame_.At(pages_[id].mfn.value()) = id + 1;
  } else {
    id = free_.back();
    free_.pop_back();
  }
  ShadowPage& page = pages_[id];
  page.in_use = true;
  page.key = key;
  host_.memory().ZeroFrame(page.mfn);
  XMMU_CHECK(Find(key) == kNoShadow);
  if (key.splinter) {
    splinters_[key.gfn] = id;
  } else {
    GuestTable& table = MakeTable(key.gfn);
    if (table.shadows.empty()) ++TablesNear(key.gfn);
    const int level = LevelOf(table);
    table.shadows.push_back(id);
    Relist(key.gfn, table, level);
  }
  peak_in_use_ = std::max(peak_in_use_, ++in_use_);
  if (index_ != nullptr) index_->ranks(key.level).Add(id, +1);
  PushNewest(id);
  return id;
}

void ShadowPages::Release(ShadowId id) {
  ShadowPage& page = pages_[id];
  XMMU_CHECK(page.in_use && page.refs == 0 && page.pins == 0);
  if (page.key.splinter) {
    splinters_.erase(page.key.gfn);
  } else {
    GuestTable& table = *FindTable(page.key.gfn);
    const int level = LevelOf(table);
    std::erase(table.shadows, id);
    Relist(page.key.gfn, table, level);
    if (table.shadows.empty()) {
      SetOutOfSync(page.key.gfn, false);
      --TablesNear(page.key.gfn);
      DropTable(page.key.gfn);
    }
  }
  if (index_ != nullptr) index_->ranks(page.key.level).Add(id, -1);
  Unlink(id);
  page.in_use = false;
  page.tlbflush_timestamp = host_.tlb_clock();
  --in_use_;
  free_.push_back(id);
}

void ShadowPages::Unlink(ShadowId id) {
  const ShadowPage& page = pages_[id];
  (page.newer == kNoShadow ? newest_ : pages_[page.newer].older) = page.older;
  (page.older == kNoShadow ? oldest_ : pages_[page.older].newer) = page.newer;
}

void ShadowPages::PushNewest(ShadowId id) {
  ShadowPage& page = pages_[id];
  page.newer = kNoShadow;
  page.older = newest_;
  (newest_ == kNoShadow ? oldest_ : pages_[newest_].newer) = id;
  newest_ = id;
}

uint64_t ShadowPages::host_bytes() const {
  uint64_t bytes = pool_.host_bytes() + made() * sizeof(ShadowPage) +
                   free_.size() * sizeof(ShadowId) + by_frame_.host_bytes() +
                   tables_.size() * (sizeof(GuestTable) + sizeof(ShadowId)) +
                   table_at_.host_bytes() + tables_near_.host_bytes() +
                   splinters_.size() * sizeof(std::pair<Gfn, ShadowId>);
  if (index_ != nullptr) bytes += index_->host_bytes();
  return bytes;
}

void ShadowPages::Touch(ShadowId id) {
  if (newest_ == id) return;
  Unlink(id);
  PushNewest(id);
}

void ShadowPages::Write(const ShadowSlot& slot, Pte entry) {
  if (index_ != nullptr) {
    const Pte old = Read(slot);
    if (old.present()) index_->Remove(slot, old.frame());
    if (entry.present()) index_->Add(slot, entry.frame());
  }
  host_.memory().WriteEntry(AddressOfSlot(slot), EntryBytes(mode_),
                            entry.raw());
}

ShadowIndex& ShadowPages::Index() const {
  if (index_ != nullptr) return *index_;
  // A search may ask for the level above the topmost one.
  const int levels = LevelCount(mode_) + 1;
  const int entries = EntryCount(mode_, 1);
  index_ = std::make_unique<ShadowIndex>(count(), levels);
  for (ShadowId id = 0; id < made(); ++id) {
    if (!pages_[id].in_use) continue;
    index_->ranks(pages_[id].key.level).Add(id, +1);
    for (int i = 0; i < entries; ++i) {
      const Pte entry = Read({id, i});
      if (entry.present()) index_->Add({id, i}, entry.frame());
    }
  }
  return *index_;
}

std::vector<ShadowSlot> ShadowPages::EntriesTo(Mfn mfn) const {
  return Index().EntriesTo(mfn);
}

uint32_t ShadowPages::InUse(int level) const {
  return Index().ranks(level).total();
}

uint32_t ShadowPages::InUseBelow(int level, ShadowId id) const {
  return Index().ranks(level).Below(id);
}

bool ShadowPages::AnyTableIn(Gfn first) const {
  return tables_near_.Get(first.value() >> large_shift_) != 0;
}

int ShadowPages::LevelOf(const GuestTable& table) const {
  int level = 0;
  for (const ShadowId id : table.shadows) {
    level = std::max(level, int{pages_[id].key.level});
  }
  return level;
}

int ShadowPages::LevelOf(Gfn gfn) const { return LevelOf(*FindTable(gfn)); }

void ShadowPages::Relist(Gfn gfn, const GuestTable& table, int level) {
  const int now = LevelOf(table);
  if (!table.out_of_sync || now == level) return;
  out_of_sync_[static_cast<size_t>(level)].erase(table.turn);
  out_of_sync_[static_cast<size_t>(now)][table.turn] = gfn;
}

std::vector<Gfn> ShadowPages::OutOfSync() const {
  std::vector<std::pair<uint64_t, Gfn>> by_turn;
  for (const auto& tables : out_of_sync_) {
    by_turn.insert(by_turn.end(), tables.begin(), tables.end());
  }
  std::sort(by_turn.begin(), by_turn.end());
  std::vector<Gfn> all;
  all.reserve(by_turn.size());
  for (const auto& [turn, gfn] : by_turn) all.push_back(gfn);
  return all;
}

std::vector<Gfn> ShadowPages::OutOfSyncFrom(int lowest) const {
  std::vector<Gfn> found;
  for (size_t level = out_of_sync_.size(); level-- > 0;) {
    if (static_cast<int>(level) < lowest) break;
    for (const auto& [turn, gfn] : out_of_sync_[level]) found.push_back(gfn);
  }
  return found;
}

size_t ShadowPages::OutOfSyncCount() const {
  size_t count = 0;
  for (const auto& tables : out_of_sync_) count += tables.size();
  return count;
}

Gfn ShadowPages::FirstOutOfSync() const {
  std::pair<uint64_t, Gfn> first{~uint64_t{0}, kInvalidGfn};
  for (const auto& tables : out_of_sync_) {
    if (!tables.empty())
      first = std::min(first, {tables.begin()->first, tables.begin()->second});
  }
  return first.second;
}

bool ShadowPages::AnyOutOfSync(int lowest) const {
  return std::any_of(out_of_sync_.begin() + lowest, out_of_sync_.end(),
                     [](const auto& tables) { return !tables.empty(); });
}

void ShadowPages::SetOutOfSync(Gfn gfn, bool on) {
  GuestTable* const found = FindTable(gfn);
  if (found == nullptr || found->out_of_sync == on) return;
  GuestTable& table = *found;
  table.out_of_sync = on;
  auto& tables = out_of_sync_[static_cast<size_t>(LevelOf(table))];
  if (on) {
    table.turn = ++turns_;
    tables[table.turn] = gfn;
  } else {
    tables.erase(table.turn);
  }
}

}  // namespace xmmu
