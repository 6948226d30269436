#include "sim/own_names.h"

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "xmmu/base/counters.h"
#include "xmmu/base/cycles.h"
#include "xmmu/machine/machine_model.h"

namespace xmmu {
namespace {

// Whether text, CSV and JSON can all show the name without quoting it.
bool IsPlainName(std::string_view name) {
  return !name.empty() &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-' ||
                  c == '+';
         });
}

// The names that a policy's own figures and events may not have, as a row of a
// report must not have two of a name.
class Names {
 public:
  Names() {
    for (size_t i = 0; i < kComponentCount; ++i) {
      taken_.insert(std::string(ComponentName(static_cast<Component>(i))));
    }
    for (size_t i = 0; i < kCostEventCount; ++i) {
      taken_.insert(std::string(CostEventName(static_cast<CostEvent>(i))));
    }
    for (size_t i = 0; i < kCounterCount; ++i) {
      taken_.insert(std::string(CounterName(static_cast<Counter>(i))));
    }
  }

  absl::Status Add(std::string_view what, const std::string& name) {
    absl::Status status = CheckName(what, name);
    if (!status.ok() || taken_.insert(name).second) return status;
    return absl::InvalidArgumentError(absl::StrCat(
        Abs(what), " name '", name,
        "': a component, price, counter, figure or own event has it already"));
  }

 private:
  absl::flat_hash_set<std::string> taken_;
};

// A price without a source could not be judged, so it is refused.
absl::Status CheckEvent(const OwnEvent& event) {
  const auto complain = [&](std::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("own event '", event.name, "': ", Abs(what)));
  };
  if (static_cast<size_t>(event.component) >= kComponentCount) {
    return complain("no such component; want one of Component");
  }
  if (event.mark > Mark::kEstimated) {
    return complain("no such mark; want one of Mark");
  }
  if (event.source.empty()) {
    return complain("no source; want where its price is from, or 'assumed'");
  }
  const bool banded = event.low != 0 || event.high != 0;
  if (banded && (event.price < event.low || event.price > event.high)) {
    return complain(absl::StrCat("its price, ", event.price, ", is not within ",
                                 event.low, " to ", event.high));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckName(std::string_view what, std::string_view name) {
  if (IsPlainName(name)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(Abs(what), " name '", Abs(name),
                   "': want letters, digits, '.', '_', '-' and '+'"));
}

absl::Status CheckOwn(const Policy& policy, const Host& host) {
  const std::optional<TickRequest> request = policy.tick();
  if (request && request->period == Cycles(0)) {
    return absl::InvalidArgumentError(absl::StrCat(
        Abs(policy.name()), ": a tick every 0 cycles; want 1 at least"));
  }
  Names names;
  for (const OwnEvent& event : host.own_events()) {
    absl::Status status = names.Add("own event", event.name);
    if (status.ok()) status = CheckEvent(event);
    if (!status.ok()) return status;
  }
  for (const OwnFigure& figure : policy.Figures()) {
    const absl::Status status = names.Add("figure", figure.name);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace xmmu
