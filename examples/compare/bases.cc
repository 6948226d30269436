#include "compare/bases.h"

#include <algorithm>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "compare/machines.h"
#include "xmmu/machine/machine_model.h"

namespace xmmu::compare {
namespace {

using SharedMachine = std::shared_ptr<const MachineModel>;

absl::StatusOr<std::vector<SharedMachine>> MachinesOf(
    std::vector<std::string> names, const MachineFlags& flags) {
  if (!flags.file.empty()) {
    if (!names.empty()) {
      return absl::InvalidArgumentError(
          "--machine-file: want it without --machine");
    }
    names = {""};
  }
  if (names.empty() || names == std::vector<std::string>{"all"}) {
    names.clear();
    for (const MachineModel* machine : Machines()) {
      names.emplace_back(machine->name);
    }
  }
  std::vector<SharedMachine> machines;
  for (const std::string& name : names) {
    absl::StatusOr<SharedMachine> machine = MakeMachine(name, flags);
    if (!machine.ok()) return machine.status();
    machines.push_back(*std::move(machine));
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
  const auto machines = MachinesOf(machine_names, ReadMachineFlags());
  if (!machines.ok()) return machines.status();
  const auto modes = ModesOf(levels);
  if (!modes.ok()) return modes.status();
  std::vector<SimulatorOptions> bases;
  for (const SharedMachine& machine : *machines) {
    for (const PagingMode mode :
         {PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level}) {
      const bool named =
          std::find(modes->begin(), modes->end(), mode) != modes->end();
      if (modes->empty() ? !HasMode(*machine, mode) : !named) continue;
      bases.push_back({.machine = std::string(machine->name),
                       .custom_machine = machine,
                       .mode = mode});
    }
  }
  return bases;
}

}  // namespace xmmu::compare
