#include "workload/linux_text/text_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "workload/process/call_number.h"
#include "workload/process/call_rules.h"

namespace xmmu {
namespace {

// A span ends with the line that reaches this many operations.
constexpr size_t kOpsOfASpan = 256;
// The kernel's stores before an exec's event: to the pages behind the data of
// program and interpreter, and to the stack; assumed to be no more.
constexpr size_t kMostHeld = 8;

uint8_t RightForFault(uint32_t code) {
  if ((code & kFaultFetch) != 0) return kMapExecute;
  return (code & kFaultWrite) != 0 ? kMapWrite : kMapRead;
}

bool ForksCall(uint64_t number) {
  return number == kClone || number == kClone3 || number == kForkCall ||
         number == kVforkCall;
}
bool ExecsCall(uint64_t number) {
  return number == kExecve || number == kExecveat;
}

}  // namespace

TextStream::TextStream(std::string path, TaskId task,
                       std::vector<uint32_t> pids, uint64_t line,
                       ProcessState state, bool fetches,
                       const ProcessTree& tree, TextStreamCounts& counts)
    : path_(std::move(path)),
      task_(task),
      begin_(line),
      fetches_(fetches),
      tree_(tree),
      counts_(counts),
      writer_(task, std::move(state)) {
  for (const uint32_t pid : pids) calls_.try_emplace(pid);
}

absl::StatusOr<std::span<const GuestOp>> TextStream::Next(
    std::vector<Child>* children) {
  writer_.ops().clear();
  if (!reader_.has_value() && !ended_) {
    absl::StatusOr<TextReader> reader = TextReader::Open(path_);
    if (!reader.ok()) return reader.status();
    const absl::Status skipped = reader->SkipTo(begin_);
    if (!skipped.ok()) return skipped;
    reader_.emplace(*std::move(reader));
  }
  while (!ended_ && writer_.ops().size() < kOpsOfASpan) {
    const absl::Status read = ReadSome(children);
    if (!read.ok()) return read;
  }
  if (writer_.ops().empty()) {
    writer_.Push(GuestOpKind::kExit);
    done_ = true;
  }
  return std::span<const GuestOp>(writer_.ops());
}

absl::Status TextStream::ReadSome(std::vector<Child>* children) {
  const auto event = reader_->Next();
  if (!event.ok()) return event.status();
  if (!event->has_value()) {
    const absl::Status released = ReleaseHeld();
    End();
    return released;
  }
  if ((*event)->name == "sched_process_exec") {
    const absl::StatusOr<LinuxEvent> exec = ParseLinuxEvent(**event);
    // A thread that executes gets the id of its process.
    if (exec.ok() && calls_.erase(exec->old_pid) != 0) {
      calls_.try_emplace(exec->pid);
    }
  }
  // Somebody's fork may give an id of ours anew, whose end was lost.
  if (!Mine((*event)->pid)) {
    const TextBirth* const birth = tree_.BirthAt(reader_->line());
    if (birth != nullptr && Mine(birth->pid)) calls_.erase(birth->pid);
    if (calls_.empty()) End();
    return absl::OkStatus();
  }
  const absl::Status taken = Take(**event, children);
  if (!taken.ok()) return reader_->Error(taken.message());
  return absl::OkStatus();
}

// The text is closed as soon as the process has ended.
void TextStream::End() {
  ended_ = true;
  reader_.reset();
  held_.clear();
}

absl::Status TextStream::Take(const TextEvent& event,
                              std::vector<Child>* children) {
  const absl::StatusOr<LinuxEvent> read = ParseLinuxEvent(event);
  if (!read.ok()) return read.status();
  switch (read->kind) {
    case LinuxEventKind::kFault:
      return Fault(*read);
    case LinuxEventKind::kFork:
      return Fork(children);
    case LinuxEventKind::kExec:
      return Exec(read->path);
    case LinuxEventKind::kExit: {
      const absl::Status released = ReleaseHeld();
      calls_.erase(event.pid);
      if (calls_.empty()) End();
      return released;
    }
    case LinuxEventKind::kSwitch:
      if (read->sleeps && read->pid == event.pid) {
        writer_.Push(GuestOpKind::kYield);
      }
      return absl::OkStatus();
    case LinuxEventKind::kCallEnter:
      return EnterCall(event, *read);
    case LinuxEventKind::kCallExit:
      return ExitCall(event, *read);
    case LinuxEventKind::kOther:
      break;
  }
  return absl::OkStatus();
}

absl::Status TextStream::Fault(const LinuxEvent& fault) {
  if (fault.address == 0) return absl::OkStatus();
  const bool may_be_of_exec =
      fault.in_kernel && (fault.code & kFaultWrite) != 0;
  if (!may_be_of_exec) {
    const absl::Status released = ReleaseHeld();
    if (!released.ok()) return released;
    return Access(fault);
  }
  if (held_.size() == kMostHeld) {
    const absl::Status oldest = Access(held_.front());
    if (!oldest.ok()) return oldest;
    held_.erase(held_.begin());
  }
  held_.push_back(fault);
  return absl::OkStatus();
}

absl::Status TextStream::ReleaseHeld() {
  std::vector<LinuxEvent> held;
  held.swap(held_);
  for (const LinuxEvent& fault : held) {
    const absl::Status done = Access(fault);
    if (!done.ok()) return done;
  }
  return absl::OkStatus();
}

absl::Status TextStream::Access(const LinuxEvent& fault) {
  const uint8_t right = RightForFault(fault.code);
  const bool fetch = right == kMapExecute;
  const auto window =
      writer_.WindowFor(fault.address, 1, /*store=*/right == kMapWrite, fetch);
  if (!window.ok()) return window.status();
  if ((window->rights & right) == 0) {
    ++counts_.faults_refused;
    return absl::OkStatus();
  }
  ++counts_.faults;
  if (fetch && !fetches_) return absl::OkStatus();
  GuestOp& op = writer_.ops().emplace_back();
  op.kind = fetch                ? GuestOpKind::kFetch
            : right == kMapWrite ? GuestOpKind::kStore
                                 : GuestOpKind::kLoad;
  op.va = VirtAddr(fault.address + window->shift);
  op.length = 1;
  return absl::OkStatus();
}

absl::Status TextStream::Fork(std::vector<Child>* children) {
  const absl::Status released = ReleaseHeld();
  if (!released.ok()) return released;
  const TextBirth* const birth = tree_.BirthAt(reader_->line());
  if (birth == nullptr) return absl::OkStatus();  // of the kernel's
  ++counts_.calls;
  if (birth->task == 0) {
    calls_.try_emplace(birth->pid);
    writer_.Push(GuestOpKind::kSyscall);
    return absl::OkStatus();
  }
  SystemCall call;
  call.number = birth->suspends ? kVforkCall : kForkCall;
  call.child = birth->task;
  const absl::Status forked =
      writer_.Finish(call, {.success = true, .value = birth->task});
  if (!forked.ok()) return forked;
  children->push_back(
      {birth->task, birth->pid, birth->line, writer_.ChildState(call)});
  return absl::OkStatus();
}

// What was held back is of the program that begins.
absl::Status TextStream::Exec(absl::string_view path) {
  ++counts_.calls;
  SystemCall call;
  call.number = kExecve;
  writer_.BeginExec(call);
  writer_.Exec(path);
  for (auto& [pid, pending] : calls_) pending.reset();
  return ReleaseHeld();
}

absl::Status TextStream::EnterCall(const TextEvent& event,
                                   const LinuxEvent& read) {
  calls_[event.pid] = read.call;
  return ExecsCall(read.call.number) ? absl::OkStatus() : ReleaseHeld();
}

absl::Status TextStream::ExitCall(const TextEvent& event,
                                  const LinuxEvent& read) {
  std::optional<SystemCall> call;
  call.swap(calls_[event.pid]);
  const bool exec = ExecsCall(read.call.number);
  // The event of an exec that succeeded has done all.
  if (exec && read.succeeded()) return absl::OkStatus();
  const absl::Status released = ReleaseHeld();
  if (!released.ok()) return released;
  if (!call.has_value() || call->number != read.call.number) {
    ++counts_.calls_unpaired;
    return absl::OkStatus();
  }
  // So has that of a fork.
  if (ForksCall(call->number) && read.succeeded()) return absl::OkStatus();
  ++counts_.calls;
  if (call->number == kOtherCall || exec || ForksCall(call->number)) {
    writer_.Push(GuestOpKind::kSyscall);
    return absl::OkStatus();
  }
  return FinishCall(*call, read.result);
}

// Linux's dynamic linker opens a file, maps its beginning anywhere and the rest
// at fixed places (elf/dl-map-segments.h of glibc 2.36), so a mapping that is
// not fixed, or is of offset 0, begins a file. Its name is in no event.
void TextStream::NameFile(const SystemCall& call) {
  const auto [hint, length, rights, flags, descriptor, offset] = call.args;
  if ((flags & kMapAnonymous) != 0) return;
  auto& descriptors = writer_.state().descriptors;
  const bool begins = offset == 0 || (flags & kMapFixed) == 0;
  if (!begins && descriptors.contains(descriptor)) return;
  const std::string name =
      absl::StrCat("descriptor ", descriptor, " of ", task_, ", ", files_++);
  ProcessState::Descriptor& named = descriptors[descriptor];
  named.file = FileIdentity(name);
  named.path = name;
}

// The text may lack what made room for a mapping: events can be lost, or not
// asked for. What a call says is believed, and what contradicts it replaced.
absl::Status TextStream::FinishCall(SystemCall call, uint64_t result) {
  SystemCallResult done;
  done.success = result < uint64_t{0} - 4095;
  done.value = done.success ? result : uint64_t{0} - result;
  if (call.number == kMmap) {
    call.args[4] &= 0xffffffff;
    if (done.success) NameFile(call);
  }
  const absl::Status possible = CheckCall(call, done);
  if (!possible.ok()) return possible;
  const size_t before = writer_.ops().size();
  absl::Status finished = writer_.Finish(call, done);
  if (finished.ok()) return finished;
  ++counts_.calls_replaced;
  writer_.ops().resize(before);
  if (call.number == kMmap) {
    call.args[0] = result;
    call.args[3] |= kMapFixed;
    call.args[3] &= ~kMapFixedNoReplace;
    return writer_.Finish(call, done);
  }
  writer_.Push(GuestOpKind::kSyscall);
  return absl::OkStatus();
}

}  // namespace xmmu
