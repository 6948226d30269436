// The reader of packed traces.

#include <algorithm>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/strings/str_cat.h"
#include "workload/packed/op_coder.h"
#include "workload/packed/packed_file.h"
#include "xmmu/base/check.h"
#include "xmmu/workload/packed_trace.h"

namespace xmmu {
namespace {

// Operations that a call returns at most.
constexpr uint64_t kPieceOps = 1024;
// Blocks that are read half are kept decompressed up to this many bytes in all;
// then the one whose task was read longest ago is dropped, and read anew when
// its task goes on.
constexpr size_t kMostOpenBytes = size_t{64} << 20;

// A task that is being read.
struct ReadTask {
  const IndexedTask* entry = nullptr;
  uint64_t position = 0;               // number of the next operation
  size_t block = 0;                    // that has it
  std::unique_ptr<OpDecoder> decoder;  // at `position`, if there is one
  size_t bytes = 0;                    // that the decoder keeps
  uint64_t used = 0;                   // when it was read last
  std::vector<GuestOp> ops;            // returned last
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
    task.ops.clear();
    task.used = ++time_;
    if (task.position == task.entry->task.operations) {
      Forget(id);
      return std::span<const GuestOp>();
    }
    const absl::Status read = Read(task, kPieceOps);
    if (!read.ok()) return read;
    return task.ops;
  }

  absl::Status Seek(TaskId id, uint64_t number) override {
    ReadTask& task = TaskOf(id);
    const IndexedTask& entry = *task.entry;
    XMMU_CHECK(number <= entry.task.operations);
    Drop(task);
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

  // Keeps no more of a task at its end than that it is there.
  void Forget(TaskId id) {
    ReadTask& task = TaskOf(id);
    Drop(task);
    task.ops = {};
  }

  void Drop(ReadTask& task) {
    task.decoder.reset();
    open_bytes_ -= std::exchange(task.bytes, 0);
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

  // Lets the decoder of a task be at its position.
  absl::Status OpenBlock(ReadTask& task) {
    absl::StatusOr<std::string> bytes =
        file_->ReadBlock(*task.entry, task.block);
    if (!bytes.ok()) return bytes.status();
    task.bytes = bytes->size();
    open_bytes_ += task.bytes;
    while (open_bytes_ > kMostOpenBytes && open_bytes_ > task.bytes) {
      DropOldest(task);
    }
    task.decoder = std::make_unique<OpDecoder>();
    const char* wrong = task.decoder->Begin(*std::move(bytes));
    if (wrong != nullptr) return Wrong(task, wrong);
    const uint64_t end = task.position;
    task.position = task.entry->blocks[task.block].first;
    while (task.position < end) {
      task.ops.clear();
      const absl::Status read =
          Decode(task, std::min(end - task.position, kPieceOps));
      if (!read.ok()) return read;
    }
    task.ops.clear();
    return absl::OkStatus();
  }

  absl::Status Decode(ReadTask& task, uint64_t count) {
    const size_t before = task.ops.size();
    const char* wrong =
        task.decoder->Read(static_cast<size_t>(count), &task.ops);
    task.position += task.ops.size() - before;
    return wrong == nullptr ? absl::OkStatus() : Wrong(task, wrong);
  }

  absl::Status Read(ReadTask& task, uint64_t count) {
    if (task.decoder == nullptr) {
      const absl::Status opened = OpenBlock(task);
      if (!opened.ok()) return opened;
    }
    const IndexedTask& entry = *task.entry;
    const uint64_t end =
        entry.blocks[task.block].first + OperationsOf(entry, task.block);
    const absl::Status read =
        Decode(task, std::min(count, end - task.position));
    if (!read.ok() || task.position < end) return read;
    if (!task.decoder->at_end()) {
      return Wrong(task, "bytes behind the last operation of a block");
    }
    Drop(task);
    ++task.block;
    return absl::OkStatus();
  }

  std::unique_ptr<PackedFile> file_;
  std::vector<PackedTask> tasks_;
  absl::btree_map<TaskId, ReadTask> reading_;
  size_t open_bytes_ = 0;
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
