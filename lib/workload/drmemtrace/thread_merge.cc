#include "workload/drmemtrace/thread_merge.h"

#include <utility>

namespace xmmu {

ThreadMerge::ThreadMerge(std::vector<TraceHead> heads, size_t most_open)
    : most_open_(most_open) {
  inputs_.reserve(heads.size());
  for (TraceHead& head : heads) {
    turns_.push({head.first, inputs_.size()});
    Input& input = inputs_.emplace_back();
    input.next = head.first;
    input.head = std::move(head);
  }
}

uint64_t ThreadMerge::records() const {
  uint64_t open = 0;
  for (const Input& input : inputs_) {
    open += input.reader != nullptr ? input.reader->records()
                                    : input.parked_offset / kRecordBytes;
  }
  return records_ + open;
}

absl::Status ThreadMerge::Open(Input& input) {
  if (open_ >= most_open_) CloseLast();
  absl::StatusOr<std::unique_ptr<RecordReader>> reader =
      RecordReader::Open(input.head.path);
  if (!reader.ok()) return reader.status();
  input.reader = *std::move(reader);
  ++open_;
  if (input.parked_offset == 0) return absl::OkStatus();
  for (;;) {
    absl::StatusOr<RecordBatch> batch = input.reader->Read();
    if (!batch.ok()) return batch.status();
    if (batch->ended) {
      return input.reader->ErrorAt(
          batch->offset, "it has become shorter, expected a file at rest");
    }
    if (batch->offset < input.parked_offset) continue;
    input.parked = *batch;
    input.parked_offset = 0;
    return absl::OkStatus();
  }
}

void ThreadMerge::CloseLast() {
  Input* last = nullptr;
  for (Input& input : inputs_) {
    const bool open = input.reader != nullptr && input.parked.has_value();
    if (open && (last == nullptr || input.next > last->next)) last = &input;
  }
  if (last == nullptr) return;
  last->parked_offset = last->parked->offset;
  last->parked.reset();
  last->reader.reset();
  --open_;
}

absl::StatusOr<RecordBatch> ThreadMerge::Read() {
  for (;;) {
    if (!current_.has_value()) {
      if (turns_.empty()) return EndOfRecords();
      current_ = turns_.top().input;
      turns_.pop();
    }
    Input& input = inputs_[*current_];
    if (input.reader == nullptr) {
      const absl::Status opened = Open(input);
      if (!opened.ok()) return opened;
    }
    if (input.parked.has_value()) {
      return *std::exchange(input.parked, std::nullopt);
    }
    absl::StatusOr<RecordBatch> batch = input.reader->Read();
    if (!batch.ok()) return batch;
    if (batch->ended) {
      records_ += input.reader->records();
      input.reader.reset();
      --open_;
      current_.reset();
    } else if (batch->begins_piece && !turns_.empty() &&
               Turn{batch->key, *current_} > turns_.top()) {
      input.next = batch->key;
      input.parked = *batch;
      turns_.push({batch->key, *current_});
      current_.reset();
    } else {
      return batch;
    }
  }
}

}  // namespace xmmu
