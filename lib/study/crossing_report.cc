#include <algorithm>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "study/crossing_sensitivity.h"
#include "study/study_charts.h"
#include "study/sweep_report.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

using Mover = CrossingVerdict::Mover;

std::string Name(const Crossover& crossover, size_t way) {
  return UpdateWayName(crossover.ways[way].way);
}

std::string Range(const CrossingVerdict& verdict) {
  if (verdict.least == verdict.most) return ", whatever the prices";
  return absl::StrCat(", with other prices from ", verdict.least, " to ",
                      verdict.most);
}

std::string MoverWords(const Mover& mover) {
  return absl::StrCat("; most by ",
                      std::string(CostEventName(mover.price.event)), ": ",
                      mover.at_low, " at ", Grouped(mover.price.low), ", ",
                      mover.at_high, " at ", Grouped(mover.price.high));
}

// Says what changes `verdict`; nothing if nothing does.
std::string Unless(const CrossingVerdict& verdict, const PriceSweep& sweep) {
  if (verdict.holds()) return "";
  return absl::StrCat("\n    but not with ",
                      verdict.flips.empty() ? "some of several together"
                                            : FlipWords(verdict.flips, sweep),
                      "; in ", Grouped(verdict.samples_against), " of ",
                      Grouped(sweep.samples.size()), " samples");
}

std::string Words(const Crossover& crossover, const CrossingVerdict& verdict,
                  const PriceSweep& sweep) {
  std::string text = absl::StrCat("  ", Name(crossover, verdict.many));
  if (verdict.updates == 0) {
    text = absl::StrCat("  ", Name(crossover, verdict.few), " is cheaper than ",
                        Name(crossover, verdict.many),
                        " or takes the same, for any number of updates");
  } else {
    absl::StrAppend(&text, " is cheaper than ", Name(crossover, verdict.few),
                    " from ", verdict.updates, " updates on", Range(verdict));
    if (verdict.mover.has_value()) text += MoverWords(*verdict.mover);
  }
  return absl::StrCat(text, Unless(verdict, sweep), "\n");
}

// A pair of ways; `verdict` is null in the fields of level 0.
struct PairLine {
  const SweptCrossover& swept;
  const CrossingVerdict* verdict;

  const Crossover& crossover() const { return *swept.crossover; }
  const PriceSweep& sweep() const { return swept.sensitivity.sweep; }
  std::string name(size_t way) const { return Name(crossover(), way); }
};

// The price that moves the crossing furthest, as JSON has it.
Value MoverValue(const CrossingVerdict& verdict) {
  if (!verdict.mover.has_value()) return Absent();
  const Mover& mover = *verdict.mover;
  return Record{{{"cost", "", "event that is priced",
                  Cell(std::string(CostEventName(mover.price.event)))},
                 {"at_low", "updates", "updates with its least price",
                  Cell(mover.at_low)},
                 {"at_high", "updates", "updates with its highest price",
                  Cell(mover.at_high)}}};
}

std::vector<Record> PairRecords(const SweptCrossover& swept);

constexpr FieldOf<PairLine> kPairFields[] = {
    {0, "machine", "", "machine that was simulated",
     [](const PairLine& l) { return l.crossover().machine; }},
    {0, "levels", "levels", "levels of page tables of the guest; 3 is PAE",
     [](const PairLine& l) { return LevelCount(l.crossover().mode); }},
    {0, "sensitivity", "", "what prices were swept",
     [](const PairLine& l) { return SweepRecord(l.sweep()); }, Shown::kJson},
    {0, "pairs", "", "one object for each two ways",
     [](const PairLine& l) { return PairRecords(l.swept); }, Shown::kJson},
    {1, "few", "", "way that is cheaper for the fewest updates",
     [](const PairLine& l) { return l.name(l.verdict->few); }},
    {1, "many", "", "way that is cheaper from `updates` updates on",
     [](const PairLine& l) { return l.name(l.verdict->many); }},
    {1, "updates", "updates", "where the two cross first; 0 if nowhere",
     [](const PairLine& l) { return l.verdict->updates; }},
    {1, "least", "updates",
     "the least of `updates` with any prices that leave the same to cross",
     [](const PairLine& l) { return l.verdict->least; }},
    {1, "most", "updates",
     "the most of `updates` with any prices that leave the same to cross",
     [](const PairLine& l) { return l.verdict->most; }},
    {1, "most_moved_by", "", "price that alone moves the crossing furthest",
     [](const PairLine& l) -> Value {
       if (!l.verdict->mover.has_value()) return Absent();
       return AsValue(CostEventName(l.verdict->mover->price.event));
     },
     Shown::kCsv},
    {1, "most_moved_by", "", "price that alone moves the crossing furthest",
     [](const PairLine& l) { return MoverValue(*l.verdict); }, Shown::kJson},
    {1, "holds", "", "whether the two come to the same whatever the prices",
     [](const PairLine& l) { return l.verdict->holds(); }},
    {1, "flips", "", "prices that alone make the two come to something else",
     [](const PairLine& l) { return ChangesCell(l.verdict->flips); },
     Shown::kCsv},
    {1, "flips", "", "prices that alone make the two come to something else",
     [](const PairLine& l) { return ChangesRecords(l.verdict->flips); },
     Shown::kJson},
    {1, "samples_against", "samples",
     "samples of all prices in which the two come to something else",
     [](const PairLine& l) { return l.verdict->samples_against; }},
    {0, "samples", "samples", "samples of all prices at once",
     [](const PairLine& l) { return l.sweep().samples.size(); }, Shown::kCsv},
};

constexpr std::span<const FieldOf<PairLine>> kPairTable = kPairFields;

std::vector<Record> PairRecords(const SweptCrossover& swept) {
  std::vector<Record> records;
  for (const CrossingVerdict& verdict : swept.sensitivity.verdicts) {
    records.push_back(RecordOf(kPairTable, 1, PairLine{swept, &verdict}));
  }
  return records;
}

}  // namespace

std::string FormatCrossingSensitivityText(
    const Crossover& crossover, const CrossingSensitivity& sensitivity) {
  std::string crossings;
  std::string others;
  size_t unconditional = 0;
  for (const CrossingVerdict& verdict : sensitivity.verdicts) {
    if (verdict.updates != 0) {
      crossings += Words(crossover, verdict, sensitivity.sweep);
    } else if (verdict.holds()) {
      ++unconditional;
    } else {
      others += Words(crossover, verdict, sensitivity.sweep);
    }
  }
  return absl::StrCat(
      SweepHeading(sensitivity.sweep), "\ncrossings\n", crossings,
      "\npairs of ways that do not cross, whatever "
      "the prices looked at: ",
      unconditional, "\npairs that do not cross, but may\n", others);
}

Document CrossingSensitivityDocument(const std::vector<SweptCrossover>& all) {
  Document document;
  std::vector<PairLine> lines;
  std::vector<Record> records;
  for (const SweptCrossover& swept : all) {
    Document crossover = CrossoverDocument({*swept.crossover});
    if (!document.text.empty()) {
      document.text.emplace_back("\n");
      crossover.text.pop_back();  // what marks mean stands there already
    }
    std::move(crossover.text.begin(), crossover.text.end(),
              std::back_inserter(document.text));
    document.text.emplace_back("\n" + FormatCrossingSensitivityText(
                                          *swept.crossover, swept.sensitivity));
    document.legend = std::move(crossover.legend);
    std::move(crossover.charts.begin(), crossover.charts.end(),
              std::back_inserter(document.charts));
    document.charts.push_back(CrossingChart(swept));
    records.push_back(RecordOf(kPairTable, 0, PairLine{swept, nullptr}));
    for (const CrossingVerdict& verdict : swept.sensitivity.verdicts) {
      lines.push_back({swept, &verdict});
    }
  }
  document.table = TableOf<PairLine>(kPairTable, lines);
  document.data = std::move(records);
  return document;
}

}  // namespace xmmu
