#include "guest/address_space.h"

#include "xmmu/base/check.h"

namespace xmmu {

Vma* VmaMap::Search(VirtAddr va) {
  auto it = by_start_.upper_bound(va);
  if (it == by_start_.begin()) return nullptr;
  --it;
  if (va >= it->second.end) return nullptr;
  last_ = &it->second;
  return last_;
}

bool VmaMap::Overlaps(VirtAddr start, VirtAddr end) const {
  auto it = by_start_.upper_bound(start);
  if (it != by_start_.begin() && start < std::prev(it)->second.end) return true;
  return it != by_start_.end() && it->first < end;
}

// Makes `va` a border between VMAs if it lies inside one (split_vma).
void VmaMap::SplitAt(VirtAddr va) {
  Vma* const vma = Find(va);
  if (vma == nullptr || vma->start == va) return;
  ForgetLast();
  Vma upper = *vma;
  upper.file_offset += va - vma->start;
  upper.start = va;
  vma->end = va;
  by_start_.emplace(va, upper);
}

std::vector<Vma> VmaMap::Carve(VirtAddr start, VirtAddr end) {
  SplitAt(start);
  SplitAt(end);
  ForgetLast();
  std::vector<Vma> removed;
  auto it = by_start_.lower_bound(start);
  while (it != by_start_.end() && it->first < end) {
    removed.push_back(it->second);
    it = by_start_.erase(it);
  }
  return removed;
}

std::optional<Vma> VmaMap::OneMapping(VirtAddr start, VirtAddr end) const {
  // VMAs that continue each other are kept apart here, where Linux merges them
  // (vma_merge); this is where that could be seen.
  auto it = by_start_.upper_bound(start);
  if (it == by_start_.begin()) return std::nullopt;
  --it;
  if (it->second.end <= start) return std::nullopt;
  Vma whole = it->second;
  for (++it; whole.end < end; ++it) {
    if (it == by_start_.end() || !whole.ContinuesWith(it->second)) {
      return std::nullopt;
    }
    whole.end = it->second.end;
    whole.has_own_pages |= it->second.has_own_pages;
  }
  whole.file_offset += start - whole.start;
  whole.start = start;
  whole.end = end;
  return whole;
}

Vma& VmaMap::Join(VirtAddr start, VirtAddr end) {
  ForgetLast();
  auto it = std::prev(by_start_.upper_bound(start));
  while (it->second.end < end) {
    const auto next = std::next(it);
    XMMU_CHECK(it->second.ContinuesWith(next->second));
    const Vma joined = next->second;
    const VirtAddr first = it->first;
    by_start_.erase(next);
    it = by_start_.find(first);
    it->second.end = joined.end;
    it->second.has_own_pages |= joined.has_own_pages;
    it->second.digest_plain |= joined.digest_plain;
  }
  return it->second;
}

// What is marked has been spread already, so each step ends there.
void VmaMap::MarkPlain(VirtAddr va) {
  const auto at = std::prev(by_start_.upper_bound(va));
  at->second.digest_plain = true;
  for (auto it = at; it != by_start_.begin(); --it) {
    Vma& before = std::prev(it)->second;
    if (before.digest_plain || !before.ContinuesWith(it->second)) break;
    before.digest_plain = true;
  }
  for (auto it = at; std::next(it) != by_start_.end(); ++it) {
    Vma& behind = std::next(it)->second;
    if (behind.digest_plain || !it->second.ContinuesWith(behind)) break;
    behind.digest_plain = true;
  }
}

void VmaMap::SpreadPlain(VirtAddr start, VirtAddr end) {
  auto it = by_start_.upper_bound(start);
  for (int i = 0; i < 2 && it != by_start_.begin(); ++i) --it;
  for (; it != by_start_.end() && it->first <= end; ++it) {
    if (it->second.digest_plain) MarkPlain(it->first);
  }
}

// A new mapping replaces what was there, so the caller carves first.
void VmaMap::Insert(const Vma& vma) {
  XMMU_CHECK(vma.start < vma.end && !Overlaps(vma.start, vma.end));
  ForgetLast();
  by_start_.emplace(vma.start, vma);
}

std::vector<Vma> VmaMap::Overlapping(VirtAddr start, VirtAddr end) const {
  std::vector<Vma> found;
  auto it = by_start_.upper_bound(start);
  if (it != by_start_.begin() && start < std::prev(it)->second.end) --it;
  for (; it != by_start_.end() && it->first < end; ++it) {
    found.push_back(it->second);
  }
  return found;
}

std::vector<const Vma*> VmaMap::OfFile(const FileObject* file,
                                       uint64_t offset) const {
  std::vector<const Vma*> found;
  for (const auto& [start, vma] : by_start_) {
    if (vma.file.get() != file || offset < vma.file_offset) continue;
    if (offset - vma.file_offset < vma.end - vma.start) found.push_back(&vma);
  }
  return found;
}

VirtAddr VmaMap::EndOfMapped(VirtAddr start, VirtAddr end) const {
  VirtAddr mapped = start;
  for (const Vma& vma : Overlapping(start, end)) {
    if (vma.start > mapped) break;
    mapped = vma.end;
  }
  return std::min(mapped, end);
}

std::vector<Vma> VmaMap::All() const {
  std::vector<Vma> all;
  all.reserve(by_start_.size());
  for (const auto& [start, vma] : by_start_) all.push_back(vma);
  return all;
}

}  // namespace xmmu
