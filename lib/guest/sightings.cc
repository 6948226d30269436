#include "guest/sightings.h"

#include <algorithm>

#include "xmmu/machine/phys_memory.h"

namespace xmmu {

// A page seen through shared and through private mappings has two indices, as
// only the loads of the latter count.
int32_t Sightings::IndexOf(uint64_t space, const Vma* vma, VirtAddr va) {
  const bool has_file = vma != nullptr && vma->file_backed();
  if (space == 0 && !has_file) return kNone;
  PageSeen seen{.space = kNoPage, .file = kNoPage};
  if (space != 0) seen.space = {space, va.value() >> kPageShift};
  if (has_file) {
    seen.file = {vma->file->identity(), vma->FilePage(va)};
    seen.shared = vma->shared();
  }
  const auto [it, is_new] =
      indices_.try_emplace({seen.space, seen.file, seen.shared},
                           static_cast<int32_t>(pages_.size()));
  if (is_new) pages_.push_back(seen);
  return it->second;
}

// The epoch differs between address spaces and after each change of mappings,
// so it tells whether the cached VMA still holds.
Sightings::Cached& Sightings::At(AddressSpace& mm, VirtAddr va) {
  const uint64_t page = va.value() >> kPageShift;
  Cached& cached = cache_[page % cache_.size()];
  if (cached.page == page && cached.epoch == mm.epoch) return cached;
  const Vma* const vma = mm.vmas.Find(va);
  cached = {
      .page = page, .epoch = mm.epoch, .index = IndexOf(mm.object, vma, va)};
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
  if (seen.shared) writers.Add(seen.file, task_);
  if (mm.threaded) writers.Add(seen.space, task_);
}

void Sightings::Refused(AddressSpace& mm, VirtAddr va, bool read,
                        ObjectWriters& writers) {
  Missed(mm, va, read, writers);
  uint64_t& hash = pages_[static_cast<size_t>(At(mm, va).index)].hash;
  hash = MixHash(hash + 3, 0);
}

// Whether an access comes to something may depend on others, so it counts in
// any case: a store makes its task a writer.
void Sightings::Missed(AddressSpace& mm, VirtAddr va, bool read,
                       ObjectWriters& writers) {
  if (read) {
    ++pages_[static_cast<size_t>(At(mm, va).index)].loads;
  } else {
    Store(mm, va, writers);
  }
}

void Sightings::Other(uint64_t event) { rest_ = MixHash(rest_, event); }

// The content of a page given up counts like a load from it.
void Sightings::GaveUp(const Vma& vma, VirtAddr va, uint64_t token) {
  const int32_t index = IndexOf(/*space=*/0, &vma, va);
  uint64_t& hash =
      index == kNone ? rest_ : pages_[static_cast<size_t>(index)].hash;
  hash = MixHash(hash + 2, token);
  if (index != kNone || !vma.digest_plain) return;
  rest_ = MixHash(rest_, va.value());
}

bool Sightings::LeftOut(const PageSeen& seen,
                        const ObjectWriters& writers) const {
  return writers.OtherThan(task_, seen.file) ||
         writers.OtherThan(task_, seen.space);
}

bool Sightings::Races(const ObjectWriters& writers) const {
  return ever_races_ ||
         std::any_of(pages_.begin(), pages_.end(), [&](const PageSeen& seen) {
           return !seen.shared && LeftOut(seen, writers);
         });
}

uint64_t Sightings::Value(const ObjectWriters& writers) const {
  uint64_t value = rest_;
  for (const PageSeen& seen : pages_) {  // in the order of first sight
    if (seen.shared || LeftOut(seen, writers)) continue;
    const ObjectPage& page = seen.space == kNoPage ? seen.file : seen.space;
    value = MixHash(value, MixHash(page.first, page.second));
    value = MixHash(value, seen.hash);
  }
  return value;
}

// How often a page was loaded from is the stream's in any case. It may also have
// been stored to alone, or mapped around a fault's own; or, in an address space
// that is changed, have had several files there, each seen or not.
uint64_t Sightings::CountNotCompared(const ObjectWriters& writers,
                                     std::vector<ObjectPage>& pages) const {
  uint64_t loads = 0;
  for (const PageSeen& seen : pages_) {
    const bool space = writers.OtherThan(task_, seen.space);
    if (!space && !writers.OtherThan(task_, seen.file)) continue;
    if (seen.loads == 0) continue;
    loads += seen.loads;
    pages.push_back(space ? seen.space : seen.file);
  }
  return loads;
}

}  // namespace xmmu
