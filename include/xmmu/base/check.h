#ifndef XMMU_BASE_CHECK_H_
#define XMMU_BASE_CHECK_H_

// XMMU_CHECK(condition): a broken invariant of the simulator itself ends the
// program with the place and the condition. It stays on in release builds.
// XMMU_DCHECK is for checks on the translation hot path; it is off with NDEBUG.
//
// Abseil's CHECK lives in absl/log/check.h, which the Abseil of Debian 12
// (20220623) does not have yet; this is the smallest stand-in for it.
//
// What a guest or a user can cause is never a CHECK: a page fault is a value, a
// refused request an absl::Status.

#include "absl/base/optimization.h"

namespace xmmu::internal {

// Writes `file:line: check failed: condition` to stderr and aborts.
[[noreturn]] void CheckFailed(const char* file, int line,
                              const char* condition);

}  // namespace xmmu::internal

#define XMMU_CHECK(condition)   \
  (ABSL_PREDICT_TRUE(condition) \
       ? static_cast<void>(0)   \
       : ::xmmu::internal::CheckFailed(__FILE__, __LINE__, #condition))

#ifdef NDEBUG
#define XMMU_DCHECK(condition) static_cast<void>(0)
#else
#define XMMU_DCHECK(condition) XMMU_CHECK(condition)
#endif

#endif  // XMMU_BASE_CHECK_H_
