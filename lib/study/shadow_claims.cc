#include "study/shadow_claims.h"

#include <algorithm>
#include <array>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "report/json.h"
#include "study/sweep_report.h"
#include "xmmu/base/printable.h"

namespace xmmu {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array kClaims = {ShadowClaim::kFaster,
                                ShadowClaim::kFourTimesAsFast,
                                ShadowClaim::kFourTimesBeyondNative};

// What an event or a workload took with bare hardware and both of a pair.
struct Subject {
  std::string name;
  const CostTally& native;
  const CostTally& older;
  const CostTally& newer;
};

std::vector<Subject> SubjectsOf(const ShadowStudy& study,
                                const ShadowPair& pair) {
  const auto index_of = [&](std::string_view name) {
    return static_cast<size_t>(
        std::find(study.policies.begin(), study.policies.end(), name) -
        study.policies.begin());
  };
  const size_t older = index_of(pair.older);
  const size_t newer = index_of(pair.newer);
  std::vector<Subject> subjects;
  for (const GuestEventEntry& entry : GuestEvents()) {
    const auto of = [&](size_t policy) -> const CostTally& {
      return study.events[policy][static_cast<size_t>(entry.event)].cost.tally;
    };
    subjects.push_back({std::string(entry.name), of(0), of(older), of(newer)});
  }
  for (const Comparison& workload : study.workloads) {
    const auto of = [&](size_t row) -> const CostTally& {
      return workload.rows[row].cost.tally;
    };
    subjects.push_back({workload.workload, of(0), of(older), of(newer)});
  }
  return subjects;
}

// Less than 0 where the claim is true, or, but for kFaster, 0.
PriceForm FormOf(const Subject& subject, ShadowClaim claim) {
  if (claim == ShadowClaim::kFaster) {
    return Difference(subject.newer, subject.older);
  }
  PriceForm form = Difference(subject.newer, subject.older, 4);
  if (claim == ShadowClaim::kFourTimesAsFast) return form;
  for (size_t i = 0; i < kCostEventCount; ++i) {
    form[i] -= 3 * static_cast<int64_t>(subject.native[i]);
  }
  return form;
}

ShadowVerdict Judge(const ShadowPair& pair, const Subject& subject,
                    ShadowClaim claim, const PriceSweep& sweep) {
  ShadowVerdict verdict;
  verdict.pair = pair;
  verdict.subject = subject.name;
  verdict.claim = claim;
  verdict.verdict = JudgeSign(FormOf(subject, claim), sweep);
  verdict.is_true = verdict.verdict.sign < 0 || (verdict.verdict.sign == 0 &&
                                                 claim != ShadowClaim::kFaster);
  return verdict;
}

std::string ClaimWords(const ShadowVerdict& verdict) {
  const std::string is = verdict.is_true ? " is " : " is not ";
  std::string text =
      absl::StrCat("  ", verdict.subject, ": ", Abs(verdict.pair.newer), is);
  switch (verdict.claim) {
    case ShadowClaim::kFaster:
      return absl::StrCat(text, "faster than ", Abs(verdict.pair.older));
    case ShadowClaim::kFourTimesAsFast:
      return absl::StrCat(text, "4 times as fast as ", Abs(verdict.pair.older));
    case ShadowClaim::kFourTimesBeyondNative:
      return absl::StrCat(text, "4 times as fast as ", Abs(verdict.pair.older),
                          " beyond bare hardware");
  }
  return text;
}

Json JsonOf(const ShadowVerdict& verdict) {
  Json json;
  json["older"] = std::string(verdict.pair.older);
  json["newer"] = std::string(verdict.pair.newer);
  json["subject"] = verdict.subject;
  json["claim"] = std::string(ShadowClaimName(verdict.claim));
  json["true"] = verdict.is_true;
  AddVerdictJson(verdict.verdict, json);
  return json;
}

}  // namespace

std::string_view ShadowClaimName(ShadowClaim claim) {
  switch (claim) {
    case ShadowClaim::kFaster:
      return "faster";
    case ShadowClaim::kFourTimesAsFast:
      return "4-times";
    case ShadowClaim::kFourTimesBeyondNative:
      return "4-times-beyond-native";
  }
  return "";
}

absl::StatusOr<ShadowSensitivity> SweepShadowStudy(
    const ShadowStudy& study, const SweepOptions& options) {
  if (study.vcpus != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("sensitivity is of one vCPU, not of ", study.vcpus,
                     ": with several, what happens depends on the prices"));
  }
  if (absl::Status status = CheckSweep(study.costs, options); !status.ok())
    return status;
  ShadowSensitivity sensitivity;
  sensitivity.sweep = MakePriceSweep(study.costs, options);
  for (const ShadowPair& pair : ShadowPairs()) {
    for (const Subject& subject : SubjectsOf(study, pair)) {
      for (const ShadowClaim claim : kClaims) {
        sensitivity.verdicts.push_back(
            Judge(pair, subject, claim, sensitivity.sweep));
      }
    }
  }
  return sensitivity;
}

std::string FormatShadowSensitivityText(const ShadowStudy& study,
                                        const ShadowSensitivity& sensitivity) {
  std::string text =
      absl::StrCat(study.machine, ", ", Abs(PagingModeName(study.mode)), "\n",
                   SweepHeading(sensitivity.sweep));
  for (const ShadowClaim claim : kClaims) {
    size_t holding = 0;
    size_t count = 0;
    std::string lines;
    for (const ShadowVerdict& verdict : sensitivity.verdicts) {
      if (verdict.claim != claim) continue;
      ++count;
      if (verdict.verdict.holds()) {
        ++holding;
        continue;
      }
      absl::StrAppend(&lines, ClaimWords(verdict), "\n    but not with ",
                      VerdictWords(verdict.verdict, sensitivity.sweep), "\n");
    }
    absl::StrAppend(&text, "\nanswers to '", Abs(ShadowClaimName(claim)),
                    "' that hold whatever the prices within their bands: ",
                    holding, " of ", count, "\n", lines);
  }
  return PrintableLines(text);
}

std::string FormatShadowSensitivityCsv(
    const std::vector<SweptShadowStudy>& all) {
  std::vector<std::string> head = {"machine", "levels", "older", "newer",
                                   "subject", "claim",  "true"};
  AddVerdictNames(head);
  head.emplace_back("samples");
  std::string text = CsvLine(head);
  for (const SweptShadowStudy& swept : all) {
    for (const ShadowVerdict& verdict : swept.sensitivity.verdicts) {
      std::vector<std::string> cells = {
          swept.study->machine,
          absl::StrCat(LevelCount(swept.study->mode)),
          std::string(verdict.pair.older),
          std::string(verdict.pair.newer),
          verdict.subject,
          std::string(ShadowClaimName(verdict.claim)),
          verdict.is_true ? "1" : "0"};
      AddVerdictCells(verdict.verdict, cells);
      cells.push_back(absl::StrCat(swept.sensitivity.sweep.samples.size()));
      text += CsvLine(cells);
    }
  }
  return text;
}

std::string FormatShadowSensitivityJson(
    const std::vector<SweptShadowStudy>& all) {
  Json json = Json::array();
  for (const SweptShadowStudy& swept : all) {
    Json one;
    one["machine"] = swept.study->machine;
    one["levels"] = LevelCount(swept.study->mode);
    one["sensitivity"] = SweepJson(swept.sensitivity.sweep);
    one["claims"] = Json::array();
    for (const ShadowVerdict& verdict : swept.sensitivity.verdicts) {
      one["claims"].push_back(JsonOf(verdict));
    }
    json.push_back(std::move(one));
  }
  return JsonText(json, 1);
}

}  // namespace xmmu
