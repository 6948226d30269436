#ifndef XMMU_LIB_WORKLOAD_LACKEY_CALL_ARGUMENTS_H_
#define XMMU_LIB_WORKLOAD_LACKEY_CALL_ARGUMENTS_H_

// Reads the arguments of calls whose form is no condition of their records.
// The letters of CallRow::arguments stand for an argument each:
//
//   n  a number, "4294967196", "-1" or "0x5401"
//   s  a pointer with the string behind it, "0x402a2a0(/etc/passwd)"
//   h  a hexadecimal number without its 0x, "4a2a740"
//   w  a word that stands for a number, "EPOLL_CTL_ADD"

#include "absl/strings/string_view.h"
#include "workload/process/call_buffers.h"
#include "workload/process/system_call.h"

namespace xmmu {

// Reads "sys_NAME ( ARGS )" into `call`. Returns false, and leaves `call` as it
// is, if `text` is not in the form of `row`, which is no error.
bool ReadArguments(absl::string_view text, const CallRow& row,
                   SystemCall* call);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LACKEY_CALL_ARGUMENTS_H_
