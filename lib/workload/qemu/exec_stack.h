#ifndef XMMU_LIB_WORKLOAD_QEMU_EXEC_STACK_H_
#define XMMU_LIB_WORKLOAD_QEMU_EXEC_STACK_H_

#include <optional>

#include "workload/process/address_map.h"
#include "workload/qemu/spool_directory.h"

namespace xmmu {

// Returns the pages of the new stack that exec wrote arguments, environment and
// auxiliary vector to, up to the stack's end. No word says where that begins,
// but the program's first access to its stack does: _start pushes below it or
// loads from it (System V ABI, AMD64 supplement, 3.4.1; glibc, sysdeps/x86_64
// and i386, dl-machine.h and start.S).
//
// Returns nothing if the program did not get there, or the stack is not one that
// can be read and written alone. What is wrong with the file is not said here.
std::optional<AddressMap::Range> FindExecStack(const SpoolProgram& program);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_QEMU_EXEC_STACK_H_
