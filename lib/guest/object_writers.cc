#include "guest/object_writers.h"

#include <algorithm>
#include <iterator>

namespace xmmu {

void ObjectWriters::Add(const ObjectPage& page, TaskId task) {
  const auto [it, is_new] = writers_.try_emplace(page, task);
  if (!is_new && it->second != task) it->second = kSeveral;
}

void ObjectWriters::AddRange(uint64_t object, uint64_t first, uint64_t end,
                             TaskId task) {
  Paint(ranges_[object], first, end, task);
}

void ObjectWriters::AddWhole(uint64_t object, uint64_t first, uint64_t end,
                             TaskId task) {
  wholes_.emplace(object, first, end, task);
}

// What is found to be changed by several may be part of another whole.
void ObjectWriters::Settle() {
  for (bool again = true; again;) {
    again = false;
    for (const auto& [object, first, end, task] : wholes_) {
      Ranges& ranges = ranges_[object];
      if (OtherIn(ranges, first, end, task) == ranges.end()) continue;
      again |= Paint(ranges, first, end, kSeveral);
    }
  }
}

// A page with several writers has another one than `task` in any case.
bool ObjectWriters::OtherThan(TaskId task, const ObjectPage& page) const {
  const auto it = writers_.find(page);
  if (it != writers_.end() && it->second != task) return true;
  const auto ranges = ranges_.find(page.first);
  if (ranges == ranges_.end()) return false;
  return OtherIn(ranges->second, page.second, page.second + 1, task) !=
         ranges->second.end();
}

void ObjectWriters::SplitAt(Ranges& ranges, uint64_t page) {
  auto it = ranges.lower_bound(page);
  if (it == ranges.begin()) return;
  --it;
  if (it->second.end <= page) return;
  const Range upper = it->second;
  it->second.end = page;
  ranges.emplace(page, upper);
}

bool ObjectWriters::Paint(Ranges& ranges, uint64_t first, uint64_t end,
                          TaskId task) {
  SplitAt(ranges, first);
  SplitAt(ranges, end);
  bool changes = false;
  for (uint64_t at = first; at < end;) {
    const auto it = ranges.lower_bound(at);
    if (it == ranges.end() || it->first > at) {
      const uint64_t gap_end =
          it == ranges.end() ? end : std::min(end, it->first);
      ranges.emplace(at, Range{gap_end, task});
      at = gap_end;
      changes = true;
      continue;
    }
    Range& range = it->second;
    changes |= range.task != task && range.task != kSeveral;
    if (range.task != task) range.task = kSeveral;
    at = range.end;
  }
  return changes;
}

ObjectWriters::Ranges::const_iterator ObjectWriters::OtherIn(
    const Ranges& ranges, uint64_t first, uint64_t end, TaskId task) {
  auto it = ranges.upper_bound(first);
  if (it != ranges.begin() && std::prev(it)->second.end > first) --it;
  for (; it != ranges.end() && it->first < end; ++it) {
    if (it->second.task != task) return it;
  }
  return ranges.end();
}

}  // namespace xmmu
