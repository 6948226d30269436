// Turns system calls on mappings that have returned into operations.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "workload/process/call_number.h"
#include "workload/process/call_rules.h"
#include "workload/process/op_writer.h"

namespace xmmu {
namespace {

constexpr uint64_t kProtMask = 7;
constexpr uint64_t kEnomem = 12;
constexpr uint64_t kEacces = 13;

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
    case kMadvise:
      return FinishMadvise(call);
    default:
      break;
  }
  const absl::Status possible = CheckMunmap(call);
  if (!possible.ok()) return possible;
  return Unmap(call.args[0], PageUp(call.args[0] + call.args[1]));
}

// A descriptor that the log does not explain stands for a file of its own.
void OpWriter::NameMapping(const SystemCall& call, Region* region) {
  const uint64_t flags = call.args[3];
  const uint64_t descriptor = call.args[4];
  const bool huge = (flags & kMapHugetlb) != 0;
  region->backing = MmapBacking(flags);
  const bool anonymous = (flags & kMapAnonymous) != 0;
  const auto known = state_.descriptors.find(descriptor);
  const bool found = !anonymous && known != state_.descriptors.end();
  if (anonymous || (found && known->second.dev_zero)) {
    // A mapping of /dev/zero is anonymous (mmap_zero, shmem_zero_setup).
    region->backing = MmapBacking(flags | kMapAnonymous);
    region->page_shift = huge ? HugeShift(flags) : 0;
    region->nameless = region->backing == Backing::kSharedAnonymous;
    if (region->nameless) region->file = NewIdentity("shared anonymous");
    return;
  }
  region->offset = call.args[5];
  if (!found) {
    region->page_shift = huge ? HugeShift(flags) : 0;
    std::string name = absl::StrCat("descriptor ", task_, " ", descriptor);
    if (state_.unknown_opens != 0) {
      absl::StrAppend(&name, " ", state_.unknown_opens);
    }
    region->file = FileIdentity(name);
    return;
  }
  region->file = known->second.file;
  region->page_shift = known->second.page_shift;
  region->zero_filled = known->second.zero_filled;
  // Only a memfd has no path.
  if (known->second.path.empty() && region->backing == Backing::kFileShared) {
    region->backing = Backing::kSharedAnonymous;
  }
}

absl::Status OpWriter::FinishMmap(const SystemCall& call, uint64_t value) {
  const auto [hint, length, rights, flags, descriptor, offset] = call.args;
  Region region;
  region.rights = static_cast<uint8_t>(rights & kProtMask);
  NameMapping(call, &region);
  const absl::Status possible =
      CheckMmap(call, value, region.page_shift, state_);
  if (!possible.ok()) return possible;
  const bool locks = (flags & kMapLockedFlag) != 0;
  region.lock = locks ? Lock::kNow : state_.future_lock;
  const bool populates =
      (flags & (kMapPopulateFlag | kMapNonBlock)) == kMapPopulateFlag;
  // Linux rounds the length of a mapping of huge pages up (ksys_mmap_pgoff).
  const uint64_t page = uint64_t{1}
                        << std::max<int>(region.page_shift, kPageShift);
  return Map(value, value + (length + page - 1) / page * page, region,
             populates ? kMapPopulate : 0);
}

// What exec mapped is inferred first, so that its rights can change.
absl::Status OpWriter::FinishProtect(const SystemCall& call) {
  const auto [start, length, rights, a, b, c] = call.args;
  absl::Status status = GrowSegments(start, length);
  if (status.ok()) status = CheckMprotect(call, state_.map);
  if (!status.ok() || length == 0) return status;
  const uint64_t end = PageUp(start + length);
  status = CheckHugeBorders("mprotect", start, end, state_.map);
  if (!status.ok()) return status;
  status = InferAll(start, end);
  if (status.ok()) Protect(start, end, rights);
  return status;
}

void OpWriter::Protect(uint64_t start, uint64_t end, uint64_t rights) {
  uint8_t granted = static_cast<uint8_t>(rights & kProtMask);
  if (granted != 0) granted |= kMapRead;
  PushPieces(GuestOp{.kind = GuestOpKind::kProtect, .rights = granted}, start,
             end);
  state_.map.Change(start, end,
                    [&](Region& region) { region.rights = granted; });
  ++generation_;
}

// An mprotect stops at the first hole, or at the first mapping that may not be
// written to (do_mprotect_pkey): what lies before has its new rights.
void OpWriter::FailProtect(const SystemCall& call, uint64_t error) {
  const auto [start, length, rights, a, b, c] = call.args;
  if ((start & kPageOffsetMask) != 0 || start >= kTaskEnd || length == 0 ||
      length > kTaskEnd - start) {
    return;
  }
  const uint64_t end = PageUp(start + length);
  uint64_t stop = start;
  if (error == kEnomem) {
    stop = state_.map.FirstHole(start, end).value_or(start);
  } else if (error == kEacces && (rights & kMapWrite) != 0) {
    const auto refused = state_.map.FirstWhere(
        start, end, [](const Region& region) { return region.never_writable; });
    if (refused != state_.map.end()) stop = std::max(start, refused->first);
  }
  if (stop > start) Protect(start, stop, rights);
}

absl::Status OpWriter::UnmapInferred(uint64_t start, uint64_t end) {
  if (state_.map.Hole(start, start, end).end == end &&
      state_.map.Find(start) == state_.map.end()) {
    return absl::OkStatus();
  }
  return Unmap(start, end);
}

// Map() writes an operation with the target, which is replaced by the move.
// With length 0 what is at `from` is mapped there, too.
absl::Status OpWriter::MoveTo(uint64_t start, uint64_t end, Region region,
                              VirtAddr from, uint64_t length) {
  const absl::Status status = Map(start, end, region);
  if (!status.ok()) return status;
  GuestOp move;
  move.kind = GuestOpKind::kRemap;
  move.va = from;
  move.length = length;
  move.target = ops_.back().va;
  move.new_length = ops_.back().length;
  ops_.back() = move;
  return absl::OkStatus();
}

// The lengths of huge pages are rounded up (Linux, mm/mremap.c).
SystemCall OpWriter::WholePages(SystemCall call) const {
  const auto found = state_.map.Find(call.args[0]);
  if (found == state_.map.end() || found->second.page_shift == 0) return call;
  const uint64_t mask = (uint64_t{1} << found->second.page_shift) - 1;
  for (const size_t i : {size_t{1}, size_t{2}}) {
    if (call.args[i] < kTaskEnd) call.args[i] = (call.args[i] + mask) & ~mask;
  }
  return call;
}

absl::Status OpWriter::FinishRemap(const SystemCall& call, uint64_t value) {
  // One that shrinks in place does not look at the rest of the mapping.
  if (value != call.args[0] || call.args[2] > call.args[1]) {
    const absl::Status grown = GrowSegments(call.args[0], call.args[1]);
    if (!grown.ok()) return grown;
  }
  const absl::StatusOr<Remapping> remapping =
      CheckMremap(WholePages(call), value, state_.map);
  if (!remapping.ok()) return remapping.status();
  const auto [start, end, new_start, new_end, fixed, keeps_old] = *remapping;
  absl::Status status = CheckHugeBorders("mremap", start, end, state_.map);
  status.Update(CheckHugeBorders("mremap", new_start, new_end, state_.map));
  if (!status.ok()) return status;
  status =
      InferAll(start, remapping->shrinks() ? start + kPageSize
                                           : std::max(end, start + kPageSize));
  status.Update(CheckRemapping(*remapping, state_.map));
  if (!status.ok()) return status;
  const auto found = state_.map.Find(start);
  Region region = found->second;
  if (remapping->shrinks() && end > region.end) {  // several mappings
    return Unmap(new_end, end);
  }
  const VirtAddr from(start + region.shift);
  region.offset += start - found->first;
  region.inferred = false;
  const bool open_ended = region.open_ended;
  if (!remapping->shrinks()) region.open_ended = false;
  if (start == end) return MoveTo(new_start, new_end, region, from, 0);
  if (new_start != start) {
    state_.map.Unmap(start, end);
  } else if (new_end > end) {
    status = UnmapInferred(end, new_end);
  }
  status.Update(MoveTo(new_start, new_end, region, from, end - start));
  if (!status.ok()) return status;
  if (new_start == start && end > new_end) state_.map.Unmap(new_end, end);
  if (!keeps_old) return absl::OkStatus();
  // Anonymous memory is left without its pages; a file's are there again.
  const bool own = region.backing == Backing::kAnonymous ||
                   region.backing == Backing::kStack;
  if (own) return Map(start, end, region);
  region.open_ended = open_ended;
  return MoveTo(start, end, region, ops_.back().target, 0);
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
  if (!known || new_end == old_end) return absl::OkStatus();
  if (new_end < old_end) return Unmap(new_end, old_end);
  Region region;
  region.rights = kMapRead | kMapWrite;
  region.lock = state_.future_lock;
  return Map(old_end, new_end, region);
}

}  // namespace xmmu
