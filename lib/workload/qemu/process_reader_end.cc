// The ends of a process's threads, of its programs, and its own.

#include <algorithm>

#include "workload/qemu/exec_stack.h"
#include "workload/qemu/process_reader.h"

namespace xmmu {

namespace {

// Whether it is known only at the end of all threads what the call did.
bool IsOpenToTheEnd(const SystemCall& call) {
  return StartsProgram(call) || MakesProcess(call) || MakesThread(call);
}

}  // namespace

// A thread that is in an exec, a fork or a clone stays until all have ended, and the
// first thread as long as there are others: its end is the process's.
absl::Status ProcessReader::EndThread(Thread& thread) {
  accesses_.EndBlock();
  absl::Status status;
  thread.ended = true;
  if (thread.call.has_value()) {
    const SystemCall call = Translate(*thread.call).call;
    if (IsOpenToTheEnd(call)) return Leave(thread);
    if (!EndsThread(call)) status = AbandonCall(thread);
  }
  status.Update(Leave(thread));
  if (&thread != &main()) status.Update(Exit(thread));
  return status;
}

// Others may have to wait for what the thread has done. The first one does not
// end before them, so they cannot wait for its end.
absl::Status ProcessReader::Leave(Thread& thread) {
  thread.file.Release();
  --live_;
  if (!thread.acted || live_ == 0) return absl::OkStatus();
  ++thread.posts;
  left_.push_back({thread.task, thread.posts});
  return accesses_.AppendTo(thread.task, {.kind = GuestOpKind::kPost});
}

absl::Status ProcessReader::Exit(Thread& thread) {
  thread.exited = true;
  if (main().ended) last_.push_back({thread.task, thread.posts + 1});
  return accesses_.AppendTo(thread.task, {.kind = GuestOpKind::kExit});
}

// A thread that was killed in a clone does not say which thread it has made:
// the one that no clone has named.
absl::Status ProcessReader::AdoptThread(uint64_t tid) {
  for (const auto& thread : threads_) {
    if (!thread->begun || !thread->ended || !thread->call.has_value()) continue;
    if (!MakesThread(Translate(*thread->call).call)) continue;
    thread->call->returned = true;
    thread->call->result = static_cast<int64_t>(tid);
    absl::Status status = accesses_.Turn(thread->task);
    status.Update(FinishCall(*thread));
    return status;
  }
  return absl::OkStatus();
}

// A process that was killed in a fork does not say which child it has, but the
// child's files name their parent.
absl::Status ProcessReader::AdoptChild(Thread& thread) {
  const SystemCall call = Translate(*thread.call).call;
  if (MakesThread(call)) {
    const absl::Status turned = accesses_.Turn(thread.task);
    return turned.ok() ? AbandonCall(thread) : turned;
  }
  if (!MakesProcess(call)) return absl::OkStatus();
  const std::optional<uint64_t> pid = shared_.children.FindChild(process_.pid);
  absl::Status status = accesses_.Turn(thread.task);
  if (pid.has_value()) {
    thread.call->returned = true;
    thread.call->result = static_cast<int64_t>(*pid);
    status.Update(FinishCall(thread));
  } else {
    status.Update(AbandonCall(thread));
  }
  return status;
}

// Returns the last thread that was in an exec when its file ended: it made that
// succeed, which ended the others. Null if there is none.
ProcessReader::Thread* ProcessReader::ThreadInExec() {
  Thread* in_exec = nullptr;
  for (const auto& thread : threads_) {
    if (!thread->begun || !thread->call.has_value()) continue;
    if (!StartsProgram(Translate(*thread->call).call)) continue;
    if (in_exec == nullptr || in_exec->time < thread->time) {
      in_exec = thread.get();
    }
  }
  return in_exec;
}

absl::Status ProcessReader::EndProgram() {
  absl::Status status;
  for (const auto& thread : threads_) {
    if (!thread->begun || !thread->call.has_value()) continue;
    status.Update(AdoptChild(*thread));
    if (!status.ok() || birth_.has_value()) return status;
  }
  Thread* const in_exec = ThreadInExec();
  for (const auto& thread : threads_) {
    const bool named = thread->begun && thread->task != 0;
    if (named && !thread->exited && thread.get() != &main()) {
      status.Update(Exit(*thread));
    }
  }
  for (const auto& [tid, named] : named_) {
    status.Update(accesses_.AppendTo(named.task, {.kind = GuestOpKind::kExit}));
  }
  named_.clear();
  left_.clear();
  const bool another = program_ + 1 < process_.programs.size();
  status.Update(accesses_.Turn(task_));
  for (const Point& point : last_) status.Update(Await(point));
  last_.clear();
  if (another && in_exec == nullptr) ++shared_.counts.unnamed_programs;
  if ((another || in_exec != nullptr) && status.ok()) {
    writer_.BeginExec(in_exec == nullptr ? ExecCall()
                                         : Translate(*in_exec->call).Call());
    GuestOp& exec = writer_.ops().back();
    if (another) exec_stack_ = FindExecStack(process_.programs[program_ + 1]);
    if (exec_stack_.has_value()) {
      exec.va = VirtAddr(exec_stack_->start);
      exec.length = exec_stack_->end - exec_stack_->start;
    }
    status = accesses_.AppendOps();
  }
  main_posts_ = main().posts;
  running_ = false;
  ++program_;
  if (another || !status.ok()) return status;
  done_ = true;
  status.Update(accesses_.Append({.kind = GuestOpKind::kExit}));
  threads_.clear();
  return status;
}

}  // namespace xmmu
