#include "xmmu/machine/memory_hierarchy.h"

#include <bit>

#include "xmmu/base/check.h"

namespace xmmu {

CacheArray::CacheArray(const CacheGeometry& geometry) {
  if (geometry.bytes == 0) return;
  XMMU_CHECK(std::has_single_bit(geometry.line_bytes));
  line_shift_ = std::countr_zero(geometry.line_bytes);
  ways_ = geometry.ways;
  sets_ = geometry.bytes / geometry.line_bytes / geometry.ways;
  lines_.resize(sets_ * ways_);
}

bool CacheArray::Touch(MachineAddr addr) {
  if (absent()) return false;
  const uint64_t line = addr.value() >> line_shift_;
  Line* const set = &lines_[(line % sets_) * ways_];
  Line* victim = set;
  ++use_;
  for (uint32_t way = 0; way < ways_; ++way) {
    if (set[way].tag == line) {
      set[way].last_use = use_;
      return true;
    }
    if (set[way].last_use < victim->last_use) victim = &set[way];
  }
  *victim = {line, use_};
  return false;
}

void CacheArray::Clear() {
  for (Line& line : lines_) line = Line();
}

MemoryHierarchy::MemoryHierarchy(const MachineModel& model, CacheArray* l3)
    : l1_(model.l1), l2_(model.l2), l3_(l3) {}

MemoryLevel MemoryHierarchy::Touch(MachineAddr addr) {
  if (l1_.Touch(addr)) return MemoryLevel::kL1;
  if (l2_.Touch(addr)) return MemoryLevel::kL2;
  if (l3_->Touch(addr)) return MemoryLevel::kL3;
  return MemoryLevel::kDram;
}

void MemoryHierarchy::Clear() {
  l1_.Clear();
  l2_.Clear();
}

}  // namespace xmmu
