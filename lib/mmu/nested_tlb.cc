#include "xmmu/mmu/internal/nested_tlb.h"

#include <algorithm>

namespace xmmu {

NestedTlb::NestedTlb(size_t pages) : pages_(pages) {
  if (pages != 0) tags_ = TagSets(1, pages);
}

size_t NestedTlb::Find(GuestAddr gpa, VmTag tag) const {
  size_t first = kNone;
  for (size_t size = 0; size < kSizes; ++size) {
    if (held_[size] == 0) continue;
    const int shift = kPageShift + 9 * static_cast<int>(size);
    const size_t entry = tags_[0].Find(TagOf(gpa, shift, tag));
    if (entry == TagSets::kNoWay) continue;
    if (ABSL_PREDICT_FALSE(!IsAt(entry, gpa, tag))) {
      // Two pages have the same tag, so all are looked at.
      for (size_t i = 0; i < pages_.size(); ++i) {
        if (IsAt(i, gpa, tag)) return i;
      }
      return kNone;
    }
    first = std::min(first, entry);
  }
  return first;
}

void NestedTlb::Drop(size_t entry) {
  --held_[SizeOf(pages_[entry].page_shift)];
  tags_[0].Free(entry);
  pages_[entry] = NestedPage();
}

void NestedTlb::Fill(const NestedPage& page) {
  if (pages_.empty()) return;
  TagSets::Set set = tags_[0];
  const size_t entry = set.Victim();
  if (!set.IsFree(entry)) --held_[SizeOf(pages_[entry].page_shift)];
  ++held_[SizeOf(page.page_shift)];
  set.Renew(entry);
  set.set_tag(entry, TagOf(page.gpa, page.page_shift, page.tag));
  pages_[entry] = page;
}

std::vector<NestedPage> NestedTlb::Entries() const {
  std::vector<NestedPage> held;
  for (size_t i = 0; i < pages_.size(); ++i) {
    if (IsHeld(i)) held.push_back(pages_[i]);
  }
  return held;
}

}  // namespace xmmu
