#ifndef XMMU_TESTS_WORKLOAD_DRMEMTRACE_TRACE_BUILDER_H_
#define XMMU_TESTS_WORKLOAD_DRMEMTRACE_TRACE_BUILDER_H_

// Writes small traces as drmemtrace does, and reads workloads to their end.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "xmmu/workload/trace.h"

namespace xmmu {

// The records of a file, one behind the other. Numbers are DynamoRIO's.
class TraceBytes {
 public:
  TraceBytes& Add(uint16_t type, uint16_t size, uint64_t address);
  TraceBytes& Marker(uint16_t marker, uint64_t value) {
    return Add(28, marker, value);
  }
  // The head as the version has it.
  TraceBytes& Head(uint64_t version, uint64_t thread, uint64_t process,
                   uint64_t file_type = 0xe40, uint64_t chunk = 0);
  TraceBytes& Time(uint64_t timestamp, uint64_t cpu = 0) {
    return Marker(2, timestamp).Marker(3, cpu);
  }
  TraceBytes& Fetch(uint64_t pc, uint16_t size = 4) {
    return Add(10, size, pc);
  }
  TraceBytes& Read(uint64_t va, uint16_t size = 8) { return Add(0, size, va); }
  TraceBytes& Write(uint64_t va, uint16_t size = 8) { return Add(1, size, va); }
  // A system call as since version 6, with its arguments and its result.
  TraceBytes& Call(uint64_t number, std::vector<uint64_t> args,
                   uint64_t result);
  TraceBytes& Tail(uint64_t thread) { return Add(23, 4, thread).Add(26, 0, 0); }

  const std::string& bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }

 private:
  std::string bytes_;
};

// The containers. `filter` is libarchive's name: "gzip", "lz4", "xz", "zstd".
std::string Compressed(const std::string& bytes, const std::string& filter);
std::string Zip(
    const std::vector<std::pair<std::string, std::string>>& members);
// Snappy's framing: chunks of type 00 with a checksum if `checked`, else of
// DynamoRIO's type 02, each a block of literals and of copies of zeros.
std::string Snappy(const std::string& bytes, bool checked = true);

struct Stream {
  std::vector<GuestOp> ops;
  uint64_t Count(GuestOpKind kind) const;
  // The operations that are no accesses, by their names, in order.
  std::string Kinds() const;
};

class DrmemtraceTest : public testing::Test {
 protected:
  DrmemtraceTest();
  ~DrmemtraceTest() override;

  std::string Path(const std::string& name) const { return directory_ / name; }
  // Writes a file, and the folders on its path.
  std::string File(const std::string& name, std::string_view bytes) const;

  // Reads the streams of all tasks.
  absl::StatusOr<std::map<TaskId, Stream>> ReadAll(
      std::vector<std::string> files, TraceOptions options = {});
  // The message of opening or reading, which must fail.
  std::string ErrorOf(std::vector<std::string> files);
  // The count of a name in the facts of what was read last.
  uint64_t Count(std::string_view name) const;
  bool Lacks(std::string_view text) const;

  TraceFacts facts_;

 private:
  std::filesystem::path directory_;
};

}  // namespace xmmu

#endif  // XMMU_TESTS_WORKLOAD_DRMEMTRACE_TRACE_BUILDER_H_
