// xmmu trace: what is in a trace.

#include "xmmu/workload/trace.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/run_options.h"
#include "cli/trace_input.h"
#include "report/trace_report.h"
#include "workload/inspect/trace_summary.h"

namespace xmmu::cli {
namespace {

absl::Status RunInfo(const Arguments& arguments, const Catalog&) {
  auto output = ReportOutput::Open(arguments);
  if (!output.ok()) return output.status();
  const auto opened = OpenInputTrace(arguments);
  if (!opened.ok()) return opened.status();
  Trace& trace = *opened->trace;
  TraceSummary summary(trace.first_task());
  const absl::Status status = Summarize(trace, summary);
  if (!status.ok()) return opened->input.Named(status);
  return output->Write(TraceInfoDocument(trace.facts(), summary));
}

absl::Status RunCheck(const Arguments& arguments, const Catalog&) {
  auto output = ReportOutput::Open(arguments);
  if (!output.ok()) return output.status();
  const auto opened = OpenInputTrace(arguments);
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
  return {"trace info",
          "what the trace is, its tasks and its operations by kind",
          "FILE...",
          "FILE",
          "Reads all of a trace and says what it is: format, command, tasks, "
          "operations by kind, and what it lacks.",
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
