#include "compare/machines.h"

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "xmmu/machine/machine_file.h"

ABSL_FLAG(std::string, machine_file, "",
          "file with a machine, see --list-costs --format=toml of "
          "xmmu-compare");
ABSL_FLAG(std::vector<std::string>, set, {},
          "values of the machine to override: KEY=VALUE,... with the keys of "
          "such a file, or mov_cr3=500");

namespace xmmu::compare {
namespace {

absl::StatusOr<MachineModel> PresetOf(const std::string& name) {
  std::vector<std::string> names;
  for (const MachineModel* machine : Machines()) {
    if (machine->name == name) return *machine;
    names.emplace_back(machine->name);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--machine=", name, ": want ", absl::StrJoin(names, ", ")));
}

}  // namespace

MachineFlags ReadMachineFlags() {
  return {absl::GetFlag(FLAGS_machine_file), absl::GetFlag(FLAGS_set)};
}

absl::StatusOr<std::shared_ptr<const MachineModel>> MakeMachine(
    const std::string& name, const MachineFlags& flags) {
  absl::StatusOr<MachineModel> machine =
      flags.file.empty() ? PresetOf(name) : LoadMachine(flags.file);
  if (!machine.ok()) return machine.status();
  const absl::Status set = SetMachineValues(flags.settings, *machine);
  if (!set.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--set=", std::string(set.message())));
  }
  return std::make_shared<const MachineModel>(*std::move(machine));
}

}  // namespace xmmu::compare
