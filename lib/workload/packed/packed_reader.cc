// The reader of packed traces.

#include <algorithm>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/strings/str_cat.h"
#include "workload/packed/op_decoder.h"
#include "workload/packed/packed_file.h"
#include "xmmu/base/check.h"
#include "xmmu/workload/packed_trace.h"

namespace xmmu {
namespace {

// Operations that a call returns at most.
constexpr size_t kPieceOps = 512;
// Blocks that are read half are kept decompressed up to this many bytes in all;
// then the one whose task was read longest ago is dropped, and read anew when
// its task goes on.
constexpr size_t kMostOpenBytes = size_t{256} << 20;

// A task that is being read.
struct ReadTask {
  const IndexedTask* entry = nullptr;
  uint64_t position = 0;  // number of the operation to return next
  size_t block = 0;       // that has it
  // Behind the operations that are ready, if there is one.
  std::unique_ptr<OpDecoder> decoder;
  size_t bytes = 0;                // that the decoder keeps
  uint64_t used = 0;               // when it was read last
  uint64_t offset = 0;             // of the block of what was returned last
  OpPiece piece;                   // that was decoded last
  std::span<const GuestOp> ready;  // of it, not returned yet
};

class PackedTraceFileReader final : public PackedTraceReader {
 public:
  explicit PackedTraceFileReader(std::unique_ptr<PackedFile> file)
      : file_(std::move(file)) {
    for (const IndexedTask& entry : file_->directory().tasks) {
      tasks_.push_back(entry.task);
    }
  }

  const PackedHead& head() const override { return file_->directory().head; }
  const TraceCounts& counts() const override {
    return file_->directory().counts;
  }
  const std::string& content_hash() const override {
    return file_->content_hash();
  }
  std::span<const PackedTask> tasks() const override { return tasks_; }

  absl::StatusOr<std::span<const GuestOp>> Next(TaskId id) override {
    ReadTask& task = TaskOf(id);
    task.used = ++time_;
    if (task.position == task.entry->task.operations) {
      Drop(task);
      task.piece = {};
      return std::span<const GuestOp>();
    }
    if (task.ready.empty()) {
      const absl::Status read =
          task.decoder == nullptr ? OpenBlock(task) : ReadPiece(task);
      if (!read.ok()) return read;
    }
    const std::span<const GuestOp> ops = TakeReady(task);
    task.position += ops.size();
    task.offset = task.entry->blocks[task.block].offset;
    const absl::Status ended = EndBlock(task);
    if (!ended.ok()) return ended;
    return ops;
  }

  uint64_t OffsetOf(TaskId id) const override { return reading_.at(id).offset; }

  absl::Status Seek(TaskId id, uint64_t number) override {
    ReadTask& task = TaskOf(id);
    const IndexedTask& entry = *task.entry;
    XMMU_CHECK(number <= entry.task.operations);
    Drop(task);
    task.ready = {};
    task.position = number;
    if (number == entry.task.operations) return absl::OkStatus();
    const auto behind =
        std::upper_bound(entry.blocks.begin(), entry.blocks.end(), number,
                         [](uint64_t wanted, const BlockPlace& place) {
                           return wanted < place.first;
                         });
    task.block = static_cast<size_t>(behind - entry.blocks.begin()) - 1;
    return OpenBlock(task);
  }

 private:
  ReadTask& TaskOf(TaskId id) {
    ReadTask& task = reading_[id];
    if (task.entry != nullptr) return task;
    const std::vector<IndexedTask>& all = file_->directory().tasks;
    const auto found =
        std::lower_bound(all.begin(), all.end(), id,
                         [](const IndexedTask& entry, TaskId wanted) {
                           return entry.task.id < wanted;
                         });
    XMMU_CHECK(found != all.end() && found->task.id == id);
    task.entry = &*found;
    return task;
  }

  void Drop(ReadTask& task) {
    if (task.decoder != nullptr) spare_ = task.decoder->TakeColumns();
    task.decoder.reset();
    open_bytes_ -= std::exchange(task.bytes, 0);
  }

  // The last operation of a task is returned alone: it stays valid for ever,
  // and a whole piece for each task that there ever was would be too much.
  static std::span<const GuestOp> TakeReady(ReadTask& task) {
    const std::span<const GuestOp> ready = std::exchange(task.ready, {});
    if (task.position + ready.size() < task.entry->task.operations) {
      return ready;
    }
    if (ready.size() > 1) {
      task.ready = ready.last(1);
      return ready.first(ready.size() - 1);
    }
    task.piece.ops = std::vector<GuestOp>(1, GuestOp(ready[0]));
    return task.piece.ops;
  }

  void DropOldest(const ReadTask& but) {
    ReadTask* oldest = nullptr;
    for (auto& [id, task] : reading_) {
      if (task.decoder == nullptr || &task == &but) continue;
      if (oldest == nullptr || task.used < oldest->used) oldest = &task;
    }
    if (oldest != nullptr) Drop(*oldest);
  }

  // The error of what is wrong with the next operation.
  absl::Status Wrong(const ReadTask& task, const char* what) const {
    return file_->ErrorAt(
        task.entry->blocks[task.block].offset,
        absl::StrCat("task ", task.entry->task.id, ", operation ",
                     task.position, ": ", what, ", expected none"));
  }

  // Decodes the block of the task's position up to the piece that has it.
  absl::Status OpenBlock(ReadTask& task) {
    ColumnBytes columns = std::exchange(spare_, {});
    const absl::Status opened =
        file_->ReadBlock(*task.entry, task.block, &columns);
    if (!opened.ok()) return opened;
    task.decoder = std::make_unique<OpDecoder>(std::move(columns));
    task.piece.ops.resize(kPieceOps);
    const uint64_t wanted = task.position;
    task.position = task.entry->blocks[task.block].first;
    for (;;) {
      const absl::Status read = ReadPiece(task);
      if (!read.ok()) return read;
      if (wanted - task.position < task.ready.size()) break;
      task.position += task.ready.size();
    }
    task.ready =
        task.ready.subspan(static_cast<size_t>(wanted - task.position));
    task.position = wanted;
    return absl::OkStatus();
  }

  // Decodes the next piece, which is there.
  absl::Status ReadPiece(ReadTask& task) {
    const size_t count = task.decoder->Read(&task.piece);
    Account(task);
    if (task.decoder->wrong() != nullptr) {
      return Wrong(task, task.decoder->wrong());
    }
    if (count == 0 || count > EndOf(task) - task.position) {
      return Wrong(task,
                   "a block of another number of operations than the "
                   "index says");
    }
    task.ready = std::span(task.piece.ops).first(count);
    return absl::OkStatus();
  }

  // Closes the block that has been read to its end.
  absl::Status EndBlock(ReadTask& task) {
    if (task.position < EndOf(task)) return absl::OkStatus();
    OpPiece room;
    if (task.decoder != nullptr) room.ops.resize(kLongestRun);
    if (task.decoder != nullptr &&
        (task.decoder->Read(&room) != 0 || task.decoder->wrong() != nullptr)) {
      return Wrong(task, "more in a block than its operations");
    }
    Drop(task);
    if (task.block + 1 < task.entry->blocks.size()) ++task.block;
    return absl::OkStatus();
  }

  static uint64_t EndOf(const ReadTask& task) {
    return task.entry->blocks[task.block].first +
           OperationsOf(*task.entry, task.block);
  }

  void Account(ReadTask& task) {
    const size_t bytes = task.decoder->bytes();
    open_bytes_ += bytes - task.bytes;
    task.bytes = bytes;
    while (open_bytes_ > kMostOpenBytes && open_bytes_ > task.bytes) {
      DropOldest(task);
    }
  }

  std::unique_ptr<PackedFile> file_;
  std::vector<PackedTask> tasks_;
  absl::btree_map<TaskId, ReadTask> reading_;
  size_t open_bytes_ = 0;
  ColumnBytes spare_;  // of the block that was closed last
  uint64_t time_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PackedTraceReader>> PackedTraceReader::Open(
    const std::string& path) {
  absl::StatusOr<std::unique_ptr<PackedFile>> file = PackedFile::Open(path);
  if (!file.ok()) return file.status();
  return std::make_unique<PackedTraceFileReader>(*std::move(file));
}

}  // namespace xmmu
