#ifndef XMMU_LIB_STUDY_SWEEP_REPORT_H_
#define XMMU_LIB_STUDY_SWEEP_REPORT_H_

// Sweeps and what came of them, as several reports show them.

#include <string>
#include <string_view>
#include <vector>

#include "report/field_table.h"
#include "study/price_sweep.h"
#include "xmmu/report/records.h"

namespace xmmu {

// Says what was swept, in two lines.
std::string SweepHeading(const PriceSweep& sweep);
// Lists prices that turn something: "emulate from 1,234 up (1,000; 500 to
// 2,000), bounce from ...", in brackets the machine's own and its band.
std::string FlipWords(const std::vector<PriceChange>& flips,
                      const PriceSweep& sweep);
// Lists prices that turn something together: "emulate at 2,000 and bounce at
// 300".
std::string TogetherWords(const std::vector<PriceChange>& changes);
// Says what turns `verdict`: FlipWords() or TogetherWords(), and the samples.
std::string VerdictWords(const SignVerdict& verdict, const PriceSweep& sweep);
// Lists the same in a cell of CSV: "emulate=1234;bounce=300".
std::string ChangesCell(const std::vector<PriceChange>& changes);

// The sweep as JSON has it: kind of prices, samples, seed, each price with its
// band.
Record SweepRecord(const PriceSweep& sweep);
std::vector<Record> ChangesRecords(const std::vector<PriceChange>& changes);

// The fields of level 1 that say how far the sign of something stands: holds,
// flips, together and samples_against. `verdict_of` takes the verdict from a
// const T&.
template <typename T, typename VerdictOf>
std::vector<FieldOf<T>> VerdictFields(VerdictOf) {
  return {
      {1, "holds", "", "whether it stands whatever the prices in their bands",
       [](const T& t) { return VerdictOf()(t).holds(); }},
      {1, "flips", "",
       "prices that alone turn it: the first that does, from the machine's own "
       "on",
       [](const T& t) { return ChangesCell(VerdictOf()(t).flips); },
       Shown::kCsv},
      {1, "flips", "",
       "prices that alone turn it: the first that does, from the machine's own "
       "on",
       [](const T& t) { return ChangesRecords(VerdictOf()(t).flips); },
       Shown::kJson},
      {1, "together", "",
       "where none does alone: the fewest that together do, each at the end of "
       "its band",
       [](const T& t) { return ChangesCell(VerdictOf()(t).together); },
       Shown::kCsv},
      {1, "together", "",
       "where none does alone: the fewest that together do, each at the end of "
       "its band",
       [](const T& t) { return ChangesRecords(VerdictOf()(t).together); },
       Shown::kJson},
      {1, "samples_against", "samples", "samples of all prices that turn it",
       [](const T& t) { return VerdictOf()(t).samples_against; }},
  };
}

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_SWEEP_REPORT_H_
