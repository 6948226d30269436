#ifndef XMMU_LIB_WORKLOAD_PROCESS_SYSTEM_CALL_H_
#define XMMU_LIB_WORKLOAD_PROCESS_SYSTEM_CALL_H_

// A system call of a recorded program and its result, as far as a recording
// tells. Plain values; any thread.

#include <array>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace xmmu {

// Process ids are below this (Linux, include/linux/threads.h, PID_MAX_LIMIT on
// 64-bit machines).
inline constexpr uint64_t kProcessIdEnd = uint64_t{1} << 22;

struct CallRow;

// A part of a program's memory.
struct UserMemory {
  uint64_t va = 0;
  uint64_t length = 0;  // bytes
};

// A call as its first record describes it.
struct SystemCall {
  uint64_t number = 0;             // Linux x86-64 number
  std::array<uint64_t, 6> args{};  // zero if not printed
  // The first two strings among the arguments, and which argument the first is.
  absl::string_view path;
  absl::string_view other_path;
  uint8_t path_argument = 0;
  // Whether the arguments were printed in a form that the reader knows. If not
  // they are zero, and the record counts as that of a call without any.
  bool readable = false;
  uint32_t child = 0;  // process id that a fork created, or 0
  // The task of the thread that a clone created, or 0 where threads are in the
  // stream of their process.
  uint32_t thread = 0;
  // The row that says which arguments are memory, if it is not the number's: a
  // 32-bit program's structures have sizes of their own.
  const CallRow* row = nullptr;
  // What an argument's vectors (struct iovec) point to, where a recording has
  // them, and whether the kernel writes it. The result says how much it got to.
  std::span<const UserMemory> vectors;
  bool writes_vectors = false;
};

struct SystemCallResult {
  bool success = false;
  uint64_t value = 0;  // the returned value, or the errno
};

// Whether Linux can have returned `result` from `call`, as far as the call's
// own fields tell. Its effect on the mappings is checked where those are known
// (call_rules.h).
//
// Errors: InvalidArgument, as ParseSystemCall().
absl::Status CheckCall(const SystemCall& call, const SystemCallResult& result);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PROCESS_SYSTEM_CALL_H_
