#ifndef XMMU_REPORT_REPORT_H_
#define XMMU_REPORT_REPORT_H_

// A comparison as a document: a table to read, JSON or CSV. Formatting is
// deterministic and charges nothing.
//
// Any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "xmmu/report/document.h"
#include "xmmu/sim/results.h"
#include "xmmu/workload/trace.h"

namespace xmmu {

// What it takes to run a comparison again, as far as the comparison itself does
// not say it. What is empty is left out of reports.
struct RunIdentity {
  // The command line, the name of the program first: {"xmmu", "compare", ...}.
  std::vector<std::string> command_line;
  // MachineToml() of the machine, which --machine-file takes.
  std::string machine_file;
  // TraceDigest() of the trace.
  std::string trace_sha1;
  // What the trace says of itself, once it has been read.
  std::optional<TraceFacts> trace = std::nullopt;
};

// The number of the form of the JSON object of a comparison, its key "schema".
// It grows when a key changes its name, its place or its meaning, or goes; keys
// that are added leave it as it is.
inline constexpr uint64_t kComparisonSchema = 1;

// `comparison` as a document.
//   text   at most about 120 columns
//   data   one object; cycles_by_component has every component and adds up to
//          cycles, as cycles_by_mark does; share_by_mark adds up to 1; counters
//          has every counter; the digest is 16 hex digits
//   table  a line a row, cycles of a component as cycles_<name>, the share of a
//          mark as share_<name>; with RegionOptions::interval a line an
//          interval of a row, with its cycles and counters; with
//          SimulatorOptions::per the same a vCPU or task
Document ComparisonDocument(const Comparison& comparison,
                            const RunIdentity& identity = {});

// Render() of it.
std::string FormatReport(const Comparison& comparison, ReportFormat format,
                         const RunIdentity& identity = {});

}  // namespace xmmu

#endif  // XMMU_REPORT_REPORT_H_
