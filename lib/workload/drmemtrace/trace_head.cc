#include "workload/drmemtrace/trace_head.h"

#include <memory>
#include <utility>

#include "absl/base/internal/endian.h"
#include "absl/strings/str_cat.h"

namespace xmmu {
namespace {

constexpr size_t kTypeAt32 = kRecordBytes32;  // of the second record, bytes
constexpr size_t kTraceHeadBytes = kRecordBytes + 2;

// The head of a final trace has about ten records (raw2trace.cpp), and in a
// core-sharded one any number that say that the core waits stand before the
// first of a thread. Assumed: no more than these.
constexpr uint64_t kMostRecordsOfHead = uint64_t{1} << 20;

// A raw entry's type is in its 3 highest bits, and the kind of an extended one
// in the 5 below (trace_entry.h, offline_entry_t). A raw file begins with the
// extended entry HEADER, 0 or its later number 4.
constexpr uint64_t kRawExtended = 6;

uint16_t TypeAt(absl::string_view content, size_t offset) {
  return absl::little_endian::Load16(content.data() + offset);
}

bool BeginsWithHeader(absl::string_view content) {
  return content.size() >= kTraceHeadBytes &&
         TypeAt(content, 0) == kRecordHeader && TypeAt(content, 2) == 0;
}

bool IsSecondOfHead(uint16_t type) {
  return type == kRecordThread || type == kRecordMarker;
}

bool IsTrace32(absl::string_view content) {
  return BeginsWithHeader(content) &&
         IsSecondOfHead(TypeAt(content, kTypeAt32)) &&
         !IsSecondOfHead(TypeAt(content, kRecordBytes));
}

bool IsRaw(absl::string_view content) {
  if (content.size() < 2 * sizeof(uint64_t)) return false;
  const uint64_t first = absl::little_endian::Load64(content.data());
  const uint64_t kind = first >> 56 & 0x1f;
  return first >> 61 == kRawExtended && (kind == 0 || kind == 4);
}

// Names what a file type has that no replay can use.
absl::string_view Unusable(uint64_t file_type) {
  if ((file_type & kFileTemplate) != 0) {
    return "a file of templates of kernel code, no trace";
  }
  if ((file_type & kFileAarch64) != 0) return "a trace of an AArch64 program";
  if ((file_type & kFileArm32) != 0) return "a trace of a 32-bit ARM program";
  if ((file_type & kFileX86_32) != 0) return "a trace of a 32-bit x86 program";
  return "";
}

class HeadReader {
 public:
  explicit HeadReader(RecordReader& reader) : reader_(reader) {
    head_.path = reader.path();
  }

  absl::StatusOr<TraceHead> Read() {
    while (!whole_) {
      const absl::StatusOr<RecordBatch> batch = reader_.Read();
      if (!batch.ok()) return batch.status();
      if (batch->ended || reader_.records() > kMostRecordsOfHead) break;
      for (size_t i = 0; i < batch->records.size() && !whole_; ++i) {
        const absl::Status taken =
            Take(batch->records[i], batch->offset + i * kRecordBytes);
        if (!taken.ok()) return taken;
      }
      if (head_.thread == 0) head_.thread = batch->thread;
      if (head_.process == 0) head_.process = batch->process;
      if (batch->key.timestamp != 0) head_.first = batch->key;
    }
    return Finish();
  }

 private:
  absl::Status Take(const TraceRecord& record, uint64_t offset) {
    if (record.IsMarker(kMarkerVersion) || record.type == kRecordHeader) {
      head_.version = record.address;
      if (head_.version == 0 || head_.version > kNewestTraceVersion) {
        return reader_.ErrorAt(
            offset,
            absl::StrCat("a trace of version ", record.address,
                         ", expected one from 1 to ", kNewestTraceVersion));
      }
    } else if (record.IsMarker(kMarkerFileType)) {
      head_.file_type = record.address;
      const absl::string_view unusable = Unusable(record.address);
      if (!unusable.empty()) {
        return reader_.ErrorAt(
            offset,
            absl::StrCat(unusable, ", expected the trace of an x86-64 one"));
      }
    }
    // Behind these the program's own records begin.
    const bool cpu = record.IsMarker(kMarkerCpuId);
    whole_ |= record.type <= kRecordWrite || IsInstruction(record.type) ||
              (cpu && !head_.core_sharded());
    return absl::OkStatus();
  }

  absl::StatusOr<TraceHead> Finish() {
    head_.first.thread = head_.thread;
    if (head_.process == 0) head_.process = head_.thread;
    constexpr uint64_t kMost = UINT32_MAX;
    // A core can have run nothing at all.
    if (head_.core_sharded()) return std::move(head_);
    if (head_.process >= 1 && head_.process <= kMost && head_.thread >= 1) {
      return std::move(head_);
    }
    return reader_.ErrorAt(
        0, absl::StrCat("thread ", head_.thread, " of process ", head_.process,
                        ", expected the ids of a thread and a process"));
  }

  RecordReader& reader_;
  TraceHead head_;
  bool whole_ = false;
};

absl::Status CheckFirstBytes(const std::string& path) {
  const absl::StatusOr<std::unique_ptr<ByteSource>> source =
      ByteSource::Open(path);
  if (!source.ok()) return source.status();
  std::string content;
  while (content.size() < kTraceHeadBytes) {
    const absl::StatusOr<absl::string_view> block = (*source)->Next();
    if (!block.ok()) return block.status();
    if (block->empty()) break;
    absl::StrAppend(&content, *block);
  }
  if (IsRaw(content)) {
    return (*source)->ErrorAt(
        0,
        "a raw file of drmemtrace, expected a final trace: 'drrun -t "
        "drmemtrace -indir DIRECTORY', run once, writes it to "
        "DIRECTORY/trace");
  }
  if (IsTrace32(content)) {
    return (*source)->ErrorAt(
        kTypeAt32,
        "records of 8 bytes, as in the trace of a 32-bit program, expected "
        "those of 12 bytes of an x86-64 one");
  }
  if (BeginsWithHeader(content) &&
      IsSecondOfHead(TypeAt(content, kRecordBytes))) {
    return absl::OkStatus();
  }
  return (*source)->ErrorAt(
      0, BeginsWithHeader(content) || content.size() >= kTraceHeadBytes
             ? "no final trace of drmemtrace, expected its header and a thread "
               "or a marker behind it"
             : "it is cut off within its header, expected records of 12 bytes");
}

}  // namespace

bool IsDrmemtraceContent(absl::string_view content) {
  if (IsRaw(content) || IsTrace32(content)) return true;
  return BeginsWithHeader(content) &&
         absl::little_endian::Load64(content.data() + 4) < 256 &&
         IsSecondOfHead(TypeAt(content, kRecordBytes));
}

absl::StatusOr<TraceHead> ReadTraceHead(const std::string& path) {
  const absl::Status begun = CheckFirstBytes(path);
  if (!begun.ok()) return begun;
  const absl::StatusOr<std::unique_ptr<RecordReader>> reader =
      RecordReader::Open(path);
  if (!reader.ok()) return reader.status();
  return HeadReader(**reader).Read();
}

}  // namespace xmmu
