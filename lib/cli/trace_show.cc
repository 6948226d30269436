// xmmu trace head and xmmu trace show: operations of a trace in words.

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/run_options.h"
#include "cli/trace_input.h"
#include "report/trace_report.h"
#include "workload/inspect/op_words.h"

namespace xmmu::cli {
namespace {

constexpr uint64_t kHeadCount = 20;
constexpr uint64_t kShowCount = 1000;
// They are kept until all are there, about 500 bytes each.
constexpr uint64_t kMostShown = 1'000'000;

std::vector<Option> HeadOptions() {
  return Joined({{{.name = "count",
                   .group = "Operations",
                   .value = "N",
                   .help = absl::StrCat("how many, 1 to ", kMostShown,
                                        "; default ", kHeadCount)},
                  {.name = "task",
                   .group = "Operations",
                   .value = "ID",
                   .help = "those of one task alone"}},
                 OptionsOfReport()});
}

std::vector<Option> ShowOptions() {
  std::vector<Option> options = HeadOptions();
  options.front().help =
      absl::StrCat("how many, 1 to ", kMostShown, "; default ", kShowCount);
  options.insert(options.begin(),
                 {.name = "from",
                  .group = "Operations",
                  .value = "N",
                  .help = "number of the first: how many are before it in the "
                          "whole trace; default 0"});
  return options;
}

absl::StatusOr<OpRange> RangeOf(const Arguments& arguments, uint64_t count) {
  const auto from =
      WholeNumber(arguments, "from", 0, std::numeric_limits<uint64_t>::max());
  if (!from.ok()) return from.status();
  const auto wanted = WholeNumber(arguments, "count", count, kMostShown);
  if (!wanted.ok()) return wanted.status();
  if (*wanted == 0) {
    return arguments.Refuse("count", absl::StrCat("want 1 to ", kMostShown));
  }
  const auto task =
      WholeNumber(arguments, "task", 0, std::numeric_limits<TaskId>::max());
  if (!task.ok()) return task.status();
  if (arguments.Given("task") && *task == 0) {
    return arguments.Refuse("task",
                            "want the number of a task, see trace info");
  }
  return OpRange{*from, *wanted, static_cast<TaskId>(*task)};
}

// What was wanted is not there.
absl::Status NoneInRange(const OpRange& range) {
  const std::string task =
      range.task == 0 ? "" : absl::StrCat(" of task ", range.task);
  return absl::InvalidArgumentError(
      absl::StrCat("no operation", task, " from number ", range.from,
                   " on; want what trace info counts"));
}

absl::Status RunShow(const Arguments& arguments, uint64_t count,
                     Console& console) {
  const auto range = RangeOf(arguments, count);
  if (!range.ok()) return range.status();
  auto output = ReportOutput::Open(arguments, console);
  if (!output.ok()) return output.status();
  const auto opened = OpenInputTrace(arguments, console);
  if (!opened.ok()) return opened.status();
  const auto ops = TakeOps(*opened->trace, *range);
  if (!ops.ok()) return opened->input.Named(ops.status());
  if (ops->empty()) return NoneInRange(*range);
  return output->Write(TraceOpsDocument(*ops));
}

constexpr char kHeadText[] =
    "Prints the first operations of a trace. Operations of all tasks are in "
    "the order in which one vCPU runs them with turns of 100,000 accesses, and "
    "numbered from 0 in that order.";
constexpr char kShowText[] =
    "Prints operations of a trace. Operations of all tasks are in the order in "
    "which one vCPU runs them with turns of 100,000 accesses, and numbered "
    "from 0 in that order.";

}  // namespace

Command TraceHeadCommand() {
  return {"trace head",
          "the first operations of a trace, a line each",
          "FILE...",
          "FILE",
          kHeadText,
          &HeadOptions,
          [](const Arguments& arguments, const Catalog&, Console& console) {
            return RunShow(arguments, kHeadCount, console);
          }};
}

Command TraceShowCommand() {
  return {"trace show",
          "operations of a trace, a line each",
          "FILE...",
          "FILE",
          kShowText,
          &ShowOptions,
          [](const Arguments& arguments, const Catalog&, Console& console) {
            return RunShow(arguments, kShowCount, console);
          }};
}

}  // namespace xmmu::cli
