// Turns system calls on mappings that have returned into operations.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "workload/lackey/call_number.h"
#include "workload/lackey/call_rules.h"
#include "workload/lackey/op_writer.h"

namespace xmmu {
namespace {

constexpr uint64_t kProtMask = 7;
constexpr uint64_t kShmReadOnly = 010000;  // Linux, include/uapi/linux/shm.h

// MAP_GROWSDOWN is a stack; otherwise anonymous and private decide.
Backing MmapBacking(uint64_t flags) {
  const uint64_t type = flags & kMapTypeMask;
  const bool is_private = type == kMapPrivate || type == kMapDroppable;
  if ((flags & kMapGrowsDown) != 0) return Backing::kStack;
  if ((flags & kMapAnonymous) != 0) {
    return is_private ? Backing::kAnonymous : Backing::kSharedAnonymous;
  }
  return is_private ? Backing::kFilePrivate : Backing::kFileShared;
}

}  // namespace

absl::Status OpWriter::MemoryCall(const SystemCall& call, uint64_t value) {
  switch (call.number) {
    case kMmap:
      return FinishMmap(call, value);
    case kMprotect:
    case kPkeyMprotect:
      return FinishProtect(call);
    case kBrk:
      return FinishBrk(call, value);
    case kMremap:
      return FinishRemap(call, value);
    case kShmat:
      return FinishAttach(call, value);
    case kShmdt:
      return FinishDetach(call);
    case kMunmap: {
      const absl::Status possible = CheckMunmap(call);
      if (!possible.ok()) return possible;
      return Unmap(call.args[0], PageUp(call.args[0] + call.args[1]));
    }
    default:
      break;
  }
  const absl::Status possible = CheckMadvise(call, state_.map);
  if (!possible.ok()) return possible;
  const bool discards =
      call.args[2] == kMadvDontNeed || call.args[2] == kMadvFree;
  if (!discards || call.args[1] == 0) {
    Push(GuestOpKind::kSyscall);
    return absl::OkStatus();
  }
  PushPieces(GuestOpKind::kDiscard, call.args[0],
             PageUp(call.args[0] + call.args[1]), 0);
  return absl::OkStatus();
}

// A descriptor that the log does not explain stands for a file of its own, and
// each shared anonymous mapping is an object of its own.
absl::Status OpWriter::FinishMmap(const SystemCall& call, uint64_t value) {
  const auto [hint, length, rights, flags, descriptor, offset] = call.args;
  const absl::Status possible = CheckMmap(call, value, state_);
  if (!possible.ok()) return possible;
  Region region;
  region.rights = static_cast<uint8_t>(rights & kProtMask);
  region.backing = MmapBacking(flags);
  if ((flags & kMapAnonymous) == 0) {
    const auto known = state_.descriptors.find(descriptor);
    region.file =
        known != state_.descriptors.end()
            ? known->second.file
            : FileIdentity(absl::StrCat("descriptor ", task_, " ", descriptor));
    region.offset = offset;
  } else if (region.backing == Backing::kSharedAnonymous) {
    region.file = FileIdentity(
        absl::StrCat("shared anonymous ", task_, " ", ++state_.shared_objects));
  }
  return Map(value, PageUp(value + length), region);
}

// What exec mapped is inferred first, so that its rights can change.
absl::Status OpWriter::FinishProtect(const SystemCall& call) {
  const auto [start, length, rights, a, b, c] = call.args;
  const absl::Status possible = CheckMprotect(call, state_.map);
  if (!possible.ok()) return possible;
  if (length == 0) {
    Push(GuestOpKind::kSyscall);
    return absl::OkStatus();
  }
  const uint64_t end = PageUp(start + length);
  const absl::Status inferred = InferAll(start, end);
  if (!inferred.ok()) return inferred;
  uint8_t granted = static_cast<uint8_t>(rights & kProtMask);
  if (granted != 0) granted |= kMapRead;
  PushPieces(GuestOpKind::kProtect, start, end, granted);
  state_.map.Protect(start, end, granted);
  ++generation_;
  return absl::OkStatus();
}

absl::Status OpWriter::UnmapInferred(uint64_t start, uint64_t end) {
  if (state_.map.Hole(start, start, end).end == end &&
      state_.map.Find(start) == state_.map.end()) {
    return absl::OkStatus();
  }
  return Unmap(start, end);
}

absl::Status OpWriter::FinishRemap(const SystemCall& call, uint64_t value) {
  const absl::StatusOr<Remapping> remapping =
      CheckMremap(call, value, state_.map);
  if (!remapping.ok()) return remapping.status();
  const auto [start, end, new_start, new_end, fixed, keeps_old] = *remapping;
  absl::Status status =
      InferAll(start, remapping->shrinks() ? start + kPageSize
                                           : std::max(end, start + kPageSize));
  status.Update(CheckRemapping(*remapping, state_.map));
  if (!status.ok()) return status;
  const auto found = state_.map.Find(start);
  Region region = found->second;
  if (remapping->shrinks() && end > region.end) {  // several mappings
    return Unmap(new_end, end);
  }
  const uint64_t from = start + region.shift;
  region.offset += start - found->first;
  region.inferred = false;
  if (start == end) return Map(new_start, new_end, region);
  if (new_start != start) {
    state_.map.Unmap(start, end);
  } else if (new_end > end) {
    status = UnmapInferred(end, new_end);
  }
  status.Update(Map(new_start, new_end, region));
  if (!status.ok()) return status;
  if (new_start == start && end > new_end) state_.map.Unmap(new_end, end);
  // Map() has just written a map operation with the target; it is replaced by
  // the move.
  GuestOp& op = ops_.back();
  GuestOp move;
  move.kind = GuestOpKind::kRemap;
  move.va = VirtAddr(from);
  move.length = end - start;
  move.target = op.va;
  move.new_length = op.length;
  op = move;
  return keeps_old ? Map(start, end, region) : absl::OkStatus();
}

absl::Status OpWriter::FinishBrk(const SystemCall& call, uint64_t value) {
  const absl::Status possible = CheckBrk(call, value, state_);
  if (!possible.ok()) return possible;
  const uint64_t old_end = PageUp(state_.brk);
  const uint64_t new_end = PageUp(value);
  const bool known = state_.brk != 0;
  // The first brk only says where the heap starts.
  state_.brk = value;
  if (!known) state_.brk_start = value;
  if (!known || new_end == old_end) {
    Push(GuestOpKind::kSyscall);
    return absl::OkStatus();
  }
  if (new_end < old_end) return Unmap(new_end, old_end);
  Region region;
  region.rights = kMapRead | kMapWrite;
  return Map(old_end, new_end, region);
}

absl::Status OpWriter::FinishAttach(const SystemCall& call, uint64_t value) {
  const auto known = state_.shared_memory.find(call.args[0]);
  // The size is unknown: the number was inherited, or shmget asked for no size.
  // The segment's accesses will show how large it is.
  if (known == state_.shared_memory.end() || known->second == 0) {
    const absl::Status possible =
        CheckShmat(call, value, kPageSize, state_.map);
    if (!possible.ok()) return possible;
    Push(GuestOpKind::kSyscall);
    return InferAll(value, value + kPageSize);
  }
  const absl::Status possible =
      CheckShmat(call, value, known->second, state_.map);
  if (!possible.ok()) return possible;
  Region region;
  region.backing = Backing::kFileShared;
  region.attached = true;
  region.rights = kMapRead;
  region.never_writable = (call.args[2] & kShmReadOnly) != 0;
  if (!region.never_writable) region.rights |= kMapWrite;
  region.file = FileIdentity(absl::StrCat("shared memory ", call.args[0]));
  return Map(value, PageUp(value + known->second), region);
}

// If the segment's size is unknown, the region that accesses showed at its
// start is unmapped.
absl::Status OpWriter::FinishDetach(const SystemCall& call) {
  const uint64_t address = call.args[0];
  const absl::Status possible = CheckShmdt(call, state_.map);
  if (!possible.ok()) return possible;
  const auto found = state_.map.Find(address);
  if (found == state_.map.end() || found->first != address) {
    Push(GuestOpKind::kSyscall);
    return absl::OkStatus();
  }
  return Unmap(address, found->second.end);
}

}  // namespace xmmu
