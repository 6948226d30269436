#include "workload/drmemtrace/record_counts.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "workload/drmemtrace/modify_pairing.h"

namespace xmmu {
namespace {

class RecordCounter {
 public:
  explicit RecordCounter(RecordCounts* counts) : counts_(*counts) {}

  void Take(const TraceRecord& record) {
    if (record.use != RecordUse::kUsed) return;
    if (IsInstruction(record.type)) {
      pairing_.Begin();
      if (record.size == 0) return;
      ++counts_.fetch;
      Touch("I", record);
    } else if (record.type == kRecordInstrNoFetch) {
      pairing_.Begin();
      ++counts_.no_fetch;
    } else if (record.type == kRecordRead) {
      ++counts_.read;
      pairing_.Read(record.address, record.size, 0);
      Data("R", record);
    } else if (record.type == kRecordWrite) {
      ++counts_.write;
      counts_.rmw += pairing_.Write(record.address, record.size).has_value();
      Data("W", record);
    } else if (record.type == kRecordThreadExit) {
      ++counts_.exits;
    } else if (record.IsMarker(kMarkerSyscall)) {
      ++counts_.syscalls;
      ++counts_.by_number[record.address];
      sha_.Add(absl::StrCat("S ", record.address, "\n"));
    } else if (record.IsMarker(kMarkerKernelEvent)) {
      ++counts_.kernel_events;
    }
  }

  void Switch() { pairing_.Begin(); }
  void Finish() { counts_.digest = sha_.Hex().substr(0, 16); }

 private:
  void Data(const char* letter, const TraceRecord& record) {
    counts_.size0 += record.size == 0;
    const uint64_t last =
        record.address + std::max<uint64_t>(record.size, 1) - 1;
    counts_.cross += record.address >> 12 != last >> 12;
    Touch(letter, record);
  }

  void Touch(const char* letter, const TraceRecord& record) {
    const uint64_t last =
        record.address + std::max<uint64_t>(record.size, 1) - 1;
    for (const uint64_t va : {record.address, last}) {
      counts_.pages.insert(va >> 12);
      counts_.blocks.insert(va >> 16);
    }
    sha_.Add(absl::StrCat(letter, " ", absl::Hex(record.address), " ",
                          record.size, "\n"));
  }

  RecordCounts& counts_;
  ModifyPairing pairing_;
  Sha256 sha_;
};

}  // namespace

absl::Status CountRecords(PieceSource& source, RecordCounts* counts) {
  RecordCounter counter(counts);
  uint64_t thread = 0;
  for (;;) {
    const absl::StatusOr<RecordBatch> batch = source.Read();
    if (!batch.ok()) return batch.status();
    if (batch->ended) break;
    const bool first = counts->pieces == 0;
    if (thread != 0 && batch->thread != thread) {
      ++counts->switches;
      counter.Switch();
      if (!batch->begins_piece) ++counts->pieces;  // a file's first
    }
    counts->pieces += first || batch->begins_piece;
    thread = batch->thread;
    for (const TraceRecord& record : batch->records) counter.Take(record);
  }
  counts->records = source.records();
  counter.Finish();
  return absl::OkStatus();
}

}  // namespace xmmu
