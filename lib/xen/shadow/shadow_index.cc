#include "xen/shadow/shadow_index.h"

#include <algorithm>
#include <tuple>

namespace xmmu {

void ShadowIndex::Add(const ShadowSlot& slot, Mfn mfn) {
  std::unique_ptr<Link[]>& links = links_.At(slot.page);
  if (links == nullptr) {
    links = std::make_unique<Link[]>(entries_);
    ++linked_;
  }
  const Ref ref = RefOf(slot);
  Ref& head = heads_.At(mfn.value());
  LinkOf(ref) = {.next = head, .previous = 0};
  if (head != 0) LinkOf(head).previous = ref;
  head = ref;
  ++size_;
}

void ShadowIndex::Remove(const ShadowSlot& slot, Mfn mfn) {
  --size_;
  const Link link = LinkOf(RefOf(slot));
  if (link.next != 0) LinkOf(link.next).previous = link.previous;
  if (link.previous != 0) {
    LinkOf(link.previous).next = link.next;
  } else {
    heads_.At(mfn.value()) = link.next;
  }
}

uint64_t ShadowIndex::host_bytes() const {
  uint64_t bytes = links_.host_bytes() + linked_ * entries_ * sizeof(Link) +
                   heads_.host_bytes();
  for (const ShadowRanks& ranks : ranks_) bytes += ranks.host_bytes();
  return bytes;
}

std::vector<ShadowSlot> ShadowIndex::EntriesTo(Mfn mfn) const {
  std::vector<ShadowSlot> found;
  for (Ref ref = heads_.Get(mfn.value()); ref != 0; ref = LinkOf(ref).next) {
    found.push_back(SlotOf(ref));
  }
  steps_ += found.size();
  std::sort(found.begin(), found.end(),
            [](const ShadowSlot& a, const ShadowSlot& b) {
              return std::tie(a.page, a.index) < std::tie(b.page, b.index);
            });
  return found;
}

}  // namespace xmmu
