#include "workload/packed/read_ahead.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/container/btree_map.h"

namespace xmmu {
namespace {

// Pieces of a task that are decoded ahead at most, and at which number of them
// the thread goes on: waking it takes some microseconds.
constexpr size_t kMostAhead = 64;
constexpr size_t kFewAhead = 32;
// Pieces that are ahead of all tasks.
constexpr size_t kMostKept = 256;
// The first pieces of a task are decoded as they are asked for; with fewer a
// thread is not worth its start.
constexpr uint64_t kFirstPieces = 16;

// What one call of PackedTraceReader::Next() has returned.
struct Piece {
  absl::Status status;
  std::vector<GuestOp> ops;
  uint64_t offset = 0;  // OffsetOf() after it
};

struct AheadTask {
  TaskId id = 0;
  uint64_t asked = 0;        // calls of Next()
  Piece current;             // returned last
  std::deque<Piece> pieces;  // ahead of it
  bool ended = false;        // nothing, or an error, is the last of `pieces`
};

class ReadAheadReader final : public PackedTraceReader {
 public:
  explicit ReadAheadReader(std::unique_ptr<PackedTraceReader> reader)
      : reader_(std::move(reader)) {}

  ~ReadAheadReader() override {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(queues_);
      stop_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  const PackedHead& head() const override { return reader_->head(); }
  const TraceCounts& counts() const override { return reader_->counts(); }
  const std::string& content_hash() const override {
    return reader_->content_hash();
  }
  std::span<const PackedTask> tasks() const override {
    return reader_->tasks();
  }

  absl::StatusOr<std::span<const GuestOp>> Next(TaskId id) override {
    AheadTask& task = TaskOf(id);
    if (!Take(task, /*waits=*/true)) {
      const std::lock_guard lock(decoding_);
      // The thread may have been at it.
      if (!Take(task, /*waits=*/false)) {
        if (out_of_memory_) throw std::bad_alloc();
        DecodeInto(task, &task.current);
      }
    }
    if (++task.asked == kFirstPieces) Start();
    if (!task.current.status.ok()) return task.current.status;
    return task.current.ops;
  }

  uint64_t OffsetOf(TaskId id) const override {
    return tasks_.at(id)->current.offset;
  }

  absl::Status Seek(TaskId id, uint64_t number) override {
    AheadTask& task = TaskOf(id);
    const std::lock_guard decoding(decoding_);
    {
      const std::lock_guard lock(queues_);
      kept_ -= task.pieces.size();
      task.pieces.clear();
      task.ended = false;
    }
    return reader_->Seek(id, number);
  }

 private:
  void Start() {
    if (thread_.joinable()) return;
    try {
      thread_ = std::thread([this] { Work(); });
    } catch (const std::system_error&) {
      // Without a thread each piece is decoded as it is asked for.
    }
  }

  AheadTask& TaskOf(TaskId id) {
    std::unique_ptr<AheadTask>& task = tasks_[id];
    if (task == nullptr) {
      task = std::make_unique<AheadTask>();
      task->id = id;
    }
    return *task;
  }

  // Makes the next piece of `task` the current one, if it is decoded, and the
  // task the one to decode ahead. If it is not, whoever asks waits for decoding_
  // or has it.
  bool Take(AheadTask& task, bool waits) {
    bool wake = false;
    bool taken = false;
    {
      const std::lock_guard lock(queues_);
      if (task.asked + 1 >= kFirstPieces) ahead_ = &task;
      taken = !task.pieces.empty();
      if (taken) {
        spare_.push_back(std::move(task.current.ops));
        task.current = std::move(task.pieces.front());
        task.pieces.pop_front();
        --kept_;
      }
      // The thread is not to take decoding_ again before whoever waits for it.
      waited_for_ = waits && !taken;
      wake = sleeps_ && task.pieces.size() <= kFewAhead && HasWork();
    }
    if (wake) wake_.notify_one();
    return taken;
  }

  // Decodes the next piece of `task`. REQUIRES: decoding_ is held.
  void DecodeInto(const AheadTask& task, Piece* piece) {
    const auto ops = reader_->Next(task.id);
    piece->status = ops.status();
    piece->offset = reader_->OffsetOf(task.id);
    if (!ops.ok()) return;
    piece->ops.assign(ops->begin(), ops->end());
    // A task's last operation stays, and room for more is not to stay with it.
    if (ops->size() <= 1) piece->ops.shrink_to_fit();
  }

  // Whether there is something to decode ahead. REQUIRES: queues_ is held.
  bool HasWork() const {
    return !waited_for_ && ahead_ != nullptr && !ahead_->ended &&
           ahead_->pieces.size() < kMostAhead && kept_ < kMostKept;
  }

  void Work() {
    std::unique_lock lock(queues_);
    for (;;) {
      sleeps_ = true;
      wake_.wait(lock, [this] { return stop_ || HasWork(); });
      sleeps_ = false;
      while (!stop_ && HasWork()) {
        AheadTask& task = *ahead_;
        lock.unlock();
        const bool decoded = TryDecodeAhead(task);
        lock.lock();
        if (!decoded) return;
      }
      if (stop_) return;
    }
  }

  // Whoever asks next is told that there is no memory, as if it had decoded.
  bool TryDecodeAhead(AheadTask& task) {
    const std::lock_guard decoding(decoding_);
    try {
      DecodeAhead(task);
      return true;
    } catch (const std::bad_alloc&) {
      out_of_memory_ = true;
      return false;
    }
  }

  // REQUIRES: decoding_ is held.
  void DecodeAhead(AheadTask& task) {
    Piece piece;
    {
      const std::lock_guard lock(queues_);
      // A Seek() or Next() may have come before.
      if (task.ended) return;
      if (!spare_.empty()) {
        piece.ops = std::move(spare_.back());
        spare_.pop_back();
      }
    }
    DecodeInto(task, &piece);
    const std::lock_guard lock(queues_);
    task.ended = !piece.status.ok() || piece.ops.empty();
    task.pieces.push_back(std::move(piece));
    ++kept_;
  }

  // Guards the next two. Who holds both locks took this one first.
  std::mutex decoding_;
  std::unique_ptr<PackedTraceReader> reader_;
  bool out_of_memory_ = false;  // the thread has ended for want of it

  // Guards what follows, and AheadTask's `pieces` and `ended`. The rest is of
  // the thread that reads.
  std::mutex queues_;
  std::condition_variable wake_;
  AheadTask* ahead_ = nullptr;  // the task to decode ahead
  size_t kept_ = 0;             // pieces that are ahead
  bool waited_for_ = false;     // Next() found none, and waits for decoding_
  std::vector<std::vector<GuestOp>> spare_;
  bool sleeps_ = false;
  bool stop_ = false;

  absl::btree_map<TaskId, std::unique_ptr<AheadTask>> tasks_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<PackedTraceReader> ReadAhead(
    std::unique_ptr<PackedTraceReader> reader) {
  return std::make_unique<ReadAheadReader>(std::move(reader));
}

}  // namespace xmmu
