#ifndef XMMU_LIB_WORKLOAD_DRMEMTRACE_THREAD_MERGE_H_
#define XMMU_LIB_WORKLOAD_DRMEMTRACE_THREAD_MERGE_H_

// Merges the files of one process, each of which has the records of one thread,
// or of several in the order in which they ran. Single-threaded.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <queue>
#include <vector>

#include "workload/drmemtrace/piece_source.h"
#include "workload/drmemtrace/trace_head.h"

namespace xmmu {

// A process keeps as many files open at most, and about 300 KiB for each. There
// can be thousands of threads. If more of them take turns, the one whose turn
// is last is closed, and read again up to its place when it comes.
inline constexpr size_t kMostOpenThreads = 64;

class ThreadMerge final : public PieceSource {
 public:
  explicit ThreadMerge(std::vector<TraceHead> heads,
                       size_t most_open = kMostOpenThreads);

  absl::StatusOr<RecordBatch> Read() override;
  uint64_t records() const override;

 private:
  struct Input {
    TraceHead head;
    PieceKey next;                         // of the piece that is its next
    std::unique_ptr<RecordReader> reader;  // null while it is closed
    std::optional<RecordBatch> parked;     // read, and to be given first
    uint64_t parked_offset = 0;            // of a closed one's, or 0
  };
  struct Turn {
    PieceKey key;
    size_t input;
    friend bool operator>(const Turn& a, const Turn& b) {
      return a.key != b.key ? a.key > b.key : a.input > b.input;
    }
  };

  // Opens the input and reads to its place.
  absl::Status Open(Input& input);
  void CloseLast();

  std::vector<Input> inputs_;
  size_t most_open_;
  size_t open_ = 0;
  std::priority_queue<Turn, std::vector<Turn>, std::greater<>> turns_;
  std::optional<size_t> current_;
  uint64_t records_ = 0;  // of inputs that have ended
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_DRMEMTRACE_THREAD_MERGE_H_
