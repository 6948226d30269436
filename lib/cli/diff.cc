// xmmu diff: what is different in two reports.

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "base/regular_file.h"
#include "cli/commands.h"
#include "cli/exit_status.h"
#include "cli/run_options.h"
#include "cli/trace_input.h"
#include "xmmu/report/report_diff.h"

namespace xmmu::cli {
namespace {

// Room for the JSON of some 10,000 rows.
constexpr uint64_t kMostReportBytes = 256 << 20;
constexpr double kMostTolerance = 1e6;

std::vector<Option> DiffOptions() {
  return Joined(
      {{{.name = "tolerance",
         .group = "Comparison",
         .value = "PERCENT",
         .help = "what a number of B may be more or less than A's, in "
                 "percent of it; default 0"}},
       OptionsOfReport()});
}

absl::StatusOr<double> ToleranceOf(const Arguments& arguments) {
  if (!arguments.Given("tolerance")) return 0;
  double tolerance = 0;
  const std::string text = arguments.Text("tolerance");
  const bool plain = text.find_first_not_of("0123456789.") == std::string::npos;
  if (plain && absl::SimpleAtod(text, &tolerance) &&
      tolerance <= kMostTolerance) {
    return tolerance;
  }
  return arguments.Refuse("tolerance", "want a percentage such as 0.5");
}

absl::Status RunDiff(const Arguments& arguments, const Catalog&,
                     Console& console) {
  const std::vector<std::string>& names = arguments.files();
  if (names.size() != 2) {
    return absl::InvalidArgumentError(
        "want two files, each the JSON of a report; see --help");
  }
  const auto tolerance = ToleranceOf(arguments);
  if (!tolerance.ok()) return tolerance.status();
  auto output = ReportOutput::Open(arguments, console);
  if (!output.ok()) return output.status();
  const auto files = TraceInput::Open(names);
  if (!files.ok()) return files.status();
  std::vector<std::string> texts;
  for (const std::string& path : files->paths()) {
    auto text = ReadRegularFile(path, kMostReportBytes);
    if (!text.ok()) return files->Named(text.status());
    texts.push_back(*std::move(text));
  }
  const auto diff =
      DiffReports(names[0], texts[0], names[1], texts[1], *tolerance);
  if (!diff.ok()) return diff.status();
  const absl::Status written = output->Write(DiffDocument(*diff));
  if (!written.ok()) return written;
  return EndWith(diff->same() ? 0 : 1);
}

}  // namespace

Command DiffCommand() {
  return {
      "diff",
      "what is different in two reports",
      "A.json B.json",
      "REPORT",
      "Compares two reports that --format=json has written, of any command "
      "and version: rows are found by what they are of, and differences are "
      "shown absolute and in percent. Ends with status 1 if a result has "
      "moved by more than --tolerance, or if one side has results that the "
      "other lacks; what the two were made with is told, and not judged.",
      &DiffOptions,
      &RunDiff};
}

}  // namespace xmmu::cli
