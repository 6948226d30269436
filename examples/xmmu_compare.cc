// xmmu-compare: runs one workload under several memory-virtualization
// strategies and reports them side by side. See --help.
//
// Exit status: 0, or 2 for a bad option or trace, or 1 for anything else; with
// 1 and 2 nothing is on standard output and one line is on standard error.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "compare/command_line.h"
#include "compare/output_file.h"
#include "compare/progress.h"
#include "compare/request.h"
#include "compare/sweep_flags.h"
#include "xmmu/sim/sensitivity.h"

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
ABSL_FLAG(std::string, format, "table", "table, json or csv");
ABSL_FLAG(std::string, output, "",
          "file for the report, written when it is whole; without it standard "
          "output");
ABSL_FLAG(
    bool, list_costs, false,
    "lists all that is assumed of the machine, each value with band, mark "
    "and source, and ends; --format may also be toml, which "
    "--machine-file takes");
ABSL_FLAG(bool, list, false, "lists all names that flags take, and ends");
ABSL_FLAG(bool, help, false, "says this, and ends");

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

Flags ReadFlags(StringList traces) {
  Flags flags;
  flags.traces = std::move(traces);
  flags.workload = absl::GetFlag(FLAGS_workload);
  flags.policies = absl::GetFlag(FLAGS_policies);
  flags.machine = absl::GetFlag(FLAGS_machine);
  flags.own_machine = ReadMachineFlags();
  flags.levels = absl::GetFlag(FLAGS_levels);
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

absl::StatusOr<Comparison> RunAll(const Request& request) {
  absl::StatusOr<ComparisonPlan> plan = PlanComparison(request.options);
  if (!plan.ok()) return plan.status();
  // Rows with a migration run twice.
  Progress progress(plan->rows.size() *
                    (request.options.base.migration.wanted() ? 2 : 1));
  return RunComparison(*plan,
                       [&](const SimulatorOptions& row)
                           -> absl::StatusOr<std::unique_ptr<Workload>> {
                         auto workload = OpenWorkload(request, row.mode);
                         if (!workload.ok()) return workload.status();
                         return progress.Watch(row.policy,
                                               *std::move(workload));
                       });
}

absl::Status RunListCosts() {
  const absl::StatusOr<std::string> text = ListCosts(ReadFlags({}));
  if (!text.ok()) return text.status();
  absl::StatusOr<OutputFile> output =
      OutputFile::Open(absl::GetFlag(FLAGS_output));
  return output.ok() ? output->Write(*text) : output.status();
}

absl::Status Run(StringList traces) {
  if (absl::GetFlag(FLAGS_list_costs)) return RunListCosts();
  absl::StatusOr<Request> request = CheckFlags(ReadFlags(std::move(traces)));
  if (!request.ok()) return request.status();
  const auto sweep = SweepOfFlags();
  if (!sweep.ok()) return sweep.status();
  // Before the work, not after it.
  if (sweep->has_value() && request->options.base.vcpus > 1) {
    return absl::InvalidArgumentError(
        "--sensitivity: want --vcpus=1; with several, what happens depends on "
        "the prices");
  }
  if (sweep->has_value() &&
      request->options.base.timing == MemoryTiming::kAllCaches) {
    return absl::InvalidArgumentError(
        "--sensitivity: want --timing=flat or pte-caches; with all-caches, "
        "what was prefetched arrives by the clock");
  }
  absl::StatusOr<OutputFile> output =
      OutputFile::Open(absl::GetFlag(FLAGS_output));
  if (!output.ok()) return output.status();
  absl::StatusOr<Comparison> comparison = RunAll(*request);
  if (!comparison.ok()) return comparison.status();
  if (!sweep->has_value()) {
    return output->Write(FormatReport(*comparison, request->format));
  }
  const auto sensitivity = SweepComparison(*comparison, **sweep);
  if (!sensitivity.ok()) return sensitivity.status();
  return output->Write(
      FormatSensitivity(*comparison, *sensitivity, request->format));
}

int Main(int argc, char** argv) {
  StringList traces = ParseArguments(kProgram, argc, argv);
  std::string text;
  if (absl::GetFlag(FLAGS_help)) text = Help();
  if (absl::GetFlag(FLAGS_list)) text = ListNames();
  if (text.empty()) return ExitStatus(kProgram, Run(std::move(traces)));
  return std::fputs(text.c_str(), stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

}  // namespace
}  // namespace xmmu::compare

int main(int argc, char** argv) { return xmmu::compare::Main(argc, argv); }
