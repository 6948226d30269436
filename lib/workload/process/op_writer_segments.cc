// Turns system calls on System V segments that have returned into operations.
// Source: ipc/shm.c (Linux 6.1).

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "workload/process/call_number.h"
#include "workload/process/call_rules.h"
#include "workload/process/op_writer.h"

namespace xmmu {
namespace {

// Linux, include/uapi/linux: ipc.h, shm.h.
constexpr uint64_t kIpcPrivate = 0;
constexpr uint64_t kIpcMakeAnew = 03000;  // IPC_CREAT | IPC_EXCL
constexpr uint64_t kShmHugetlb = 04000;
constexpr uint64_t kShmReadOnly = 010000;
constexpr uint64_t kShmExecute = 0100000;

constexpr uint64_t kLargestSegment = uint64_t{1} << 30;  // assumed

uint32_t SegmentIdentity(uint64_t id) {
  return FileIdentity(absl::StrCat("shared memory ", id));
}

}  // namespace

// A segment is as large as it was made. Whoever opens one that exists may ask
// for less, so what such a call names is its least size.
void OpWriter::FinishGet(const SystemCall& call, uint64_t value) {
  const auto [key, size, flags, a, b, c] = call.args;
  ProcessState::Segment& segment = state_.segments[value];
  const bool made =
      key == kIpcPrivate || (flags & kIpcMakeAnew) == kIpcMakeAnew;
  if (made || segment.removed) segment = {};
  if ((flags & kShmHugetlb) != 0) segment.page_shift = HugeShift(flags);
  segment.made |= made;
  segment.bytes = std::max(segment.bytes, size);
}

absl::Status OpWriter::FinishAttach(const SystemCall& call, uint64_t value) {
  const auto [id, address, flags, a, b, c] = call.args;
  // A segment that this process has not opened was inherited, or its number was
  // told by another process.
  const ProcessState::Segment segment = state_.segments[id];
  const uint64_t page = uint64_t{1}
                        << std::max<int>(segment.page_shift, kPageShift);
  const uint64_t bytes = std::max<uint64_t>(segment.bytes, 1);
  const absl::Status possible = CheckShmat(call, value, bytes, state_.map);
  if (!possible.ok()) return possible;
  Region region;
  region.backing = Backing::kSharedAnonymous;
  region.attached = true;
  region.open_ended = !segment.made;
  region.page_shift = segment.page_shift;
  region.lock = state_.future_lock;
  region.rights = kMapRead;
  region.never_writable = (flags & kShmReadOnly) != 0;
  if (!region.never_writable) region.rights |= kMapWrite;
  if ((flags & kShmExecute) != 0) region.rights |= kMapExecute;
  region.attached_rights = region.rights;
  region.attached_lock = region.lock;
  region.file = SegmentIdentity(id);
  const uint64_t end = value + (bytes + page - 1) / page * page;
  const absl::Status mapped = Map(value, end, region);
  // What was unmapped above, before, may be of the segment now.
  if (mapped.ok() && region.open_ended &&
      state_.map.Find(end) == state_.map.end()) {
    const AddressMap::Range above = state_.map.Hole(end, end, kUserEnd);
    state_.map.ForgetUnmapped(above.start, above.end);
  }
  return mapped;
}

// What is above a segment of unknown size, and below the next mapping, may be
// of the segment. It is as shmat has made it.
std::optional<Region> OpWriter::MoreOfSegment(uint64_t start) const {
  const uint64_t below = state_.map.Hole(start, 0, kUserEnd).start;
  const auto found = state_.map.Find(below - 1);
  if (found == state_.map.end() || !found->second.open_ended ||
      start - below > kLargestSegment) {
    return std::nullopt;
  }
  Region more = found->second;
  more.offset += start - found->first;
  more.rights = more.attached_rights;
  more.lock = more.attached_lock;
  more.dont_fork = false;
  more.advices = 0;
  return more;
}

// A later attachment is as large.
void OpWriter::NoteSize(uint32_t file, uint64_t bytes) {
  for (auto& [id, segment] : state_.segments) {
    if (SegmentIdentity(id) != file) continue;
    segment.bytes = std::max(segment.bytes, bytes);
  }
}

// do_shmat maps the whole segment, so a range of it that a call got through
// shows how far it reaches at least. What the program has unmapped since is
// none of it, and nothing that lies behind another mapping is.
absl::Status OpWriter::GrowSegments(uint64_t start, uint64_t length) {
  if (!IsRange(start, length)) return absl::OkStatus();
  const uint64_t end = PageUp(start + length);
  start &= ~kPageOffsetMask;
  for (auto hole = state_.map.FirstHole(start, end); hole.has_value();) {
    const AddressMap::Range around = state_.map.Hole(*hole, 0, kUserEnd);
    uint64_t to = std::min(around.end, end);
    std::optional<Region> more = MoreOfSegment(*hole);
    if (more.has_value() && !state_.map.MeetsUnmapped(*hole, to)) {
      if (more->page_shift != 0) {
        const uint64_t mask = (uint64_t{1} << more->page_shift) - 1;
        to = std::min(around.end, (to + mask) & ~mask);
      }
      uint64_t from = *hole;
      if (!state_.map.MeetsUnmapped(around.start, from)) {
        more->offset -= from - around.start;
        from = around.start;
      }
      more->inferred = false;
      const absl::Status grown = Map(from, to, *more);
      if (!grown.ok()) return grown;
      NoteSize(more->file, more->offset + (to - from));
    }
    hole = state_.map.FirstHole(to, std::max(to, end));
  }
  // What accesses have shown of it is certain now.
  const auto shown = [](const Region& region) {
    return region.attached && region.inferred;
  };
  if (state_.map.FirstWhere(start, end, shown) == state_.map.end()) {
    return absl::OkStatus();
  }
  state_.map.Change(start, end, [](Region& region) {
    if (region.attached) region.inferred = false;
  });
  return absl::OkStatus();
}

uint64_t OpWriter::SegmentEnd(uint64_t address, uint32_t file) const {
  for (const auto& [id, segment] : state_.segments) {
    if (!segment.made || SegmentIdentity(id) != file) continue;
    const uint64_t page = uint64_t{1}
                          << std::max<int>(segment.page_shift, kPageShift);
    return address + (segment.bytes + page - 1) / page * page;
  }
  return kTaskEnd;
}

// Detaches the segment (ksys_shmdt): the first piece that lies where its offset
// says, and those behind it that do and that end within the segment. What an
// mremap has mapped beyond its end stays, unless it is of the first piece.
absl::Status OpWriter::FinishDetach(const SystemCall& call) {
  const uint64_t address = call.args[0];
  const absl::Status possible = CheckShmdt(call, state_.map);
  if (!possible.ok()) return possible;
  auto piece = FirstPiece(state_.map, address);
  if (piece == state_.map.end()) {
    const auto found = state_.map.Find(address);
    if (found == state_.map.end()) return absl::OkStatus();
    return Unmap(address, found->second.end);
  }
  const uint32_t file = piece->second.file;
  const uint64_t segment_end = SegmentEnd(address, file);
  absl::Status status;
  do {
    const AddressMap::Range range{piece->first, piece->second.end};
    status = Unmap(range.start, range.end);
    piece = NextPiece(state_.map, address, range.end, file);
  } while (status.ok() && piece != state_.map.end() &&
           piece->second.end <= segment_end);
  CloseSegments();
  return status;
}

// A segment that is removed goes with its last mapping. Until then it can be
// attached by its number, for which the stream holds it open.
void OpWriter::RemoveSegment(uint64_t id) {
  ProcessState::Segment& segment = state_.segments[id];
  const uint32_t file = SegmentIdentity(id);
  const bool attached =
      state_.map.FirstWhere(0, kUserEnd, [&](const Region& region) {
        return region.file == file;
      }) != state_.map.end();
  if (attached && !segment.held) {
    PushFile(GuestOpKind::kOpenFile, file);
    ops_.back().flags = kMapZeroFilled;
  }
  segment.held |= attached;
  segment.removed = true;
  PushFile(GuestOpKind::kRemoveFile, file);
}

void OpWriter::CloseSegments() {
  for (auto& [id, segment] : state_.segments) {
    if (!segment.held) continue;
    const uint32_t file = SegmentIdentity(id);
    const auto is_of = [&](const Region& region) {
      return region.file == file;
    };
    if (state_.map.FirstWhere(0, kUserEnd, is_of) != state_.map.end()) continue;
    segment.held = false;
    PushFile(GuestOpKind::kCloseFile, file);
  }
}

}  // namespace xmmu
