#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "report/json.h"
#include "report/text_table.h"
#include "study/crossing_sensitivity.h"
#include "study/sweep_report.h"

namespace xmmu {
namespace {

using Json = nlohmann::ordered_json;
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

// With what it is something else.
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

Json JsonOf(const Crossover& crossover, const CrossingVerdict& verdict) {
  Json json;
  json["few"] = Name(crossover, verdict.few);
  json["many"] = Name(crossover, verdict.many);
  json["updates"] = verdict.updates;
  json["least"] = verdict.least;
  json["most"] = verdict.most;
  if (verdict.mover.has_value()) {
    const Mover& mover = *verdict.mover;
    json["most_moved_by"] = {
        {"cost", std::string(CostEventName(mover.price.event))},
        {"at_low", mover.at_low},
        {"at_high", mover.at_high}};
  }
  json["holds"] = verdict.holds();
  json["flips"] = ChangesJson(verdict.flips);
  json["samples_against"] = verdict.samples_against;
  return json;
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

std::string FormatCrossingSensitivityCsv(
    const std::vector<SweptCrossover>& all) {
  std::string text = CsvLine({"machine", "levels", "few", "many", "updates",
                              "least", "most", "most_moved_by", "holds",
                              "flips", "samples_against", "samples"});
  for (const SweptCrossover& swept : all) {
    const Crossover& crossover = *swept.crossover;
    for (const CrossingVerdict& verdict : swept.sensitivity.verdicts) {
      text +=
          CsvLine({crossover.machine, absl::StrCat(LevelCount(crossover.mode)),
                   Name(crossover, verdict.few), Name(crossover, verdict.many),
                   absl::StrCat(verdict.updates), absl::StrCat(verdict.least),
                   absl::StrCat(verdict.most),
                   verdict.mover.has_value()
                       ? std::string(CostEventName(verdict.mover->price.event))
                       : "",
                   verdict.holds() ? "1" : "0", ChangesCell(verdict.flips),
                   absl::StrCat(verdict.samples_against),
                   absl::StrCat(swept.sensitivity.sweep.samples.size())});
    }
  }
  return text;
}

std::string FormatCrossingSensitivityJson(
    const std::vector<SweptCrossover>& all) {
  Json json = Json::array();
  for (const SweptCrossover& swept : all) {
    const Crossover& crossover = *swept.crossover;
    Json one;
    one["machine"] = crossover.machine;
    one["levels"] = LevelCount(crossover.mode);
    one["sensitivity"] = SweepJson(swept.sensitivity.sweep);
    one["pairs"] = Json::array();
    for (const CrossingVerdict& verdict : swept.sensitivity.verdicts) {
      one["pairs"].push_back(JsonOf(crossover, verdict));
    }
    json.push_back(std::move(one));
  }
  return JsonText(json, 1);
}

}  // namespace xmmu
