#ifndef XMMU_LIB_MMU_REGISTER_RULES_H_
#define XMMU_LIB_MMU_REGISTER_RULES_H_

// Which values of CR0, CR3, CR4 and EFER a machine accepts, by a move to one of
// them, given what the others hold, and as a whole register file, as a VM entry
// loads it.
// Source: SDM Vol. 2, "MOV - Move to/from Control Registers"; Vol. 3A, "Control
// Registers", "Extended Feature Enable Register"; Vol. 3C, "Checks on Guest
// Control Registers, Debug Registers, and MSRs"; AMD APM Vol. 2,
// "System-Control Registers", "Canonicalization and Consistency Checks".
//
// Rules that depend on the code segment (CS.L) are left out, as segments are
// not simulated. Bits that no preset's CPUID has (CR4.KL, UINTR, LASS, LAM,
// FRED; EFER.UAIE) are reserved on all machines.

#include <cstdint>
#include <optional>

#include "xmmu/machine/control_registers.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/mmu/vm_controls.h"

namespace xmmu {

// The bits of `value` that MOV to CR0 keeps: it ignores reserved bits of 31:0.
uint64_t KeptOfCr0(uint64_t value);
// The bits that WRMSR of EFER keeps, without LMA, which is read-only.
uint64_t KeptOfEfer(uint64_t value);

// Whether the value can be moved while `now` is in force; if not, the move
// raises #GP.
bool AllowsCr0(const ControlRegisters& now, uint64_t value);
bool AllowsCr4(const MachineModel& model, const ControlRegisters& now,
               uint64_t value);
bool AllowsEfer(const MachineModel& model, const ControlRegisters& now,
                uint64_t value);
// `registers` gives the mode; `value` is without the no-flush bit.
bool AllowsCr3(const CpuFeatures& features, const ControlRegisters& registers,
               uint64_t value);

// Whether moves can have put all of `registers` in place, on a machine with
// their paging mode (long mode, LA57) added: a machine may be simulated in
// modes that it lacks.
bool AllowsAll(const MachineModel& model, const ControlRegisters& registers);
// Whether a VM entry accepts the registers and the controls.
bool AllowsEntry(const MachineModel& model, const ControlRegisters& registers,
                 const VmControls& controls);
// Whether INVEPT or an entry can name nested tables at `root`.
bool AllowsNestedRoot(const CpuFeatures& features, MachineAddr root);

}  // namespace xmmu

#endif  // XMMU_LIB_MMU_REGISTER_RULES_H_
