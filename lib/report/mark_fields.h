#ifndef XMMU_LIB_REPORT_MARK_FIELDS_H_
#define XMMU_LIB_REPORT_MARK_FIELDS_H_

// Shares by mark, and overlap, as several reports show them.

#include <string>
#include <vector>

#include "xmmu/sim/by_mark.h"

namespace xmmu {

// Columns of CSV: "share_read" and so on, and their cells, with six decimals.
void AddMarkNames(std::vector<std::string>& cells);
void AddMarkShares(const MarkCycles& cycles, std::vector<std::string>& cells);

// Percent with one decimal, by mark; they add up to 100.
std::vector<std::string> MarkPercents(const MarkCycles& cycles);
// Of the remembered and the estimated ones together, as these add up.
std::string EstimatedPercent(const MarkCycles& cycles);

}  // namespace xmmu

#endif  // XMMU_LIB_REPORT_MARK_FIELDS_H_
