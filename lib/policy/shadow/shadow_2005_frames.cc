// The frame table of shadow1: how often shadows lead to a frame, and where the
// entries are that let the guest write to it.

#include <algorithm>

#include "absl/strings/str_format.h"
#include "policy/shadow/shadow_2005_paging.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

// A score has four bits (Xen 3.0.0, include/asm-x86/mm.h, PGT_score_mask).
constexpr uint32_t kMaxScore = 15;

// How many of `slots`, which are sorted, are of the first one's shadow.
size_t CountInFirst(std::span<const ShadowSlot> slots) {
  const auto end = std::find_if(
      slots.begin(), slots.end(),
      [&](const ShadowSlot& slot) { return slot.page != slots[0].page; });
  return static_cast<size_t>(end - slots.begin());
}

// Those of `slots`, which are sorted, that are of the shadow `id`.
std::span<const ShadowSlot> SlotsIn(std::span<const ShadowSlot> slots,
                                    ShadowId id) {
  const auto [begin, end] = std::equal_range(
      slots.begin(), slots.end(), ShadowSlot{id, 0},
      [](const ShadowSlot& a, const ShadowSlot& b) { return a.page < b.page; });
  return {begin, end};
}

}  // namespace

Shadow2005Paging::FrameInfo& Shadow2005Paging::InfoOf(Mfn mfn) {
  const uint64_t pfn = domain().p2m().PfnOf(mfn).value();
  XMMU_CHECK(pfn < domain().p2m().size());
  return frames_.At(pfn);
}

void Shadow2005Paging::EntryChanged(Cpu& cpu, const ShadowSlot& slot, Pte old,
                                    Pte now) {
  if (now.present()) extras_[slot.page].used.Add(slot.index);
  const bool old_link = IsLink(slot, old);
  const bool now_link = IsLink(slot, now);
  // The HL2's entry changes, with its reference to the table (Xen:
  // hl2e_propagate).
  if (HasHl2(slot.page) && old_link != now_link) {
    Charge(cpu, CostEvent::kXenPteWrite);
    Charge(cpu, CostEvent::kLockedOp);
  }
  if (old_link) unlinked_.push_back(Child(old));
  const bool same = old.present() && now.present() && !old_link && !now_link &&
                    old.frame() == now.frame() &&
                    old.writable() == now.writable();
  if (same) return;
  if (now.present() && !now_link) Get(cpu, slot, now);
  if (old.present() && !old_link) Put(cpu, slot, old);
}

// Xen: shadow_get_page_from_l1e, set_guest_back_ptr.
void Shadow2005Paging::Get(Cpu& cpu, const ShadowSlot& slot, Pte entry) {
  FrameInfo& info = InfoOf(entry.frame());
  Charge(cpu, CostEvent::kLockedOp, entry.writable() ? 2 : 1);
  ++refs_;
  info.set_last(slot);
  if (options_.search == WritableSearch::kBackPointer) {
    Charge(cpu, CostEvent::kXenPteWrite);
  }
  if (!entry.writable()) return;
  info.add_writable();
  const Gfn gfn = domain().GfnOf(domain().p2m().PfnOf(entry.frame()));
  if (OpenTable* const open = FindOpen(gfn)) open->writable.push_back(slot);
}

void Shadow2005Paging::Put(Cpu& cpu, const ShadowSlot& slot, Pte entry) {
  FrameInfo& info = InfoOf(entry.frame());
  Charge(cpu, CostEvent::kLockedOp, entry.writable() ? 2 : 1);
  --refs_;
  if (!entry.writable()) return;
  info.drop_writable();
  const Gfn gfn = domain().GfnOf(domain().p2m().PfnOf(entry.frame()));
  OpenTable* const open = FindOpen(gfn);
  if (open == nullptr) return;
  std::erase_if(open->writable, [&](const ShadowSlot& recorded) {
    return recorded.page == slot.page && recorded.index == slot.index;
  });
}

bool Shadow2005Paging::IsWritableMapping(const ShadowSlot& slot,
                                         Mfn mfn) const {
  if (slot.page == kNoShadow || !pages()[slot.page].in_use) return false;
  if (pages()[slot.page].key.level != 1) return false;
  const Pte entry = pages().Read(slot);
  return entry.present() && entry.writable() && entry.frame() == mfn;
}

// Xen: remove_all_write_access_in_ptpage. The first look is at the entry where
// the frame would be if memory were mapped in one piece, or where the back
// pointer says.
void Shadow2005Paging::SearchPage(Cpu& cpu, ShadowId id, Gfn gfn,
                                  WritableSlots there, uint32_t wanted,
                                  std::vector<ShadowSlot>& found) {
  const Mfn mfn = domain().MfnOf(gfn);
  const bool predicting = options_.search == WritableSearch::kPrediction;
  int first = InfoOf(mfn).last().index;
  if (predicting) {
    first = static_cast<int>(gfn.value() %
                             static_cast<uint64_t>(shape().entries()));
  }
  Charge(cpu, CostEvent::kTempMap);
  if (options_.search != WritableSearch::kAll) {
    Charge(cpu, CostEvent::kXenPteRead);
    if (IsWritableMapping({id, first}, mfn)) found.push_back({id, first});
    if (found.size() >= wanted) {
      if (predicting) Predicted(gfn, pages()[id].key.gfn, true);
      return;
    }
  } else {
    first = -1;
  }
  // Xen looks at one entry after the other until it has found all.
  auto looked_at = static_cast<uint64_t>(shape().entries());
  for (const ShadowSlot& slot : there) {
    if (slot.index == first) continue;
    found.push_back(slot);
    if (found.size() < wanted) continue;
    looked_at = static_cast<uint64_t>(slot.index) + 1;
    break;
  }
  Charge(cpu, CostEvent::kXenPteRead, looked_at);
}

// Charges for the shadows in which SearchPage() finds nothing: those of L1 in
// [begin, end) of the pool, but `guess`.
void Shadow2005Paging::ChargeVainSearches(Cpu& cpu, ShadowId begin,
                                          ShadowId end, ShadowId guess) {
  uint64_t pages_searched =
      uint64_t{pages().InUseBelow(1, end)} - pages().InUseBelow(1, begin);
  if (begin <= guess && guess < end) --pages_searched;
  if (pages_searched == 0) return;
  const bool looks_first = options_.search != WritableSearch::kAll;
  Charge(cpu, CostEvent::kTempMap, pages_searched);
  Charge(cpu, CostEvent::kXenPteRead,
         pages_searched * (static_cast<uint64_t>(shape().entries()) +
                           (looks_first ? 1 : 0)));
}

// Searches all L1 shadows but `guess`, in the order of the pool, until there
// are `wanted`. `all` are the writable mappings of `gfn` in that order.
void Shadow2005Paging::SearchPool(Cpu& cpu, Gfn gfn, WritableSlots all,
                                  ShadowId guess, uint32_t wanted,
                                  std::vector<ShadowSlot>& found) {
  ShadowId begin = 0;
  while (found.size() < wanted) {
    const WritableSlots there = all.first(CountInFirst(all));
    const ShadowId id = there.empty() ? pages().count() : there[0].page;
    all = all.subspan(there.size());
    if (id == guess) continue;
    ChargeVainSearches(cpu, begin, id, guess);
    if (there.empty()) return;
    SearchPage(cpu, id, gfn, there, wanted, found);
    begin = id + 1;
  }
}

// Xen: increase_ and decrease_writable_pte_prediction.
void Shadow2005Paging::Predicted(Gfn gfn, Gfn table, bool right) {
  const uint64_t group = gfn.value() / static_cast<uint64_t>(shape().entries());
  Prediction& prediction = predictions_[group];
  if (right) {
    if (prediction.table != table) prediction = {table, 0};
    prediction.score = std::min(prediction.score + 1, kMaxScore);
  } else {
    prediction.score /= 2;
    if (prediction.score == 0) predictions_.erase(group);
  }
}

// Xen: remove_all_write_access.
std::vector<ShadowSlot> Shadow2005Paging::WritableMappingsOf(Cpu& cpu,
                                                             Gfn gfn) {
  std::vector<ShadowSlot> found;
  const Mfn mfn = domain().MfnOf(gfn);
  const FrameInfo info = InfoOf(mfn);
  Charge(cpu, CostEvent::kXenPteRead);
  uint32_t wanted = ~uint32_t{0};
  ShadowId guess = kNoShadow;
  if (options_.search != WritableSearch::kAll) {
    wanted = info.writable();
    if (wanted == 0) return found;
  }
  std::vector<ShadowSlot> all = pages().EntriesTo(mfn);
  std::erase_if(all, [&](const ShadowSlot& slot) {
    return !IsWritableMapping(slot, mfn);
  });
  if (options_.search == WritableSearch::kBackPointer) guess = info.last().page;
  if (options_.search == WritableSearch::kPrediction) {
    Charge(cpu, CostEvent::kXenPteRead);  // the hash
    const auto it = predictions_.find(gfn.value() /
                                      static_cast<uint64_t>(shape().entries()));
    if (it != predictions_.end()) {
      guess = pages().Find({it->second.table, 1});
      if (guess != kNoShadow) {
        SearchPage(cpu, guess, gfn, SlotsIn(all, guess), wanted, found);
      }
      if (found.empty()) Predicted(gfn, Gfn(), false);
    }
  } else if (guess != kNoShadow && pages()[guess].in_use &&
             pages()[guess].key.level == 1) {
    SearchPage(cpu, guess, gfn, SlotsIn(all, guess), wanted, found);
  } else {
    guess = kNoShadow;
  }
  SearchPool(cpu, gfn, all, guess, wanted, found);
  return found;
}

// Without references there are no links to search for.
std::vector<ShadowSlot> Shadow2005Paging::LinksTo(Cpu& cpu, ShadowId id) {
  if (pages()[id].refs == 0) return {};
  return ShadowPaging::LinksTo(cpu, id);
}

// Counts all references again, the writable ones by frame.
absl::Status Shadow2005Paging::AuditFrames() const {
  std::vector<uint32_t> writable(domain().p2m().size());
  uint64_t refs = 0;
  for (ShadowId id = 0; id < pages().made(); ++id) {
    if (!pages()[id].in_use) continue;
    for (int i = 0; i < shape().entries(); ++i) {
      const Pte entry = pages().Read({id, i});
      if (!entry.present()) continue;
      if (!extras_[id].used.Has(i)) {
        return absl::InternalError(absl::StrFormat(
            "entry %d of shadow %d is outside the range in use", i, id));
      }
      if (IsLink({id, i}, entry)) continue;
      const uint64_t pfn = domain().p2m().PfnOf(entry.frame()).value();
      if (pfn >= writable.size()) {
        return absl::InternalError("a frame that was never counted");
      }
      ++refs;
      if (entry.writable()) ++writable[pfn];
    }
  }
  if (refs != refs_) {
    return absl::InternalError(
        absl::StrFormat("%d references; counted %d", refs_, refs));
  }
  for (uint64_t pfn = 0; pfn < writable.size(); ++pfn) {
    const uint32_t known = frames_.Get(pfn).writable();
    if (writable[pfn] == known) continue;
    return absl::InternalError(
        absl::StrFormat("frame 0x%x: %d writable references; counted %d", pfn,
                        known, writable[pfn]));
  }
  return absl::OkStatus();
}

// Whether a table out of sync has a record of each writable mapping, and a
// snapshot of no more than its range.
absl::Status Shadow2005Paging::AuditOpen(const OpenTable& open) const {
  const auto error = [&](std::string_view what) {
    return absl::InternalError(
        absl::StrFormat("table 0x%x, out of sync: %s", open.gfn.value(), what));
  };
  const Mfn mfn = domain().MfnOf(open.gfn);
  for (const ShadowSlot& slot : open.writable) {
    if (!IsWritableMapping(slot, mfn)) return error("a stale record");
  }
  const uint64_t pfn = domain().p2m().PfnOf(mfn).value();
  if (open.writable.size() != frames_.Get(pfn).writable()) {
    return error("a writable mapping without a record");
  }
  for (int i = 0; i < EntryCount(shape().guest(), 1); ++i) {
    if (!open.range.Has(i) && SnapshotEntry(open, i).raw() != 0) {
      return error("a snapshot of more than was used");
    }
  }
  return absl::OkStatus();
}

absl::Status Shadow2005Paging::AuditMore() const {
  for (const Gfn gfn : pages().OutOfSync()) {
    const OpenTable* const open = FindOpen(gfn);
    if (open == nullptr) {
      return absl::InternalError("a table out of sync has no snapshot");
    }
    const absl::Status status = AuditOpen(*open);
    if (!status.ok()) return status;
  }
  for (ShadowId id = 0; id < pages().made(); ++id) {
    const ShadowPage& page = pages()[id];
    const bool waits =
        std::find(unlinked_.begin(), unlinked_.end(), id) != unlinked_.end();
    const bool root = page.key.level == shape().top_level();
    if (!page.in_use || page.refs != 0 || root || waits) continue;
    return absl::InternalError("a shadow that nothing leads to");
  }
  return AuditFrames();
}

}  // namespace xmmu
