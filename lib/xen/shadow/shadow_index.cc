#include "xen/shadow/shadow_index.h"

#include <algorithm>

#include "xmmu/base/check.h"

namespace xmmu {

void ShadowIndex::Add(const ShadowSlot& slot, Mfn mfn) {
  const Ref ref = RefOf(slot);
  Near& near = near_.At(mfn.value());
  ++size_;
  for (size_t i = 0; i < kNear && ref <= kMostNear; ++i) {
    if (near.At(i) == 0) return near.Set(i, ref);
  }
  further_.emplace(mfn, ref);
  near.set_has_further(true);
}

void ShadowIndex::Remove(const ShadowSlot& slot, Mfn mfn) {
  const Ref ref = RefOf(slot);
  Near& near = near_.At(mfn.value());
  --size_;
  for (size_t i = 0; i < kNear; ++i) {
    if (near.At(i) == ref) return near.Set(i, 0);
  }
  XMMU_CHECK(further_.erase({mfn, ref}) == 1);
  const auto next = further_.lower_bound({mfn, 0});
  near.set_has_further(next != further_.end() && next->first == mfn);
}

uint64_t ShadowIndex::host_bytes() const {
  uint64_t bytes = near_.host_bytes() +
                   further_.size() * sizeof(decltype(further_)::value_type);
  for (const ShadowRanks& ranks : ranks_) bytes += ranks.host_bytes();
  return bytes;
}

std::vector<ShadowSlot> ShadowIndex::EntriesTo(Mfn mfn) const {
  std::vector<Ref> refs;
  const Near near = near_.Get(mfn.value());
  for (size_t i = 0; i < kNear; ++i) {
    if (near.At(i) != 0) refs.push_back(near.At(i));
  }
  if (near.has_further()) {
    for (auto it = further_.lower_bound({mfn, 0});
         it != further_.end() && it->first == mfn; ++it) {
      refs.push_back(it->second);
    }
  }
  steps_ += refs.size();
  std::sort(refs.begin(), refs.end());
  std::vector<ShadowSlot> found;
  for (const Ref ref : refs) found.push_back(SlotOf(ref));
  return found;
}

}  // namespace xmmu
