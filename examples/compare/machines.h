#ifndef XMMU_EXAMPLES_COMPARE_MACHINES_H_
#define XMMU_EXAMPLES_COMPARE_MACHINES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "xmmu/machine/machine_model.h"

namespace xmmu::compare {

// What --machine-file and --set say, flags of every program that links this.
struct MachineFlags {
  std::string file;
  std::vector<std::string> settings;
};
MachineFlags ReadMachineFlags();

// The machine of that file, or if there is none the preset of that name, with
// what is set.
// Errors: InvalidArgument naming the flag, what is wrong and what would do.
absl::StatusOr<std::shared_ptr<const MachineModel>> MakeMachine(
    const std::string& name, const MachineFlags& flags);

}  // namespace xmmu::compare

#endif  // XMMU_EXAMPLES_COMPARE_MACHINES_H_
