#include "xmmu/base/counters.h"

namespace xmmu {
namespace {

struct CounterText {
  std::string_view name;
  std::string_view help;
};

constexpr std::array<CounterText, kCounterCount> kCounters = {{
#define XMMU_ROW(id, name, help) {name, help},
    XMMU_COUNTERS(XMMU_ROW)
#undef XMMU_ROW
}};

}  // namespace

std::string_view CounterName(Counter counter) {
  return kCounters[static_cast<size_t>(counter)].name;
}

std::string_view CounterHelp(Counter counter) {
  return kCounters[static_cast<size_t>(counter)].help;
}

Counters& Counters::operator+=(const Counters& other) {
  for (size_t i = 0; i < kCounterCount; ++i) values_[i] += other.values_[i];
  return *this;
}

Counters Counters::operator-(const Counters& earlier) const {
  Counters since;
  for (size_t i = 0; i < kCounterCount; ++i) {
    since.values_[i] = values_[i] - earlier.values_[i];
  }
  return since;
}

}  // namespace xmmu
