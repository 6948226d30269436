// System calls on mappings.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "guest/trace/call_number.h"
#include "guest/trace/op_writer.h"

namespace xmmu {
namespace {

// Flags of Linux's include/uapi: mman-common.h, mman.h, shm.h.
constexpr uint64_t kMapTypeMask = 0xf;
constexpr uint64_t kMapPrivate = 2;
constexpr uint64_t kMapAnonymous = 0x20;
constexpr uint64_t kMapGrowsDown = 0x100;
constexpr uint64_t kProtMask = 7;
constexpr uint64_t kMadvDontNeed = 4;
constexpr uint64_t kMadvFree = 8;
constexpr uint64_t kMremapDontUnmap = 4;
constexpr uint64_t kShmReadOnly = 010000;

uint64_t PageUp(uint64_t va) {
  return (va + kPageOffsetMask) & ~kPageOffsetMask;
}

// The pages of [start, start + length).
absl::Status CheckRange(absl::string_view call, uint64_t start,
                        uint64_t length) {
  if ((start & kPageOffsetMask) == 0 && start < kUserEnd && length > 0 &&
      length <= kUserEnd - start) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(call, " of ", length, " bytes at 0x", absl::Hex(start),
                   " cannot have succeeded, expected whole pages below 2^47"));
}

Backing MmapBacking(uint64_t flags) {
  const bool is_private = (flags & kMapTypeMask) == kMapPrivate;
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
      return FinishBrk(value);
    case kMremap:
      return FinishRemap(call, value);
    case kShmat:
      return FinishAttach(call, value);
    case kShmdt:
      return FinishDetach(call.args[0]);
    case kMunmap: {
      const absl::Status range =
          CheckRange("munmap", call.args[0], call.args[1]);
      if (!range.ok()) return range;
      return Unmap(call.args[0], PageUp(call.args[0] + call.args[1]));
    }
    default:
      break;
  }
  const bool discards =
      call.args[2] == kMadvDontNeed || call.args[2] == kMadvFree;
  if (!discards || call.args[1] == 0) {
    Push(GuestOpKind::kSyscall);
    return absl::OkStatus();
  }
  const absl::Status range = CheckRange("madvise", call.args[0], call.args[1]);
  if (!range.ok()) return range;
  PushPieces(GuestOpKind::kDiscard, call.args[0],
             PageUp(call.args[0] + call.args[1]), 0);
  return absl::OkStatus();
}

absl::Status OpWriter::FinishMmap(const SystemCall& call, uint64_t value) {
  const auto [hint, length, rights, flags, descriptor, offset] = call.args;
  const absl::Status range = CheckRange("mmap", value, length);
  if (!range.ok()) return range;
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
  }
  return Map(value, PageUp(value + length), region);
}

absl::Status OpWriter::FinishProtect(const SystemCall& call) {
  const auto [start, length, rights, a, b, c] = call.args;
  if (length == 0) {
    Push(GuestOpKind::kSyscall);
    return absl::OkStatus();
  }
  const absl::Status range = CheckRange("mprotect", start, length);
  if (!range.ok()) return range;
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

absl::Status OpWriter::FinishRemap(const SystemCall& call, uint64_t value) {
  const auto [start, length, new_length, flags, a, b] = call.args;
  absl::Status range = CheckRange("mremap", value, new_length);
  // No old length: a second mapping of shared pages.
  range.Update(CheckRange("mremap", start, std::max(length, kPageSize)));
  if (!range.ok()) return range;
  const uint64_t end = PageUp(start + length);
  const uint64_t new_end = PageUp(value + new_length);
  const absl::Status inferred =
      InferAll(start, std::max(end, start + kPageSize));
  if (!inferred.ok()) return inferred;
  const auto found = state_.map.Find(start);
  Region region = found->second;
  const uint64_t from = start + region.shift;
  if (region.backing == Backing::kFilePrivate ||
      region.backing == Backing::kFileShared) {
    region.offset += start - found->first;
  }
  if (length == 0) return Map(value, new_end, region);
  if (value != start) state_.map.Unmap(start, end);
  absl::Status mapped = Map(value, new_end, region);
  if (!mapped.ok()) return mapped;
  if (value == start && end > new_end) state_.map.Unmap(new_end, end);
  // The map operation has the target; it becomes the move.
  GuestOp& op = ops_.back();
  GuestOp move;
  move.kind = GuestOpKind::kRemap;
  move.va = VirtAddr(from);
  move.length = end - start;
  move.target = op.va;
  move.new_length = op.length;
  op = move;
  if ((flags & kMremapDontUnmap) != 0 && value != start) {
    region.offset = 0;
    region.file = 0;
    region.backing = Backing::kAnonymous;
    return Map(start, end, region);
  }
  return absl::OkStatus();
}

absl::Status OpWriter::FinishBrk(uint64_t value) {
  const uint64_t old_end = PageUp(state_.brk);
  const uint64_t new_end = PageUp(value);
  const bool known = state_.brk != 0;
  state_.brk = value;
  if (!known || new_end == old_end) {
    Push(GuestOpKind::kSyscall);
    return absl::OkStatus();
  }
  if (new_end < old_end) return Unmap(new_end, old_end);
  const absl::Status range = CheckRange("brk", old_end, new_end - old_end);
  if (!range.ok()) return range;
  Region region;
  region.rights = kMapRead | kMapWrite;
  return Map(old_end, new_end, region);
}

absl::Status OpWriter::FinishAttach(const SystemCall& call, uint64_t value) {
  const auto known = state_.shared_memory.find(call.args[0]);
  // Attached by an inherited number: found by its accesses.
  if (known == state_.shared_memory.end()) {
    Push(GuestOpKind::kSyscall);
    return absl::OkStatus();
  }
  const absl::Status range = CheckRange("shmat", value, known->second);
  if (!range.ok()) return range;
  Region region;
  region.backing = Backing::kFileShared;
  region.rights = kMapRead;
  if ((call.args[2] & kShmReadOnly) == 0) region.rights |= kMapWrite;
  region.file = FileIdentity(absl::StrCat("shared memory ", call.args[0]));
  return Map(value, PageUp(value + known->second), region);
}

absl::Status OpWriter::FinishDetach(uint64_t address) {
  const auto found = state_.map.Find(address);
  if (found == state_.map.end() || found->first != address) {
    Push(GuestOpKind::kSyscall);
    return absl::OkStatus();
  }
  return Unmap(address, found->second.end);
}

}  // namespace xmmu
