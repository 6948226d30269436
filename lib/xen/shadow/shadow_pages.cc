#include "xmmu/xen/shadow/shadow_pages.h"

#include <algorithm>

#include "xmmu/base/check.h"

namespace xmmu {

ShadowPages::ShadowPages(Host& host, PagingMode mode, uint32_t count)
    : host_(host),
      mode_(mode),
      large_shift_(LevelShift(mode, 2) - kPageShift),
      pages_(count) {
  for (ShadowId id = 0; id < count; ++id) {
    pages_[id].mfn = host_.AllocXenFrame();
    by_frame_[pages_[id].mfn] = id;
    free_.push_back(count - 1 - id);
  }
}

ShadowPages::~ShadowPages() {
  for (const ShadowPage& page : pages_) host_.FreeXenFrame(page.mfn);
}

ShadowId ShadowPages::Find(const ShadowKey& key) const {
  const auto it = by_key_.find(key);
  return it == by_key_.end() ? kNoShadow : it->second;
}

ShadowId ShadowPages::FindFrame(Mfn mfn) const {
  const auto it = by_frame_.find(mfn);
  return it == by_frame_.end() ? kNoShadow : it->second;
}

uint32_t& ShadowPages::TablesNear(Gfn gfn) {
  const uint64_t index = gfn.value() >> large_shift_;
  if (index >= tables_near_.size()) tables_near_.resize(index + 1);
  return tables_near_[index];
}

ShadowId ShadowPages::Take(const ShadowKey& key) {
  XMMU_CHECK(!full());
  const ShadowId id = free_.back();
  free_.pop_back();
  ShadowPage& page = pages_[id];
  page.in_use = true;
  page.key = key;
  host_.memory().ZeroFrame(page.mfn);
  XMMU_CHECK(by_key_.try_emplace(key, id).second);
  if (!key.splinter) {
    GuestTable& table = tables_[key.gfn];
    if (table.shadows.empty()) ++TablesNear(key.gfn);
    table.shadows.push_back(id);
  }
  peak_in_use_ = std::max(peak_in_use_, ++in_use_);
  PushNewest(id);
  return id;
}

void ShadowPages::Release(ShadowId id) {
  ShadowPage& page = pages_[id];
  XMMU_CHECK(page.in_use && page.refs == 0 && page.pins == 0);
  if (!page.key.splinter) {
    GuestTable& table = tables_[page.key.gfn];
    std::erase(table.shadows, id);
    if (table.shadows.empty()) {
      SetOutOfSync(page.key.gfn, false);
      --TablesNear(page.key.gfn);
      tables_.erase(page.key.gfn);
    }
  }
  by_key_.erase(page.key);
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

void ShadowPages::Touch(ShadowId id) {
  if (newest_ == id) return;
  Unlink(id);
  PushNewest(id);
}

MachineAddr ShadowPages::AddressOfSlot(const ShadowSlot& slot) const {
  return EntryAddress(mode_, AddressOf(pages_[slot.page].mfn), slot.index);
}

Pte ShadowPages::Read(const ShadowSlot& slot) const {
  return Pte(host_.memory().ReadEntry(AddressOfSlot(slot), EntryBytes(mode_)));
}

void ShadowPages::Write(const ShadowSlot& slot, Pte entry) {
  host_.memory().WriteEntry(AddressOfSlot(slot), EntryBytes(mode_),
                            entry.raw());
}

GuestTable* ShadowPages::FindTable(Gfn gfn) {
  const auto it = tables_.find(gfn);
  return it == tables_.end() ? nullptr : &it->second;
}

const GuestTable* ShadowPages::FindTable(Gfn gfn) const {
  const auto it = tables_.find(gfn);
  return it == tables_.end() ? nullptr : &it->second;
}

bool ShadowPages::AnyTableIn(Gfn first) const {
  const uint64_t index = first.value() >> large_shift_;
  return index < tables_near_.size() && tables_near_[index] != 0;
}

void ShadowPages::SetOutOfSync(Gfn gfn, bool on) {
  GuestTable& table = tables_[gfn];
  if (table.out_of_sync == on) return;
  table.out_of_sync = on;
  if (on) {
    out_of_sync_.push_back(gfn);
  } else {
    std::erase(out_of_sync_, gfn);
  }
}

}  // namespace xmmu
