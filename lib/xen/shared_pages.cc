#include "xmmu/xen/internal/shared_pages.h"

#include <algorithm>

#include "xmmu/base/check.h"

namespace xmmu {

uint64_t HashContent(const PhysMemory& memory, Mfn mfn) {
  uint64_t hash = memory.ContentToken(mfn);
  const bool zeros = !memory.HasWords(mfn);
  for (uint64_t offset = 0; offset < kPageSize; offset += 8) {
    const uint64_t word = zeros ? 0 : memory.Read64(AddressOf(mfn) + offset);
    hash = MixHash(hash, word);
  }
  return hash;
}

std::span<const Mfn> SharedPages::WithHash(uint64_t hash) const {
  const auto it = by_hash_.find(hash);
  if (it == by_hash_.end()) return {};
  return it->second;
}

uint64_t SharedPages::Mappings(Mfn mfn, DomainId domain) const {
  const auto frame = frames_.find(mfn);
  if (frame == frames_.end()) return 0;
  const auto it = frame->second.mappings.find(domain);
  return it == frame->second.mappings.end() ? 0 : it->second;
}

void SharedPages::Insert(Mfn mfn, uint64_t hash) {
  const bool inserted = frames_.emplace(mfn, Frame{hash, {}}).second;
  XMMU_CHECK(inserted);
  by_hash_[hash].push_back(mfn);
}

void SharedPages::Remove(Mfn mfn) {
  const auto frame = frames_.find(mfn);
  XMMU_CHECK(frame != frames_.end() && frame->second.mappings.empty());
  const auto bucket = by_hash_.find(frame->second.hash);
  XMMU_CHECK(bucket != by_hash_.end());
  std::vector<Mfn>& same = bucket->second;
  const auto it = std::find(same.begin(), same.end(), mfn);
  XMMU_CHECK(it != same.end());
  same.erase(it);
  if (same.empty()) by_hash_.erase(bucket);
  frames_.erase(frame);
}

void SharedPages::AddMapping(Mfn mfn, DomainId domain) {
  const auto frame = frames_.find(mfn);
  XMMU_CHECK(frame != frames_.end());
  ++frame->second.mappings[domain];
}

void SharedPages::DropMapping(Mfn mfn, DomainId domain) {
  const auto frame = frames_.find(mfn);
  XMMU_CHECK(frame != frames_.end());
  const auto it = frame->second.mappings.find(domain);
  XMMU_CHECK(it != frame->second.mappings.end());
  if (--it->second == 0) frame->second.mappings.erase(it);
}

}  // namespace xmmu
