// xmmu-crossover: what one page-table update costs under each strategy, by how
// many there are to make in one L1 table, and from how many on which way is the
// cheaper one. See --help.
//
// Exit status: 0, or 2 for a bad option, or 1 for anything else; with 1 and 2
// nothing is on standard output and one line is on standard error.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "compare/command_line.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/sim/crossover.h"
#include "xmmu/sim/options.h"

using StringList = std::vector<std::string>;

ABSL_FLAG(StringList, machine, {}, "machines, or all; without it all");
ABSL_FLAG(StringList, levels, {},
          "levels of page tables, 2 to 4; without it those the machine has");
ABSL_FLAG(std::string, format, "text", "text, csv or json");
ABSL_FLAG(bool, help, false, "says this, and ends");

namespace xmmu::compare {
namespace {

constexpr char kProgram[] = "xmmu-crossover";
constexpr const char* kFlags[] = {"machine", "levels", "format", "help"};

std::string Help() {
  return absl::StrCat(
      "usage: ", kProgram,
      " [FLAG...]\n\n"
      "Measures what one page-table update costs under each strategy, by how\n"
      "many there are to make in one L1 table, and says from how many on "
      "which\n"
      "way is the cheaper one.\n\n",
      HelpOfFlags(kFlags));
}

absl::StatusOr<std::vector<const MachineModel*>> MachinesOf(
    const StringList& names) {
  std::vector<const MachineModel*> machines;
  if (names.empty() || names == StringList{"all"}) {
    machines.assign(Machines().begin(), Machines().end());
    return machines;
  }
  for (const std::string& name : names) {
    const absl::StatusOr<MachineModel> machine = MachineOf({.machine = name});
    if (!machine.ok()) return machine.status();
    machines.push_back(FindMachine(name));
  }
  return machines;
}

// Modes of which Xen has paravirtual guests.
absl::StatusOr<std::vector<PagingMode>> ModesOf(const StringList& levels) {
  std::vector<PagingMode> modes;
  for (const std::string& word : levels) {
    int number = 0;
    const bool good =
        absl::SimpleAtoi(word, &number) && number >= 2 && number <= 4;
    if (!good) {
      return absl::InvalidArgumentError(
          absl::StrCat("--levels=", word, ": want 2, 3 or 4"));
    }
    modes.push_back(*PagingModeOfLevels(number));
  }
  return modes;
}

absl::StatusOr<std::vector<Crossover>> MeasureAll() {
  const auto machines = MachinesOf(absl::GetFlag(FLAGS_machine));
  if (!machines.ok()) return machines.status();
  const auto modes = ModesOf(absl::GetFlag(FLAGS_levels));
  if (!modes.ok()) return modes.status();
  std::vector<Crossover> crossovers;
  for (const MachineModel* machine : *machines) {
    for (const PagingMode mode :
         {PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level}) {
      const bool named =
          std::find(modes->begin(), modes->end(), mode) != modes->end();
      if (modes->empty() ? !HasMode(*machine, mode) : !named) continue;
      SimulatorOptions options{.mode = mode};
      options.machine = machine->name;
      auto crossover = MeasureCrossover(options, AllUpdateWays(mode));
      if (!crossover.ok()) return crossover.status();
      crossovers.push_back(*std::move(crossover));
    }
  }
  return crossovers;
}

absl::Status Run(const StringList& rest) {
  if (!rest.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", rest.front(), "': want flags only"));
  }
  const std::string format = absl::GetFlag(FLAGS_format);
  if (format != "text" && format != "csv" && format != "json") {
    return absl::InvalidArgumentError(
        absl::StrCat("--format=", format, ": want text, csv or json"));
  }
  const auto crossovers = MeasureAll();
  if (!crossovers.ok()) return crossovers.status();
  const std::string text = format == "csv" ? FormatCrossoverCsv(*crossovers)
                           : format == "json"
                               ? FormatCrossoverJson(*crossovers)
                               : FormatCrossoverText(*crossovers);
  if (std::fputs(text.c_str(), stdout) < 0) {
    return absl::InternalError("cannot write to standard output");
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  const StringList rest = ParseArguments(kProgram, argc, argv);
  if (!absl::GetFlag(FLAGS_help)) return ExitStatus(kProgram, Run(rest));
  return std::fputs(Help().c_str(), stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

}  // namespace
}  // namespace xmmu::compare

int main(int argc, char** argv) { return xmmu::compare::Main(argc, argv); }
