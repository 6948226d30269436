#ifndef XMMU_LIB_CLI_SPAN_OUTPUT_H_
#define XMMU_LIB_CLI_SPAN_OUTPUT_H_

// Where the spans of a comparison go: --timeline, with its window, and --stacks.

#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/arguments.h"
#include "cli/console.h"
#include "cli/output_file.h"
#include "cli/run_options.h"
#include "xmmu/base/overlap.h"
#include "xmmu/base/span_log.h"
#include "xmmu/sim/results.h"

namespace xmmu::cli {

std::vector<Option> OptionsOfSpans();

// What rows are to keep; nothing without these options.
// Errors: InvalidArgument for a window without a timeline, or one that is none;
// beside an overlap, where time steps back.
absl::StatusOr<std::optional<SpanOptions>> SpansOf(const Arguments& arguments,
                                                   const Overlap& overlap);

class SpanOutput {
 public:
  // Opens what the options name, before the work.
  // Errors: InvalidArgument for a file that is written twice, and as
  // OutputFile::Open().
  static absl::StatusOr<SpanOutput> Open(const Arguments& arguments,
                                         const ReportOutput& report,
                                         Console& console);

  // Writes the files, and on standard error what a timeline leaves out. Once.
  absl::Status Write(const Comparison& comparison);

 private:
  SpanOutput(std::optional<OutputFile> timeline,
             std::optional<OutputFile> stacks)
      : timeline_(std::move(timeline)), stacks_(std::move(stacks)) {}

  std::optional<OutputFile> timeline_;
  std::optional<OutputFile> stacks_;
};

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_SPAN_OUTPUT_H_
