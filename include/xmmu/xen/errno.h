#ifndef XMMU_XEN_ERRNO_H_
#define XMMU_XEN_ERRNO_H_

// Xen's error numbers (xen/include/public/errno.h, 4.17) and their absl::Status
// codes. A hypercall that Xen refuses is a Status with the code of its errno:
//
//   EPERM   1 PermissionDenied     EBUSY  16 FailedPrecondition
//   ESRCH   3 NotFound             EEXIST 17 AlreadyExists
//   ENOMEM 12 ResourceExhausted    EINVAL 22 InvalidArgument
//   EACCES 13 Unauthenticated      ENOSYS 38 Unimplemented
//   EFAULT 14 OutOfRange           ERESTART 85 Aborted
//
// Plain functions; any thread.

#include <string_view>

#include "absl/status/status.h"

namespace xmmu {

enum class XenErrno : int {
  kOk = 0,
  kEPERM = 1,
  kESRCH = 3,
  kENOMEM = 12,
  kEACCES = 13,
  kEFAULT = 14,
  kEBUSY = 16,
  kEEXIST = 17,
  kEINVAL = 22,
  kENOSYS = 38,
  kERESTART = 85,
};

// The Status of `error` with `message` (what was refused and why).
absl::Status XenError(XenErrno error, std::string_view message);

// The errno a Status stands for; kOk for an OK one. CHECKs that its code is one
// of the table above.
XenErrno ErrnoOf(const absl::Status& status);

// "EINVAL", ...
std::string_view ErrnoName(XenErrno error);

}  // namespace xmmu

#endif  // XMMU_XEN_ERRNO_H_
