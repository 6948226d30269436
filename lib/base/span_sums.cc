#include "xmmu/base/span_sums.h"

#include <string_view>

namespace xmmu {

void SpanSums::Attach(uint32_t track, uint64_t busy) {
  if (track >= tracks_.size()) tracks_.resize(track + size_t{1});
  tracks_[track].busy = busy;
}

void SpanSums::CatchUp(uint32_t track, uint64_t busy) {
  Track& at = tracks_[track];
  sums_[at.stack].cycles += busy - at.busy;
  at.busy = busy;
}

void SpanSums::Begin(uint32_t track, Actor actor, const char* name,
                     uint64_t busy) {
  CatchUp(track, busy);
  const uint32_t stack = Find(tracks_[track].stack, actor, name);
  ++sums_[stack].count;
  tracks_[track].stack = stack;
}

void SpanSums::End(uint32_t track, uint64_t busy) {
  CatchUp(track, busy);
  tracks_[track].stack = sums_[tracks_[track].stack].parent;
}

// One name may be several literals.
uint32_t SpanSums::Find(uint32_t parent, Actor actor, const char* name) {
  children_.resize(sums_.size());
  for (const uint32_t child : children_[parent]) {
    const SpanSum& sum = sums_[child];
    const bool same = sum.name == name || std::string_view(sum.name) == name;
    if (sum.actor == actor && same) return child;
  }
  const auto made = static_cast<uint32_t>(sums_.size());
  sums_.push_back({.parent = parent, .actor = actor, .name = name});
  children_[parent].push_back(made);
  return made;
}

}  // namespace xmmu
