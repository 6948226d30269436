#include "cli/span_output.h"

#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <string_view>

#include "xmmu/report/timeline.h"

namespace xmmu::cli {
namespace {

// Assumed: of a row, as much as is looked at; some 20 MB of JSON, of which ten
// rows are no trouble to Perfetto's user interface (a file of 900 MB is:
// google/perfetto#99).
constexpr uint64_t kMostRecords = 400'000;

constexpr uint64_t kMostCycles = std::numeric_limits<int64_t>::max();

// Opens the file of one of the options, if it is given and no other output.
absl::StatusOr<std::optional<OutputFile>> OpenOne(const char* name,
                                                  const Arguments& arguments,
                                                  const ReportOutput& report,
                                                  Console& console) {
  std::optional<OutputFile> file;
  if (!arguments.Given(name)) return file;
  auto opened = OutputFile::Open(name, arguments.Text(name),
                                 InputsOf(arguments), console);
  if (!opened.ok()) return opened.status();
  if (report.WritesTo(*opened)) {
    return arguments.Refuse(name, "want another file than the report's");
  }
  file.emplace(*std::move(opened));
  return file;
}

// What a timeline is to have; nothing without one.
absl::StatusOr<std::optional<SpanOptions>> WindowOf(
    const Arguments& arguments) {
  std::optional<SpanOptions> spans;
  if (!arguments.Given("timeline")) {
    constexpr std::string_view kOfTimeline[] = {"timeline-from",
                                                "timeline-for"};
    const absl::Status status = arguments.WantsFor("--timeline", kOfTimeline);
    if (!status.ok()) return status;
    return spans;
  }
  spans.emplace();
  spans->most_records = kMostRecords;
  const auto from = WholeNumber(arguments, "timeline-from", 0, kMostCycles);
  if (!from.ok()) return from.status();
  spans->from = *from;
  if (!arguments.Given("timeline-for")) return spans;
  const auto length =
      WholeNumber(arguments, "timeline-for", 0, kMostCycles, /*least=*/1);
  if (!length.ok()) return length.status();
  spans->length = *length;
  return spans;
}

}  // namespace

std::vector<Option> OptionsOfSpans() {
  const std::string group = "Output";
  return {
      {.name = "timeline",
       .group = group,
       .value = "FILE.json",
       .help = "trace events to write as well, for Perfetto, speedscope or "
               "Chrome: what happened when, a track for each vCPU of a row"},
      {.name = "timeline-from",
       .group = group,
       .value = "CYCLES",
       .help = "time since the boot at which the timeline begins; default 0"},
      {.name = "timeline-for",
       .group = group,
       .value = "CYCLES",
       .help = "how long it is; default to the end, or until a row has 400000 "
               "events"},
      {.name = "stacks",
       .group = group,
       .value = "FILE",
       .help = "folded stacks to write as well, for flame graphs: cycles since "
               "the boot by what they were spent in"}};
}

absl::StatusOr<std::optional<SpanOptions>> SpansOf(const Arguments& arguments,
                                                   const Overlap& overlap) {
  auto spans = WindowOf(arguments);
  if (!spans.ok()) return spans.status();
  for (const char* name : {"timeline", "stacks"}) {
    if (!arguments.Given(name) || !overlap.on()) continue;
    return arguments.Refuse(name,
                            "want it without --walkers and --overlap, by which "
                            "time steps back");
  }
  if (!arguments.Given("stacks")) return spans;
  if (!spans->has_value()) spans->emplace(SpanOptions{.most_records = 0});
  (*spans)->sums = true;
  return spans;
}

absl::StatusOr<SpanOutput> SpanOutput::Open(const Arguments& arguments,
                                            const ReportOutput& report,
                                            Console& console) {
  auto timeline = OpenOne("timeline", arguments, report, console);
  if (!timeline.ok()) return timeline.status();
  auto stacks = OpenOne("stacks", arguments, report, console);
  if (!stacks.ok()) return stacks.status();
  if (timeline->has_value() && stacks->has_value() &&
      (*stacks)->IsAlso(**timeline)) {
    return arguments.Refuse("stacks", "want another file than the timeline's");
  }
  return SpanOutput(*std::move(timeline), *std::move(stacks));
}

absl::Status SpanOutput::Write(const Comparison& comparison) {
  absl::Status status;
  if (timeline_.has_value()) {
    status = timeline_->Write(RenderTimeline(comparison));
  }
  if (status.ok() && stacks_.has_value()) {
    status = stacks_->Write(RenderStacks(comparison));
  }
  if (!status.ok() || !timeline_.has_value()) return status;
  const std::string left_out = LeftOutOfTimeline(comparison);
  if (!left_out.empty()) {
    std::fprintf(stderr, "xmmu compare: %s\n", left_out.c_str());
  }
  return status;
}

}  // namespace xmmu::cli
