#include "workload/process/op_writer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace xmmu {
namespace {

constexpr uint64_t kChunk = 64 * 1024;  // assumed, see lackey_trace.h

constexpr uint64_t kStackSetup = 128 * 1024;  // Linux, fs/exec.c

constexpr uint8_t kAllRights = kMapRead | kMapWrite | kMapExecute;

uint64_t PageDown(uint64_t va) { return va & ~kPageOffsetMask; }

std::string Hex(uint64_t va) { return absl::StrCat("0x", absl::Hex(va)); }

}  // namespace

absl::StatusOr<AccessWindow> OpWriter::WindowFor(uint64_t va, uint64_t length,
                                                 bool store, bool fetch) {
  // An access without a mapping raised a signal, or was to the vsyscall page:
  // see lackey_trace.h.
  const AccessWindow nothing{va, length, 0, 0};
  if (va >= kUserEnd || length > kUserEnd - va) return nothing;
  for (uint64_t page = PageDown(va); page < va + length; page += kPageSize) {
    if (state_.map.Find(page) != state_.map.end()) continue;
    if (page < state_.map.layout().lowest || !MayInfer(page)) return nothing;
    const absl::Status inferred = Infer(page, store, fetch);
    if (!inferred.ok()) return inferred;
  }
  const auto first = state_.map.Find(va);
  AccessWindow window{first->first, first->second.end - first->first,
                      first->second.shift, first->second.rights};
  if (va + length <= first->second.end) return window;
  // The access spans two regions. The window is this access alone, with the
  // rights that both regions give; if they are apart in the guest it has none.
  const Region& second = state_.map.Find(va + length - 1)->second;
  const bool in_one_piece = second.shift == window.shift;
  window.rights = in_one_piece ? window.rights & second.rights : 0;
  window.start = va;
  window.size = length;
  return window;
}

bool OpWriter::MayInfer(uint64_t va) const {
  if (!state_.map.layout().exact) return true;
  const uint64_t chunk = va & ~(kChunk - 1);
  return MoreOfSegment(state_.map.Hole(va, chunk, chunk + kChunk).start)
      .has_value();
}

// A stack reaches from 128 KiB below the page up to its top.
AddressMap::Range OpWriter::StackAround(uint64_t va) const {
  const ImageLayout& layout = state_.map.layout();
  const uint64_t page = PageDown(va);
  AddressMap::Range hole =
      state_.map.Hole(va, layout.stack_zone, layout.stack_zone_end);
  hole.start = std::max(hole.start, page - std::min(page, kStackSetup));
  // Where the top is unknown, what lies further above is another mapping.
  const bool topless = layout.stack_top == 0;
  const bool apart = hole.end == layout.stack_zone_end ||
                     (topless && hole.end - page > kStackLimit);
  const uint64_t least =
      topless ? (va & ~(kChunk - 1)) + kChunk : page + kPageSize;
  if (apart) hole.end = std::max(layout.stack_top, least);
  return hole;
}

absl::Status OpWriter::Infer(uint64_t va, bool store, bool fetch) {
  const ImageLayout& layout = state_.map.layout();
  Region region;
  AddressMap::Range hole;
  // Images of exec's and segments are inferred by the chunk.
  const uint64_t chunk = va & ~(kChunk - 1);
  const bool by_touch = layout.stores_show_anonymous;
  if (va >= layout.stack_zone && va < layout.stack_zone_end &&
      !(fetch && by_touch)) {
    hole = StackAround(va);
    region.backing = Backing::kStack;
    region.rights = by_touch ? kAllRights : kMapRead | kMapWrite;
  } else if (hole = state_.map.Hole(va, std::max(chunk, layout.lowest),
                                    chunk + kChunk);
             const auto more = MoreOfSegment(hole.start)) {
    region = *more;
  } else if (store && by_touch) {
    region.rights = kAllRights;
  } else {
    inferred_apart_ |= va >= layout.interpreter;
    region.backing = Backing::kFilePrivate;
    region.rights = kAllRights;
    region.file = va < layout.interpreter ? state_.program
                                          : FileIdentity("dynamic linker");
    region.offset = hole.start;
  }
  region.end = hole.end;
  region.inferred = true;
  return Map(hole.start, hole.end, region);
}

absl::Status OpWriter::MapImage(uint64_t start, Region region) {
  if (start % kPageSize != 0 || region.end % kPageSize != 0 ||
      start >= region.end || region.end > kUserEnd) {
    return absl::InvalidArgumentError(
        absl::StrCat("exec maps ", Hex(start), "-", Hex(region.end),
                     ", expected whole pages of user space"));
  }
  return Map(start, region.end, region);
}

absl::Status OpWriter::MapHoles(uint64_t start, const Region& region) {
  while (const auto first = state_.map.FirstHole(start, region.end)) {
    Region part = region;
    part.end = state_.map.Hole(*first, start, region.end).end;
    part.offset += *first - start;
    part.inferred = true;
    const absl::Status mapped = Map(*first, part.end, part);
    if (!mapped.ok()) return mapped;
  }
  return absl::OkStatus();
}

void OpWriter::Grant(uint64_t va, uint8_t right) {
  const auto found = state_.map.Find(va);
  if (found == state_.map.end() || (found->second.rights & right) != 0) return;
  const uint64_t chunk = va & ~(kChunk - 1);
  const uint64_t start = std::max(found->first, chunk);
  const uint64_t end = std::min(found->second.end, chunk + kChunk);
  if (found->second.page_shift != 0) return;
  Protect(start, end, found->second.rights | right);
}

void OpWriter::AdviseHuge(uint64_t start, uint64_t end) {
  PushAdvice(Advice::kHugePage, start, end);
}

absl::Status OpWriter::InferAll(uint64_t start, uint64_t end) {
  while (const auto hole = state_.map.FirstHole(start, end)) {
    const absl::Status inferred = Infer(*hole);
    if (!inferred.ok()) return inferred;
  }
  return absl::OkStatus();
}

absl::Status OpWriter::Map(uint64_t start, uint64_t end, Region region,
                           uint8_t flags) {
  const absl::Status borders = CheckHugeBorders("mmap", start, end, state_.map);
  if (!borders.ok()) return borders;
  const auto shift = state_.map.Place(start, end);
  if (!shift.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the mapping ", Hex(start), "-", Hex(end),
        " does not fit, expected room in one piece below the address limit "
        "(segments of 256 MiB)"));
  }
  // On x86 a page that can be written or executed can be read, too.
  if (region.rights != 0) region.rights |= kMapRead;
  region.shift = *shift;
  region.end = end;
  state_.map.Map(start, region);
  ++generation_;
  if (region.zero_filled) flags |= kMapZeroFilled;
  if (region.attached) flags |= kMapOnePageFaults;
  if (region.lock == Lock::kNow) flags |= kMapLocked;
  if (region.lock == Lock::kOnFault) flags |= kMapLockOnFault;
  ops_.push_back({.kind = GuestOpKind::kMap,
                  .rights = region.rights,
                  .backing = region.backing,
                  .flags = flags,
                  .page_shift = region.page_shift,
                  .va = VirtAddr(start + *shift),
                  .length = end - start,
                  .file = region.nameless ? 0 : region.file,
                  .file_offset = region.offset});
  return absl::OkStatus();
}

absl::Status OpWriter::Unmap(uint64_t start, uint64_t end) {
  const absl::Status borders =
      CheckHugeBorders("munmap", start, end, state_.map);
  if (!borders.ok()) return borders;
  PushPieces(GuestOpKind::kUnmap, start, end);
  state_.map.Unmap(start, end);
  ++generation_;
  return absl::OkStatus();
}

void OpWriter::PushPieces(GuestOp op, uint64_t start, uint64_t end) {
  state_.map.ForEachPiece(start, end,
                          [&](uint64_t from, uint64_t to, uint64_t shift) {
                            op.va = VirtAddr(from + shift);
                            op.length = to - from;
                            ops_.push_back(op);
                          });
}

void OpWriter::MakeOneCall(size_t first, GuestOpKind otherwise) {
  if (ops_.size() == first) Push(otherwise);
  for (size_t i = first; i + 1 < ops_.size(); ++i) {
    ops_[i].flags |= kCallGoesOn;
  }
}

// Source: begin_new_exec, do_close_on_exec (Linux, fs/exec.c, fs/file.c).
void OpWriter::BeginExec(const SystemCall& call) {
  const size_t first = ops_.size();
  PushCopies(CallBuffer::Way::kIn, call, {.success = true, .value = 0});
  std::vector<uint64_t> closed;
  for (const auto& [descriptor, held] : state_.descriptors) {
    if (held.close_on_exec) closed.push_back(descriptor);
  }
  for (const uint64_t descriptor : closed) Release(descriptor);
  state_.map.Clear();
  ++generation_;
  CloseSegments();
  Push(GuestOpKind::kExec);
  MakeOneCall(first, GuestOpKind::kExec);
}

void OpWriter::Exec(absl::string_view program) {
  state_.map.Clear();
  // The heap's start is unknown until the new program calls brk.
  state_.brk = state_.brk_start = 0;
  state_.future_lock = Lock::kNone;
  state_.program = FileIdentity(program);
  ++generation_;
}

}  // namespace xmmu
