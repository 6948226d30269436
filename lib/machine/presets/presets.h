#ifndef XMMU_LIB_MACHINE_PRESETS_PRESETS_H_
#define XMMU_LIB_MACHINE_PRESETS_PRESETS_H_

// The machine presets, one file each. Their sources are named by short tags:
//   InstLatx64   the published CPUID dumps and memory-latency grids of that
//                collection (github.com/InstLatx64/InstLatx64)
//   SDM          Intel Software Developer's Manual, vol. 3A
//   SOSP'03      Barham et al., "Xen and the Art of Virtualization", tables of
//                lmbench results
//   ASPLOS'06    Adams & Agesen, "A Comparison of Software and Hardware
//                Techniques for x86 Virtualization"
//   Torvalds'14  L. Torvalds, post of 2014-04-30 on the cost of page faults

#include <initializer_list>
#include <span>

#include "xmmu/machine/machine_model.h"

namespace xmmu::presets {

// 2.4 GHz Pentium 4 Xeon (Prestonia): the machine of SOSP'03.
const MachineModel& Xeon2003();

// 2.2 GHz Opteron 248 (K8).
const MachineModel& Opteron2005();

// 2.93 GHz Core 2 X6800 (Conroe): VMX without EPT and VPID.
const MachineModel& Core2_2006();

// 2.67 GHz Nehalem-EP: the first with EPT and VPID.
const MachineModel& Nehalem2009();

// 3.47 GHz Westmere (Gulftown): PCID and 1 GiB pages.
const MachineModel& Westmere2010();

// Skylake-X / Skylake-SP core.
const MachineModel& Skylake2017();

// 3.7 GHz Threadripper 3970X (Zen 2).
const MachineModel& Zen2_2019();

// 3.69 GHz Ryzen (Zen 3, Vermeer).
const MachineModel& Zen3_2020();

// 4.48 GHz EPYC (Zen 5, Turin).
const MachineModel& Zen5_2024();

// One row of a preset's cost table.
struct CostRow {
  CostEvent event;
  CostConstant constant;
  // Set where the source says that the price follows from other rows.
  PriceRule rule = {};
};

// The rules that presets use: the price of `of` and `plus` cycles; a multiple
// of `of`; the price of `of` less that of another; `sum` less another price.
constexpr PriceRule As(CostEvent of, int32_t plus = 0) {
  return {.of = of, .plus = plus};
}
constexpr PriceRule Times(uint32_t times, CostEvent of) {
  return {.of = of, .times = times};
}
constexpr PriceRule Less(CostEvent of, CostEvent less) {
  return {.of = of, .less = less};
}
constexpr PriceRule RestOf(int32_t sum, CostEvent less) {
  return {.plus = sum, .less = less};
}

// Sets the costs of a machine: each event gets the row of the first of `tables`
// that has one. A preset states every event, even those that take no time or do
// not exist on it.
// CHECKs that some table has each event, and that no table has one twice.
void SetCosts(std::initializer_list<std::span<const CostRow>> tables,
              MachineModel& machine);

// Returns the prices of software on 64-bit machines from 2006 on, which are
// assumed alike on all of them.
std::span<const CostRow> SharedCosts();

}  // namespace xmmu::presets

#endif  // XMMU_LIB_MACHINE_PRESETS_PRESETS_H_
