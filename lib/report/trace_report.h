#ifndef XMMU_LIB_REPORT_TRACE_REPORT_H_
#define XMMU_LIB_REPORT_TRACE_REPORT_H_

// What `xmmu trace` prints, as documents.
//
// Charges nothing. Any thread.

#include <cstdint>
#include <span>
#include <string_view>

#include "workload/inspect/op_words.h"
#include "workload/inspect/page_reach.h"
#include "workload/inspect/trace_check.h"
#include "workload/inspect/trace_summary.h"
#include "xmmu/report/document.h"
#include "xmmu/workload/trace.h"

namespace xmmu {

// What a trace is and holds. CSV has a line for each figure.
Document TraceInfoDocument(const TraceFacts& facts,
                           const TraceSummary& summary);

// Operations, a line each.
Document TraceOpsDocument(std::span<const NumberedOp> ops);

// The misses of TLBs with 1, 2, 4, ... entries up to one that holds all pages,
// and with each of `more`. `what` says which accesses were measured.
Document TraceReachDocument(const TraceFacts& facts, std::string_view what,
                            const PageReach& reach,
                            std::span<const uint64_t> more);

// What a check of a trace that is whole has found. CSV has a line for each
// figure.
Document TraceCheckDocument(const TraceFacts& facts, const TraceCheck& check);

}  // namespace xmmu

#endif  // XMMU_LIB_REPORT_TRACE_REPORT_H_
