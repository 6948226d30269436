#ifndef XMMU_LIB_WORKLOAD_QEMU_I386_ROWS_H_
#define XMMU_LIB_WORKLOAD_QEMU_I386_ROWS_H_

// The table of 32-bit system calls. Any thread.

#include <cstdint>

#include "workload/process/call_buffers.h"
#include "workload/qemu/i386_calls.h"

namespace xmmu {

struct I386Call {
  uint64_t becomes = kNoCall;    // the number on x86-64
  const CallRow* row = nullptr;  // if its memory is not that of x86-64's
};

// Calls without memory are not in the table: they become kNoCall.
I386Call FindI386Call(uint64_t number);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_QEMU_I386_ROWS_H_
