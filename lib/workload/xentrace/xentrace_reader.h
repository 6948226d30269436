#ifndef XMMU_LIB_WORKLOAD_XENTRACE_XENTRACE_READER_H_
#define XMMU_LIB_WORKLOAD_XENTRACE_XENTRACE_READER_H_

// The records of a file that xentrace(8) has written (Xen 4.3 to 4.19: struct
// t_rec, xen/include/public/trace.h; tools/xentrace/xentrace.c), plain or
// compressed. A file is windows, each with records of one CPU; they are in the
// order of their times for each CPU alone. Constant memory. Single-threaded.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "workload/input/byte_source.h"

namespace xmmu {

struct XentraceRecord {
  uint32_t cpu = 0;    // physical
  uint32_t event = 0;  // its number, 28 bits
  bool timed = false;  // the record itself has a time
  // Of the record, or of the last one of its CPU that has one; 0 before that.
  uint64_t tsc = 0;
  uint32_t words = 0;  // of payload
  std::array<uint32_t, 7> payload{};

  // The 64-bit value in words i and i + 1, low word first.
  uint64_t Wide(size_t i) const {
    return payload[i] | uint64_t{payload[i + 1]} << 32;
  }
};

// Whether a file may be one of xentrace's: by its first word.
bool IsXentrace(absl::string_view first_bytes);
// The same of the file at `path`, plain or compressed.
// Errors: as ByteSource::Open() and Next().
absl::StatusOr<bool> IsXentraceFile(const std::string& path);

class XentraceReader {
 public:
  // Reads the records of all CPUs in the order of the file, or of `only_cpu`.
  //
  // Errors: as ByteSource::Open(); InvalidArgument, `FILE:0: what`, if the file
  // does not begin with a window.
  static absl::StatusOr<XentraceReader> Open(
      const std::string& path, std::optional<uint32_t> only_cpu = {});

  // Returns the next record, or nothing at the end. A file that is cut off ends
  // there, and truncated() says so: xentrace leaves such files when it is
  // killed.
  //
  // Errors: InvalidArgument, `FILE:OFFSET: what`, with the byte in the
  // decompressed file.
  absl::StatusOr<std::optional<XentraceRecord>> Next();

  bool truncated() const { return truncated_; }
  uint64_t bytes() const { return offset_; }     // decompressed, read so far
  uint64_t windows() const { return windows_; }  // begun so far
  const absl::btree_map<uint32_t, uint64_t>& windows_by_cpu() const {
    return windows_by_cpu_;
  }

 private:
  XentraceReader(std::unique_ptr<ByteSource> source,
                 std::optional<uint32_t> only_cpu)
      : source_(std::move(source)), only_cpu_(only_cpu) {}

  // Lets `rest_` have `bytes` at least, unless the file ends before.
  absl::Status Fill(size_t bytes);
  uint32_t TakeWord();
  // Goes to the next window with records to return. False at the end.
  absl::StatusOr<bool> BeginWindow();
  absl::StatusOr<bool> Skip(uint64_t bytes);

  std::unique_ptr<ByteSource> source_;
  std::optional<uint32_t> only_cpu_;
  std::vector<char> kept_;  // a record that lies in several blocks
  absl::string_view rest_;  // what is to be read, of `kept_` or a block
  uint64_t offset_ = 0;     // of `rest_` in the file
  bool source_ended_ = false;
  bool truncated_ = false;
  uint64_t windows_ = 0;
  absl::btree_map<uint32_t, uint64_t> windows_by_cpu_;
  uint64_t window_left_ = 0;  // bytes
  uint32_t cpu_ = 0;
  std::array<uint64_t, 4096> tsc_{};  // by CPU, the last one seen
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_XENTRACE_XENTRACE_READER_H_
