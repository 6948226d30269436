// The ends of a process's threads, of its programs, and its own.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "workload/qemu/exec_stack.h"
#include "workload/qemu/process_reader.h"

namespace xmmu {

// A thread that is in an exec lives on until it is known which one succeeded,
// and the first thread as long as there are others: its end is the process's.
absl::Status ProcessReader::EndThread(Thread& thread) {
  accesses_.EndBlock();
  absl::Status status;
  thread.ended = true;
  if (thread.call.has_value()) {
    const SystemCall call = Translate(*thread.call).call;
    if (StartsProgram(call)) return Leave(thread);
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
  if (main().ended) last_.push_back({thread.task, thread.posts + 1});
  return accesses_.AppendTo(thread.task, {.kind = GuestOpKind::kExit});
}

// The last thread that was in an exec when its file ended has made it succeed,
// which ended the others.
absl::Status ProcessReader::EndProgram() {
  Thread* in_exec = nullptr;
  absl::Status status;
  for (const auto& thread : threads_) {
    if (!thread->call.has_value() || !thread->begun) continue;
    if (!StartsProgram(Translate(*thread->call).call)) continue;
    if (in_exec == nullptr || in_exec->time < thread->time) {
      in_exec = thread.get();
    }
  }
  for (const auto& thread : threads_) {
    const bool waits = thread->call.has_value() && thread->begun &&
                       StartsProgram(Translate(*thread->call).call);
    if (waits && thread.get() != &main()) status.Update(Exit(*thread));
  }
  for (const auto& [tid, named] : named_) {
    status.Update(accesses_.AppendTo(named.task, {.kind = GuestOpKind::kExit}));
  }
  named_.clear();
  left_.clear();
  const bool another = program_ + 1 < process_.programs.size();
  if (another && in_exec == nullptr) {
    return ErrorAt(main(), main().file.offset(),
                   absl::StrCat("process ", process_.pid,
                                " ran another program, expected an execve "
                                "that did not return"));
  }
  status.Update(accesses_.Turn(task_));
  for (const Point& point : last_) status.Update(Await(point));
  last_.clear();
  if (in_exec != nullptr && status.ok()) {
    writer_.BeginExec(Translate(*in_exec->call).Call());
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
