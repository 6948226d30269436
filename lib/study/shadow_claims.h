#ifndef XMMU_LIB_STUDY_SHADOW_CLAIMS_H_
#define XMMU_LIB_STUDY_SHADOW_CLAIMS_H_

// How far the answers of a ShadowStudy stand when prices lie elsewhere in their
// bands: which of a pair takes fewer cycles for an event or a workload, and
// whether the newer one is 4 times as fast.
//
// Plain values; any thread.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "study/price_sweep.h"
#include "study/shadow_study.h"

namespace xmmu {

enum class ShadowClaim : uint8_t {
  kFaster,           // the newer one takes fewer cycles
  kFourTimesAsFast,  // it takes at most a quarter of them
  // As kFourTimesAsFast, counting only the cycles beyond bare hardware's.
  kFourTimesBeyondNative,
};

// Returns "faster", "4-times" or "4-times-beyond-native".
std::string_view ShadowClaimName(ShadowClaim claim);

struct ShadowVerdict {
  ShadowPair pair;
  std::string subject;  // an event or a workload
  ShadowClaim claim = ShadowClaim::kFaster;
  bool is_true = false;  // at the machine's own prices
  SignVerdict verdict;   // whether it is at other prices
};

struct ShadowSensitivity {
  PriceSweep sweep;
  std::vector<ShadowVerdict> verdicts;
};

// Judges all claims of `study` at other prices, a job a claim.
// Errors: InvalidArgument for a study of several vCPUs, and Cancelled, as
// SweepComparison().
absl::StatusOr<ShadowSensitivity> SweepShadowStudy(const ShadowStudy& study,
                                                   const SweepOptions& options,
                                                   const Jobs& jobs = {});

// The answers that other prices turn, in words; those that hold are counted.
std::string FormatShadowSensitivityText(const ShadowStudy& study,
                                        const ShadowSensitivity& sensitivity);

struct SweptShadowStudy {
  const ShadowStudy* study = nullptr;
  ShadowSensitivity sensitivity;
};

// The document of studies with what their answers rest on: the text of
// ShadowStudyDocument() and the answers in words; a line, or an object, a
// claim.
Document ShadowSensitivityDocument(const std::vector<SweptShadowStudy>& all);

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_SHADOW_CLAIMS_H_
