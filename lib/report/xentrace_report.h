#ifndef XMMU_LIB_REPORT_XENTRACE_REPORT_H_
#define XMMU_LIB_REPORT_XENTRACE_REPORT_H_

// What is in a file of xentrace: records by event, hypercalls by number, VM
// exits by reason, and of each CPU its windows and times.
//
// Charges nothing. Any thread.

#include "workload/xentrace/xentrace_counts.h"
#include "xmmu/report/document.h"

namespace xmmu {

//   text   a table for each of the four, and what the file does not tell
//   data   the same, a list of objects for each
//   table  a line for each event, hypercall, exit reason and CPU, of which the
//          column `table` says which it is
Document XentraceDocument(const XentraceSummary& summary);

}  // namespace xmmu

#endif  // XMMU_LIB_REPORT_XENTRACE_REPORT_H_
