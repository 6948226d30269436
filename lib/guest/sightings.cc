#include "guest/sightings.h"

#include <algorithm>

#include "xmmu/machine/phys_memory.h"

namespace xmmu {

void ObjectWriters::Add(const ObjectPage& page, TaskId task) {
  const auto [it, is_new] = writers_.try_emplace(page, task);
  if (!is_new && it->second != task) it->second = kSeveral;
}

// A page with several writers has another one than `task` in any case.
bool ObjectWriters::OtherThan(TaskId task, const ObjectPage& page) const {
  const auto it = writers_.find(page);
  return it != writers_.end() && it->second != task;
}

// A page seen through shared and through private mappings has two indices, as
// only the loads of the latter count.
int32_t Sightings::IndexOf(const Vma& vma, VirtAddr va) {
  if (!vma.file_backed()) return kNone;
  const ObjectPage page{vma.file->identity(), vma.FilePage(va)};
  const auto [it, is_new] = indices_.try_emplace(
      {page, vma.shared()}, static_cast<int32_t>(pages_.size()));
  if (is_new) pages_.push_back({.page = page, .shared = vma.shared()});
  return it->second;
}

// The epoch differs between address spaces and after each change of mappings,
// so it tells whether the cached VMA still holds.
Sightings::Cached& Sightings::At(AddressSpace& mm, VirtAddr va) {
  const uint64_t page = va.value() >> kPageShift;
  Cached& cached = cache_[page % cache_.size()];
  if (cached.page == page && cached.epoch == mm.epoch) return cached;
  const Vma* const vma = mm.vmas.Find(va);
  cached = {.page = page,
            .epoch = mm.epoch,
            .index = vma == nullptr ? kNone : IndexOf(*vma, va)};
  return cached;
}

bool Sightings::Load(AddressSpace& mm, VirtAddr va, uint64_t token) {
  const int32_t index = At(mm, va).index;
  if (index == kNone) {
    rest_ = MixHash(rest_, token);
    return true;
  }
  PageSeen& seen = pages_[static_cast<size_t>(index)];
  ++seen.loads;
  if (seen.shared) return false;
  seen.hash = MixHash(seen.hash, token);
  return true;
}

void Sightings::Store(AddressSpace& mm, VirtAddr va, ObjectWriters& writers) {
  Cached& at = At(mm, va);
  if (at.written || at.index == kNone) return;
  // Once is enough: a writer stays one.
  at.written = true;
  const PageSeen& seen = pages_[static_cast<size_t>(at.index)];
  if (seen.shared) writers.Add(seen.page, task_);
}

void Sightings::Other(uint64_t event) { rest_ = MixHash(rest_, event); }

// The content of a page given up counts like a load from it.
void Sightings::GaveUp(const Vma& vma, VirtAddr va, uint64_t token) {
  const int32_t index = IndexOf(vma, va);
  uint64_t& hash =
      index == kNone ? rest_ : pages_[static_cast<size_t>(index)].hash;
  hash = MixHash(hash + 2, token);
}

bool Sightings::Races(const ObjectWriters& writers) const {
  return std::any_of(pages_.begin(), pages_.end(), [&](const PageSeen& seen) {
    return !seen.shared && writers.OtherThan(task_, seen.page);
  });
}

uint64_t Sightings::Value(const ObjectWriters& writers) const {
  uint64_t value = rest_;
  for (const PageSeen& seen : pages_) {  // in the order of first sight
    if (seen.shared || writers.OtherThan(task_, seen.page)) continue;
    value = MixHash(value, MixHash(seen.page.first, seen.page.second));
    value = MixHash(value, seen.hash);
  }
  return value;
}

uint64_t Sightings::CountNotCompared(const ObjectWriters& writers,
                                     std::vector<ObjectPage>& pages) const {
  uint64_t loads = 0;
  for (const PageSeen& seen : pages_) {
    if (!writers.OtherThan(task_, seen.page)) continue;
    if (seen.shared && seen.loads == 0) continue;  // written and not read
    loads += seen.loads;
    pages.push_back(seen.page);
  }
  return loads;
}

}  // namespace xmmu
