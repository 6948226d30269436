#ifndef XMMU_LIB_SIM_MACHINE_FORMATS_H_
#define XMMU_LIB_SIM_MACHINE_FORMATS_H_

#include <string>

#include "xmmu/machine/machine_model.h"

namespace xmmu {

// FormatMachine() as TOML.
std::string FormatMachineToml(const MachineModel& machine);

}  // namespace xmmu

#endif  // XMMU_LIB_SIM_MACHINE_FORMATS_H_
