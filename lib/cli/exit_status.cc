#include "cli/exit_status.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace xmmu::cli {
namespace {

// The payload of a status that holds an exit status in decimal.
constexpr char kPayload[] = "xmmu/exit-status";

}  // namespace

absl::Status WithExitStatus(absl::Status error, int exit_status) {
  error.SetPayload(kPayload, absl::Cord(absl::StrCat(exit_status)));
  return error;
}

absl::Status EndWith(int exit_status) {
  if (exit_status == 0) return absl::OkStatus();
  return WithExitStatus(absl::CancelledError(), exit_status);
}

std::optional<int> ExitStatusOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  int exit_status = 0;
  if (!payload.has_value() ||
      !absl::SimpleAtoi(std::string(*payload), &exit_status)) {
    return std::nullopt;
  }
  return exit_status;
}

}  // namespace xmmu::cli
