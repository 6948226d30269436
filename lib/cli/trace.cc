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

}  // namespace xmmu::cli
