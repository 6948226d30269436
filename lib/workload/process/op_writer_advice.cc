// Turns madvise and the calls that lock memory into operations.
// Source: mm/madvise.c, mm/mlock.c (Linux 6.1).

#include <algorithm>

#include "workload/process/call_number.h"
#include "workload/process/call_refusal.h"
#include "workload/process/call_rules.h"
#include "workload/process/op_writer.h"

namespace xmmu {
namespace {

// Linux, include/uapi/asm-generic: errno-base.h, mman.h, mman-common.h.
constexpr uint64_t kNoMemory = 12;
constexpr uint64_t kMlockOnFault = 1;
constexpr uint64_t kMclCurrent = 1;
constexpr uint64_t kMclFuture = 2;
constexpr uint64_t kMclOnFault = 4;

// Region::advices.
enum AdviceBit : uint8_t {
  kRandomBit = 1,
  kSequentialBit = 2,
  kMergeableBit = 4,
  kHugeBit = 8,
  kNoHugeBit = 16,
  kDontDumpBit = 32,
  kWipeBit = 64,
};

// What an advice becomes and what Linux notes of it in a mapping's flags
// (madvise_vma_behavior).
struct AdviceRow {
  uint64_t advice;
  std::optional<Advice> becomes;
  uint8_t clears;
  uint8_t sets;
};
constexpr AdviceRow kAdvices[] = {
    {kMadvNormal, std::nullopt, kRandomBit | kSequentialBit, 0},
    {kMadvRandom, std::nullopt, kSequentialBit, kRandomBit},
    {kMadvSequential, std::nullopt, kRandomBit, kSequentialBit},
    {kMadvFree, Advice::kFree, 0, 0},
    {kMadvDontFork, Advice::kDontFork, 0, 0},
    {kMadvDoFork, Advice::kDoFork, 0, 0},
    {kMadvMergeable, std::nullopt, 0, kMergeableBit},
    {kMadvUnmergeable, std::nullopt, kMergeableBit, 0},
    {kMadvHugePage, Advice::kHugePage, kNoHugeBit, kHugeBit},
    {kMadvNoHugePage, Advice::kNoHugePage, kHugeBit, kNoHugeBit},
    {kMadvDontDump, std::nullopt, 0, kDontDumpBit},
    {kMadvDoDump, std::nullopt, kDontDumpBit, 0},
    {kMadvWipeOnFork, Advice::kWipeOnFork, 0, kWipeBit},
    {kMadvKeepOnFork, Advice::kKeepOnFork, kWipeBit, 0},
    {kMadvPopulateRead, Advice::kPopulateRead, 0, 0},
    {kMadvPopulateWrite, Advice::kPopulateWrite, 0, 0},
};

bool Populates(uint64_t advice) {
  return advice == kMadvPopulateRead || advice == kMadvPopulateWrite;
}

bool IsOwn(const Region& region) {
  return region.backing == Backing::kAnonymous ||
         region.backing == Backing::kStack;
}

}  // namespace

void OpWriter::PushAdvice(Advice advice, uint64_t start, uint64_t end) {
  const GuestOp op{.kind = GuestOpKind::kAdvise, .advice = advice};
  if (advice != Advice::kFree && advice != Advice::kWipeOnFork) {
    return PushPieces(op, start, end);
  }
  // These are for anonymous memory. What exec made may be some, but is not in
  // the stream.
  for (uint64_t at = start; at < end;) {
    const auto own = state_.map.FirstWhere(at, end, &IsOwn);
    if (own == state_.map.end()) return;
    const uint64_t from = std::max(at, own->first);
    at = std::min(end, own->second.end);
    PushPieces(op, from, at);
  }
}

// The kernel lets locked memory be discarded only if it is asked to
// (MADV_DONTNEED_LOCKED), and it stays locked.
void OpWriter::Discard(uint64_t start, uint64_t end, bool relock) {
  const auto is_locked = [](const Region& region) {
    return region.lock != Lock::kNone;
  };
  for (uint64_t at = start; at < end;) {
    const auto locked = state_.map.FirstWhere(at, end, is_locked);
    if (locked == state_.map.end()) {
      return PushPieces(GuestOpKind::kDiscard, at, end);
    }
    const uint64_t from = std::max(at, locked->first);
    const uint64_t to = std::min(end, locked->second.end);
    if (from > at) PushPieces(GuestOpKind::kDiscard, at, from);
    PushAdvice(Advice::kUnlock, from, to);
    PushPieces(GuestOpKind::kDiscard, from, to);
    if (relock) PushAdvice(Advice::kLockOnFault, from, to);
    at = to;
  }
  if (!relock) SetLock(start, end, Lock::kNone);
}

void OpWriter::Follow(uint64_t advice, uint64_t start, uint64_t end) {
  // Of MADV_REMOVE only what it does to this process's mappings.
  if (advice == kMadvDontNeed || advice == kMadvRemove ||
      advice == kMadvDontNeedLocked) {
    return Discard(start, end, /*relock=*/advice == kMadvDontNeedLocked);
  }
  const auto row = std::find_if(
      std::begin(kAdvices), std::end(kAdvices),
      [&](const AdviceRow& candidate) { return candidate.advice == advice; });
  if (row == std::end(kAdvices)) return;
  if (row->becomes.has_value()) PushAdvice(*row->becomes, start, end);
  state_.map.Change(start, end, [&](Region& region) {
    region.advices =
        static_cast<uint8_t>((region.advices & ~row->clears) | row->sets);
    if (advice == kMadvDontFork) region.dont_fork = true;
    if (advice == kMadvDoFork) region.dont_fork = false;
  });
  ++generation_;
}

absl::Status OpWriter::FinishMadvise(const SystemCall& call) {
  const auto [start, length, advice, a, b, c] = call.args;
  absl::Status status = GrowSegments(start, length);
  if (status.ok()) status = CheckMadvise(call, state_.map);
  if (!status.ok() || length == 0) return status;
  const uint64_t end = PageUp(start + length);
  if (advice == kMadvDontNeed || advice == kMadvDontNeedLocked) {
    status = CheckHugeBorders("madvise", start, start, state_.map);
  }
  // What exec made must be known to be populated.
  if (status.ok() && Populates(advice)) status = InferAll(start, end);
  if (status.ok()) Follow(advice, start, end);
  return status;
}

// madvise passes over holes and says ENOMEM in the end (madvise_walk_vmas), but
// populating ends at the first. At a mapping that it refuses it ends.
void OpWriter::FailMadvise(const SystemCall& call, uint64_t error) {
  const auto [start, length, advice, a, b, c] = call.args;
  if ((start & kPageOffsetMask) != 0 || !IsRange(start, length) ||
      !IsAdvice(advice)) {
    return;
  }
  const uint64_t end = PageUp(start + length);
  const auto hole = state_.map.FirstHole(start, end);
  uint64_t stop = start;
  if (error == kNoMemory) {
    if (hole.has_value()) stop = Populates(advice) ? *hole : end;
  } else {
    const uint64_t wanted = advice;
    const auto refused =
        state_.map.FirstWhere(start, end, [&](const Region& region) {
          return !region.inferred &&
                 RefusalOfAdvice(wanted, region).error != nullptr;
        });
    if (refused != state_.map.end()) stop = std::max(start, refused->first);
    if (Populates(advice)) stop = std::min(stop, hole.value_or(stop));
  }
  if (stop > start) Follow(advice, start, stop);
}

void OpWriter::SetLock(uint64_t start, uint64_t end, Lock lock) {
  state_.map.Change(start, end, [&](Region& region) { region.lock = lock; });
  ++generation_;
}

void OpWriter::SetLockOfAll(Lock lock) {
  SetLock(0, kUserEnd, lock);
  state_.map.Change(0, kUserEnd, [&](Region& region) {
    if (region.attached) region.attached_lock = lock;
  });
}

// Flags of an mlockall without MCL_FUTURE clear those of an earlier one
// (apply_mlockall_flags).
void OpWriter::LockAll(uint64_t flags) {
  const bool on_fault = (flags & kMclOnFault) != 0;
  const Lock lock = on_fault ? Lock::kOnFault : Lock::kNow;
  state_.future_lock = (flags & kMclFuture) != 0 ? lock : Lock::kNone;
  if ((flags & kMclCurrent) == 0) return;
  GuestOp& op = ops_.emplace_back();
  op.kind = GuestOpKind::kAdvise;
  op.advice = on_fault ? Advice::kLockOnFault : Advice::kLock;
  SetLockOfAll(lock);
}

void OpWriter::LockCall(const SystemCall& call) {
  if (call.number == kMunlockall) {
    state_.future_lock = Lock::kNone;
    GuestOp& op = ops_.emplace_back();
    op.kind = GuestOpKind::kAdvise;
    op.advice = Advice::kUnlock;
    return SetLockOfAll(Lock::kNone);
  }
  if (!call.readable) return;
  if (call.number == kMlockall) return LockAll(call.args[0]);
  const auto [start, length, flags, a, b, c] = call.args;
  if (!IsRange(start, length)) return;
  const uint64_t from = start & ~kPageOffsetMask;
  const uint64_t end = PageUp(start + length);
  // That what it shows does not fit below the address limit is no error here.
  GrowSegments(start, length).IgnoreError();
  if (call.number == kMunlock) {
    PushAdvice(Advice::kUnlock, from, end);
    return SetLock(from, end, Lock::kNone);
  }
  const bool on_fault = call.number == kMlock2 && (flags & kMlockOnFault) != 0;
  // What exec made is locked, too; nor is it an error if that does not fit.
  if (CheckMapped("mlock", "ENOMEM", from, end, state_.map).ok()) {
    InferAll(from, end).IgnoreError();
  }
  PushAdvice(on_fault ? Advice::kLockOnFault : Advice::kLock, from, end);
  SetLock(from, end, on_fault ? Lock::kOnFault : Lock::kNow);
}

// mlock stops at a hole, and what lies before is locked, but not populated
// (apply_vma_lock_flags, do_mlock). The limit of what a process may lock gives
// the same error before anything is done, so it is not certain.
void OpWriter::FailLock(const SystemCall& call, uint64_t error) {
  const auto [start, length, flags, a, b, c] = call.args;
  if (!call.readable || error != kNoMemory || !IsRange(start, length)) return;
  const uint64_t from = start & ~kPageOffsetMask;
  const auto hole = state_.map.FirstHole(from, PageUp(start + length));
  if (!hole.has_value() || *hole == from) return;
  const bool unlocks = call.number == kMunlock;
  PushAdvice(unlocks ? Advice::kUnlock : Advice::kLockOnFault, from, *hole);
  SetLock(from, *hole, unlocks ? Lock::kNone : Lock::kPerhaps);
}

}  // namespace xmmu
