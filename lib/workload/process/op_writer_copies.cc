// What the kernel reads from a program's memory and writes to it for a system
// call: copy_from_user, copy_to_user and their like.

#include <algorithm>

#include "workload/process/call_number.h"
#include "workload/process/op_writer.h"

namespace xmmu {
namespace {

// Linux, include/uapi/linux/sched.h.
constexpr uint64_t kCloneParentId = 0x00100000;  // CLONE_PARENT_SETTID
constexpr uint64_t kCloneChildId = 0x01000000;   // CLONE_CHILD_SETTID
constexpr uint64_t kIdBytes = 4;

// Assumed: no buffer in memory that exec made is larger.
constexpr uint64_t kMostInferred = 64 * 1024 * 1024;

}  // namespace

void OpWriter::PushCopies(CallBuffer::Way way, const SystemCall& call,
                          const SystemCallResult& result) {
  const CallRow* row =
      call.row != nullptr ? call.row : FindCallRow(call.number);
  if (row == nullptr || !call.readable) return;
  for (const CallBuffer& buffer : row->buffers) {
    if (buffer.way != way || Drops(call, buffer)) continue;
    Copy(way, call.args[buffer.pointer], BufferBytes(buffer, call, result));
  }
  if (!result.success) return;
  if (call.writes_vectors == (way == CallBuffer::Way::kOut)) {
    uint64_t left = result.value;
    for (const UserMemory& part : call.vectors) {
      Copy(way, part.va, std::min(part.length, left));
      left -= std::min(part.length, left);
    }
  }
  if (call.number == kIoctl) {
    for (const IoctlRow& request : IoctlRows()) {
      if (request.way != way || request.request != call.args[1]) continue;
      Copy(way, call.args[2], request.bytes);
    }
  }
  if (call.number == kClone && way == CallBuffer::Way::kOut) {
    // A thread's own word is in the same memory; a child's is written by the
    // child (BeginChild).
    const uint64_t flags = call.args[0];
    if ((flags & kCloneParentId) != 0) Copy(way, call.args[2], kIdBytes);
    const bool thread = call.child == 0;
    if (thread && (flags & kCloneChildId) != 0) {
      Copy(way, call.args[3], kIdBytes);
    }
  }
}

// Source: write_null (Linux, drivers/char/mem.c).
bool OpWriter::Drops(const SystemCall& call, const CallBuffer& buffer) const {
  const bool writes = call.number == kWrite || call.number == kPwrite64;
  if (!writes || buffer.way != CallBuffer::Way::kIn) return false;
  const auto known = state_.descriptors.find(call.args[0]);
  return known != state_.descriptors.end() && known->second.drops;
}

// One operation for each piece. The copy ends where nothing is mapped, or not
// with the right (EFAULT). What exec made is inferred, as by an access.
void OpWriter::Copy(CallBuffer::Way way, uint64_t va, uint64_t length) {
  if (va == 0 || va >= kUserEnd) return;
  const bool out = way == CallBuffer::Way::kOut;
  const uint8_t right = out ? kMapWrite : kMapRead;
  const uint64_t end = va + std::min(length, kUserEnd - va);
  const size_t first = ops_.size();
  for (uint64_t at = va; at < end;) {
    auto found = state_.map.Find(at);
    if (found == state_.map.end()) {
      const bool hole = at < kLowestMapping || at - va >= kMostInferred ||
                        state_.map.MeetsUnmapped(at, at + 1) || !MayInfer(at);
      if (hole || !Infer(at).ok()) return;
      found = state_.map.Find(at);
    }
    const Region& region = found->second;
    if ((region.rights & right) == 0) return;
    const uint64_t to = std::min(end, region.end);
    const VirtAddr start(at + region.shift);
    if (ops_.size() > first && ops_.back().kind != GuestOpKind::kMap &&
        ops_.back().va + ops_.back().length == start) {
      ops_.back().length += to - at;
    } else {
      GuestOp& op = ops_.emplace_back();
      op.kind = out ? GuestOpKind::kCopyOut : GuestOpKind::kCopyIn;
      op.va = start;
      op.length = to - at;
    }
    at = to;
  }
}

ProcessState OpWriter::ChildState(const SystemCall& call) const {
  ProcessState child = state_;
  // A child inherits all but its parent's children and locks.
  child.children.clear();
  child.unnamed_waits = 0;
  child.future_lock = Lock::kNone;
  child.map.Fork();
  const bool writes = call.number == kClone && call.readable &&
                      (call.args[0] & kCloneChildId) != 0;
  child.child_id = writes ? call.args[3] : 0;
  return child;
}

// Source: schedule_tail (Linux, kernel/sched/core.c).
void OpWriter::BeginChild() {
  const size_t first = ops_.size();
  Copy(CallBuffer::Way::kOut, state_.child_id, kIdBytes);
  if (ops_.size() > first) MakeOneCall(first, GuestOpKind::kSyscall);
}

}  // namespace xmmu
