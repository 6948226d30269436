#include "workload/drmemtrace/core_spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <queue>
#include <utility>

#include "absl/strings/str_cat.h"

namespace xmmu {
namespace {

constexpr size_t kBufferedRecords = 64 * 1024;
constexpr uint64_t kSpooledAtOnce = 512;  // records

bool Waits(const TraceRecord& record) {
  return record.IsMarker(kMarkerCoreWait) || record.IsMarker(kMarkerCoreIdle);
}

}  // namespace

CoreSpool::~CoreSpool() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::StatusOr<std::shared_ptr<CoreSpool>> CoreSpool::Make(
    const std::vector<TraceHead>& heads) {
  std::shared_ptr<CoreSpool> spool(new CoreSpool);
  absl::Status status = spool->Create();
  for (const TraceHead& head : heads) {
    if (status.ok()) status = spool->ReadFile(head);
  }
  if (status.ok()) status = spool->Flush();
  if (!status.ok()) return status;
  spool->Merge();
  return spool;
}

absl::Status CoreSpool::Create() {
  const char* const directory = getenv("TMPDIR");
  std::string name = absl::StrCat(directory == nullptr ? "/tmp" : directory,
                                  "/xmmu-cores-XXXXXX");
  descriptor_ = mkostemp(name.data(), O_CLOEXEC);
  if (descriptor_ < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ":0: cannot be made (", strerror(errno),
                     "), expected room for the records of core-sharded files "
                     "there (TMPDIR)"));
  }
  unlink(name.c_str());
  return absl::OkStatus();
}

absl::Status CoreSpool::Flush() {
  const char* bytes = reinterpret_cast<const char*>(buffer_.data());
  size_t left = buffer_.size() * sizeof(TraceRecord);
  while (left > 0) {
    const ssize_t put = write(descriptor_, bytes, left);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          paths_.front(), ":0: no room for a copy of the records (",
          strerror(errno), "), expected 16 bytes for each in TMPDIR"));
    }
    bytes += put;
    left -= static_cast<size_t>(put);
  }
  written_ += buffer_.size();
  buffer_.clear();
  return absl::OkStatus();
}

absl::Status CoreSpool::ReadFile(const TraceHead& head) {
  const absl::StatusOr<std::unique_ptr<RecordReader>> reader =
      RecordReader::Open(head.path);
  if (!reader.ok()) return reader.status();
  paths_.push_back(head.path);
  absl::btree_map<uint64_t, size_t> before;  // pieces of each thread
  for (const auto& [thread, pieces] : threads_) before[thread] = pieces.size();
  for (;;) {
    const absl::StatusOr<RecordBatch> batch = (*reader)->Read();
    if (!batch.ok()) return batch.status();
    if (batch->ended) break;
    const absl::Status taken = Take(*batch);
    if (!taken.ok()) return taken;
  }
  records_ += (*reader)->records();
  for (auto& [thread, pieces] : threads_) OrderFrom(pieces, before[thread]);
  return absl::OkStatus();
}

absl::Status CoreSpool::Take(const RecordBatch& batch) {
  if (batch.thread == 0 || batch.records.empty()) return absl::OkStatus();
  if (batch.process != 0) process_of_.emplace(batch.thread, batch.process);
  Pieces& pieces = threads_[batch.thread];
  const bool stamped = batch.records[0].IsUsedMarker(kMarkerTimestamp);
  bool first = stamped || batch.resumes || pieces.empty() ||
               pieces.back().file != paths_.size() - 1;
  bool fresh = first;
  for (size_t i = 0; i < batch.records.size(); ++i) {
    const TraceRecord& record = batch.records[i];
    if (Waits(record)) {
      fresh = true;
      continue;
    }
    if (fresh) {
      Piece& piece = pieces.emplace_back();
      piece.key = batch.key;
      piece.stamped = stamped && first;
      piece.continues = !first;
      piece.start = written_ + buffer_.size();
      piece.offset = batch.offset + i * kRecordBytes;
      piece.file = paths_.size() - 1;
      first = fresh = false;
    }
    ++pieces.back().count;
    buffer_.push_back(record);
  }
  return buffer_.size() < kBufferedRecords ? absl::OkStatus() : Flush();
}

void CoreSpool::OrderFrom(Pieces& pieces, size_t first) {
  uint64_t next_order = ~uint64_t{0};
  bool none_follows = true;
  for (size_t i = pieces.size(); i-- > first;) {
    Piece& piece = pieces[i];
    if (piece.continues) continue;
    if (piece.stamped) {
      next_order = piece.key.timestamp;
      none_follows = false;
    }
    piece.order = next_order;
    piece.suborder = piece.stamped ? 1 : 0;
    piece.continues = none_follows;
  }
  // What goes on from a piece of the same file stays behind it.
  for (size_t i = first + 1; i < pieces.size(); ++i) {
    if (!pieces[i].continues) continue;
    pieces[i].order = pieces[i - 1].order;
    pieces[i].suborder = pieces[i - 1].suborder;
  }
}

void CoreSpool::Merge() {
  using Turn = std::pair<PieceKey, std::pair<uint64_t, size_t>>;
  std::priority_queue<Turn, std::vector<Turn>, std::greater<>> turns;
  for (auto& [thread, pieces] : threads_) {
    std::stable_sort(pieces.begin(), pieces.end(),
                     [](const Piece& a, const Piece& b) {
                       return a.order != b.order ? a.order < b.order
                                                 : a.suborder < b.suborder;
                     });
    for (size_t i = 0; i < pieces.size(); ++i) {
      pieces[i].key.thread = thread;
      if (pieces[i].stamped) continue;
      if (i > 0) pieces[i].key = pieces[i - 1].key;
      if (i == 0) pieces[i].key.timestamp = pieces[i].order;
    }
    if (!pieces.empty()) turns.push({pieces[0].key, {thread, 0}});
  }
  while (!turns.empty()) {
    const auto [thread, at] = turns.top().second;
    turns.pop();
    const Pieces& pieces = threads_[thread];
    const auto known = process_of_.find(thread);
    const uint64_t process =
        known == process_of_.end() ? thread : known->second;
    // Other ids stand for a core that is idle.
    if (process >= 1 && process <= UINT32_MAX) {
      processes_[process].push_back(pieces[at]);
    }
    if (at + 1 < pieces.size()) {
      turns.push({pieces[at + 1].key, {thread, at + 1}});
    }
  }
  threads_.clear();
}

std::vector<std::pair<uint64_t, PieceKey>> CoreSpool::Processes() const {
  std::vector<std::pair<uint64_t, PieceKey>> processes;
  for (const auto& [process, pieces] : processes_) {
    processes.emplace_back(process, pieces.front().key);
  }
  return processes;
}

// Reads the pieces of one process from the temporary file.
class SpooledPieces final : public PieceSource {
 public:
  SpooledPieces(std::shared_ptr<CoreSpool> spool, uint64_t process)
      : spool_(std::move(spool)), pieces_(spool_->processes_.at(process)) {}

  absl::StatusOr<RecordBatch> Read() override {
    if (piece_ == pieces_.size()) return EndOfRecords();
    const CoreSpool::Piece& piece = pieces_[piece_];
    const std::string& path = spool_->paths_[piece.file];
    const uint64_t count = std::min(kSpooledAtOnce, piece.count - done_);
    records_.resize(count);
    const size_t bytes = count * sizeof(TraceRecord);
    const ssize_t got =
        pread(spool_->descriptor_, records_.data(), bytes,
              static_cast<off_t>((piece.start + done_) * sizeof(TraceRecord)));
    if (got != static_cast<ssize_t>(bytes)) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ":", piece.offset,
          ": the copy of its records cannot be read, expected it in TMPDIR"));
    }
    RecordBatch batch;
    batch.records = records_;
    batch.thread = piece.key.thread;
    batch.begins_piece = done_ == 0 && piece.stamped;
    batch.resumes = done_ == 0;
    batch.key = piece.key;
    batch.offset = piece.offset + done_ * kRecordBytes;
    batch.path = &path;
    given_ += count;
    done_ += count;
    if (done_ == piece.count) {
      ++piece_;
      done_ = 0;
    }
    return batch;
  }

  uint64_t records() const override { return given_; }

 private:
  std::shared_ptr<CoreSpool> spool_;
  const CoreSpool::Pieces& pieces_;
  size_t piece_ = 0;
  uint64_t done_ = 0;  // records of the piece
  uint64_t given_ = 0;
  std::vector<TraceRecord> records_;
};

std::unique_ptr<PieceSource> CoreSpool::Open(std::shared_ptr<CoreSpool> spool,
                                             uint64_t process) {
  return std::make_unique<SpooledPieces>(std::move(spool), process);
}

}  // namespace xmmu
