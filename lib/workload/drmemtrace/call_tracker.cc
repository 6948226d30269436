#include "workload/drmemtrace/call_tracker.h"

#include <algorithm>
#include <utility>

#include "workload/process/call_buffers.h"
#include "workload/process/call_number.h"
#include "workload/process/call_rules.h"

namespace xmmu {
namespace {

// Linux, include/linux/err.h, MAX_ERRNO.
constexpr int64_t kMostErrors = 4095;

struct ArgumentCount {
  uint64_t number;
  size_t count;
};

// Those of calls on mappings, descriptors and processes (syscall_64.tbl). Of
// others it is what their buffers need.
constexpr ArgumentCount kArgumentCounts[] = {
    {kClose, 1},    {kMmap, 6},         {kMprotect, 3},   {kMunmap, 2},
    {kBrk, 1},      {kMremap, 4},       {kMadvise, 3},    {kShmget, 3},
    {kShmat, 3},    {kShmctl, 3},       {kDup, 1},        {kDup2, 2},
    {kClone, 1},    {kForkCall, 0},     {kVforkCall, 0},  {kWait4, 4},
    {kShmdt, 1},    {kFcntl, 3},        {kMlock, 2},      {kMunlock, 2},
    {kMlockall, 1}, {kWaitid, 5},       {kDup3, 3},       {kMemfdCreate, 2},
    {kMlock2, 3},   {kPkeyMprotect, 4}, {kCloseRange, 3},
};

}  // namespace

size_t ArgumentsOf(uint64_t number) {
  for (const ArgumentCount& row : kArgumentCounts) {
    if (row.number == number) return row.count;
  }
  size_t count = 0;
  const CallRow* row = FindCallRow(number);
  if (row == nullptr) return count;
  for (const CallBuffer& buffer : row->buffers) {
    if (buffer.way == CallBuffer::Way::kNone) continue;
    count = std::max<size_t>({count, buffer.pointer + 1u,
                              buffer.length.argument + 1u,
                              buffer.when.argument + 1u});
  }
  return count;
}

SystemCall TracedCall::Call() const {
  SystemCall call;
  call.number = number;
  call.args = args;
  // fork and vfork have no argument: recorders are asked for one to get the
  // result.
  call.readable = arg_count >= ArgumentsOf(number);
  return call;
}

std::optional<SystemCallResult> TracedCall::Result(uint64_t version) const {
  if (error.has_value()) return SystemCallResult{false, *error};
  if (!returned.has_value()) return std::nullopt;
  const auto value = static_cast<int64_t>(*returned);
  if (version >= kFirstVersionWithResults) {
    if (value < 0 && value >= -kMostErrors) {
      return SystemCallResult{false, static_cast<uint64_t>(-value)};
    }
    return SystemCallResult{true, *returned};
  }
  if (value != 1) return std::nullopt;
  // It succeeded. What it returned is known of a few.
  const bool fixed = number == kMmap && (args[3] & kMapFixed) != 0;
  if (fixed) return SystemCallResult{true, args[0]};
  const bool zero = number == kMunmap || number == kMprotect ||
                    number == kMadvise || number == kPkeyMprotect;
  if (zero) return SystemCallResult{true, 0};
  return std::nullopt;
}

std::optional<TracedCall> CallTracker::Finish() {
  return std::exchange(call_, std::nullopt);
}

std::optional<TracedCall> CallTracker::Take(const TraceRecord& marker) {
  std::optional<TracedCall> before;
  const bool of_call = function_ >= kSyscallIdBase;
  const uint64_t number = function_ - kSyscallIdBase;
  const bool matches = of_call && call_.has_value() && call_->number == number;
  switch (marker.size) {
    case kMarkerSyscall:
      before = Finish();
      call_.emplace().number = marker.address;
      break;
    case kMarkerMaybeBlocking:
      if (call_.has_value()) call_->may_block = true;
      break;
    case kMarkerFuncId:
      function_ = marker.address;
      break;
    case kMarkerFuncArg:
      if (!of_call) break;
      // Before version 5 no marker but this one tells of a call.
      if (!matches || call_->returned.has_value()) {
        before = Finish();
        call_.emplace().number = number;
      }
      if (call_->arg_count < call_->args.size()) {
        call_->args[call_->arg_count++] = marker.address;
      }
      break;
    case kMarkerFuncRetval:
      // Without a call, the recorder was attached as it was under way.
      if (matches) call_->returned = marker.address;
      break;
    case kMarkerSyscallFailed:
      if (matches && call_->returned.has_value()) call_->error = marker.address;
      break;
    default:
      break;
  }
  return before;
}

}  // namespace xmmu
