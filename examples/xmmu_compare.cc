// xmmu-compare: runs one workload under several memory-virtualization
// strategies and reports them side by side. See --help.
//
// Exit status: 0, or 2 for a bad option or trace, or 1 for anything else; with
// 1 and 2 nothing is on standard output and one line is on standard error.

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "compare/command_line.h"
#include "compare/output_file.h"
#include "compare/progress.h"
#include "compare/request.h"
#include "compare/sweep_flags.h"
#include "study/claims.h"
#include "xmmu/report/report.h"

using StringList = std::vector<std::string>;

ABSL_FLAG(std::string, workload, "",
          "a built-in workload instead of a trace: NAME[:parameter=value,...]");
ABSL_FLAG(StringList, policies,
          (StringList{"native", "pinning", "trap-and-emulate"}),
          "strategies to compare, or all, or all+variants");
ABSL_FLAG(std::string, machine, "",
          "machine; without it xeon-2003, or skylake-2017 with 4 or 5 levels");
ABSL_FLAG(int, levels, 0,
          "levels of page tables, 2 to 5; without it 3 (PAE), or 4 with a "
          "machine that has them");
ABSL_FLAG(int, vcpus, 1, "vCPUs of the guest, 1 to 64");
ABSL_FLAG(int, domains, 1,
          "domains with such a guest, 1 to 64; they run the workload one after "
          "the other");
ABSL_FLAG(bool, share_file_pages, false,
          "after each row of a paravirtual guest one of a guest that shares "
          "file pages with other domains");
ABSL_FLAG(StringList, guest_ops, {},
          "how paravirtual guests write page tables, a row for each, or all; "
          "without it what the Linux of the time did");
ABSL_FLAG(StringList, pin, {},
          "when paravirtual guests pin page tables, a row for each, or all; "
          "without it what the Linux of the time did, and for pinning also "
          "never");
ABSL_FLAG(StringList, linear_map, {},
          "how Xen reaches the page tables of paravirtual guests, a row for "
          "each, or all; without it what the Xen that ran them did");
ABSL_FLAG(bool, flush_filter, false,
          "the TLB flush filter of machines that have one works");
ABSL_FLAG(uint64_t, memory, 512, "memory of the guest, MiB");
ABSL_FLAG(int, migrate, 0,
          "rounds of a live migration while the workload runs; 0: none");
ABSL_FLAG(uint64_t, migrate_every, 10000,
          "operations of the workload between two rounds");
ABSL_FLAG(std::string, timing, "pte-caches", "what memory takes");
ABSL_FLAG(
    int, walkers, 1,
    "page walks that may be outstanding, 1 to 16; 1: one after the other, "
    "the program waiting for each");
ABSL_FLAG(double, overlap, 0,
          "share of TLB, walk and data latency that other work hides, 0 to 1 "
          "in thousandths");
ABSL_FLAG(uint64_t, quantum, 0,
          "accesses of a process between two scheduling decisions; 0: the "
          "default");
ABSL_FLAG(int, fault_around, 0,
          "file pages mapped by one read fault; 0: the default");
ABSL_FLAG(int64_t, flush_ceiling, -1,
          "pages flushed one by one before everything is; -1: the default");
ABSL_FLAG(std::string, format, "text", "text, json or csv");
ABSL_FLAG(std::string, output, "",
          "file for the report, written when it is whole; without it standard "
          "output");
ABSL_FLAG(
    bool, list_costs, false,
    "lists all that is assumed of the machine, each value with band, mark "
    "and source, and ends; --format may also be toml, which "
    "--machine-file takes");
ABSL_FLAG(bool, list, false, "lists all names that flags take, and ends");

namespace xmmu::compare {
namespace {

constexpr char kProgram[] = "xmmu-compare";

// The flags, in the order of --help.
constexpr const char* kFlags[] = {
    "workload",      "policies",     "machine",       "machine_file",
    "set",           "levels",       "vcpus",         "domains",
    "memory",        "guest_ops",    "pin",           "share_file_pages",
    "linear_map",    "flush_filter", "quantum",       "fault_around",
    "flush_ceiling", "migrate",      "migrate_every", "timing",
    "walkers",       "overlap",      "sensitivity",   "sweep",
    "samples",       "seed",         "format",        "output",
    "list_costs",    "list",         "help"};

std::string Help() {
  return absl::StrCat(
      "usage: ", kProgram, " [FLAG...] TRACE...\n       ", kProgram,
      " [FLAG...] --workload=NAME[:parameter=value,...]\n\n"
      "Runs one workload under several memory-virtualization strategies on a\n"
      "simulated machine and reports cycles, events and memory side by side.\n"
      "A trace is the set of Lackey logs of one process tree, plain or "
      "gzip.\n\n",
      HelpOfFlags(kFlags));
}

Flags ReadFlags(const Arguments& arguments) {
  Flags flags;
  flags.traces = arguments.files();
  flags.workload = absl::GetFlag(FLAGS_workload);
  flags.policies = absl::GetFlag(FLAGS_policies);
  flags.machine = absl::GetFlag(FLAGS_machine);
  flags.own_machine = ReadMachineFlags();
  if (arguments.Given("levels")) flags.levels = absl::GetFlag(FLAGS_levels);
  flags.vcpus = absl::GetFlag(FLAGS_vcpus);
  flags.domains = absl::GetFlag(FLAGS_domains);
  flags.share_file_pages = absl::GetFlag(FLAGS_share_file_pages);
  flags.guest_ops = absl::GetFlag(FLAGS_guest_ops);
  flags.pin = absl::GetFlag(FLAGS_pin);
  flags.linear_map = absl::GetFlag(FLAGS_linear_map);
  flags.flush_filter = absl::GetFlag(FLAGS_flush_filter);
  flags.memory_mib = absl::GetFlag(FLAGS_memory);
  flags.migrate = absl::GetFlag(FLAGS_migrate);
  flags.migrate_every = absl::GetFlag(FLAGS_migrate_every);
  flags.timing = absl::GetFlag(FLAGS_timing);
  flags.walkers = absl::GetFlag(FLAGS_walkers);
  flags.overlap = absl::GetFlag(FLAGS_overlap);
  flags.quantum = absl::GetFlag(FLAGS_quantum);
  flags.fault_around = absl::GetFlag(FLAGS_fault_around);
  flags.flush_ceiling = absl::GetFlag(FLAGS_flush_ceiling);
  flags.format = absl::GetFlag(FLAGS_format);
  return flags;
}

// Files that must not be overwritten.
StringList InputsOf(const Flags& flags) {
  StringList inputs = flags.traces;
  if (!flags.own_machine.file.empty()) inputs.push_back(flags.own_machine.file);
  return inputs;
}

absl::StatusOr<Comparison> RunAll(const Request& request,
                                  const ComparisonPlan& plan) {
  // Rows with a migration run twice.
  Progress progress(plan.rows.size() *
                    (request.options.base.migration.wanted() ? 2 : 1));
  return RunComparison(plan,
                       [&](const SimulatorOptions& row)
                           -> absl::StatusOr<std::unique_ptr<Workload>> {
                         auto workload = OpenWorkload(request, row.mode);
                         if (!workload.ok()) return workload.status();
                         return progress.Watch(row.policy,
                                               *std::move(workload));
                       });
}

// Flags that --list-costs does not read.
std::vector<const char*> NotOfListCosts() {
  constexpr std::string_view kRead[] = {"machine",    "machine_file", "set",
                                        "levels",     "format",       "output",
                                        "list_costs", "help"};
  std::vector<const char*> others;
  for (const char* flag : kFlags) {
    if (std::find(std::begin(kRead), std::end(kRead), flag) ==
        std::end(kRead)) {
      others.push_back(flag);
    }
  }
  return others;
}

absl::Status RunListCosts(const Arguments& arguments) {
  const absl::Status used =
      arguments.WantsFor("a run, not --list-costs", NotOfListCosts());
  if (!used.ok()) return used;
  if (!arguments.files().empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        arguments.files().front(), ": want no trace with --list-costs"));
  }
  const absl::StatusOr<std::string> text = ListCosts(ReadFlags(arguments));
  if (!text.ok()) return text.status();
  absl::StatusOr<OutputFile> output = OutputFile::Open(
      absl::GetFlag(FLAGS_output), InputsOf(ReadFlags(arguments)));
  return output.ok() ? output->Write(*text) : output.status();
}

// Flags that would change nothing. Of no paravirtual guest, what such guests
// are asked for.
absl::Status CheckEffects(const Arguments& arguments,
                          const ComparisonPlan& plan) {
  if (absl::GetFlag(FLAGS_migrate) == 0) {
    constexpr const char* kOfMigration[] = {"migrate_every"};
    const absl::Status status =
        arguments.WantsFor("--migrate=ROUNDS", kOfMigration);
    if (!status.ok()) return status;
  }
  const bool paravirtual = std::any_of(
      plan.rows.begin(), plan.rows.end(),
      [](const SimulatorOptions& row) { return row.pin.has_value(); });
  if (paravirtual) return absl::OkStatus();
  constexpr const char* kOfParavirtual[] = {"guest_ops", "pin", "linear_map",
                                            "share_file_pages"};
  return arguments.WantsFor("a policy that has paravirtual guests, see --list",
                            kOfParavirtual);
}

absl::Status CheckSweepable(const SimulatorOptions& base) {
  if (base.vcpus > 1) {
    return absl::InvalidArgumentError(
        "--sensitivity: want --vcpus=1; with several, what happens depends on "
        "the prices");
  }
  if (base.timing == MemoryTiming::kAllCaches) {
    return absl::InvalidArgumentError(
        "--sensitivity: want --timing=flat or pte-caches; with all-caches, "
        "what was prefetched arrives by the clock");
  }
  return absl::OkStatus();
}

// All that is asked for.
absl::Status RunComparisons(const Arguments& arguments) {
  const Flags flags = ReadFlags(arguments);
  absl::StatusOr<Request> request = CheckFlags(flags);
  if (!request.ok()) return request.status();
  const auto sweep = SweepOfFlags(arguments);
  if (!sweep.ok()) return sweep.status();
  // Before the work, not after it.
  if (sweep->has_value()) {
    const absl::Status sweepable = CheckSweepable(request->options.base);
    if (!sweepable.ok()) return sweepable;
  }
  const auto plan = PlanComparison(request->options);
  if (!plan.ok()) return plan.status();
  const absl::Status effects = CheckEffects(arguments, *plan);
  if (!effects.ok()) return effects;
  absl::StatusOr<OutputFile> output =
      OutputFile::Open(absl::GetFlag(FLAGS_output), InputsOf(flags));
  if (!output.ok()) return output.status();
  absl::StatusOr<Comparison> comparison = RunAll(*request, *plan);
  if (!comparison.ok()) return comparison.status();
  if (!sweep->has_value()) {
    return output->Write(FormatReport(*comparison, request->format));
  }
  const auto sensitivity = SweepComparison(*comparison, **sweep);
  if (!sensitivity.ok()) return sensitivity.status();
  return output->Write(
      FormatSensitivity(*comparison, *sensitivity, request->format));
}

absl::Status Run(const Arguments& arguments) {
  if (absl::GetFlag(FLAGS_list)) return WriteStandardOutput(ListNames());
  if (absl::GetFlag(FLAGS_list_costs)) return RunListCosts(arguments);
  return RunComparisons(arguments);
}

}  // namespace
}  // namespace xmmu::compare

int main(int argc, char** argv) {
  using xmmu::compare::kProgram;
  return xmmu::compare::RunProgram({kProgram, xmmu::compare::kFlags,
                                    &xmmu::compare::Help, &xmmu::compare::Run},
                                   argc, argv);
}
