#ifndef XMMU_LIB_WORKLOAD_QEMU_I386_CALLS_H_
#define XMMU_LIB_WORKLOAD_QEMU_I386_CALLS_H_

// System calls of 32-bit x86 programs, as x86-64's. Any thread.

#include "workload/qemu/spool_call.h"

namespace xmmu {

// A call of which x86-64 has none, or that touches no memory, gets this number.
inline constexpr uint64_t kNoCall = 0xffff;

// The call of a 32-bit program as that of a 64-bit one: number, order and units
// of the arguments, and where its structures have other sizes a row of its own.
// Source: Linux 6.1, arch/x86/entry/syscalls/syscall_32.tbl.
TranslatedCall TranslateI386Call(const SpoolCall& call);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_QEMU_I386_CALLS_H_
