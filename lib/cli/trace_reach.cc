// xmmu trace reach: the misses of TLBs of all sizes on a trace.

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/run_options.h"
#include "cli/trace_input.h"
#include "report/trace_report.h"
#include "workload/inspect/page_reach.h"

namespace xmmu::cli {
namespace {

// More than any TLB has: 2^32 pages of 4 KiB are 16 TiB.
constexpr uint64_t kMostEntries = uint64_t{1} << 32;

struct ReachOfRow {
  std::string_view name;
  ReachOf of;
  std::string_view what;
};
constexpr ReachOfRow kReachOf[] = {
    {"all", ReachOf::kAll, "all accesses"},
    {"fetches", ReachOf::kFetches, "instruction fetches"},
    {"data", ReachOf::kData, "loads, stores and copies by the kernel"}};

std::vector<Option> ReachOptionsOfCommand() {
  const std::string group = "Accesses";
  return Joined(
      {{{.name = "of",
         .group = group,
         .value = "WHICH",
         .help = "which accesses count: all, fetches or data; default all"},
        {.name = "process",
         .group = group,
         .value = "ID",
         .help = "those of one process, by its first task; default all"},
        {.name = "entries",
         .group = group,
         .value = "N,...",
         .help = "numbers of entries besides the powers of two, such as those "
                 "of a TLB"}},
       OptionsOfReport()});
}

absl::StatusOr<const ReachOfRow*> WhichOf(const Arguments& arguments) {
  const std::string name = arguments.Text("of", "all");
  std::vector<std::string_view> names;
  for (const ReachOfRow& row : kReachOf) {
    if (row.name == name) return &row;
    names.push_back(row.name);
  }
  return arguments.Refuse("of", WantedName(name, names));
}

absl::StatusOr<std::vector<uint64_t>> EntriesOf(const Arguments& arguments) {
  const auto list = arguments.List("entries");
  if (!list.ok()) return list.status();
  std::vector<uint64_t> entries;
  for (const std::string& word : *list) {
    uint64_t number = 0;
    if (!absl::SimpleAtoi(word, &number) || number == 0 ||
        number > kMostEntries) {
      return arguments.Refuse("entries", word,
                              absl::StrCat("want 1 to ", kMostEntries));
    }
    entries.push_back(number);
  }
  return entries;
}

absl::Status RunReach(const Arguments& arguments, const Catalog&,
                      Console& console) {
  const auto which = WhichOf(arguments);
  if (!which.ok()) return which.status();
  const auto entries = EntriesOf(arguments);
  if (!entries.ok()) return entries.status();
  const auto process =
      WholeNumber(arguments, "process", 0, std::numeric_limits<TaskId>::max());
  if (!process.ok()) return process.status();
  auto output = ReportOutput::Open(arguments, console);
  if (!output.ok()) return output.status();
  const auto opened = OpenInputTrace(arguments, console);
  if (!opened.ok()) return opened.status();
  PageReach reach;
  const absl::Status status = MeasureReach(
      *opened->trace, {(*which)->of, static_cast<TaskId>(*process)}, reach);
  if (!status.ok()) return opened->input.Named(status);
  std::string what((*which)->what);
  if (*process != 0) absl::StrAppend(&what, " of process ", *process);
  return output->Write(
      TraceReachDocument(opened->trace->facts(), what, reach, *entries));
}

}  // namespace

Command TraceReachCommand() {
  return {"trace reach",
          "misses of TLBs of all sizes: pages by reuse distance",
          "FILE...",
          "FILE",
          "Says how much memory a trace uses over and over: by the exact reuse "
          "distance of each page, how many accesses miss a fully associative "
          "LRU TLB of so many entries, with pages of 4 KiB and of 2 MiB. The "
          "TLB is shared by all address spaces and never flushed. It keeps "
          "about 120 bytes of each page.",
          &ReachOptionsOfCommand,
          &RunReach};
}

}  // namespace xmmu::cli
