#ifndef XMMU_REPORT_REPORT_H_
#define XMMU_REPORT_REPORT_H_

// A comparison as a document: a table to read, JSON or CSV. Formatting is
// deterministic and charges nothing.
//
// Any thread.

#include <string>

#include "xmmu/report/document.h"
#include "xmmu/sim/results.h"

namespace xmmu {

// `comparison` as a document.
//   text  at most about 120 columns
//   data  one object; cycles_by_component has every component and adds up to
//         cycles, as cycles_by_mark does; share_by_mark adds up to 1; counters
//         has every counter; the digest is 16 hex digits
//   table a line a row, cycles of a component as cycles_<name>, the share of a
//         mark as share_<name>
Document ComparisonDocument(const Comparison& comparison);

// Render() of it.
std::string FormatReport(const Comparison& comparison, ReportFormat format);

}  // namespace xmmu

#endif  // XMMU_REPORT_REPORT_H_
