#include "workload/inspect/page_set.h"

namespace xmmu {
namespace {

// Sets a bit and returns 1 if it was clear, else 0.
uint64_t SetBit(uint64_t& word, uint64_t index) {
  const uint64_t bit = uint64_t{1} << (index % 64);
  const uint64_t is_new = (word & bit) == 0 ? 1 : 0;
  word |= bit;
  return is_new;
}

}  // namespace

void PageSet::Add(uint64_t page, Touch touch, PageCounts& counts) {
  const auto [it, inserted] = regions_.try_emplace(page >> kPageBits);
  if (inserted) ++counts.regions;
  const uint64_t index = page & ((1 << kPageBits) - 1);
  Region& region = it->second;
  counts.touched += SetBit(region.touched[index / 64], index);
  if (touch == Touch::kFetched) {
    counts.fetched += SetBit(region.fetched[index / 64], index);
  } else if (touch == Touch::kWritten) {
    counts.written += SetBit(region.written[index / 64], index);
  }
}

}  // namespace xmmu
