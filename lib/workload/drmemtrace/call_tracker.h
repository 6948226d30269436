#ifndef XMMU_LIB_WORKLOAD_DRMEMTRACE_CALL_TRACKER_H_
#define XMMU_LIB_WORKLOAD_DRMEMTRACE_CALL_TRACKER_H_

// Puts together what the markers of one thread say of a system call:
//
//   SYSCALL n, [MAYBE_BLOCKING], [FUNC_ID 2^32+n, FUNC_ARG a...],
//   [FUNC_ID 2^32+n, FUNC_RETVAL r, [SYSCALL_FAILED e]]
//
// Arguments and results are there only of calls that were asked for
// (-record_syscall), and of futex.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "workload/drmemtrace/record.h"
#include "workload/process/system_call.h"

namespace xmmu {

inline constexpr uint64_t kClone3 = 435;  // syscall_64.tbl

// Before, FUNC_RETVAL only says whether the call succeeded (DynamoRIO issue
// 5843; trace_entry.h, TRACE_ENTRY_VERSION_FREQUENT_TIMESTAMPS).
inline constexpr uint64_t kFirstVersionWithResults = 6;

struct TracedCall {
  uint64_t number = 0;
  bool may_block = false;
  std::array<uint64_t, 6> args{};
  size_t arg_count = 0;
  std::optional<uint64_t> returned;  // FUNC_RETVAL
  std::optional<uint64_t> error;     // SYSCALL_FAILED

  // The call and its result, as far as arguments and result are all there.
  // `version` is the trace's.
  SystemCall Call() const;
  std::optional<SystemCallResult> Result(uint64_t version) const;
};

// How many arguments of the call its effect depends on, and its copies.
size_t ArgumentsOf(uint64_t number);

class CallTracker {
 public:
  // Takes a marker in. Returns the call before, if the marker begins another
  // one.
  std::optional<TracedCall> Take(const TraceRecord& marker);

  // Whether there is a call that has not been taken out.
  bool open() const { return call_.has_value(); }
  const TracedCall& call() const { return *call_; }

  // Returns the call, if there is one: the thread goes on with something else.
  std::optional<TracedCall> Finish();

 private:
  std::optional<TracedCall> call_;
  uint64_t function_ = 0;  // that of the last FUNC_ID
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_DRMEMTRACE_CALL_TRACKER_H_
