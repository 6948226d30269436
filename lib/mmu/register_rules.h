#ifndef XMMU_LIB_MMU_REGISTER_RULES_H_
#define XMMU_LIB_MMU_REGISTER_RULES_H_

// Which values of CR0, CR3, CR4 and EFER a machine takes: of a move to one of
// them, given what the others hold, and of a whole register file, as an entry
// to a guest takes it.
// Source: SDM Vol. 2, "MOV - Move to/from Control Registers"; Vol. 3A, "Control
// Registers", "Extended Feature Enable Register"; Vol. 3C, "Checks on Guest
// Control Registers, Debug Registers, and MSRs"; AMD APM Vol. 2,
// "System-Control Registers", "Canonicalization and Consistency Checks".
//
// What depends on the code segment (CS.L) is not judged: segments are not
// simulated. Of bits that no preset's CPUID has (CR4.KL, UINTR, LASS, LAM,
// FRED; EFER.UAIE) all machines say that they are reserved.

#include <cstdint>
#include <optional>

#include "xmmu/machine/control_registers.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/mmu/vm_controls.h"

namespace xmmu {

// What MOV to CR0 keeps of `value`: reserved bits of 31:0 are ignored.
uint64_t KeptOfCr0(uint64_t value);
// What WRMSR of EFER keeps, LMA excepted, which is read-only.
uint64_t KeptOfEfer(uint64_t value);

// Whether the value can be moved while `now` is in force; if not, #GP.
bool AllowsCr0(const ControlRegisters& now, uint64_t value);
bool AllowsCr4(const MachineModel& model, const ControlRegisters& now,
               uint64_t value);
bool AllowsEfer(const MachineModel& model, const ControlRegisters& now,
                uint64_t value);
// `registers` says in which mode; `value` is without the no-flush bit.
bool AllowsCr3(const CpuFeatures& features, const ControlRegisters& registers,
               uint64_t value);

// Whether software can have got all of `registers` in place by moves, on a
// machine that has their paging mode (long mode, LA57) besides what it has: a
// machine may be simulated in modes that it has not.
bool AllowsAll(const MachineModel& model, const ControlRegisters& registers);
// Whether an entry to a guest takes them, and these controls.
bool AllowsEntry(const MachineModel& model, const ControlRegisters& registers,
                 const VmControls& controls);
// Whether INVEPT or an entry can name nested tables at `root`.
bool AllowsNestedRoot(const CpuFeatures& features, MachineAddr root);

}  // namespace xmmu

#endif  // XMMU_LIB_MMU_REGISTER_RULES_H_
