#include "study/sweep_report.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text.h"
#include "report/text_table.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

using Json = nlohmann::ordered_json;

std::string NameOf(CostEvent event) {
  return std::string(CostEventName(event));
}

const SweptPrice& SweptOf(const PriceSweep& sweep, CostEvent event) {
  const auto it = std::find_if(
      sweep.swept.begin(), sweep.swept.end(),
      [=](const SweptPrice& price) { return price.event == event; });
  XMMU_CHECK(it != sweep.swept.end());
  return *it;
}

std::string_view SweptKind(const PriceSweep& sweep) {
  return sweep.options.all_bands ? "all" : "estimates";
}

}  // namespace

std::string SweepHeading(const PriceSweep& sweep) {
  return absl::StrCat(
      "sensitivity: ", sweep.swept.size(), " prices",
      sweep.options.all_bands ? " that have a band"
                              : " that are remembered or estimated",
      ", each across its band; ", Grouped(sweep.samples.size()),
      " samples of all (Latin hypercube, seed ", sweep.options.seed, ")\n",
      "of serialised cycles; prices are swept independently, also where their "
      "sources are the same\n");
}

std::string FlipWords(const std::vector<PriceChange>& flips,
                      const PriceSweep& sweep) {
  std::vector<std::string> words;
  for (const PriceChange& flip : flips) {
    const SweptPrice& price = SweptOf(sweep, flip.event);
    words.push_back(absl::StrCat(
        NameOf(flip.event), " from ", Grouped(flip.price),
        flip.price > price.value ? " up (" : " down (", Grouped(price.value),
        "; ", Grouped(price.low), " to ", Grouped(price.high), ")"));
  }
  return absl::StrJoin(words, ", ");
}

std::string TogetherWords(const std::vector<PriceChange>& changes) {
  std::vector<std::string> words;
  for (const PriceChange& change : changes) {
    words.push_back(
        absl::StrCat(NameOf(change.event), " at ", Grouped(change.price)));
  }
  return absl::StrJoin(words, " and ");
}

std::string VerdictWords(const SignVerdict& verdict, const PriceSweep& sweep) {
  return absl::StrCat(verdict.flips.empty() ? TogetherWords(verdict.together)
                                            : FlipWords(verdict.flips, sweep),
                      "; in ", Grouped(verdict.samples_against), " of ",
                      Grouped(sweep.samples.size()), " samples");
}

std::string ChangesCell(const std::vector<PriceChange>& changes) {
  std::vector<std::string> words;
  for (const PriceChange& change : changes) {
    words.push_back(absl::StrCat(NameOf(change.event), "=", change.price));
  }
  return absl::StrJoin(words, ";");
}

Json SweepJson(const PriceSweep& sweep) {
  Json json;
  json["prices"] = std::string(SweptKind(sweep));
  json["samples"] = sweep.samples.size();
  json["seed"] = sweep.options.seed;
  json["swept"] = Json::array();
  for (const SweptPrice& price : sweep.swept) {
    json["swept"].push_back({{"cost", NameOf(price.event)},
                             {"value", price.value},
                             {"low", price.low},
                             {"high", price.high}});
  }
  return json;
}

Json ChangesJson(const std::vector<PriceChange>& changes) {
  Json json = Json::array();
  for (const PriceChange& change : changes) {
    json.push_back({{"cost", NameOf(change.event)}, {"price", change.price}});
  }
  return json;
}

void AddVerdictJson(const SignVerdict& verdict, Json& json) {
  json["holds"] = verdict.holds();
  json["flips"] = ChangesJson(verdict.flips);
  json["together"] = ChangesJson(verdict.together);
  json["samples_against"] = verdict.samples_against;
}

void AddVerdictNames(std::vector<std::string>& cells) {
  cells.insert(cells.end(), {"holds", "flips", "together", "samples_against"});
}

void AddVerdictCells(const SignVerdict& verdict,
                     std::vector<std::string>& cells) {
  cells.push_back(verdict.holds() ? "1" : "0");
  cells.push_back(ChangesCell(verdict.flips));
  cells.push_back(ChangesCell(verdict.together));
  cells.push_back(absl::StrCat(verdict.samples_against));
}

}  // namespace xmmu
