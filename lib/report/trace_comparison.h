#ifndef XMMU_LIB_REPORT_TRACE_COMPARISON_H_
#define XMMU_LIB_REPORT_TRACE_COMPARISON_H_

// What a Linux on Xen issued as it ran programs, beside what the simulated guest
// issued for the same programs.
//
// Charges nothing. Any thread.

#include <optional>
#include <string>

#include "workload/linux_text/text_summary.h"
#include "workload/xentrace/xentrace_counts.h"
#include "xmmu/report/document.h"
#include "xmmu/sim/results.h"
#include "xmmu/workload/trace.h"

namespace xmmu {

struct TraceComparison {
  TraceFacts facts;       // of the text
  LinuxTextSummary text;  // and what it holds
  // Of Xen's own records, those of the time of `text`.
  std::optional<XentraceSummary> xen;
  Comparison simulated;  // has one row
};

// A line for each figure, with what of it is known from each side, in text, CSV
// and JSON.
Document TraceComparisonDocument(const TraceComparison& comparison);

}  // namespace xmmu

#endif  // XMMU_LIB_REPORT_TRACE_COMPARISON_H_
