#include "xmmu/mmu/internal/flush_filter.h"

#include <algorithm>

namespace xmmu {

void FlushFilter::Watch(MachineAddr addr) {
  // Once armed the filter will flush in any case, so it need not watch.
  if (armed_) return;
  const uint64_t number = PhysMemory::LineOf(addr);
  for (const Line& line : lines_) {
    if (line.number == number) return;
  }
  if (lines_.size() == geometry_.lines) {
    armed_ = true;
    return;
  }
  lines_.push_back({number, memory_.WatchStores(addr)});
}

bool FlushFilter::MustFlush() const {
  return armed_ ||
         std::any_of(lines_.begin(), lines_.end(), [this](const Line& line) {
           return memory_.StoresToLine(line.number) != line.stores;
         });
}

FlushFilter::Decision FlushFilter::LoadCr3(uint64_t cr3) {
  Decision decision;
  decision.flush = MustFlush();
  if (decision.flush) {
    armed_ = false;
    lines_.clear();
    spaces_.clear();
  }
  // Tags number the last address spaces; a reused one must lose its entries.
  auto space = std::find_if(
      spaces_.begin(), spaces_.end(),
      [cr3](const AddressSpace& known) { return known.cr3 == cr3; });
  if (space == spaces_.end()) {
    decision.reused = spaces_.size() == geometry_.address_spaces;
    if (decision.reused) {
      space =
          std::min_element(spaces_.begin(), spaces_.end(),
                           [](const AddressSpace& a, const AddressSpace& b) {
                             return a.last_use < b.last_use;
                           });
    } else {
      space = spaces_.insert(spaces_.end(), AddressSpace());
    }
    space->cr3 = cr3;
  }
  space->last_use = ++use_;
  tag_ = static_cast<uint16_t>(space - spaces_.begin());
  decision.tag = tag_;
  return decision;
}

}  // namespace xmmu
