#include "study/shadow_claims.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/job_list.h"
#include "base/printable.h"
#include "base/text.h"
#include "study/study_charts.h"
#include "study/sweep_report.h"

namespace xmmu {
namespace {

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

// A form of the prices that is negative where the claim is true; 0 means that
// it is true, too, but for kFaster.
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

// What is to be judged.
struct JudgedClaim {
  const ShadowPair* pair = nullptr;
  Subject subject;
  ShadowClaim claim = ShadowClaim::kFaster;
};

std::vector<JudgedClaim> ClaimsOf(const ShadowStudy& study) {
  std::vector<JudgedClaim> claims;
  for (const ShadowPair& pair : ShadowPairs()) {
    for (const Subject& subject : SubjectsOf(study, pair)) {
      for (const ShadowClaim claim : kClaims) {
        claims.push_back({&pair, subject, claim});
      }
    }
  }
  return claims;
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

// An answer; `verdict` is null in the fields of level 0.
struct ClaimLine {
  const SweptShadowStudy& swept;
  const ShadowVerdict* verdict;

  const ShadowStudy& study() const { return *swept.study; }
  const PriceSweep& sweep() const { return swept.sensitivity.sweep; }
};

std::vector<Record> ClaimRecords(const SweptShadowStudy& swept);

std::vector<FieldOf<ClaimLine>> ClaimFields() {
  std::vector<FieldOf<ClaimLine>> fields = {
      {0, "machine", "", "machine that was simulated",
       [](const ClaimLine& l) { return l.study().machine; }},
      {0, "levels", "levels", "levels of page tables of the guest; 3 is PAE",
       [](const ClaimLine& l) { return LevelCount(l.study().mode); }},
      {0, "sensitivity", "", "what prices were swept",
       [](const ClaimLine& l) { return SweepRecord(l.sweep()); }, Shown::kJson},
      {0, "claims", "", "one object for each pair, subject and claim",
       [](const ClaimLine& l) { return ClaimRecords(l.swept); }, Shown::kJson},
      {1, "older", "", "strategy that is held against a later one",
       [](const ClaimLine& l) { return l.verdict->pair.older; }},
      {1, "newer", "", "strategy that was to be the better one",
       [](const ClaimLine& l) { return l.verdict->pair.newer; }},
      {1, "subject", "", "event or workload that the claim is about",
       [](const ClaimLine& l) { return l.verdict->subject; }},
      {1, "claim", "",
       "what is said of the newer one: it takes fewer cycles (faster), at most "
       "a quarter of them (4-times), or of those beyond bare hardware's "
       "(4-times-beyond-native)",
       [](const ClaimLine& l) { return ShadowClaimName(l.verdict->claim); }},
      {1, "true", "", "whether that is so at the machine's own prices",
       [](const ClaimLine& l) { return l.verdict->is_true; }},
  };
  for (const auto& field :
       VerdictFields<ClaimLine>([](const ClaimLine& l) -> const SignVerdict& {
         return l.verdict->verdict;
       })) {
    fields.push_back(field);
  }
  fields.push_back({0, "samples", "samples", "samples of all prices at once",
                    [](const ClaimLine& l) { return l.sweep().samples.size(); },
                    Shown::kCsv});
  return fields;
}

std::vector<Record> ClaimRecords(const SweptShadowStudy& swept) {
  const std::vector<FieldOf<ClaimLine>> fields = ClaimFields();
  std::vector<Record> records;
  for (const ShadowVerdict& verdict : swept.sensitivity.verdicts) {
    records.push_back(
        RecordOf<ClaimLine>(fields, 1, ClaimLine{swept, &verdict}));
  }
  return records;
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

absl::StatusOr<ShadowSensitivity> SweepShadowStudy(const ShadowStudy& study,
                                                   const SweepOptions& options,
                                                   const Jobs& jobs) {
  if (study.vcpus != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("sensitivity is of one vCPU, not of ", study.vcpus,
                     ": with several, what happens depends on the prices"));
  }
  if (absl::Status status = CheckSweep(study.costs, options); !status.ok())
    return status;
  ShadowSensitivity sensitivity;
  sensitivity.sweep = MakePriceSweep(study.costs, options);
  const std::vector<JudgedClaim> claims = ClaimsOf(study);
  sensitivity.verdicts.resize(claims.size());
  absl::Status judged =
      ParallelFor(jobs, claims.size(), [&](size_t i, const std::stop_token&) {
        const JudgedClaim& claim = claims[i];
        sensitivity.verdicts[i] =
            Judge(*claim.pair, claim.subject, claim.claim, sensitivity.sweep);
        return absl::OkStatus();
      });
  if (!judged.ok()) return judged;
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

Document ShadowSensitivityDocument(const std::vector<SweptShadowStudy>& all) {
  const std::vector<FieldOf<ClaimLine>> fields = ClaimFields();
  std::vector<ShadowStudy> studies;
  std::vector<ClaimLine> lines;
  std::vector<Record> records;
  for (const SweptShadowStudy& swept : all) {
    studies.push_back(*swept.study);
    records.push_back(
        RecordOf<ClaimLine>(fields, 0, ClaimLine{swept, nullptr}));
    for (const ShadowVerdict& verdict : swept.sensitivity.verdicts) {
      lines.push_back({swept, &verdict});
    }
  }
  Document document = ShadowStudyDocument(studies);
  for (const SweptShadowStudy& swept : all) {
    document.text.emplace_back(
        "\n" + FormatShadowSensitivityText(*swept.study, swept.sensitivity));
    document.charts.push_back(ShadowClaimChart(swept));
  }
  document.table = TableOf<ClaimLine>(fields, lines);
  document.data = std::move(records);
  return document;
}

}  // namespace xmmu
