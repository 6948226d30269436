#include "compare/bases.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "xmmu/machine/machine_model.h"

namespace xmmu::compare {
namespace {

absl::StatusOr<std::vector<const MachineModel*>> MachinesOf(
    const std::vector<std::string>& names) {
  std::vector<const MachineModel*> machines;
  if (names.empty() || names == std::vector<std::string>{"all"}) {
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
absl::StatusOr<std::vector<PagingMode>> ModesOf(
    const std::vector<std::string>& levels) {
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

}  // namespace

absl::StatusOr<std::vector<SimulatorOptions>> BasesOf(
    const std::vector<std::string>& machine_names,
    const std::vector<std::string>& levels) {
  const auto machines = MachinesOf(machine_names);
  if (!machines.ok()) return machines.status();
  const auto modes = ModesOf(levels);
  if (!modes.ok()) return modes.status();
  std::vector<SimulatorOptions> bases;
  for (const MachineModel* machine : *machines) {
    for (const PagingMode mode :
         {PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level}) {
      const bool named =
          std::find(modes->begin(), modes->end(), mode) != modes->end();
      if (modes->empty() ? !HasMode(*machine, mode) : !named) continue;
      bases.push_back({.machine = std::string(machine->name), .mode = mode});
    }
  }
  return bases;
}

}  // namespace xmmu::compare
