#ifndef XMMU_LIB_STUDY_SWEEP_REPORT_H_
#define XMMU_LIB_STUDY_SWEEP_REPORT_H_

// Sweeps and what came of them, as several reports show them.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "study/price_sweep.h"

namespace xmmu {

// What was swept, in two lines.
std::string SweepHeading(const PriceSweep& sweep);
// "emulate from 1,234 up (1,000; 500 to 2,000), bounce from ...".
std::string FlipWords(const std::vector<PriceChange>& flips,
                      const PriceSweep& sweep);
// "emulate at 2,000 and bounce at 300".
std::string TogetherWords(const std::vector<PriceChange>& changes);
// What `verdict` rests on: FlipWords() or TogetherWords(), and the samples.
std::string VerdictWords(const SignVerdict& verdict, const PriceSweep& sweep);
// "emulate=1234;bounce=300", a cell of CSV.
std::string ChangesCell(const std::vector<PriceChange>& changes);

// The sweep: what of, samples, seed, and each price with its band.
nlohmann::ordered_json SweepJson(const PriceSweep& sweep);
nlohmann::ordered_json ChangesJson(const std::vector<PriceChange>& changes);
// Adds holds, flips, together and samples_against.
void AddVerdictJson(const SignVerdict& verdict, nlohmann::ordered_json& json);
// The same as columns and cells of CSV.
void AddVerdictNames(std::vector<std::string>& cells);
void AddVerdictCells(const SignVerdict& verdict,
                     std::vector<std::string>& cells);

}  // namespace xmmu

#endif  // XMMU_LIB_STUDY_SWEEP_REPORT_H_
