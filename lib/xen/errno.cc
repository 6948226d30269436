#include "xmmu/xen/errno.h"

#include <array>

#include "xmmu/base/check.h"

namespace xmmu {
namespace {

struct Row {
  XenErrno error;
  absl::StatusCode code;
  std::string_view name;
};

constexpr std::array kRows = {
    Row{XenErrno::kOk, absl::StatusCode::kOk, "OK"},
    Row{XenErrno::kEPERM, absl::StatusCode::kPermissionDenied, "EPERM"},
    Row{XenErrno::kESRCH, absl::StatusCode::kNotFound, "ESRCH"},
    Row{XenErrno::kENOMEM, absl::StatusCode::kResourceExhausted, "ENOMEM"},
    Row{XenErrno::kEACCES, absl::StatusCode::kUnauthenticated, "EACCES"},
    Row{XenErrno::kEFAULT, absl::StatusCode::kOutOfRange, "EFAULT"},
    Row{XenErrno::kEBUSY, absl::StatusCode::kFailedPrecondition, "EBUSY"},
    Row{XenErrno::kEEXIST, absl::StatusCode::kAlreadyExists, "EEXIST"},
    Row{XenErrno::kEINVAL, absl::StatusCode::kInvalidArgument, "EINVAL"},
    Row{XenErrno::kENOSYS, absl::StatusCode::kUnimplemented, "ENOSYS"},
    Row{XenErrno::kERESTART, absl::StatusCode::kAborted, "ERESTART"},
};

const Row& RowOf(XenErrno error) {
  for (const Row& row : kRows) {
    if (row.error == error) return row;
  }
  XMMU_CHECK(false && "an errno of the table");
  return kRows[0];
}

}  // namespace

absl::Status XenError(XenErrno error, std::string_view message) {
  return absl::Status(RowOf(error).code, {message.data(), message.size()});
}

XenErrno ErrnoOf(const absl::Status& status) {
  for (const Row& row : kRows) {
    if (row.code == status.code()) return row.error;
  }
  XMMU_CHECK(false && "a status that Xen has an errno for");
  return XenErrno::kOk;
}

std::string_view ErrnoName(XenErrno error) { return RowOf(error).name; }

}  // namespace xmmu
