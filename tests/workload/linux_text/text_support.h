#ifndef XMMU_TESTS_WORKLOAD_LINUX_TEXT_TEXT_SUPPORT_H_
#define XMMU_TESTS_WORKLOAD_LINUX_TEXT_TEXT_SUPPORT_H_

// Writes small texts of Linux's events and reads their processes.

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "workload/lackey/trace_support.h"
#include "xmmu/workload/trace.h"

namespace xmmu {

// A line of trace-cmd's report.
inline std::string Line(int pid, const std::string& event, int cpu = 0) {
  static uint64_t time = 1000;
  return absl::StrCat("            prog-", pid, "    [00", cpu, "]", ++time,
                      ": ", event, "\n");
}
inline std::string UserFault(int pid, const std::string& address,
                             const std::string& code) {
  return Line(pid, absl::StrCat("page_fault_user:      address=0x", address,
                                " ip=0x401000 error_code=0x", code));
}
inline std::string KernelFault(int pid, const std::string& address,
                               const std::string& code) {
  return Line(pid, absl::StrCat("page_fault_kernel:    address=", address,
                                " ip=clear_user error_code=0x", code));
}
inline std::string ForkLine(int pid, int child) {
  return Line(pid, absl::StrCat("sched_process_fork:   comm=prog pid=", pid,
                                " child_comm=prog child_pid=", child));
}
inline std::string ExecLine(int pid, const std::string& path = "/bin/prog") {
  return Line(pid, absl::StrCat("sched_process_exec:   filename=", path,
                                " pid=", pid, " old_pid=", pid));
}
inline std::string ExitLine(int pid) {
  return Line(pid, absl::StrCat("sched_process_exit:   comm=prog pid=", pid,
                                " prio=120"));
}
// A system call and its result, in hexadecimal.
inline std::string CallLines(int pid, const std::string& name,
                             const std::string& arguments,
                             const std::string& result) {
  return Line(pid, absl::StrCat("sys_enter_", name, ": ", arguments)) +
         Line(pid, absl::StrCat("sys_exit_", name, ": 0x", result));
}
inline std::string MmapLines(int pid, const std::string& result, int length,
                             const std::string& flags, const std::string& fd,
                             const std::string& hint = "0", int offset = 0) {
  return CallLines(
      pid, "mmap",
      absl::StrCat("addr: 0x", hint, ", len: 0x", absl::Hex(length),
                   ", prot: 0x3, flags: 0x", flags, ", fd: 0x", fd, ", off: 0x",
                   absl::Hex(offset)),
      result);
}

class LinuxTextTest : public TraceTest {
 protected:
  // The operations of each task.
  absl::StatusOr<Streams> Tasks(const std::string& text) const {
    auto trace = OpenTrace({Write("text", text)}, {});
    if (!trace.ok()) return trace.status();
    Streams streams;
    std::vector<TaskId> tasks = {(*trace)->first_task()};
    for (size_t i = 0; i < tasks.size(); ++i) {
      for (bool ended = false; !ended;) {
        const auto ops = (*trace)->Next(tasks[i]);
        if (!ops.ok()) return ops.status();
        for (const GuestOp& op : *ops) {
          streams[tasks[i]].push_back(op);
          if (StartsTask(op.kind)) tasks.push_back(op.child);
          ended = op.kind == GuestOpKind::kExit;
        }
      }
    }
    facts_.clear();
    for (const auto& [name, count] : (*trace)->facts().counts) {
      facts_[name] = count;
    }
    return streams;
  }

  // The operations of the only task, or the error without the path.
  std::string Text(const std::string& text) const {
    const auto tasks = Tasks(text);
    if (tasks.ok()) return ToText(tasks->begin()->second);
    std::string message(tasks.status().message());
    const size_t path = message.find(Path("text"));
    return path == 0 ? message.substr(Path("text").size()) : message;
  }
  uint64_t Fact(const std::string& name) const { return facts_[name]; }

 private:
  mutable std::map<std::string, uint64_t> facts_;
};

}  // namespace xmmu

#endif  // XMMU_TESTS_WORKLOAD_LINUX_TEXT_TEXT_SUPPORT_H_
