#ifndef XMMU_LIB_WORKLOAD_DRMEMTRACE_RECORD_READER_H_
#define XMMU_LIB_WORKLOAD_DRMEMTRACE_RECORD_READER_H_

// Reads the records of one file of a drmemtrace, in batches, and checks that
// the file is whole. It says which records are to be left out, and where a
// piece begins in the sense of the merge (piece_source.h). Single-threaded.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "workload/drmemtrace/record.h"
#include "workload/input/byte_source.h"

namespace xmmu {

// What pieces are sorted by. Timestamps are microseconds.
struct PieceKey {
  uint64_t timestamp = 0;
  uint64_t cpu = 0;
  uint64_t thread = 0;

  friend auto operator<=>(const PieceKey&, const PieceKey&) = default;
};

// Records of one thread, one behind the other in a file.
struct RecordBatch {
  std::span<const TraceRecord> records;
  bool ended = false;  // there are no more
  uint64_t thread = 0;
  uint64_t process = 0;       // 0: not said yet
  bool begins_piece = false;  // at a timestamp; `key` is the piece's
  bool resumes = false;       // behind a record that names the thread
  PieceKey key;               // of the piece that the batch is of
  uint64_t offset = 0;        // of the first record, in bytes
  const std::string* path = nullptr;
};

inline RecordBatch EndOfRecords() {
  RecordBatch batch;
  batch.ended = true;
  return batch;
}

class RecordReader {
 public:
  // Opens the file.
  //
  // Errors: InvalidArgument, `FILE:OFFSET: what`.
  static absl::StatusOr<std::unique_ptr<RecordReader>> Open(
      const std::string& path);

  // Returns the next records, which stay valid until the next call, or an
  // ended batch at the end. A batch ends before a record that names a thread,
  // and before a timestamp that begins a piece.
  //
  // Errors: InvalidArgument, `FILE:OFFSET: what`, for damage to the compressed
  // data, a record cut off, a type that does not exist, a member of a zip or a
  // file that does not end as they do, chunks out of order.
  absl::StatusOr<RecordBatch> Read();

  uint64_t records() const { return records_; }  // read so far
  const std::string& path() const { return source_->path(); }

  // Returns the error `FILE:OFFSET: what`.
  absl::Status ErrorAt(uint64_t offset, absl::string_view what) const {
    return source_->ErrorAt(offset, what);
  }

 private:
  explicit RecordReader(std::unique_ptr<ByteSource> source)
      : source_(std::move(source)) {}

  // Returns false at the end of the file.
  absl::StatusOr<bool> Next(TraceRecord* record);
  // Gets the next bytes, once all are used. Returns false at the end.
  absl::StatusOr<bool> Refill();
  // Reads one record that lies in two blocks.
  absl::StatusOr<bool> NextAcross(TraceRecord* record);
  absl::Status CheckMemberEnd() const;
  // Decides record->use and checks what can be checked.
  absl::Status Judge(TraceRecord* record);
  absl::Status JudgeMarker(TraceRecord* record);
  absl::Status CheckChunk(uint64_t ordinal);
  // Adds a record to the batch. Those of online traces become the records that
  // stand for them in files.
  absl::Status Add(const TraceRecord& record);
  absl::Status AddBundle(const TraceRecord& record);
  // Whether the record is the first of a piece.
  bool Cuts(const TraceRecord& record) const {
    return record.IsUsedMarker(kMarkerTimestamp) && stamped_;
  }
  // Returns false at the end of the file.
  absl::StatusOr<bool> BeginBatch(RecordBatch* batch);

  std::unique_ptr<ByteSource> source_;
  const char* at_ = nullptr;  // in the block
  const char* end_ = nullptr;
  uint64_t member_ = 0;
  uint64_t records_ = 0;
  TraceRecord last_;  // read before
  std::vector<TraceRecord> batch_;
  std::optional<TraceRecord> ahead_;  // read already, of the next batch

  uint64_t thread_ = 0;
  uint64_t process_ = 0;
  PieceKey key_;
  bool stamped_ = false;       // a timestamp has been read
  bool core_sharded_ = false;  // kFileCoreSharded
  // What the start of a chunk repeats, so far.
  enum class Repeats : uint8_t { kNone, kTimestamp, kCpu };
  Repeats repeats_ = Repeats::kNone;
  uint64_t next_chunk_ = 0;
  bool chunk_known_ = false;
  bool in_syscall_ = false;  // between the markers around kernel code
  bool in_switch_ = false;
  uint64_t pc_ = 0;  // of the last instruction, and where it ends
  uint64_t pc_end_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_DRMEMTRACE_RECORD_READER_H_
