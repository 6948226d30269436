// Markers of a drmemtrace: system calls, signals, windows.

#include <utility>

#include "absl/strings/str_cat.h"
#include "workload/drmemtrace/fork_scan.h"
#include "workload/drmemtrace/process_stream.h"
#include "workload/process/call_number.h"
#include "workload/process/call_rules.h"

namespace xmmu {
namespace {

constexpr uint64_t kSharesMemory = 0x100;  // Linux, include/uapi/linux/sched.h

// Whether the call changes mappings.
bool IsMappingCall(uint64_t number) {
  switch (number) {
    case kMmap:
    case kMprotect:
    case kMunmap:
    case kBrk:
    case kMremap:
    case kMadvise:
    case kShmat:
    case kShmdt:
    case kPkeyMprotect:
      return true;
    default:
      return false;
  }
}

// Whether the call opens a file, by a path, which no marker has.
bool OpensPath(uint64_t number) {
  return number == kOpen || number == kCreat || number == kOpenat ||
         number == kOpenat2;
}

bool IsExecNumber(uint64_t number) {
  return number == kExecve || number == kExecveat;
}

}  // namespace

absl::Status ProcessStream::SwitchThread(uint64_t thread) {
  if (thread_ != nullptr && thread == thread_id_) return absl::OkStatus();
  const auto [entry, is_new] = threads_.try_emplace(thread);
  if (is_new && thread != 0) ++counts_.threads;
  // Pointers into the map do not outlive an insertion.
  thread_ = &threads_.find(thread)->second;
  thread_id_ = thread;
  pairing_.Begin();
  return absl::OkStatus();
}

absl::Status ProcessStream::ReadMarker(const TraceRecord& record) {
  switch (record.size) {
    case kMarkerSyscall:
    case kMarkerMaybeBlocking:
    case kMarkerFuncId:
    case kMarkerFuncArg:
    case kMarkerFuncRetval:
    case kMarkerSyscallFailed: {
      if (record.size == kMarkerSyscall) ++counts_.syscalls;
      const std::optional<TracedCall> before = thread_->calls.Take(record);
      return before.has_value() ? FinishCall(*before) : absl::OkStatus();
    }
    case kMarkerKernelEvent: {
      const absl::Status finished = FinishOpenCall();
      ++counts_.kernel_events;
      writer_.Push(GuestOpKind::kSyscall);
      return finished;
    }
    case kMarkerWindowId:
      if (window_.has_value() && *window_ != record.address) ++counts_.gaps;
      window_ = record.address;
      break;
    default:
      break;
  }
  return absl::OkStatus();
}

absl::Status ProcessStream::FinishOpenCall() {
  if (thread_ == nullptr) return absl::OkStatus();
  const std::optional<TracedCall> call = thread_->calls.Finish();
  if (!call.has_value()) return absl::OkStatus();
  // A thread that ends in an exec goes on in the next program.
  const bool last = at_ < batch_.records.size() &&
                    batch_.records[at_].type == kRecordThreadExit;
  if (last && IsExecNumber(call->number)) return absl::OkStatus();
  return FinishCall(*call);
}

// A call whose result is still to come, or an exec, stays open.
absl::Status ProcessStream::EndPiece() {
  if (thread_ == nullptr || !thread_->calls.open()) return absl::OkStatus();
  const TracedCall& call = thread_->calls.call();
  const bool waits = call.arg_count != 0 && !call.returned.has_value();
  if (waits || IsExecNumber(call.number)) return absl::OkStatus();
  return FinishOpenCall();
}

absl::Status ProcessStream::FinishCall(const TracedCall& call) {
  if (OpensPath(call.number)) ++writer_.state().unknown_opens;
  if (call.number == kExitGroup) return absl::OkStatus();
  if (IsExecNumber(call.number) || OpensPath(call.number)) {
    return FinishUnknown(call);
  }
  const auto& programs = set_.processes.at(process_);
  const TracedProgram& program = programs[program_ - 1];
  const uint64_t version =
      program.heads.empty() ? set_.oldest_version : program.heads[0].version;
  const std::optional<SystemCallResult> result = call.Result(version);
  SystemCall system_call = call.Call();
  if (!result.has_value()) return FinishUnknown(call);
  if (MakesTask(call.number)) {
    system_call.child = ChildOf(call, *result);
    const bool thread =
        call.number == kClone && (call.args[0] & kSharesMemory) != 0 &&
        (call.args[0] & kCloneVfork) == 0 && system_call.child == 0;
    if (system_call.child == 0 && !thread && result->success) {
      return FinishUnknown(call);
    }
    // clone3 keeps its flags in memory. glibc makes processes by it in
    // posix_spawn alone, which waits as vfork does (assumed).
    if (call.number == kClone3) {
      system_call.number = system_call.child == 0 ? kClone3 : kVforkCall;
    } else if (call.number == kClone && call.arg_count == 0) {
      system_call.number = kForkCall;
    }
  } else if (!system_call.readable) {
    return FinishUnknown(call);
  }
  return FinishKnown(call, system_call, *result);
}

absl::Status ProcessStream::FinishKnown(const TracedCall& call,
                                        SystemCall system_call,
                                        const SystemCallResult& result) {
  if (call.number == kMmap && result.success && Tolerates()) {
    // What lay there is gone, by a call that is not in the trace or that was
    // merged behind this one.
    system_call.args[0] = result.value;
    system_call.args[3] =
        (system_call.args[3] | kMapFixed) & ~kMapFixedNoReplace;
  }
  const size_t first = writer_.ops().size();
  absl::Status finished = CheckCall(system_call, result);
  if (finished.ok()) finished = writer_.Finish(system_call, result);
  if (!finished.ok() && !Tolerates()) return ErrorAt(finished.message());
  if (!finished.ok()) return FinishUnknown(call);
  std::vector<GuestOp>& ops = writer_.ops();
  const bool plain =
      ops.size() == first + 1 && ops[first].kind == GuestOpKind::kSyscall;
  if (plain && call.may_block) ops[first].kind = GuestOpKind::kYield;
  if (result.success && system_call.child != 0) {
    Begin(system_call.child, writer_.ChildState(system_call), /*fresh=*/false);
  }
  return absl::OkStatus();
}

absl::Status ProcessStream::FinishUnknown(const TracedCall& call) {
  writer_.Push(call.may_block ? GuestOpKind::kYield : GuestOpKind::kSyscall);
  if (!IsMappingCall(call.number)) return absl::OkStatus();
  ++counts_.unknown_calls;
  state_unknown_ = true;
  return absl::OkStatus();
}

TaskId ProcessStream::ChildOf(const TracedCall& call,
                              const SystemCallResult& result) const {
  if (!result.success || result.value > UINT32_MAX) return 0;
  const auto child = static_cast<TaskId>(result.value);
  const auto parent = set_.parents.find(child);
  const bool thread = call.number == kClone && call.arg_count > 0 &&
                      (call.args[0] & kSharesMemory) != 0 &&
                      (call.args[0] & kCloneVfork) == 0;
  const bool right = parent != set_.parents.end() &&
                     parent->second == process_ && !born_.contains(child);
  return right && !thread ? child : 0;
}

}  // namespace xmmu
