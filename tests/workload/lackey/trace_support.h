#ifndef XMMU_TESTS_WORKLOAD_LACKEY_TRACE_SUPPORT_H_
#define XMMU_TESTS_WORKLOAD_LACKEY_TRACE_SUPPORT_H_

// Writes small logs and reads workloads to their end, for the tests of the
// trace reader.

#include <unistd.h>
#include <zlib.h>

#include <cstdint>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "xmmu/workload/lackey_trace.h"

namespace xmmu {

// The head of the log of a process that starts with a program.
inline std::string Head(uint32_t pid, uint32_t parent = 1,
                        const std::string& command = "/bin/prog") {
  const std::string mark = absl::StrCat("==", pid, "== ");
  return absl::StrCat(
      mark, "Lackey, an example Valgrind tool\n", mark,
      "Copyright (C) 2002-2017, and GNU GPL'd, by Nicholas Nethercote.\n", mark,
      "Using Valgrind-3.19.0 and LibVEX; rerun with -h for copyright info\n",
      mark, "Command: ", command, "\n", mark, "Parent PID: ", parent, "\n",
      mark, "\n");
}

// The head of the log of a fork's child.
inline std::string ForkedHead(uint32_t pid, uint32_t parent = 1,
                              const std::string& command = "/bin/prog") {
  return Head(pid, parent, command) + " --> [pre-success] Success(0x0) \n";
}

// The end of the log of a process.
inline std::string Tail(uint32_t pid) {
  const std::string mark = absl::StrCat("==", pid, "== ");
  return absl::StrCat("SYSCALL[", pid,
                      ",1](231) exit_group( 0 ) --> [pre-success] "
                      "Success(0x0) \n",
                      mark, "\n", mark, "Counted 1 call to main()\n", mark,
                      "\n", mark, "Exit code:       0\n");
}

// A call's record: Call(7, 9, "sys_mmap ( 0x0 ) --> ...").
inline std::string Call(uint32_t pid, int number, const std::string& text) {
  return absl::StrCat("SYSCALL[", pid, ",1](", number, ") ", text, "\n");
}

class TraceTest : public testing::Test {
 protected:
  TraceTest()
      : directory_(std::filesystem::path(testing::TempDir()) /
                   absl::StrCat("trace-", getpid())) {
    std::filesystem::create_directories(directory_);
  }
  ~TraceTest() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ / name; }

  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name), std::ios::binary) << text;
    return Path(name);
  }

  std::string WriteGzip(const std::string& name,
                        const std::string& text) const {
    gzFile file = gzopen(Path(name).c_str(), "wb");
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
    return Path(name);
  }

  static std::string Contents(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }

  using Streams = std::map<TaskId, std::vector<GuestOp>>;

  // Reads all tasks to their end, one span of each in turn, or with
  // `depth_first` a child before its parent goes on.
  static absl::StatusOr<Streams> ReadAll(std::vector<std::string> files,
                                         TraceOptions options = {},
                                         bool depth_first = false) {
    auto workload = OpenLackeyTrace(std::move(files), options);
    if (!workload.ok()) return workload.status();
    Streams streams;
    std::deque<TaskId> ready{(*workload)->first_task()};
    while (!ready.empty()) {
      const TaskId task = ready.front();
      ready.pop_front();
      const auto ops = (*workload)->Next(task);
      if (!ops.ok()) return ops.status();
      EXPECT_FALSE(ops->empty());
      if (ops->back().kind != GuestOpKind::kExit) {
        depth_first ? ready.push_front(task) : ready.push_back(task);
      }
      for (const GuestOp& op : *ops) {
        streams[task].push_back(op);
        if (StartsTask(op.kind)) {
          depth_first ? ready.push_front(op.child) : ready.push_back(op.child);
        }
      }
    }
    return streams;
  }

  // Returns the stream of a log with one process, as text.
  std::string ReadText(const std::string& records,
                       TraceOptions options = {}) const {
    const auto streams =
        ReadAll({Write("one", Head(7) + records + Tail(7))}, options);
    return streams.ok() ? ToText(streams->at(7))
                        : std::string(streams.status().message());
  }

  // Writes one line for each operation: its kind and the fields that are not
  // zero.
  static std::string ToText(const std::vector<GuestOp>& ops);

  static std::string ToText(const GuestOp& op);

 private:
  std::filesystem::path directory_;
};

inline std::string TraceTest::ToText(const GuestOp& op) {
  static constexpr const char* kKinds[] = {
      "fetch",   "load",  "store",   "modify",  "map",     "unmap",
      "protect", "remap", "discard", "advise",  "copy-in", "copy-out",
      "open",    "close", "remove",  "fork",    "vfork",   "exec",
      "clone",   "wait",  "yield",   "syscall", "exit"};
  static constexpr const char* kBackingNames[] = {
      "anonymous", "stack", "private", "shared", "shared-anonymous"};
  std::string text = kKinds[static_cast<size_t>(op.kind)];
  const auto add = [&](const char* name, uint64_t value) {
    if (value != 0) absl::StrAppend(&text, name, "0x", absl::Hex(value));
  };
  add(" ", op.va.value());
  add("+", op.length);
  add(" to ", op.target.value());
  add("+", op.new_length);
  if (op.kind == GuestOpKind::kMap) {
    absl::StrAppend(&text, " ", kBackingNames[static_cast<size_t>(op.backing)]);
  }
  if (op.kind == GuestOpKind::kMap || op.kind == GuestOpKind::kProtect) {
    absl::StrAppend(&text, op.rights & kMapRead ? " r" : " -",
                    op.rights & kMapWrite ? "w" : "-",
                    op.rights & kMapExecute ? "x" : "-");
  }
  add(" offset ", op.file_offset);
  if (op.page_shift != 0) absl::StrAppend(&text, " shift ", op.page_shift);
  if ((op.flags & kMapPopulate) != 0) text += " populate";
  if ((op.flags & kMapLocked) != 0) text += " locked";
  if ((op.flags & kMapLockOnFault) != 0) text += " lock-on-fault";
  if ((op.flags & kMapZeroFilled) != 0) text += " zero-filled";
  if ((op.flags & kMapOnePageFaults) != 0) text += " one-page-faults";
  if (op.kind == GuestOpKind::kAdvise) {
    static constexpr const char* kAdvices[] = {
        "huge",    "no-huge",    "populate-read", "populate-write",
        "no-fork", "fork-again", "wipe-on-fork",  "keep-on-fork",
        "free",    "lock",       "lock-on-fault", "unlock"};
    absl::StrAppend(&text, " ", kAdvices[static_cast<size_t>(op.advice)]);
  }
  if (op.child != 0) absl::StrAppend(&text, " ", op.child);
  if ((op.flags & kCallGoesOn) != 0) text += " ...";
  return text;
}

inline std::string TraceTest::ToText(const std::vector<GuestOp>& ops) {
  std::string text;
  for (const GuestOp& op : ops) absl::StrAppend(&text, ToText(op), "\n");
  return text;
}

}  // namespace xmmu

#endif  // XMMU_TESTS_WORKLOAD_LACKEY_TRACE_SUPPORT_H_
