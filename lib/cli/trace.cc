// xmmu trace: what is in a trace.

#include "xmmu/workload/trace.h"

#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/run_options.h"
#include "cli/trace_input.h"
#include "report/trace_report.h"
#include "report/xentrace_report.h"
#include "workload/inspect/trace_summary.h"
#include "workload/xentrace/xentrace_counts.h"
#include "workload/xentrace/xentrace_reader.h"

namespace xmmu::cli {
namespace {

// A file of xentrace is no trace, so that its counts are all there is to say.
absl::Status CountXentrace(const TraceInput& input, ReportOutput& output) {
  const auto summary = SummarizeXentrace(input.paths().front(), {});
  if (!summary.ok()) return input.Named(summary.status());
  return output.Write(XentraceDocument(*summary));
}

absl::StatusOr<bool> IsOneXentrace(const TraceInput& input) {
  if (input.paths().size() != 1) return false;
  const std::string& path = input.paths().front();
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return false;
  return IsXentraceFile(path);
}

absl::Status RunInfo(const Arguments& arguments, const Catalog&,
                     Console& console) {
  auto output = ReportOutput::Open(arguments, console);
  if (!output.ok()) return output.status();
  auto input = ReadInput(arguments);
  if (!input.ok()) return input.status();
  // What cannot be read is for OpenTrace() to name.
  const auto of_xen = IsOneXentrace(*input);
  if (of_xen.ok() && *of_xen) return CountXentrace(*input, *output);
  const auto opened = OpenInputTrace(*std::move(input), console);
  if (!opened.ok()) return opened.status();
  Trace& trace = *opened->trace;
  TraceSummary summary(trace.first_task());
  const absl::Status status = Summarize(trace, summary);
  if (!status.ok()) return opened->input.Named(status);
  return output->Write(TraceInfoDocument(trace.facts(), summary));
}

absl::Status RunCheck(const Arguments& arguments, const Catalog&,
                      Console& console) {
  auto output = ReportOutput::Open(arguments, console);
  if (!output.ok()) return output.status();
  const auto opened = OpenInputTrace(arguments, console);
  if (!opened.ok()) return opened.status();
  Trace& trace = *opened->trace;
  TraceCheck check(trace.first_task());
  const absl::Status status = CheckTrace(trace, check);
  if (!status.ok()) return opened->input.Named(status);
  return output->Write(TraceCheckDocument(trace.facts(), check));
}

}  // namespace

Command TraceCommand() {
  return {"trace",
          "what is in a trace; traces packed, cut and checked",
          "COMMAND [OPTION]... FILE...",
          "",
          "Looks at recorded programs: the files of one recording, in any "
          "format that xmmu list formats names, or - for one file on standard "
          "input.",
          [] {
            return std::vector<Option>{{.name = "help",
                                        .group = "Options",
                                        .help = "show this help and end"}};
          },
          nullptr};
}

Command TraceInfoCommand() {
  return {
      "trace info",
      "what the trace is, its tasks and its operations by kind",
      "FILE...",
      "FILE",
      "Reads all of a trace and says what it is: format, command, tasks, "
      "operations by kind, and what it lacks. A file of xentrace, which has "
      "no program's accesses, is counted: records by event, hypercalls, VM "
      "exits, CPUs.",
      [] { return OptionsOfReport(); },
      &RunInfo};
}

Command TraceCheckCommand() {
  return {"trace check",
          "whether a trace is whole, and what a replay infers or skips",
          "FILE...",
          "FILE",
          "Reads all of a trace. What is damaged or cut off is one line and "
          "exit status 2. Else it says what the reader of the format has "
          "inferred and left out, and which operations do not fit what is "
          "mapped where they stand.",
          [] { return OptionsOfReport(); },
          &RunCheck};
}

}  // namespace xmmu::cli
