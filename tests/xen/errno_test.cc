#include "xmmu/xen/errno.h"

#include <gtest/gtest.h>

#include <array>
#include <utility>

namespace xmmu::errno_test {
namespace {

TEST(XenErrnoTest, NumbersNamesAndCodesBelongTogether) {
  using Row = std::pair<int, std::pair<absl::StatusCode, std::string_view>>;
  const std::array rows = {
      Row{1, {absl::StatusCode::kPermissionDenied, "EPERM"}},
      Row{3, {absl::StatusCode::kNotFound, "ESRCH"}},
      Row{12, {absl::StatusCode::kResourceExhausted, "ENOMEM"}},
      Row{13, {absl::StatusCode::kUnauthenticated, "EACCES"}},
      Row{14, {absl::StatusCode::kOutOfRange, "EFAULT"}},
      Row{16, {absl::StatusCode::kFailedPrecondition, "EBUSY"}},
      Row{17, {absl::StatusCode::kAlreadyExists, "EEXIST"}},
      Row{22, {absl::StatusCode::kInvalidArgument, "EINVAL"}},
      Row{38, {absl::StatusCode::kUnimplemented, "ENOSYS"}},
      Row{85, {absl::StatusCode::kAborted, "ERESTART"}},
  };
  for (const auto& [number, rest] : rows) {
    const auto error = static_cast<XenErrno>(number);
    const absl::Status status = XenError(error, "why");
    EXPECT_EQ(status.code(), rest.first) << number;
    EXPECT_EQ(status.message(), "why");
    EXPECT_EQ(ErrnoOf(status), error);
    EXPECT_EQ(ErrnoName(error), rest.second);
  }
}

TEST(XenErrnoTest, NoErrorIsOk) {
  EXPECT_TRUE(XenError(XenErrno::kOk, "").ok());
  EXPECT_EQ(ErrnoOf(absl::OkStatus()), XenErrno::kOk);
}

TEST(XenErrnoDeathTest, AnUnknownCodeIsABrokenInvariant) {
  EXPECT_DEATH(ErrnoOf(absl::DataLossError("")), "check failed");
}

}  // namespace
}  // namespace xmmu::errno_test
