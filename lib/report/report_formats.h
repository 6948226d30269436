#ifndef XMMU_LIB_REPORT_REPORT_FORMATS_H_
#define XMMU_LIB_REPORT_REPORT_FORMATS_H_

// The formats behind FormatReport().

#include <string>

#include "xmmu/report/report.h"
#include "xmmu/sim/results.h"

namespace xmmu {

std::string FormatTable(const Comparison& comparison);
std::string FormatJson(const Comparison& comparison);
std::string FormatCsv(const Comparison& comparison);

// 16 hex digits.
std::string DigestText(uint64_t digest);

}  // namespace xmmu

#endif  // XMMU_LIB_REPORT_REPORT_FORMATS_H_
