#include "xmmu/machine/memory_hierarchy.h"

#include <algorithm>
#include <utility>

namespace xmmu {
namespace {

constexpr int kLinesPerPageShift = kPageShift - kLineShift;

MachineAddr AddressOfLine(uint64_t line) {
  return MachineAddr(line << kLineShift);
}

// The cycles from `now` until a line arrives that was asked for earlier.
uint64_t Remaining(uint64_t arrival, uint64_t now) {
  return arrival > now ? arrival - now : 0;
}

CostEvent CostOfDram(bool row_hit) {
  return row_hit ? CostEvent::kDataDramRowHit : CostEvent::kDataDram;
}

// Returns the price of an access that left L1.
CostEvent CostOf(const DataAccess& access) {
  switch (access.level) {
    case MemoryLevel::kL1:
    // Charge() never asks for kL1, as an L1 hit is in the price of the access.
    case MemoryLevel::kL2:
      return access.far ? CostEvent::kDataL2Far : CostEvent::kDataL2;
    case MemoryLevel::kL3:
      return CostEvent::kDataL3;
    case MemoryLevel::kDram:
      break;
  }
  return CostOfDram(access.row_hit);
}

}  // namespace

void DataAccess::Charge(CycleClock& clock) const {
  if (level != MemoryLevel::kL1) clock.Charge(CostOf(*this));
  if (wait != 0) clock.Charge(CostEvent::kDataWait, wait);
}

MemoryHierarchy::MemoryHierarchy(const MachineModel& model, CacheArray* l3)
    : rules_(model.cache_rules),
      prices_(model.prices()),
      l1_(model.l1),
      l2_(model.l2),
      l3_(l3),
      l1_prefetcher_(model.l1_prefetcher),
      l2_prefetcher_(model.l2_prefetcher),
      dram_(model.dram) {}

// Entry loads fill the levels that they went through, and no prefetcher sees
// them (assumed).
MemoryLevel MemoryHierarchy::TouchSets(MachineAddr addr) {
  if (ABSL_PREDICT_FALSE(rules_.exclusive_l2)) return TouchExclusive(addr);
  if (!rules_.walker_skips_l1 && l1_.Touch(addr)) return MemoryLevel::kL1;
  if (l2_.Touch(addr)) return MemoryLevel::kL2;
  return l3_->Touch(addr) ? MemoryLevel::kL3 : MemoryLevel::kDram;
}

// An exclusive L2 gets its lines from L1; a walker that skips L1 fills L2
// itself.
MemoryLevel MemoryHierarchy::TouchExclusive(MachineAddr addr) {
  using Found = CacheArray::Found;
  const uint64_t line = addr.value() >> kLineShift;
  if (!rules_.walker_skips_l1) {
    if (l1_.Use(line, line) != Found::kNo) return MemoryLevel::kL1;
  }
  const bool in_l2 = l2_.Use(line, line) != Found::kNo;
  if (!rules_.walker_skips_l1) FillL1(line, line);
  if (in_l2) return MemoryLevel::kL2;
  if (rules_.walker_skips_l1) l2_.Fill(line, line);
  return l3_->Touch(addr) ? MemoryLevel::kL3 : MemoryLevel::kDram;
}

DataAccess MemoryHierarchy::LoadBeyondL1(uint64_t line, uint64_t index,
                                         uint64_t now) {
  const CacheArray::Found found = l2_.Use(line, line);
  const DataAccess access = found == CacheArray::Found::kNo
                                ? LoadBeyondL2(line, now)
                                : LoadFromL2(line, now, found);
  FillL1(line, index);
  if (l1_prefetcher_.exists()) {
    Prefetch(l1_prefetcher_.Observe(line), /*into_l1=*/true, now);
  }
  return access;
}

DataAccess MemoryHierarchy::LoadFromL2(uint64_t line, uint64_t now,
                                       CacheArray::Found found) {
  DataAccess access{.level = MemoryLevel::kL2};
  const uint64_t page = line >> kLinesPerPageShift;
  access.far = page != std::exchange(last_l2_page_, page);
  if (l2_prefetcher_.exists()) {
    if (found == CacheArray::Found::kPrefetched) {
      // The L2 hit itself takes a while, and the line may arrive during it.
      const uint64_t hit = prices_[static_cast<size_t>(CostOf(access))];
      access.wait = Remaining(l2_prefetcher_.ArrivalOf(line), now + hit);
    }
    Prefetch(l2_prefetcher_.Observe(line), /*into_l1=*/false, now);
  }
  return access;
}

// The L2 prefetcher sees the miss; one that works in pairs fetches the other
// half of the 128 bytes as well.
DataAccess MemoryHierarchy::LoadBeyondL2(uint64_t line, uint64_t now) {
  DataAccess access{.level = MemoryLevel::kL3};
  if (!l3_->Touch(AddressOfLine(line))) {
    access.level = MemoryLevel::kDram;
    access.row_hit = dram_.Access(AddressOfLine(line));
  }
  if (!rules_.exclusive_l2) l2_.Fill(line, line);
  // The pair of a line is the other half of its 128 bytes.
  if (l2_prefetcher_.pairs()) PrefetchIntoL2(line ^ 1, now);
  if (l2_prefetcher_.exists()) {
    Prefetch(l2_prefetcher_.Observe(line), /*into_l1=*/false, now);
  }
  return access;
}

DataAccess MemoryHierarchy::FirstUseInL1(uint64_t line, uint64_t now) {
  DataAccess access;
  access.wait = Remaining(l1_prefetcher_.ArrivalOf(line), now);
  Prefetch(l1_prefetcher_.Observe(line), /*into_l1=*/true, now);
  return access;
}

void MemoryHierarchy::FillL1(uint64_t line, uint64_t index) {
  const uint64_t evicted = l1_.Fill(line, index);
  if (!rules_.exclusive_l2) return;
  // The line moved up, so L2 gives it up and takes what L1 evicted in its
  // place.
  l2_.Drop(line);
  if (evicted != kNoLine && !l2_.Holds(evicted)) l2_.Fill(evicted, evicted);
}

void MemoryHierarchy::Prefetch(Prefetcher::Request request, bool into_l1,
                               uint64_t now) {
  for (uint64_t i = 0; i < request.count; ++i) {
    if (into_l1) {
      PrefetchIntoL1(request.first + i, now);
    } else {
      PrefetchIntoL2(request.first + i, now);
    }
  }
}

uint64_t MemoryHierarchy::FetchBeyondL2(uint64_t line) {
  const MachineAddr addr = AddressOfLine(line);
  const CostEvent event =
      l3_->Touch(addr) ? CostEvent::kDataL3 : CostOfDram(dram_.Access(addr));
  return prices_[static_cast<size_t>(event)];
}

void MemoryHierarchy::PrefetchIntoL2(uint64_t line, uint64_t now) {
  if (l2_.Holds(line)) return;
  l2_prefetcher_.Started(line, now + FetchBeyondL2(line));
  l2_.Fill(line, line, /*prefetched=*/true);
}

void MemoryHierarchy::PrefetchIntoL1(uint64_t line, uint64_t now) {
  if (l1_.Holds(line)) return;
  uint64_t arrival = now + prices_[static_cast<size_t>(CostEvent::kDataL2)];
  switch (l2_.Use(line, line)) {
    case CacheArray::Found::kYes:
      break;
    case CacheArray::Found::kPrefetched:
      arrival = std::max(arrival, l2_prefetcher_.ArrivalOf(line));
      break;
    case CacheArray::Found::kNo:
      arrival = now + FetchBeyondL2(line);
      l2_.Fill(line, line);
  }
  if (l2_prefetcher_.exists()) {
    // The L2 prefetcher watches the misses of L1, those of L1's prefetcher
    // included.
    Prefetch(l2_prefetcher_.Observe(line), /*into_l1=*/false, now);
  }
  l1_prefetcher_.Started(line, arrival);
  l1_.Fill(line, line, /*prefetched=*/true);
}

void MemoryHierarchy::Clear() {
  l1_.Clear();
  l2_.Clear();
}

}  // namespace xmmu
