// xmmu-shadows: the shadow page tables that Xen had, was offered and went on
// to, held against each other: what an event costs, what whole workloads cost,
// and how much memory they take. See --help.
//
// Exit status: 0, or 2 for a bad option, or 1 for anything else; with 1 and 2
// nothing is on standard output and one line is on standard error.

#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "compare/bases.h"
#include "compare/command_line.h"
#include "compare/output_file.h"
#include "compare/request.h"
#include "compare/sweep_flags.h"
#include "study/shadow_claims.h"
#include "study/shadow_study.h"
#include "xmmu/workload/synthetic.h"

using StringList = std::vector<std::string>;

ABSL_FLAG(StringList, machine, {}, "machines, or all; without it all");
ABSL_FLAG(StringList, levels, {},
          "levels of page tables, 2 to 4; without it those the machine has");
ABSL_FLAG(StringList, vcpus, StringList({"1", "2"}), "numbers of vCPUs");
ABSL_FLAG(
    std::string, workloads,
    "touch:pages=2000;fork:pages=1000,cow=200;mprotect:pages=500,rounds=4;"
    "switch:processes=4,rounds=200,pages=16;churn:pages=16,rounds=200",
    "synthetic workloads, with a semicolon between two");
ABSL_FLAG(std::string, format, "text", "text, csv or json");

namespace xmmu::compare {
namespace {

constexpr char kProgram[] = "xmmu-shadows";
constexpr const char* kFlags[] = {
    "machine", "machine_file", "set",   "levels",  "vcpus", "workloads",
    "format",  "sensitivity",  "sweep", "samples", "seed",  "help"};

std::string Help() {
  return absl::StrCat(
      "usage: ", kProgram, " [FLAG...] [TRACE...]\n\n",
      "Measures what single events, whole workloads and, with a trace, the set "
      "of\nLackey logs of one process tree, a recorded program cost under each "
      "kind of\nshadow page tables, split by component; and says where XI "
      "shadow is 4 times as\nfast as the shadow of its day, what Xen's own "
      "gained from 2006 to 2008, and\nwhat backlinks gain on searching.\n\n",
      HelpOfFlags(kFlags));
}

absl::StatusOr<std::vector<SimulatorOptions>> Bases() {
  auto bases =
      BasesOf(absl::GetFlag(FLAGS_machine), absl::GetFlag(FLAGS_levels));
  if (!bases.ok()) return bases.status();
  std::vector<SimulatorOptions> all;
  for (const SimulatorOptions& base : *bases) {
    for (const std::string& word : absl::GetFlag(FLAGS_vcpus)) {
      SimulatorOptions options = base;
      if (!absl::SimpleAtoi(word, &options.vcpus) || options.vcpus < 1 ||
          options.vcpus > static_cast<int>(kMaxCpus)) {
        return absl::InvalidArgumentError(absl::StrCat(
            "--vcpus=", word, ": want numbers from 1 to ", kMaxCpus));
      }
      all.push_back(options);
    }
  }
  return all;
}

StringList Specs() {
  const std::string all = absl::GetFlag(FLAGS_workloads);
  if (all.empty()) return {};
  return absl::StrSplit(all, ';');
}

// Before the work, not after it.
absl::Status CheckWorkloads() {
  for (const std::string& spec : Specs()) {
    const auto workload = MakeSyntheticWorkload(spec);
    if (!workload.ok()) return workload.status();
  }
  return absl::OkStatus();
}

std::vector<WorkloadFactory> Workloads(const StringList& traces) {
  std::vector<Request> requests;
  for (const std::string& spec : Specs()) {
    requests.emplace_back().workload = spec;
  }
  if (!traces.empty()) requests.emplace_back().traces = traces;
  std::vector<WorkloadFactory> factories;
  for (const Request& request : requests) {
    factories.emplace_back([request](const SimulatorOptions& row) {
      return OpenWorkload(request, row.mode);
    });
  }
  return factories;
}

std::string Format(const std::vector<ShadowStudy>& studies,
                   const std::string& format) {
  if (format == "csv") return FormatShadowStudyCsv(studies);
  return format == "json" ? FormatShadowStudyJson(studies)
                          : FormatShadowStudyText(studies);
}

// The answers with what they rest on.
absl::StatusOr<std::string> FormatSwept(const std::vector<ShadowStudy>& studies,
                                        const SweepOptions& options,
                                        const std::string& format) {
  std::string text = FormatShadowStudyText(studies);
  std::vector<SweptShadowStudy> swept;
  for (const ShadowStudy& study : studies) {
    auto sensitivity = SweepShadowStudy(study, options);
    if (!sensitivity.ok()) return sensitivity.status();
    absl::StrAppend(&text, "\n",
                    FormatShadowSensitivityText(study, *sensitivity));
    swept.push_back({&study, *std::move(sensitivity)});
  }
  if (format == "csv") return FormatShadowSensitivityCsv(swept);
  return format == "json" ? FormatShadowSensitivityJson(swept) : text;
}

absl::Status Run(const Arguments& arguments) {
  const StringList& traces = arguments.files();
  const std::string format = absl::GetFlag(FLAGS_format);
  absl::Status status = CheckFormat(format, {"text", "csv", "json"});
  if (!status.ok()) return status;
  const auto sweep = SweepOfFlags(arguments);
  if (!sweep.ok()) return sweep.status();
  const auto bases = Bases();
  if (!bases.ok()) return bases.status();
  status = CheckWorkloads();
  if (!status.ok()) return status;
  for (const SimulatorOptions& base : *bases) {
    if (!sweep->has_value() || base.vcpus == 1) continue;
    return absl::InvalidArgumentError(
        "--sensitivity: want --vcpus=1; with several, what happens depends on "
        "the prices");
  }
  std::vector<ShadowStudy> studies;
  for (const SimulatorOptions& base : *bases) {
    auto study = MeasureShadowStudy(base, Workloads(traces));
    if (!study.ok()) return study.status();
    studies.push_back(*std::move(study));
  }
  const absl::StatusOr<std::string> text =
      sweep->has_value() ? FormatSwept(studies, **sweep, format)
                         : Format(studies, format);
  if (!text.ok()) return text.status();
  return WriteStandardOutput(*text);
}

}  // namespace
}  // namespace xmmu::compare

int main(int argc, char** argv) {
  using xmmu::compare::kProgram;
  return xmmu::compare::RunProgram({kProgram, xmmu::compare::kFlags,
                                    &xmmu::compare::Help, &xmmu::compare::Run},
                                   argc, argv);
}
