#include "workload/process/address_map.h"

#include <algorithm>
#include <iterator>

namespace xmmu {
namespace {

// Whether offsets matter: the mapping shows an object that others may map, too.
bool HasFile(Backing backing) {
  return backing == Backing::kFilePrivate || backing == Backing::kFileShared ||
         backing == Backing::kSharedAnonymous;
}

// Whether region `b`, which begins where `a` from `start` ends, could be one
// mapping with `a`.
bool Continues(uint64_t start, const Region& a, const Region& b) {
  return a.shift == b.shift && a.rights == b.rights && a.backing == b.backing &&
         a.file == b.file && a.inferred == b.inferred &&
         a.attached == b.attached && a.attached_rights == b.attached_rights &&
         a.attached_lock == b.attached_lock &&
         a.never_writable == b.never_writable && a.open_ended == b.open_ended &&
         a.zero_filled == b.zero_filled && a.nameless == b.nameless &&
         a.page_shift == b.page_shift && a.lock == b.lock &&
         a.dont_fork == b.dont_fork && a.advices == b.advices &&
         (!HasFile(a.backing) || a.offset + (a.end - start) == b.offset);
}

}  // namespace

void AddressMap::Clear() {
  regions_.clear();
  unmapped_.clear();
  segments_.Clear();
}

AddressMap::Regions::const_iterator AddressMap::Find(uint64_t va) const {
  auto it = regions_.upper_bound(va);
  if (it == regions_.begin()) return regions_.end();
  --it;
  return va < it->second.end ? it : regions_.end();
}

AddressMap::Range AddressMap::Hole(uint64_t va, uint64_t low,
                                   uint64_t high) const {
  const auto above = regions_.upper_bound(va);
  Range hole{low, high};
  if (above != regions_.end()) hole.end = std::min(high, above->first);
  if (above != regions_.begin()) {
    hole.start = std::max(low, std::prev(above)->second.end);
  }
  return hole;
}

std::optional<uint64_t> AddressMap::FirstHole(uint64_t start,
                                              uint64_t end) const {
  for (auto it = Find(start); start < end; it = Find(start)) {
    if (it == regions_.end()) return start;
    start = it->second.end;
  }
  return std::nullopt;
}

AddressMap::Regions::const_iterator AddressMap::FirstWhere(
    uint64_t start, uint64_t end,
    absl::FunctionRef<bool(const Region&)> is) const {
  auto it = Find(start);
  if (it == regions_.end()) it = regions_.lower_bound(start);
  while (it != regions_.end() && it->first < end && !is(it->second)) ++it;
  return it != regions_.end() && it->first < end ? it : regions_.end();
}

AddressMap::Regions::const_iterator AddressMap::FirstLogged(
    uint64_t start, uint64_t end) const {
  return FirstWhere(start, end,
                    [](const Region& region) { return !region.inferred; });
}

bool AddressMap::MeetsUnmapped(uint64_t start, uint64_t end) const {
  const auto above = unmapped_.lower_bound(start);
  if (above != unmapped_.end() && above->first < end) return true;
  return above != unmapped_.begin() && std::prev(above)->second > start;
}

void AddressMap::Split(uint64_t va) {
  const auto found = Find(va);
  if (found == regions_.end() || found->first == va) return;
  const uint64_t start = found->first;
  Region upper = found->second;
  if (HasFile(upper.backing)) upper.offset += va - start;
  regions_[start].end = va;
  regions_[va] = upper;
}

void AddressMap::Merge(uint64_t start, uint64_t end) {
  auto it = regions_.lower_bound(start);
  if (it != regions_.begin()) --it;
  while (it != regions_.end()) {
    const uint64_t at = it->first;
    auto next = std::next(it);
    if (next == regions_.end() || next->first > end) return;
    if (next->first == it->second.end &&
        Continues(at, it->second, next->second)) {
      it->second.end = next->second.end;
      regions_.erase(next);
      next = regions_.find(at);  // the erasure moved everything
    }
    it = next;
  }
}

void AddressMap::Map(uint64_t start, const Region& region) {
  Remove(start, region.end);
  ForgetUnmapped(start, region.end);
  regions_.emplace(start, region);
  Merge(start, region.end);
}

void AddressMap::Remove(uint64_t start, uint64_t end) {
  Split(start);
  Split(end);
  regions_.erase(regions_.lower_bound(start), regions_.lower_bound(end));
}

void AddressMap::Unmap(uint64_t start, uint64_t end) {
  Remove(start, end);
  // Ranges that overlap or touch the new one are joined with it.
  auto it = unmapped_.upper_bound(start);
  if (it != unmapped_.begin() && std::prev(it)->second >= start) --it;
  while (it != unmapped_.end() && it->first <= end) {
    start = std::min(start, it->first);
    end = std::max(end, it->second);
    it = unmapped_.erase(it);
  }
  unmapped_.emplace(start, end);
}

void AddressMap::ForgetUnmapped(uint64_t start, uint64_t end) {
  auto it = unmapped_.upper_bound(start);
  if (it != unmapped_.begin() && std::prev(it)->second > start) --it;
  while (it != unmapped_.end() && it->first < end) {
    const auto [low, high] = *it;
    it = unmapped_.erase(it);
    if (low < start) unmapped_.emplace(low, start);
    if (high > end) unmapped_.emplace(end, high);
    it = unmapped_.lower_bound(std::max(low + 1, start));
  }
}

void AddressMap::Change(uint64_t start, uint64_t end,
                        absl::FunctionRef<void(Region&)> change) {
  Split(start);
  Split(end);
  for (auto it = regions_.lower_bound(start);
       it != regions_.end() && it->first < end; ++it) {
    change(it->second);
  }
  Merge(start, end);
}

void AddressMap::Fork() {
  constexpr uint64_t kEnd = ~uint64_t{0};
  const auto stays = [](const Region& region) { return region.dont_fork; };
  for (auto it = FirstWhere(0, kEnd, stays); it != regions_.end();
       it = FirstWhere(0, kEnd, stays)) {
    const auto [start, end] = Range{it->first, it->second.end};
    Unmap(start, end);
  }
  Change(0, kEnd, [](Region& region) {
    region.lock = region.attached_lock = Lock::kNone;
  });
}

// Regions that touch and have one shift are one piece, whatever their rights.
void AddressMap::ForEachPiece(
    uint64_t start, uint64_t end,
    absl::FunctionRef<void(uint64_t, uint64_t, uint64_t)> piece) const {
  auto it = Find(start);
  if (it == regions_.end()) it = regions_.lower_bound(start);
  while (it != regions_.end() && it->first < end) {
    const uint64_t from = std::max(start, it->first);
    const uint64_t shift = it->second.shift;
    uint64_t to = it->second.end;
    for (++it; it != regions_.end() && it->first == to && to < end &&
               it->second.shift == shift;
         ++it) {
      to = it->second.end;
    }
    piece(from, std::min(to, end), shift);
  }
}

}  // namespace xmmu
