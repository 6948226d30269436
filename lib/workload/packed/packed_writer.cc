// The writer of packed traces.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/strings/str_cat.h"
#include "workload/input/file_error.h"
#include "workload/packed/columns.h"
#include "workload/packed/directory.h"
#include "workload/packed/op_check.h"
#include "workload/packed/op_encoder.h"
#include "xmmu/workload/packed_trace.h"

namespace xmmu {
namespace {

// Operations that are in no block yet take this many bytes in all, then the
// task that has most of them gets a block before its time.
constexpr size_t kMostPendingBytes = size_t{64} << 20;
constexpr size_t kFullBlockBytes = kMostBlockBytes / 2;

// The file that a link leads to, so that the link stays.
std::string FileBehind(const std::string& path) {
  char* const real = realpath(path.c_str(), nullptr);
  if (real == nullptr) return path;
  std::string target = real;
  free(real);
  return target;
}

// What is written beside its place and moved there in the end.
class NewFile {
 public:
  explicit NewFile(const std::string& path)
      : path_(FileBehind(path)),
        draft_(absl::StrCat(path_, ".unfinished-", getpid())) {}
  ~NewFile() {
    if (descriptor_ < 0) return;
    close(descriptor_);
    unlink(draft_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  absl::Status Open() {
    struct stat info;
    if (stat(path_.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
      return FileError(path_, 0, "is no regular file, expected one to write");
    }
    unlink(draft_.c_str());
    descriptor_ =
        open(draft_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return descriptor_ < 0 ? Failed() : absl::OkStatus();
  }

  absl::Status Write(absl::string_view bytes) {
    const absl::Status written = WriteAt(offset_, bytes);
    if (written.ok()) offset_ += bytes.size();
    return written;
  }

  absl::Status WriteAt(uint64_t offset, absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t done = pwrite(descriptor_, bytes.data(), bytes.size(),
                                  static_cast<off_t>(offset));
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) return Failed();
      offset += static_cast<uint64_t>(done);
      bytes.remove_prefix(static_cast<size_t>(done));
    }
    return absl::OkStatus();
  }

  absl::Status Publish() {
    const int descriptor = std::exchange(descriptor_, -1);
    if (close(descriptor) == 0 && rename(draft_.c_str(), path_.c_str()) == 0) {
      return absl::OkStatus();
    }
    const absl::Status failed = Failed();
    unlink(draft_.c_str());
    return failed;
  }

  const std::string& draft() const { return draft_; }
  uint64_t offset() const { return offset_; }
  absl::Status ErrorAt(absl::string_view what) const {
    return FileError(path_, offset_, what);
  }

 private:
  absl::Status Failed() const {
    return ErrorAt(absl::StrCat("cannot be written (", strerror(errno),
                                "), expected a file to write"));
  }

  std::string path_;
  std::string draft_;
  int descriptor_ = -1;
  uint64_t offset_ = 0;
};

// A task that has operations in the trace.
struct WrittenTask {
  IndexedTask entry;
  OpHash hash;
  std::unique_ptr<OpEncoder> pending;  // those that are in no block yet
  size_t pending_bytes = 0;
  bool ended = false;
};

class PackedTraceFileWriter final : public PackedTraceWriter {
 public:
  PackedTraceFileWriter(const std::string& path, PackedHead head)
      : file_(path) {
    directory_.head = std::move(head);
  }

  absl::Status Begin() {
    status_ = file_.Open();
    if (status_.ok()) {
      status_ = file_.Write(std::string(kPackedHeaderBytes, '\0'));
    }
    return status_;
  }

  const std::string& unfinished_path() const override { return file_.draft(); }

  absl::Status Append(TaskId id, std::span<const GuestOp> ops) override {
    if (status_.ok() && finished_) {
      status_ = file_.ErrorAt("operations behind the end, expected none");
    }
    if (!status_.ok() || ops.empty()) return status_;
    WrittenTask& task = tasks_[id];
    task.entry.task.id = id;
    for (const GuestOp& op : ops) {
      if (!status_.ok()) return status_;
      status_ = AppendOp(task, op);
    }
    Recount(task);
    while (status_.ok() && pending_bytes_ > kMostPendingBytes) {
      status_ = WriteLargest();
    }
    return status_;
  }

  void AddLacks(std::vector<std::string> lacks) override {
    for (std::string& clause : lacks) {
      directory_.head.lacks.push_back(std::move(clause));
    }
  }

  absl::Status Finish(TraceCounts counts) override {
    if (status_.ok()) status_ = CheckWhole();
    for (auto& [id, task] : tasks_) {
      if (!status_.ok()) return status_;
      status_ = WriteBlock(task);
      task.entry.task.hash = task.hash.value();
      directory_.tasks.push_back(std::move(task.entry));
    }
    finished_ = true;
    directory_.counts = std::move(counts);
    if (status_.ok()) status_ = WriteEnds();
    return status_;
  }

 private:
  absl::Status AppendOp(WrittenTask& task, const GuestOp& op) {
    const char* wrong = WrongInOp(op);
    if (task.ended) wrong = "an operation behind the exit";
    if (wrong != nullptr) {
      return file_.ErrorAt(absl::StrCat(
          "task ", task.entry.task.id, ", operation ",
          task.entry.task.operations, ": ", wrong, ", expected none"));
    }
    if (StartsTask(op.kind)) born_.insert(op.child);
    if (task.pending == nullptr) task.pending = std::make_unique<OpEncoder>();
    task.hash.Add(op);
    task.pending->Add(op);
    ++task.entry.task.operations;
    task.ended = op.kind == GuestOpKind::kExit;
    const uint32_t pending = task.pending->operations();
    if (task.ended || pending == kMostBlockOps ||
        (pending % 1024 == 0 &&
         task.pending->column_bytes() > kFullBlockBytes)) {
      return WriteBlock(task);
    }
    return absl::OkStatus();
  }

  void Recount(WrittenTask& task) {
    pending_bytes_ -= task.pending_bytes;
    task.pending_bytes = task.pending == nullptr ? 0 : task.pending->bytes();
    pending_bytes_ += task.pending_bytes;
  }

  absl::Status WriteLargest() {
    const auto largest = std::max_element(
        tasks_.begin(), tasks_.end(), [](const auto& one, const auto& other) {
          return one.second.pending_bytes < other.second.pending_bytes;
        });
    const absl::Status written = WriteBlock(largest->second);
    Recount(largest->second);
    return written;
  }

  absl::Status WriteBlock(WrittenTask& task) {
    if (task.pending == nullptr) return absl::OkStatus();
    const ColumnBytes& columns = task.pending->Finish();
    if (!packer_.Pack(columns, &data_)) {
      return file_.ErrorAt("no memory to compress a block, expected some");
    }
    const uint32_t operations = task.pending->operations();
    const uint64_t first = task.entry.task.operations - operations;
    const BlockHeader header = {
        .task = task.entry.task.id,
        .first = first,
        .operations = operations,
        .packed = static_cast<uint32_t>(data_.size()),
        .unpacked = static_cast<uint32_t>(task.pending->column_bytes())};
    task.entry.blocks.push_back({file_.offset(), first});
    task.pending.reset();
    const absl::Status written = file_.Write(BytesOf(header, data_));
    return written.ok() ? file_.Write(data_) : written;
  }

  // The trace must be one that can be replayed.
  absl::Status CheckWhole() const {
    if (!tasks_.contains(directory_.head.first_task)) {
      return file_.ErrorAt(
          absl::StrCat("the first task ", directory_.head.first_task,
                       " has no operation, expected its exit at least"));
    }
    for (const TaskId child : born_) {
      if (tasks_.contains(child)) continue;
      return file_.ErrorAt(absl::StrCat("task ", child,
                                        " is started and has no operation, "
                                        "expected its exit at least"));
    }
    for (const auto& [id, task] : tasks_) {
      if (task.ended) continue;
      return file_.ErrorAt(
          absl::StrCat("task ", id, " has no end, expected its exit"));
    }
    return absl::OkStatus();
  }

  absl::Status WriteEnds() {
    const std::string tail = BytesOf(directory_);
    const PackedHeader header = {.tail_offset = file_.offset(),
                                 .tail_bytes = tail.size(),
                                 .tail_crc = Crc32(tail),
                                 .content_hash = ContentHashOf(directory_)};
    absl::Status status = file_.Write(tail);
    if (status.ok()) status = file_.WriteAt(0, BytesOf(header));
    return status.ok() ? file_.Publish() : status;
  }

  NewFile file_;
  PackedDirectory directory_;  // its tasks only in the end
  ColumnPacker packer_;
  absl::btree_map<TaskId, WrittenTask> tasks_;
  absl::btree_set<TaskId> born_;
  size_t pending_bytes_ = 0;
  std::string data_;  // of the block that is written
  bool finished_ = false;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PackedTraceWriter>> PackedTraceWriter::Create(
    const std::string& path, PackedHead head) {
  auto writer = std::make_unique<PackedTraceFileWriter>(path, std::move(head));
  const absl::Status begun = writer->Begin();
  if (!begun.ok()) return begun;
  return writer;
}

PackedHead PackedHeadOf(const Trace& trace) {
  TraceFacts facts = trace.facts();
  if (facts.format == "packed" && !facts.environment.empty()) {
    facts.format = facts.environment.back().second;  // kPackedFrom
    facts.environment.pop_back();
  }
  return {.format_of_origin = facts.format,
          .command = facts.command,
          .environment = facts.environment,
          .lacks = facts.lacks,
          .faults_only = facts.faults_only,
          .first_task = trace.first_task()};
}

// Tasks take turns, as in a replay: formats are made for that.
absl::Status PackTrace(Trace& trace, PackedTraceWriter& to) {
  const size_t known = trace.facts().lacks.size();
  std::vector<TaskId> live = {trace.first_task()};
  while (!live.empty()) {
    std::vector<TaskId> next;
    for (const TaskId task : live) {
      const auto ops = trace.Next(task);
      if (!ops.ok()) return ops.status();
      const absl::Status appended = to.Append(task, *ops);
      if (!appended.ok()) return appended;
      if (ops->back().kind != GuestOpKind::kExit) next.push_back(task);
      for (const GuestOp& op : *ops) {
        if (StartsTask(op.kind)) next.push_back(op.child);
      }
    }
    live = std::move(next);
  }
  // Some of what a trace lacks shows only as it is read.
  const TraceFacts facts = trace.facts();
  to.AddLacks({facts.lacks.begin() + static_cast<std::ptrdiff_t>(
                                         std::min(known, facts.lacks.size())),
               facts.lacks.end()});
  return to.Finish(facts.counts);
}

}  // namespace xmmu
