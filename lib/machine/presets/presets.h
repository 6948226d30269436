#ifndef XMMU_LIB_MACHINE_PRESETS_PRESETS_H_
#define XMMU_LIB_MACHINE_PRESETS_PRESETS_H_

// The machine presets, one file each. Sources named by short tags:
//   InstLatx64   the published CPUID dumps and memory-latency grids of that
//                collection (github.com/InstLatx64/InstLatx64)
//   SDM          Intel Software Developer's Manual, vol. 3A
//   SOSP'03      Barham et al., "Xen and the Art of Virtualization", tables of
//                lmbench results
//   ASPLOS'06    Adams & Agesen, "A Comparison of Software and Hardware
//                Techniques for x86 Virtualization"
//   Torvalds'14  L. Torvalds, post of 2014-04-30 on the cost of page faults

#include "xmmu/machine/machine_model.h"

namespace xmmu::presets {

// 2.4 GHz Pentium 4 Xeon (Prestonia): the machine of SOSP'03.
const MachineModel& Xeon2003();

// 2.2 GHz Opteron 248 (K8).
const MachineModel& Opteron2005();

// Skylake-X / Skylake-SP core.
const MachineModel& Skylake2017();

// One row of a preset's cost table.
struct CostRow {
  CostEvent event;
  CostConstant constant;
};

// The table with these rows. A preset states every event, even those that take
// no time or do not exist on it: CHECKs that each has exactly one row.
CostTable MakeCostTable(std::span<const CostRow> rows);

}  // namespace xmmu::presets

#endif  // XMMU_LIB_MACHINE_PRESETS_PRESETS_H_
