#ifndef XMMU_LIB_CLI_RUN_OPTIONS_H_
#define XMMU_LIB_CLI_RUN_OPTIONS_H_

// Options that several commands have, and what they say.

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/arguments.h"
#include "cli/catalog.h"
#include "cli/console.h"
#include "cli/output_file.h"
#include "xmmu/base/jobs.h"
#include "xmmu/report/document.h"
#include "xmmu/sim/options.h"
#include "xmmu/sim/run_fields.h"
#include "xmmu/study/studies.h"
#include "xmmu/workload/trace.h"

namespace xmmu::cli {

// The heading of a group of options in --help.
std::string GroupName(RunGroup group);
// The options of a run in one group, from RunFields(); those of the machine
// with --machine-file and --set.
std::vector<Option> OptionsOfRun(RunGroup group);
// --machine and --levels as lists, --machine-file and --set.
std::vector<Option> OptionsOfBases();
// --sensitivity, --prices, --samples and --seed.
std::vector<Option> OptionsOfSweep();
// --format, --output, --config and --help. `formats`: "text, csv or json".
std::vector<Option> OptionsOfOutput(std::string_view formats);
// Those and --legend, of a command that writes a report. `of_what` stands before
// the formats in the help of --format.
std::vector<Option> OptionsOfReport(std::string_view of_what = "");

// Appends the options of each of `groups`.
std::vector<Option> Joined(std::vector<std::vector<Option>> groups);

// What --machine, --machine-file, --set and the options of a run that all rows
// share say; --levels and --machine follow one another where one is missing.
// Errors: InvalidArgument with the option and what would do.
absl::StatusOr<SimulatorOptions> BaseOf(const Arguments& arguments,
                                        const Catalog& catalog);

// What to measure: each machine of --machine (none, or "all": all there are),
// or that of --machine-file, with what --set says, in each mode of --levels (2
// to 4; none: those that the machine has).
// Errors: InvalidArgument with the option and what would do.
absl::StatusOr<std::vector<SimulatorOptions>> BasesOf(
    const Arguments& arguments, const Catalog& catalog);

// What is to be swept; nothing without --sensitivity.
// Errors: InvalidArgument with the option and what would do; also for one that
// is given without --sensitivity.
absl::StatusOr<std::optional<SweepOptions>> SweepOf(const Arguments& arguments);

// Errors: InvalidArgument if --sensitivity is given and `base` has more than
// one vCPU, or its prefetchers look at the clock.
absl::Status CheckSweepable(const SimulatorOptions& base);

// The files that a command reads, which are not to be overwritten.
std::vector<std::string> InputsOf(const Arguments& arguments);

// Opens what --output names. The files that are read are not overwritten.
// Errors: InvalidArgument with the path and what is wrong.
absl::StatusOr<OutputFile> OpenOutput(const Arguments& arguments,
                                      Console& console);

// The format of --format, text without it.
// Errors: InvalidArgument for a name that is none.
absl::StatusOr<ReportFormat> FormatOf(const Arguments& arguments);

// --report, of a command that has formats of its own.
Option OptionOfPage();

// Where a report goes, and how it looks: --output, --format and --legend; and
// where its page goes: --report. A console that keeps documents gets it instead.
class ReportOutput {
 public:
  // Errors: InvalidArgument for a format that is none, for a legend that no
  // text has, for one file for both, and as OpenOutput().
  static absl::StatusOr<ReportOutput> Open(const Arguments& arguments,
                                           Console& console);
  // The same for a command with formats of its own, which renders by itself and
  // calls WriteText().
  static absl::StatusOr<ReportOutput> OpenForText(const Arguments& arguments,
                                                  Console& console);

  // Whether `file` is one of those.
  bool WritesTo(const OutputFile& file) const {
    return file_.IsAlso(file) || (page_.has_value() && page_->IsAlso(file));
  }

  // Whether the report is looked at by programs, or by people on a page, so that
  // it says all that there is to say of how to get the same again.
  bool says_all() const {
    return kept_ != nullptr || format_ != ReportFormat::kText ||
           page_.has_value();
  }

  // Writes the document, behind a text its legend if that is wanted; and its
  // page, with the command line. Once.
  absl::Status Write(const Document& document);
  // Writes `text` as it is where a report goes, and the page of `document`. Once.
  absl::Status WriteText(const std::string& text, const Document& document);

 private:
  static absl::StatusOr<ReportOutput> OpenFiles(ReportFormat format,
                                                bool legend,
                                                const Arguments& arguments,
                                                Console& console);
  ReportOutput(ReportFormat format, bool legend, OutputFile file,
               std::optional<OutputFile> page, std::vector<std::string> command,
               std::optional<Document>* kept)
      : format_(format),
        legend_(legend),
        file_(std::move(file)),
        page_(std::move(page)),
        command_(std::move(command)),
        kept_(kept) {}

  ReportFormat format_;
  bool legend_;
  OutputFile file_;
  std::optional<OutputFile> page_;
  std::vector<std::string> command_;
  std::optional<Document>* kept_;  // see Console::kept()
};

// --jobs, of a command that runs simulations.
std::vector<Option> OptionsOfJobs();

// How simulations are run: as many at a time as --jobs says, until an interrupt
// comes to `console`, which is told how far they are.
// Errors: InvalidArgument for a number out of range.
absl::StatusOr<Jobs> JobsOf(const Arguments& arguments, Console& console);

// Whether each of `simulations`, run as `jobs` says, leaves a core for a thread
// that reads its workload ahead.
bool LeaveCores(const Jobs& jobs, size_t simulations);

// Runs the study of Studies() with that name and writes its document.
// Errors: as JobsOf() and ReportOutput::Open(), before the work, and those of the
// study.
absl::Status RunStudy(std::string_view name, StudyRequest request,
                      const Arguments& arguments, Console& console);

// What a trace has said of itself at the end of the run that ended last. All
// rows of a comparison run the whole of the trace, and get the same from it.
// Any thread.
class TraceFactsSlot {
 public:
  void Set(TraceFacts facts) {
    const std::lock_guard lock(mutex_);
    facts_ = std::move(facts);
  }
  std::optional<TraceFacts> Get() const {
    const std::lock_guard lock(mutex_);
    return facts_;
  }

 private:
  mutable std::mutex mutex_;
  std::optional<TraceFacts> facts_;
};

// Makes the workload `spec`, or opens the trace of `files` if that is empty.
// What the trace says of itself is written to `facts`, unless that is null, when
// each of these workloads ends. Any thread may call the factory. A packed trace
// is read ahead if `reads_ahead` says so.
WorkloadFactory WorkloadOf(
    const Catalog& catalog, const std::string& spec,
    const std::vector<std::string>& files,
    const std::shared_ptr<TraceFactsSlot>& facts = nullptr,
    bool reads_ahead = false);

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_RUN_OPTIONS_H_
