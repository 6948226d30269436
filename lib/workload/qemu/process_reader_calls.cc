// System calls of a process.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "workload/process/call_number.h"
#include "workload/process/call_rules.h"
#include "workload/qemu/i386_calls.h"
#include "workload/qemu/process_reader.h"
#include "workload/qemu/spool_words.h"

namespace xmmu {
namespace {

// Linux, include/uapi/linux: shm.h, sched.h. Numbers of calls: arch/x86/entry/
// syscalls/syscall_64.tbl and syscall_32.tbl.
constexpr uint64_t kShmRemapFlag = 040000;
constexpr uint64_t kNewPidFlag = 0x20000000;
constexpr uint64_t kUnshare = 272;
constexpr uint64_t kSetns = 308;
constexpr uint64_t kUnshareNarrow = 310;
constexpr uint64_t kSetnsNarrow = 346;

// The addresses that a call that succeeded has mapped. Empty for other calls.
AddressMap::Range TakenBy(const TranslatedCall& translated,
                          const ProcessState& state) {
  const std::array<uint64_t, 6>& args = translated.call.args;
  const uint64_t value = translated.result.value;
  switch (translated.call.number) {
    case kMmap:
      return {value, PageUp(value + args[1])};
    case kMremap:
      if (value != args[0]) return {value, PageUp(value + args[2])};
      return {PageUp(value + args[1]), PageUp(value + args[2])};
    case kShmat: {
      const auto segment = state.segments.find(args[0]);
      const uint64_t bytes =
          segment == state.segments.end() ? 1 : segment->second.bytes;
      return {value, PageUp(value + std::max<uint64_t>(bytes, 1))};
    }
    case kBrk:
      return {PageUp(state.brk), state.brk == 0 ? 0 : PageUp(value)};
    default:
      return {0, 0};
  }
}

// Whether the call replaces what is mapped there, and not only takes what is
// free.
bool IsFixed(const SystemCall& call) {
  return (call.number == kMmap && (call.args[3] & kMapFixed) != 0) ||
         (call.number == kMremap && (call.args[3] & kMremapFixed) != 0) ||
         (call.number == kShmat && (call.args[2] & kShmRemapFlag) != 0);
}

// Whether [range.start, range.end) are pages that a program may map.
bool IsUserRange(AddressMap::Range range) {
  return range.start % kPageSize == 0 && range.start < range.end &&
         range.end <= kTaskEnd;
}

// Whether children of the process may have other ids in their own sight than in
// its sight from now on (Linux, kernel/nsproxy.c).
bool ChangesPidNamespace(const SpoolCall& call, bool narrow) {
  if (call.number == (narrow ? kUnshareNarrow : kUnshare)) {
    return (call.args[0] & kNewPidFlag) != 0;
  }
  return call.number == (narrow ? kSetnsNarrow : kSetns) &&
         (call.args[1] == 0 || (call.args[1] & kNewPidFlag) != 0);
}

// QEMU hands on of a mapping's type the bits MAP_SHARED and MAP_PRIVATE, and not
// MAP_FIXED_NOREPLACE, so that its address is a hint (QEMU 7.2,
// linux-user/syscall.c, mmap_flags_tbl).
//
// A brk that fails returns the break, which a call of another thread may have
// moved, so it says no more than one that asks.
void AskAsQemu(TranslatedCall& translated) {
  constexpr uint64_t kTypes = kMapTypeMask & ~uint64_t{3};
  if (!translated.result.success) return;
  if (translated.call.number == kBrk &&
      translated.call.args[0] != translated.result.value) {
    translated.call.args[0] = 0;
  }
  if (translated.call.number != kMmap) return;
  translated.call.args[3] &= ~(kTypes | kMapFixedNoReplace);
}

// The addresses that a call that succeeded has unmapped. Empty for other calls.
AddressMap::Range FreedBy(const TranslatedCall& translated,
                          const ProcessState& state) {
  const std::array<uint64_t, 6>& args = translated.call.args;
  switch (translated.call.number) {
    case kMunmap:
    case kMremap:
      return {args[0], PageUp(args[0] + args[1])};
    case kShmdt:
      return {args[0], kTaskEnd};  // as far as the segment reaches
    case kBrk:
      return {PageUp(translated.result.value), PageUp(state.brk)};
    default:
      return {0, 0};
  }
}

bool Meets(AddressMap::Range a, AddressMap::Range b) {
  return a.start < b.end && b.start < a.end;
}

bool IsTaken(const AddressMap& map, AddressMap::Range range) {
  return range.start < range.end &&
         map.FirstWhere(range.start, range.end,
                        [](const Region&) { return true; }) != map.end();
}

bool TakesAway(GuestOpKind kind) {
  return kind == GuestOpKind::kUnmap || kind == GuestOpKind::kProtect ||
         kind == GuestOpKind::kRemap || kind == GuestOpKind::kDiscard;
}

bool ChangesMappings(GuestOpKind kind) {
  return TakesAway(kind) || kind == GuestOpKind::kMap ||
         kind == GuestOpKind::kAdvise;
}

}  // namespace

TranslatedCall ProcessReader::Translate(const SpoolCall& call) const {
  TranslatedCall translated =
      narrow_ ? TranslateI386Call(call) : TranslateCall(call);
  AskAsQemu(translated);
  return translated;
}

// Whether a call that succeeded, and Linux refuses by what is known to be
// mapped, may have done so all the same. What is mapped is known but nearly:
// where a 32-bit program's ipc(2) has attached a segment is in no recording, a
// fork has copied the mappings at some time between its call and its return,
// and QEMU lets calls succeed that Linux refuses (7.2, linux-user/mmap.c,
// target_madvise; mprotect of what it has reserved for a 32-bit program). Only
// what is no range of user space is damage.
bool ProcessReader::MaySucceedHere(const TranslatedCall& translated) const {
  const std::array<uint64_t, 6>& args = translated.call.args;
  switch (translated.call.number) {
    case kMmap:
    case kShmat:
    case kBrk:
      return false;
    case kMremap:
      return IsUserRange(
          {translated.result.value, PageUp(translated.result.value + args[2])});
    default:
      return true;
  }
}

// Does what a call has done of which Linux has refused a part: a call on
// mappings goes on where something is mapped, and a mapping that was moved from
// where nothing was known is a new one.
absl::Status ProcessReader::ApplyPart(const TranslatedCall& translated) {
  SystemCall call = translated.call;
  ++shared_.counts.refused;
  if (call.number == kMprotect || call.number == kPkeyMprotect) {
    return ProtectKnown(call);
  }
  if (call.number != kMremap) return absl::OkStatus();
  const uint64_t from = call.args[0];
  const uint64_t length = call.args[1];
  const uint64_t value = translated.result.value;
  const uint64_t new_length = call.args[2];
  const bool keeps_old = (call.args[3] & kMremapDontUnmap) != 0;
  absl::Status status;
  call.number = kMunmap;
  if (!keeps_old && length != 0) {
    call.args = {from, length};
    status = writer_.Finish(call, {.success = true, .value = 0});
  }
  constexpr uint64_t kReadWrite = 3;
  call.number = kMmap;
  call.args = {value,        new_length,
               kReadWrite,   kMapPrivate | kMapAnonymous | kMapFixed,
               ~uint64_t{0}, 0};
  status.Update(writer_.Finish(call, {.success = true, .value = value}));
  return status;
}

absl::Status ProcessReader::ProtectKnown(SystemCall call) {
  const uint64_t start = call.args[0];
  const uint64_t length = call.args[1];
  std::vector<AddressMap::Range> pieces;
  if (length <= kTaskEnd && start <= kTaskEnd - length) {
    writer_.state().map.ForEachPiece(start, PageUp(start + length),
                                     [&](uint64_t from, uint64_t to, uint64_t) {
                                       pieces.push_back({from, to});
                                     });
  }
  for (const AddressMap::Range piece : pieces) {
    call.args[0] = piece.start;
    call.args[1] = piece.end - piece.start;
    const size_t first = writer_.ops().size();
    const absl::Status status =
        writer_.Finish(call, {.success = true, .value = 0});
    // The rights that it gives may be none of the mapping's.
    if (!status.ok()) writer_.ops().resize(first);
  }
  return absl::OkStatus();
}

// A thread that a clone makes may run before the clone returns, so the clone
// comes before that. All other calls have their effect as they return, unless
// another thread's shows that they had it before (FreeFor).
absl::Status ProcessReader::ReadCall(Thread& thread, bool* turn_over) {
  executes_ = true;
  if (thread.call.has_value()) {
    const absl::Status abandoned = AbandonCall(thread);
    if (!abandoned.ok()) return abandoned;
  }
  absl::StatusOr<SpoolCall> call = ReadSpoolCall(thread.file);
  if (!call.ok()) return call.status();
  ++shared_.counts.calls;
  thread.call = *std::move(call);
  if (!thread.call->returned) return absl::OkStatus();
  const uint64_t returned = TimeOf(thread.call->return_clock);
  absl::Status status;
  const bool early = MakesThread(Translate(*thread.call).call);
  if (early) status = FinishCall(thread);
  if (status.ok()) status = NoteTime(thread, returned, turn_over);
  if (early || *turn_over || !status.ok()) return status;
  return FinishCall(thread);
}

absl::Status ProcessReader::AbandonCall(Thread& thread) {
  const SpoolCall call = *std::move(thread.call);
  thread.call.reset();
  const TranslatedCall translated = Translate(call);
  writer_.Abandon(translated.Call());
  return EmitCall(thread, /*replaces=*/false);
}

absl::Status ProcessReader::FinishCall(Thread& thread) {
  const SpoolCall recorded = *std::move(thread.call);
  thread.call.reset();
  TranslatedCall translated = Translate(recorded);
  if (MakesProcess(translated.call) && translated.result.success) {
    translated.call.child = static_cast<uint32_t>(translated.result.value);
  }
  const absl::Status possible = CheckCall(translated.call, translated.result);
  if (!possible.ok()) {
    return ErrorAt(thread, recorded.offset, possible.message());
  }
  absl::Status status = FreeFor(thread, translated, recorded.offset);
  status.Update(NameTasks(thread, translated, recorded.offset));
  if (!status.ok()) return status;
  return Apply(thread, translated, recorded);
}

absl::Status ProcessReader::Apply(Thread& thread,
                                  const TranslatedCall& translated,
                                  const SpoolCall& recorded) {
  const SystemCall call = translated.Call();
  const bool replaces =
      translated.result.success && IsFixed(call) &&
      IsTaken(writer_.state().map, TakenBy(translated, writer_.state()));
  const size_t first = writer_.ops().size();
  absl::Status finished = writer_.Finish(call, translated.result);
  if (!finished.ok() && MaySucceedHere(translated)) {
    writer_.ops().resize(first);
    finished = ApplyPart(translated);
    if (writer_.ops().size() == first) writer_.Push(GuestOpKind::kSyscall);
  }
  if (!finished.ok()) {
    return ErrorAt(thread, recorded.offset, finished.message());
  }
  if (translated.result.success && ChangesPidNamespace(recorded, narrow_)) {
    renames_children_ = true;
  }
  const absl::Status emitted = EmitCall(thread, replaces || first != 0);
  if (call.child != 0) {
    BearChild(call, recorded.result);
  }
  return emitted;
}

absl::Status ProcessReader::EmitCall(Thread& thread, bool replaces) {
  const std::vector<GuestOp>& ops = writer_.ops();
  absl::Status status = BeforeActing(thread);
  if (alone()) {
    status.Update(accesses_.AppendOps());
    return status;
  }
  const bool takes_away =
      replaces || std::any_of(ops.begin(), ops.end(), [](const GuestOp& op) {
        return TakesAway(op.kind);
      });
  const bool changes =
      takes_away || std::any_of(ops.begin(), ops.end(), [](const GuestOp& op) {
        return ChangesMappings(op.kind);
      });
  if (takes_away) status.Update(AwaitOthers(thread));
  status.Update(accesses_.AppendOps());
  thread.acted = true;
  if (changes) status.Update(PostChange(thread));
  return status;
}

absl::Status ProcessReader::NameTasks(Thread& thread,
                                      TranslatedCall& translated,
                                      uint64_t offset) {
  SystemCall& call = translated.call;
  SystemCallResult& result = translated.result;
  if (!result.success) return absl::OkStatus();
  const bool makes_thread = MakesThread(call);
  if (makes_thread || MakesProcess(call)) {
    const uint64_t id = result.value;
    if (id == 0 || id >= kProcessIdEnd) {
      return ErrorAt(thread, offset,
                     absl::StrCat("a clone or fork that returned ", id,
                                  ", expected a process or thread"));
    }
    const TaskId task = shared_.ids.Take(id);
    if (makes_thread) {
      call.thread = task;
      return NameThread(thread, id, task);
    }
    call.child = task;
    children_[id] = task;
  } else if (call.number == kWait4) {
    const auto child = children_.find(result.value);
    if (child != children_.end()) result.value = child->second;
  } else if (call.number == kWaitid) {
    const auto child = children_.find(call.args[1]);
    if (child != children_.end()) call.args[1] = child->second;
  }
  return absl::OkStatus();
}

// The thread comes after all that its creator has awaited.
absl::Status ProcessReader::NameThread(Thread& thread, uint64_t tid,
                                       TaskId task) {
  absl::Status status;
  const auto unseen = named_.find(tid);
  if (unseen != named_.end()) {
    status =
        accesses_.AppendTo(unseen->second.task, {.kind = GuestOpKind::kExit});
    --live_;
  }
  status.Update(BeforeActing(thread));
  named_[tid] = {task, changes_};
  ++live_;
  return status;
}

absl::Status ProcessReader::FreeFor(Thread& thread,
                                    const TranslatedCall& translated,
                                    uint64_t offset) {
  if (!translated.result.success) return absl::OkStatus();
  const AddressMap& map = writer_.state().map;
  const AddressMap::Range range = TakenBy(translated, writer_.state());
  absl::Status status;
  for (size_t i = 0; i < threads_.size() && IsTaken(map, range); ++i) {
    Thread& other = *threads_[i];
    if (&other == &thread || !other.call.has_value() || !other.call->returned) {
      continue;
    }
    const TranslatedCall freeing = Translate(*other.call);
    if (!freeing.result.success ||
        !Meets(FreedBy(freeing, writer_.state()), range)) {
      continue;
    }
    status.Update(accesses_.Turn(other.task));
    status.Update(FinishCall(other));
    status.Update(accesses_.Turn(thread.task));
    if (!status.ok()) return status;
  }
  if (IsFixed(translated.call) || !IsTaken(map, range)) {
    return absl::OkStatus();
  }
  ++shared_.counts.overlaps;
  SystemCall unmap;
  unmap.number = kMunmap;
  unmap.args = {range.start, range.end - range.start};
  unmap.readable = true;
  status = writer_.Finish(unmap, {.success = true, .value = 0});
  return status.ok() ? status : ErrorAt(thread, offset, status.message());
}

void ProcessReader::BearChild(const SystemCall& call, int64_t result) {
  birth_.emplace(Birth{call.child, static_cast<uint64_t>(result), process_.pid,
                       renames_children_, narrow_, writer_.ChildState(call),
                       blocks_});
}

}  // namespace xmmu
