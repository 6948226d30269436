#ifndef XMMU_LIB_STUDY_CROSSING_SENSITIVITY_H_
#define XMMU_LIB_STUDY_CROSSING_SENSITIVITY_H_

// How far the crossing points of a Crossover stand when prices lie elsewhere in
// their bands: between which numbers of updates each lies, and whether there is
// one at all. Looked at are the ends of each band, one price at a time, and
// samples of all prices at once.
//
// Called by one thread; works on as many at a time as Jobs::threads says.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "study/crossover.h"
#include "study/price_sweep.h"
#include "xmmu/base/jobs.h"
#include "xmmu/report/document.h"

namespace xmmu {

// How two ways, by their index, stand to each other: `few` is the cheaper one
// for the fewest updates for which they differ, `many` from `updates` updates
// on, or never if `updates` is 0. Where they cross several times, `updates` is
// the first crossing.
struct CrossingVerdict {
  size_t few = 0;
  size_t many = 0;
  uint64_t updates = 0;

  // The least and the most of `updates` among all prices looked at with which
  // `few` and `many` are the same ways; 0 where they never cross.
  uint64_t least = 0;
  uint64_t most = 0;
  // The price that alone moves the crossing furthest, and where the crossing is
  // with it at either end of its band.
  struct Mover {
    SweptPrice price;
    uint64_t at_low = 0;
    uint64_t at_high = 0;
  };
  std::optional<Mover> mover;

  // Prices that alone, at an end of their band, change the verdict: there is a
  // crossing more or less, or `few` and `many` change places. The price given
  // is one that changes it, while one closer to the machine's own does not.
  std::vector<PriceChange> flips;
  uint32_t samples_against = 0;  // samples that change the verdict

  bool holds() const { return flips.empty() && samples_against == 0; }
};

struct CrossingSensitivity {
  PriceSweep sweep;
  // A verdict for each pair of ways that is compared and whose cycles differ.
  std::vector<CrossingVerdict> verdicts;
};

// Judges all pairs of `crossover` at other prices, a job for each list of prices
// that is looked at and each pair.
// Errors: Cancelled if a stop was requested. REQUIRES: CheckSweep() of its prices
// is OK.
absl::StatusOr<CrossingSensitivity> SweepCrossings(const Crossover& crossover,
                                                   const SweepOptions& options,
                                                   const Jobs& jobs = {});

// The crossings of a Crossover in words, each with the prices that move it.
std::string FormatCrossingSensitivityText(
    const Crossover& crossover, const CrossingSensitivity& sensitivity);

struct SweptCrossover {
  const Crossover* crossover = nullptr;
  CrossingSensitivity sensitivity;
};

// The document of crossovers with what their crossings rest on: the text of
// CrossoverDocument() and the crossings in words; a line, or an object, a pair.
Document CrossingSensitivityDocument(const std::vector<SweptCrossover>& all);

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_CROSSING_SENSITIVITY_H_
