#include "xmmu/base/cycles.h"

#include <algorithm>

#include "xmmu/base/check.h"
#include "xmmu/base/span_log.h"

namespace xmmu {
namespace {

struct ComponentText {
  std::string_view name;
  std::string_view help;
};

constexpr std::array<ComponentText, kComponentCount> kComponents = {{
#define XMMU_ROW(id, name, help) {name, help},
    XMMU_COMPONENTS(XMMU_ROW)
#undef XMMU_ROW
}};

struct CostEventText {
  Component component;
  std::string_view name;
  std::string_view help;
};

constexpr std::array<CostEventText, kCostEventCount> kCostEvents = {{
#define XMMU_ROW(id, component, name, help) {Component::component, name, help},
    XMMU_COST_EVENTS(XMMU_ROW)
#undef XMMU_ROW
}};

// Whether Overlap::hidden_per_mille hides a share of what counts under
// `component`: the loads and walks that an out-of-order core overlaps, which
// are the components kData to kPteLoadDram.
bool IsLatency(Component component) {
  return component >= Component::kData && component <= Component::kPteLoadDram;
}
static_assert(Component::kExecute < Component::kData &&
              Component::kPteLoadDram < Component::kException);

}  // namespace

std::string_view ComponentName(Component component) {
  return kComponents[static_cast<size_t>(component)].name;
}

std::string_view ComponentHelp(Component component) {
  return kComponents[static_cast<size_t>(component)].help;
}

std::string_view CostEventName(CostEvent event) {
  return kCostEvents[static_cast<size_t>(event)].name;
}

std::string_view CostEventHelp(CostEvent event) {
  return kCostEvents[static_cast<size_t>(event)].help;
}

Component ComponentOf(CostEvent event) {
  return kCostEvents[static_cast<size_t>(event)].component;
}

std::array<Cycles, kComponentCount> CycleClock::by_component() const {
  std::array<Cycles, kComponentCount> sums{};
  for (size_t i = 0; i < kCostEventCount; ++i) {
    const auto event = static_cast<CostEvent>(i);
    sums[static_cast<size_t>(ComponentOf(event))] += charged(event);
  }
  for (const OwnEvent& own : own_events_) {
    sums[static_cast<size_t>(own.component)] += Cycles(own.tally * own.price);
  }
  return sums;
}

void CycleClock::SetOverlap(const Overlap& overlap) {
  XMMU_CHECK(overlap.walkers >= 1 && overlap.walkers <= kMaxWalkers);
  XMMU_CHECK(overlap.hidden_per_mille >= 0 && overlap.hidden_per_mille <= 1000);
  XMMU_CHECK(spans_ == nullptr || !overlap.on());
  WaitForWalks();
  overlap_ = overlap;
  overlaps_ = overlap.on();
  does_more_ = overlaps_ || (spans_ != nullptr && spans_->options().charges);
}

void CycleClock::set_span_log(SpanLog* log, uint32_t track) {
  XMMU_CHECK(log == nullptr || !overlaps_);
  spans_ = log;
  span_track_ = track;
  does_more_ = overlaps_ || (log != nullptr && log->options().charges);
  if (log != nullptr) log->Attach(*this);
}

// Work of the program itself and its latencies may go on beside outstanding
// walks; anything else first waits for those (see overlap.h).
void CycleClock::ChargeAndMore(CostEvent event, uint64_t times) {
  if (!overlaps_) {
    spans_->AddCharge(*this, SpanKind::kCharge, static_cast<uint32_t>(event),
                      times);
    return Add(event, times);
  }
  const bool latency = IsLatency(ComponentOf(event));
  if (!latency && event != CostEvent::kAccess) WaitForWalks();
  Add(event, times);
  if (latency) Hide(times * price(event));
}

OwnEventId CycleClock::AddOwnEvent(Component component, uint64_t price) {
  own_events_.push_back({component, price, 0});
  return static_cast<OwnEventId>(own_events_.size() - 1);
}

void CycleClock::Charge(OwnEventId id, uint64_t times) {
  if (does_more_ && !overlaps_) {
    spans_->AddCharge(*this, SpanKind::kOwnCharge, static_cast<uint32_t>(id),
                      times);
  }
  OwnEvent& own = own_events_[static_cast<size_t>(id)];
  const bool latency = IsLatency(own.component);
  if (overlaps_ && !latency) WaitForWalks();
  own.tally += times;
  busy_ += times * own.price;
  if (overlaps_ && latency) Hide(times * own.price);
}

// Thousandths are carried on, so that many small latencies hide as much as one
// large one of the same sum.
void CycleClock::Hide(uint64_t cycles) {
  hidden_thousandths_ +=
      cycles * static_cast<uint64_t>(overlap_.hidden_per_mille);
  hidden_ += hidden_thousandths_ / 1000;
  hidden_thousandths_ %= 1000;
}

// All cycles of the walk have been charged; this hides those that the program
// did not wait for. It resumes when a walker is free: at once, or when the
// first of the outstanding walks ends.
void CycleClock::LeaveToWalker(Cycles begin) {
  if (overlap_.walkers == 1) return;
  const uint64_t start = begin.count();
  const uint64_t end = now().count();
  std::erase_if(walk_ends_, [=](uint64_t other) { return other <= start; });
  walk_ends_.push_back(end);
  uint64_t resume = start;
  if (walk_ends_.size() >= static_cast<size_t>(overlap_.walkers)) {
    resume = *std::min_element(walk_ends_.begin(), walk_ends_.end());
  }
  hidden_ += end - resume;
}

// Takes back the hidden cycles between now and the end of the last walk: the
// program waits for that end after all.
void CycleClock::WaitForWalks() {
  if (walk_ends_.empty()) return;
  const uint64_t last = *std::max_element(walk_ends_.begin(), walk_ends_.end());
  walk_ends_.clear();
  if (last > now().count()) hidden_ -= last - now().count();
}

}  // namespace xmmu
