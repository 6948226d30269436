#ifndef XMMU_TESTS_WORKLOAD_QEMU_SPOOL_SUPPORT_H_
#define XMMU_TESTS_WORKLOAD_QEMU_SPOOL_SUPPORT_H_

// Writes spools word by word, and keeps what they are converted to.

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "workload/qemu/convert_spool.h"
#include "workload/qemu/op_sink.h"

namespace xmmu::spool_support {

// The words of a thread file, as lib/workload/README.md has them.
class ThreadWords {
 public:
  ThreadWords(uint64_t tid, uint64_t clock) { Add(7, tid).Raw(clock); }

  ThreadWords& Raw(uint64_t word) {
    words_.push_back(word);
    return *this;
  }
  ThreadWords& Add(uint64_t type, uint64_t payload) {
    return Raw(type << 56 | payload);
  }
  ThreadWords& Block(uint64_t id) { return Add(1, id); }
  ThreadWords& Clock(uint64_t clock) { return Add(2, clock); }
  ThreadWords& Load(unsigned instruction, uint64_t va, unsigned log2_bytes) {
    return Raw(uint64_t{1} << 63 | uint64_t{log2_bytes} << 59 |
               uint64_t{instruction} << 50 | va);
  }
  ThreadWords& Store(unsigned instruction, uint64_t va, unsigned log2_bytes) {
    return Raw(uint64_t{3} << 62 | uint64_t{log2_bytes} << 59 |
               uint64_t{instruction} << 50 | va);
  }
  ThreadWords& Call(uint64_t number, uint64_t clock,
                    std::array<uint64_t, 6> args) {
    Add(3, number | clock << 16);
    for (const uint64_t arg : args) Raw(arg);
    return *this;
  }
  ThreadWords& Return(uint64_t number, uint64_t clock, int64_t result) {
    return Add(4, number | clock << 16).Raw(static_cast<uint64_t>(result));
  }
  // A call that returns at the clock behind its own.
  ThreadWords& Done(uint64_t number, uint64_t clock,
                    std::array<uint64_t, 6> args, int64_t result) {
    return Call(number, clock, args).Return(number, clock + 1, result);
  }
  ThreadWords& Text(uint64_t argument, const std::string& text) {
    return Add(5, argument << 32 | text.size()).Bytes(text);
  }
  ThreadWords& Memory(uint64_t argument, const std::string& bytes) {
    return Add(10, argument << 32 | bytes.size()).Bytes(bytes);
  }
  ThreadWords& Map(uint64_t rights, uint64_t start, uint64_t end,
                   const std::string& path = "", uint64_t offset = 0,
                   uint64_t flags = 0) {
    Add(6, rights | flags << 8 | uint64_t{path.size()} << 32);
    return Raw(start).Raw(end).Raw(offset).Bytes(path);
  }
  ThreadWords& Program(uint64_t kind, const std::string& text) {
    return Add(8, kind << 32 | text.size()).Bytes(text);
  }
  ThreadWords& Forked(uint64_t parent) { return Add(9, parent); }
  ThreadWords& Exit(uint64_t tid) { return Add(11, tid); }
  ThreadWords& Bytes(const std::string& bytes) {
    for (size_t i = 0; i < bytes.size(); i += 8) {
      uint64_t word = 0;
      memcpy(&word, bytes.data() + i, std::min<size_t>(8, bytes.size() - i));
      Raw(word);
    }
    return *this;
  }

  std::vector<uint64_t>& words() { return words_; }

 private:
  std::vector<uint64_t> words_;
};

inline constexpr uint64_t kCode = 0x400000;
inline constexpr uint64_t kStackStart = 0x4000000000;
inline constexpr uint64_t kStackEnd = 0x4000800000;

// The beginning of a program: 16 pages of code at kCode, and a stack.
inline ThreadWords Program(uint64_t pid, uint64_t clock = 1,
                           const std::string& path = "/bin/prog") {
  ThreadWords words(pid, clock);
  words.Program(1, path).Program(2, path).Program(3, "x86_64");
  words.Map(5, kCode, kCode + 0x10000, path);
  words.Map(3, kStackStart, kStackEnd, "", 0, 1);
  return words;
}

// The words of a file of blocks.
class BlockWords {
 public:
  explicit BlockWords(uint64_t first = 1) : next_(first) {}
  BlockWords& Block(uint64_t pc, const std::vector<uint8_t>& lengths) {
    words_.push_back(next_++ << 16 | lengths.size());
    words_.push_back(pc);
    for (size_t i = 0; i < lengths.size(); i += 8) {
      uint64_t word = 0;
      for (size_t j = i; j < std::min(lengths.size(), i + 8); ++j) {
        word |= uint64_t{lengths[j]} << ((j - i) * 8);
      }
      words_.push_back(word);
    }
    return *this;
  }
  std::vector<uint64_t>& words() { return words_; }

 private:
  uint64_t next_;
  std::vector<uint64_t> words_;
};

// One line of an operation: its kind and the fields that are not zero.
inline std::string TextOf(const GuestOp& op) {
  static constexpr const char* kKinds[] = {
      "fetch",   "load",    "store",  "modify", "map",   "unmap", "protect",
      "remap",   "discard", "advise", "in",     "out",   "open",  "close",
      "remove",  "fork",    "vfork",  "exec",   "clone", "wait",  "yield",
      "syscall", "exit",    "post",   "await"};
  std::string text = kKinds[static_cast<size_t>(op.kind)];
  if (op.va.value() != 0) absl::StrAppend(&text, " ", absl::Hex(op.va.value()));
  if (op.child != 0) absl::StrAppend(&text, " task ", op.child);
  if (op.length != 0) absl::StrAppend(&text, " +", op.length);
  if (op.kind == GuestOpKind::kMap || op.kind == GuestOpKind::kProtect) {
    absl::StrAppend(&text, " rights ", op.rights);
  }
  if (op.target.value() != 0) {
    absl::StrAppend(&text, " to ", absl::Hex(op.target.value()), " +",
                    op.new_length);
  }
  if ((op.flags & kCallGoesOn) != 0) text += " ...";
  return text + "\n";
}

// Keeps what it is given, by task, and one after the other.
class KeptOps : public OpSink {
 public:
  absl::Status Append(TaskId task, std::span<const GuestOp> ops) override {
    for (const GuestOp& op : ops) {
      EXPECT_TRUE(by_task[task].empty() ||
                  by_task[task].back().kind != GuestOpKind::kExit)
          << "an operation behind the exit of task " << task;
      by_task[task].push_back(op);
      if (keeps_order) merged.emplace_back(task, op);
    }
    return absl::OkStatus();
  }

  std::string Text(TaskId task) const {
    std::string text;
    const auto found = by_task.find(task);
    if (found == by_task.end()) return "no such task";
    for (const GuestOp& op : found->second) text += TextOf(op);
    return text;
  }
  // The text behind the maps of a program.
  std::string Behind(TaskId task, size_t ops) const {
    std::string text = Text(task);
    for (; ops > 0; --ops) text.erase(0, text.find('\n') + 1);
    return text;
  }

  bool keeps_order = false;
  std::map<TaskId, std::vector<GuestOp>> by_task;
  std::vector<std::pair<TaskId, GuestOp>> merged;
};

class SpoolTest : public testing::Test {
 protected:
  SpoolTest()
      : directory_(std::filesystem::path(testing::TempDir()) /
                   absl::StrCat("spool-", getpid())) {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  ~SpoolTest() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ / name; }
  std::string directory() const { return directory_; }

  void Write(const std::string& name, const std::vector<uint64_t>& words) {
    // Some file systems write a file through that is truncated.
    std::filesystem::remove(Path(name));
    std::ofstream file(Path(name), std::ios::binary);
    file.write(reinterpret_cast<const char*>(words.data()),
               static_cast<std::streamsize>(words.size() * 8));
  }
  void Write(const std::string& name, ThreadWords words) {
    Write(name, words.words());
  }
  void Write(const std::string& name, BlockWords words) {
    Write(name, words.words());
  }

  // Returns the error, or nothing.
  std::string Convert(KeptOps& streams) {
    const auto counts = ConvertSpool(directory_, streams);
    if (!counts.ok()) return std::string(counts.status().message());
    counts_ = *counts;
    return "";
  }
  uint64_t Count(const std::string& name) const {
    for (const auto& [key, value] : counts_) {
      if (key == name) return value;
    }
    ADD_FAILURE() << "no count " << name;
    return 0;
  }

 private:
  std::filesystem::path directory_;
  SpoolFactCounts counts_;
};

}  // namespace xmmu::spool_support

#endif  // XMMU_TESTS_WORKLOAD_QEMU_SPOOL_SUPPORT_H_
