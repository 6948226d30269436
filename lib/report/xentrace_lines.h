#ifndef XMMU_LIB_REPORT_XENTRACE_LINES_H_
#define XMMU_LIB_REPORT_XENTRACE_LINES_H_

// The lines of a report on a file of xentrace: one for each event, hypercall,
// reason of a VM exit and CPU.
//
// Charges nothing. Any thread.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "report/field_table.h"
#include "workload/xentrace/xentrace_counts.h"

namespace xmmu {

// What `table` of a line says.
inline constexpr std::string_view kEventTable = "event";
inline constexpr std::string_view kHypercallTable = "hypercall";
inline constexpr std::string_view kExitTable = "exit";
inline constexpr std::string_view kCpuTable = "cpu";

// A line of one of the four tables; what a table has not is null.
struct XentraceLine {
  std::string_view table;
  uint64_t number = 0;  // of the event, hypercall, reason or CPU
  std::string name;
  uint64_t records = 0;
  XentraceCounts::ByWords words{};  // of events
  std::optional<uint64_t> calls, continuations, operations;
  std::optional<uint64_t> members, member_continuations, member_operations;
  std::optional<uint64_t> windows, lost, first_tsc, last_tsc, went_back;
};

// The fields of a line.
std::span<const FieldOf<XentraceLine>> XentraceFields();

// All lines of a file, table by table, by number in each.
std::vector<XentraceLine> LinesOfXentrace(const XentraceSummary& summary);

// Members of all multicalls.
uint64_t MembersExecuted(const XentraceCounts& counts);

}  // namespace xmmu

#endif  // XMMU_LIB_REPORT_XENTRACE_LINES_H_
