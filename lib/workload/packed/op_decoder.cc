#include "workload/packed/op_decoder.h"

#include <algorithm>
#include <utility>

#include "workload/packed/op_check.h"

namespace xmmu {
namespace {

constexpr char kCutOff[] = "a column that ends too early";

}  // namespace

OpDecoder::OpDecoder(ColumnBytes columns) : columns_(std::move(columns)) {
  static_assert(kOwn == kNear + 1);
  for (size_t i = 0; i < kColumns; ++i) {
    std::string& column = columns_[i];
    if (i != kNear && i != kOwn) {
      cursors_[i] = ByteCursor(column);
      continue;
    }
    const size_t bytes = column.size();
    column.append(kBehindColumn, '\0');
    told_[i - kNear] = UnevenCursor({column.data(), bytes});
  }
}

size_t OpDecoder::bytes() const {
  size_t bytes = sizeof(*this) + runs_.capacity() * sizeof(Run) +
                 accesses_.capacity() * sizeof(Access) +
                 places_.capacity() * sizeof(DataPlace);
  for (const std::string& column : columns_) bytes += column.capacity();
  return bytes;
}

bool OpDecoder::AtEnd() const {
  for (const ByteCursor& cursor : cursors_) {
    if (cursor.left() != 0) return false;
  }
  return told_[0].at_end() && told_[1].at_end();
}

size_t OpDecoder::Read(OpPiece* piece) {
  std::vector<GuestOp>& ops = piece->ops;
  if (std::exchange(piece->has_calls, false)) {
    std::fill(ops.begin(), ops.end(), GuestOp());
  }
  size_t done = 0;
  while (wrong_ == nullptr && done + kLongestRun <= ops.size()) {
    if (cursors_[kSteps].left() == 0) {
      if (!AtEnd()) Fail("a column that goes on behind the last operation");
      break;
    }
    const uint8_t step = cursors_[kSteps].Byte();
    if (step == kCall) {
      piece->has_calls = true;
      if (ReadCall(&ops[done])) ++done;
      continue;
    }
    if (!NextRun(step)) break;
    const Run& run = runs_[last_run_];
    if (!ReadData(run, &ops[done])) break;
    done += run.count;
  }
  return done;
}

// Lets last_run_ be the next run.
bool OpDecoder::NextRun(uint8_t step) {
  size_t next = kNoRun;
  switch (step) {
    case kExpectedRun:
      if (last_run_ != kNoRun) next = runs_[last_run_].next;
      if (next == kNoRun) return Fail("a run that nothing tells");
      break;
    case kKnownRun: {
      const uint64_t back = cursors_[kKnown].Varint();
      if (cursors_[kKnown].failed() || back >= runs_.size()) {
        return Fail("a run that was not before");
      }
      next = runs_.size() - 1 - static_cast<size_t>(back);
      break;
    }
    case kNewRun:
      next = runs_.size();
      if (!ReadNewRun()) return false;
      break;
    default:
      return Fail("an unknown step");
  }
  if (last_run_ != kNoRun) runs_[last_run_].next = next;
  last_run_ = next;
  if (runs_[next].fetch_end != 0) last_fetch_ = runs_[next].fetch_end;
  return true;
}

bool OpDecoder::ReadNewRun() {
  Run run = {.first = accesses_.size(),
             .count = cursors_[kCounts].Byte(),
             .first_data = places_.size(),
             .data_count = 0,
             .next = kNoRun,
             .fetch_end = 0};
  if (run.count == 0) return Fail("a run without accesses");
  if (!ReadShapes(run.count, &run)) return false;
  places_.resize(places_.size() + run.data_count);
  runs_.push_back(run);
  return true;
}

bool OpDecoder::ReadShapes(size_t count, Run* run) {
  constexpr uint64_t kKindMask = (1u << kShapeKindBits) - 1;
  ByteCursor& shapes = cursors_[kShapes];
  bool fetched = false;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t shape = shapes.Byte();
    const GuestOpKind kind = kPackedKinds[shape & kKindMask];
    uint64_t length = shape >> kShapeKindBits;
    if (length == 0) length = shapes.Varint();
    if (length == 0 || length > kLongestPackedAccess || shapes.failed()) {
      return Fail(kCutOff);
    }
    if (kind != GuestOpKind::kFetch) {
      ++run->data_count;
    } else if (!std::exchange(fetched, true)) {
      run->fetch_end = last_fetch_ + UnZigZag(cursors_[kStarts].Varint());
      if (cursors_[kStarts].failed()) return Fail(kCutOff);
    }
    accesses_.push_back({run->fetch_end, static_cast<uint32_t>(length), kind});
    if (kind == GuestOpKind::kFetch) run->fetch_end += length;
  }
  return true;
}

// This is the hot path of a replay from a packed trace. Which of two ways an
// address is told is a choice between numbers and no branch, which compilers
// would make of a condition: programs that jump about in memory leave nothing to
// predict.
bool OpDecoder::ReadData(const Run& run, GuestOp* ops) {
  // Bit 0 says whose address the difference is from, and bit 1 that a column
  // has it.
  static_assert(kSameDistance == 0 && kSameStride == 1 && kByNear == 2 &&
                kByOwn == 3);
  const absl::string_view ways = cursors_[kWays].Text(run.data_count);
  if (ways.size() != run.data_count) return Fail(kCutOff);
  const Access* access = &accesses_[run.first];
  DataPlace* place = places_.data() + run.first_data;
  const char* next_way = ways.data();
  uint64_t before = last_data_;
  uint8_t all_ways = 0;
  for (GuestOp* const end = ops + run.count; ops != end; ++ops, ++access) {
    uint64_t va = access->va;
    if (access->kind != GuestOpKind::kFetch) {
      const auto way = static_cast<uint8_t>(*next_way++);
      all_ways |= way;
      const size_t own = way & 1;
      va = place->last ^ ((place->last ^ before) & (own - 1));
      va += way >= kByNear ? UnZigZag(told_[own].Varint()) : place->known[own];
      place->Note(va, before);
      ++place;
      before = va;
    }
    ops->kind = access->kind;
    ops->va = VirtAddr(va);
    ops->length = access->length;
  }
  if (all_ways > kByOwn) return Fail("an address that nothing tells");
  if (told_[0].failed() || told_[1].failed()) return Fail(kCutOff);
  last_data_ = before;
  return true;
}

bool OpDecoder::ReadCall(GuestOp* op) {
  ByteCursor& calls = cursors_[kCalls];
  const uint8_t number = calls.Byte();
  if (number >= kPackedKinds.size() || IsAccess(kPackedKinds[number])) {
    return Fail("an operation of an unknown kind");
  }
  *op = {.kind = kPackedKinds[number]};
  op->flags = calls.Byte();
  const uint32_t fields = FieldsOf(op->kind);
  if ((fields & kHasRange) != 0) {
    last_range_ += UnZigZag(calls.Varint());
    op->va = VirtAddr(last_range_);
  }
  if ((fields & (kHasRange | kHasLength)) != 0) op->length = calls.Varint();
  if ((fields & kHasRights) != 0) op->rights = calls.Byte();
  if ((fields & kHasBacking) != 0)
    op->backing = static_cast<Backing>(calls.Byte());
  if ((fields & kHasPageShift) != 0) op->page_shift = calls.Byte();
  if ((fields & kHasAdvice) != 0)
    op->advice = static_cast<Advice>(calls.Byte());
  if ((fields & kHasTarget) != 0) {
    op->target = VirtAddr(calls.Varint());
    op->new_length = calls.Varint();
  }
  if ((fields & kHasChild) != 0) op->child = calls.Varint32();
  if ((fields & kHasFile) != 0) op->file = calls.Varint32();
  if ((fields & kHasOffset) != 0) op->file_offset = calls.Varint();
  if (calls.failed()) return Fail(kCutOff);
  const char* const wrong = WrongInOp(*op);
  return wrong == nullptr || Fail(wrong);
}

}  // namespace xmmu
