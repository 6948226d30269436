#include "study/sweep_report.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text.h"
#include "xmmu/base/check.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

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

Record SweepRecord(const PriceSweep& sweep) {
  std::vector<Record> swept;
  for (const SweptPrice& price : sweep.swept) {
    swept.push_back(
        {{{"cost", "", "event that is priced", Cell(NameOf(price.event))},
          {"value", "cycles", "its price", Cell(uint64_t{price.value})},
          {"low", "cycles", "its least price", Cell(uint64_t{price.low})},
          {"high", "cycles", "its highest price",
           Cell(uint64_t{price.high})}}});
  }
  return {
      {{"prices", "", "prices swept: estimates, or all that have a band",
        Cell(std::string(SweptKind(sweep)))},
       {"samples", "samples", "samples of all prices at once",
        Cell(uint64_t{sweep.samples.size()})},
       {"seed", "", "what the samples were drawn by", Cell(sweep.options.seed)},
       {"swept", "", "each price with its band", std::move(swept)}}};
}

std::vector<Record> ChangesRecords(const std::vector<PriceChange>& changes) {
  std::vector<Record> records;
  for (const PriceChange& change : changes) {
    records.push_back(
        {{{"cost", "", "event that is priced", Cell(NameOf(change.event))},
          {"price", "cycles", "the price", Cell(uint64_t{change.price})}}});
  }
  return records;
}

}  // namespace xmmu
