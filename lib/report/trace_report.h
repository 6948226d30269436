#ifndef XMMU_LIB_REPORT_TRACE_REPORT_H_
#define XMMU_LIB_REPORT_TRACE_REPORT_H_

// What `xmmu trace` prints, as documents.
//
// Charges nothing. Any thread.

#include "workload/inspect/trace_summary.h"
#include "xmmu/report/document.h"
#include "xmmu/workload/trace.h"

namespace xmmu {

// What a trace is and holds. CSV has a line for each figure.
Document TraceInfoDocument(const TraceFacts& facts,
                           const TraceSummary& summary);

}  // namespace xmmu

#endif  // XMMU_LIB_REPORT_TRACE_REPORT_H_
