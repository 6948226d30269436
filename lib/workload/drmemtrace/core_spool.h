#ifndef XMMU_LIB_WORKLOAD_DRMEMTRACE_CORE_SPOOL_H_
#define XMMU_LIB_WORKLOAD_DRMEMTRACE_CORE_SPOOL_H_

// Core-sharded files have the records of one core each, of all threads that ran
// there. The timestamps are those of the recording, so that in a file they go
// back and forth if another schedule was made up since (drcachesim's
// record_filter -core_sharded). Hence the pieces of each thread are gathered
// from all files before the threads are merged as always.
//
// The records, but for those that say that a core waits, are copied to a
// temporary file without a name (in $TMPDIR or /tmp), 16 bytes each; 72 bytes
// of memory are kept for each piece. Single-threaded.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "workload/drmemtrace/piece_source.h"
#include "workload/drmemtrace/trace_head.h"

namespace xmmu {

class CoreSpool {
 public:
  // Reads all of the files.
  //
  // Errors: as RecordReader::Read(); InvalidArgument if there is no room for
  // the temporary file.
  static absl::StatusOr<std::shared_ptr<CoreSpool>> Make(
      const std::vector<TraceHead>& heads);

  ~CoreSpool();
  CoreSpool(const CoreSpool&) = delete;
  CoreSpool& operator=(const CoreSpool&) = delete;

  // The processes whose records are in the files, each with its first piece's
  // key.
  std::vector<std::pair<uint64_t, PieceKey>> Processes() const;

  // Opens the records of one of Processes().
  static std::unique_ptr<PieceSource> Open(std::shared_ptr<CoreSpool> spool,
                                           uint64_t process);

  // Records in all files.
  uint64_t records() const { return records_; }

 private:
  friend class SpooledPieces;

  // Records of one thread, one behind the other in a file.
  struct Piece {
    PieceKey key;
    // By which the pieces of one thread are sorted: records without a timestamp
    // go on from the piece before the next that has one.
    uint64_t order = 0;
    uint8_t suborder = 0;
    bool stamped = false;
    bool continues = false;  // it goes on from the one before in the file
    uint64_t start = 0;      // index in the temporary file
    uint64_t count = 0;
    uint64_t offset = 0;  // of the first record, in its own file
    size_t file = 0;
  };
  using Pieces = std::vector<Piece>;

  CoreSpool() = default;
  absl::Status Create();
  absl::Status ReadFile(const TraceHead& head);
  absl::Status Take(const RecordBatch& batch);
  absl::Status Flush();
  // Gives each piece of a thread its order, once its file has been read.
  static void OrderFrom(Pieces& pieces, size_t first);
  // Sorts the pieces of each thread and merges them by process.
  void Merge();

  int descriptor_ = -1;
  std::vector<std::string> paths_;
  std::vector<TraceRecord> buffer_;  // not written yet
  uint64_t written_ = 0;             // records
  uint64_t records_ = 0;
  absl::btree_map<uint64_t, Pieces> threads_;
  absl::btree_map<uint64_t, uint64_t> process_of_;  // by thread
  absl::btree_map<uint64_t, Pieces> processes_;     // in order
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_DRMEMTRACE_CORE_SPOOL_H_
