#ifndef XMMU_REPORT_REPORT_H_
#define XMMU_REPORT_REPORT_H_

// A comparison as a table to read, JSON or CSV. Formatting is deterministic and
// charges nothing.
//
// Any thread.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "xmmu/sim/results.h"

namespace xmmu {

enum class ReportFormat : uint8_t { kTable, kJson, kCsv };

// "table", "json", "csv".
std::string_view ReportFormatName(ReportFormat format);
std::optional<ReportFormat> ParseReportFormat(std::string_view name);
std::span<const ReportFormat> AllReportFormats();

// The whole report, ending in a newline.
//   kTable  for people; at most about 120 columns
//   kJson   one object; cycles_by_component has every component and adds up to
//           cycles, as cycles_by_mark does; share_by_mark adds up to 1;
//           counters has every counter; the digest is 16 hex digits
//   kCsv    a header and a line a row (RFC 4180), cycles of a component as
//           cycles_<name>, the share of a mark as share_<name>
std::string FormatReport(const Comparison& comparison, ReportFormat format);

}  // namespace xmmu

#endif  // XMMU_REPORT_REPORT_H_
