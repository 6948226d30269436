#ifndef XMMU_LIB_WORKLOAD_CHAMPSIM_CHAMPSIM_STREAM_H_
#define XMMU_LIB_WORKLOAD_CHAMPSIM_CHAMPSIM_STREAM_H_

// The stream of one task of a ChampSim trace: a file, or those of its records
// that have one address space. Single-threaded.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "workload/champsim/champsim_record.h"
#include "workload/input/byte_source.h"
#include "workload/process/op_writer.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// What has been read, of all tasks.
struct ChampsimCounts {
  uint64_t records = 0;
  uint64_t fetches = 0;
  uint64_t loads = 0;
  uint64_t stores = 0;
  uint64_t modifies = 0;
  uint64_t repeats = 0;  // records without a fetch of their own
  uint64_t kernel = 0;   // addresses with bit 63
  uint64_t outside = 0;  // other addresses that no program has
  uint64_t partial = 0;  // records cut off at the end
};

// Reads the records of one file, each with the one behind it.
class ChampsimFile {
 public:
  // Errors: InvalidArgument, `FILE:OFFSET: what`, unless it can be read and its
  // layout be told.
  static absl::StatusOr<std::unique_ptr<ChampsimFile>> Open(
      const std::string& path);

  // Goes to the next record. Returns false at the end.
  //
  // Errors: InvalidArgument for damage to the compressed data, and for a record
  // that cannot be one.
  absl::StatusOr<bool> Next();
  const ChampsimRecord& record() const { return record_; }
  // The record behind it, or nothing at the end.
  const std::optional<ChampsimRecord>& following() const { return following_; }

  ChampsimLayout layout() const { return layout_; }
  bool partial() const { return partial_; }  // at the end: bytes are left over
  // Returns the error `FILE:OFFSET: what` at the record.
  absl::Status ErrorHere(absl::string_view what) const {
    return source_->ErrorAt(offset_, what);
  }

 private:
  explicit ChampsimFile(std::unique_ptr<ByteSource> source)
      : source_(std::move(source)) {}
  absl::StatusOr<std::optional<ChampsimRecord>> Read();
  absl::Status Fill(size_t bytes);

  std::unique_ptr<ByteSource> source_;
  ChampsimLayout layout_ = ChampsimLayout::kNone;
  std::string buffer_;
  size_t at_ = 0;  // in the buffer
  bool at_end_ = false;
  bool begun_ = false;
  bool partial_ = false;
  uint64_t offset_ = 0;  // of record_, in bytes
  ChampsimRecord record_;
  std::optional<ChampsimRecord> following_;
};

// Assumed: no file has records of more address spaces.
inline constexpr size_t kMostSpaces = 256;

// The task of a file's first address space; those of its others follow.
constexpr TaskId ChampsimTask(size_t file) {
  return static_cast<TaskId>(file * kMostSpaces + 1);
}

class ChampsimStream {
 public:
  // A task that begins where its first record is.
  struct Birth {
    TaskId child = 0;
    size_t file = 0;
    // Its address space if it is not that of the file's first record.
    std::optional<uint16_t> space;
  };

  // A stream without `space` has those of the file's first record, and starts
  // the tasks of the others. One that is not the root begins with an exec.
  ChampsimStream(TaskId task, const std::vector<std::string>& files,
                 size_t file, std::optional<uint16_t> space, bool fetches,
                 uint64_t address_limit, ChampsimCounts* counts);

  // As Workload::Next(). `births` gets the tasks that the operations create.
  absl::StatusOr<std::span<const GuestOp>> Next(std::vector<Birth>* births);
  bool done() const { return done_; }

 private:
  absl::Status Start(std::vector<Birth>* births);
  absl::Status ReadRecord(std::vector<Birth>* births);
  absl::Status Fetch(const ChampsimRecord& record);
  absl::Status Data(const ChampsimRecord& record);
  absl::Status Access(GuestOpKind kind, uint64_t va, uint64_t length);
  void Spawn(const Birth& birth, std::vector<Birth>* births);

  const std::vector<std::string>& files_;
  size_t file_index_;
  std::optional<uint16_t> space_;
  bool leads_;  // starts the other address spaces of the file
  bool root_;
  bool fetches_;
  TaskId next_child_;
  ChampsimCounts& counts_;
  OpWriter writer_;
  std::unique_ptr<ChampsimFile> file_;
  absl::btree_set<uint16_t> spaces_;
  uint64_t last_ip_ = 0;
  bool started_ = false;
  bool ended_ = false;
  bool done_ = false;
  absl::Status failure_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_CHAMPSIM_CHAMPSIM_STREAM_H_
