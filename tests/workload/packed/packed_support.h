#ifndef XMMU_TESTS_WORKLOAD_PACKED_PACKED_SUPPORT_H_
#define XMMU_TESTS_WORKLOAD_PACKED_PACKED_SUPPORT_H_

// What tests of the packed trace share.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "xmmu/workload/packed_trace.h"
#include "xmmu/workload/trace.h"

namespace xmmu {

// All of an operation, to be compared.
inline auto FieldsOf(const GuestOp& op) {
  return std::tuple(op.kind, op.rights, op.backing, op.flags, op.page_shift,
                    op.advice, op.va, op.length, op.target, op.new_length,
                    op.child, op.file, op.file_offset);
}

using Streams = std::map<TaskId, std::vector<GuestOp>>;

// Reads all streams of a workload, or its error.
inline absl::StatusOr<Streams> AllStreams(Workload& workload) {
  Streams streams;
  std::vector<TaskId> live = {workload.first_task()};
  while (!live.empty()) {
    const TaskId task = live.back();
    const auto ops = workload.Next(task);
    if (!ops.ok()) return ops.status();
    if (ops->back().kind == GuestOpKind::kExit) live.pop_back();
    for (const GuestOp& op : *ops) {
      streams[task].push_back(op);
      if (StartsTask(op.kind)) live.push_back(op.child);
    }
  }
  return streams;
}

inline bool SameStreams(const Streams& one, const Streams& other) {
  if (one.size() != other.size()) return false;
  for (const auto& [task, ops] : one) {
    const auto found = other.find(task);
    if (found == other.end() || found->second.size() != ops.size()) {
      return false;
    }
    for (size_t i = 0; i < ops.size(); ++i) {
      if (FieldsOf(ops[i]) != FieldsOf(found->second[i])) return false;
    }
  }
  return true;
}

// Two processes and a thread that have each kind of operation, each field and
// each way of telling an address.
inline Streams SmallStreams() {
  using enum GuestOpKind;
  Streams streams;
  std::vector<GuestOp>& main = streams[7];
  main.push_back({.kind = kMap,
                  .rights = 5,
                  .backing = Backing::kFilePrivate,
                  .flags = kMapPopulate | kCallGoesOn,
                  .page_shift = 21,
                  .va = VirtAddr(0x400000),
                  .length = 0x200000,
                  .file = 9,
                  .file_offset = 0x1000});
  main.push_back({.kind = kMap,
                  .rights = 3,
                  .backing = Backing::kStack,
                  .va = VirtAddr(0x7FFFFFFDE000),
                  .length = 0x21000});
  for (uint64_t round = 0; round < 20; ++round) {
    main.push_back({.kind = kFetch, .va = VirtAddr(0x400100), .length = 3});
    main.push_back({.kind = kFetch, .va = VirtAddr(0x400103), .length = 70});
    main.push_back({.kind = kLoad,
                    .va = VirtAddr(0x7FFFFFFFE000 - 8 * round),
                    .length = 8});
    main.push_back({.kind = kStore,
                    .va = VirtAddr(0x500000 + 4 * round * round),
                    .length = 512});
    if (round % 3 == 1) {
      main.push_back({.kind = kFetch,
                      .va = VirtAddr(0x400000 + 0x1000 * round),
                      .length = 1});
      main.push_back(
          {.kind = kModify, .va = VirtAddr(0x7FFFFFFFD000), .length = 4});
    }
  }
  const auto range = [&](GuestOpKind kind) -> GuestOp& {
    return main.emplace_back(
        GuestOp{.kind = kind, .va = VirtAddr(0x600000), .length = 0x3000});
  };
  range(kProtect).rights = kMapRead;
  range(kAdvise).advice = Advice::kUnlock;
  GuestOp& moved = range(kRemap);
  moved.target = VirtAddr(0x700000);
  moved.new_length = 0x5000;
  for (const GuestOpKind kind : {kUnmap, kDiscard, kCopyIn, kCopyOut, kExec}) {
    range(kind).flags = kind == kCopyIn ? kCallGoesOn : 0;
  }
  for (const GuestOpKind kind : {kOpenFile, kCloseFile, kRemoveFile}) {
    main.push_back({.kind = kind, .file = 0xFFFFFFFF});
  }
  main.push_back({.kind = kFork, .child = 8});
  main.push_back({.kind = kClone, .child = 4000000000});
  main.push_back({.kind = kAwait, .length = 2, .child = 8});
  main.push_back({.kind = kWait, .child = 0});
  for (const GuestOpKind kind : {kYield, kSyscall, kPost, kExit}) {
    main.push_back({.kind = kind});
  }
  streams[8] = {{.kind = kPost}, {.kind = kVfork, .child = 9}, {.kind = kExit}};
  streams[9] = {{.kind = kExit}};
  // Accesses without a fetch, and one in the last bytes of the address space.
  streams[4000000000] = {
      {.kind = kLoad, .va = VirtAddr(~uint64_t{0}), .length = 1},
      {.kind = kStore, .va = VirtAddr(0), .length = 65535},
      {.kind = kFetch, .va = VirtAddr(~uint64_t{0} - 3), .length = 4},
      {.kind = kFetch, .va = VirtAddr(0), .length = 1},
      {.kind = kExit}};
  return streams;
}

// A file of the test's own, which is removed in the end.
class PackedTest : public ::testing::Test {
 protected:
  ~PackedTest() override { std::filesystem::remove(path_); }

  static std::string Contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream bytes;
    bytes << file.rdbuf();
    return bytes.str();
  }
  void Write(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary) << bytes;
  }

  // Writes the streams as they are in a trace, in pieces.
  absl::Status Pack(const Streams& streams, TaskId first,
                    size_t piece = 1000) const {
    auto writer = PackedTraceWriter::Create(
        path_, {.format_of_origin = "test",
                .command = "/bin/a b",
                .environment = {{"kernel", "none"}},
                .lacks = {"no accesses of the kernel"},
                .first_task = first});
    if (!writer.ok()) return writer.status();
    for (const auto& [task, ops] : streams) {
      for (size_t at = 0; at < ops.size(); at += piece) {
        const absl::Status done = (*writer)->Append(
            task, std::span(ops).subspan(at, std::min(piece, ops.size() - at)));
        if (!done.ok()) return done;
      }
    }
    return (*writer)->Finish({{"accesses", 7}});
  }

  absl::StatusOr<Streams> ReadBack(const TraceOptions& options = {}) const {
    auto trace = OpenTrace({path_}, options);
    if (!trace.ok()) return trace.status();
    return AllStreams(**trace);
  }

  std::string path_ =
      ::testing::TempDir() + "packed-" +
      ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".xmmu";
};

}  // namespace xmmu

#endif  // XMMU_TESTS_WORKLOAD_PACKED_PACKED_SUPPORT_H_
