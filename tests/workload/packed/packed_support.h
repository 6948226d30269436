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
