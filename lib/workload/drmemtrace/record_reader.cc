#include "workload/drmemtrace/record_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/base/internal/endian.h"
#include "absl/strings/str_cat.h"

namespace xmmu {
namespace {

constexpr size_t kRecordsOfABatch = 512;

// An online trace packs the lengths of as many instructions into an address.
constexpr size_t kMostOfABundle = 8;

TraceRecord RecordAt(const char* bytes) {
  TraceRecord record;
  record.type = absl::little_endian::Load16(bytes);
  record.size = absl::little_endian::Load16(bytes + 2);
  record.address = absl::little_endian::Load64(bytes + 4);
  return record;
}

// Whether the record says by itself all that there is to it, outside of kernel
// code and of the start of a chunk.
bool IsPlain(uint16_t type) {
  return type <= kRecordWrite || type == kRecordEncoding ||
         (IsInstruction(type) || type == kRecordInstrNoFetch);
}

}  // namespace

absl::StatusOr<std::unique_ptr<RecordReader>> RecordReader::Open(
    const std::string& path) {
  absl::StatusOr<std::unique_ptr<ByteSource>> source = ByteSource::Open(path);
  if (!source.ok()) return source.status();
  return std::unique_ptr<RecordReader>(new RecordReader(*std::move(source)));
}

absl::Status RecordReader::CheckMemberEnd() const {
  const bool idles = core_sharded_ && (last_.IsMarker(kMarkerCoreWait) ||
                                       last_.IsMarker(kMarkerCoreIdle));
  if (last_.type == kRecordFooter || last_.IsMarker(kMarkerChunkFooter) ||
      idles) {
    return absl::OkStatus();
  }
  return ErrorAt(records_ * kRecordBytes,
                 absl::StrCat(source_->zip() ? "a member of the zip" : "it",
                              " ends behind record ", records_,
                              ", which is no footer, expected one: the file is "
                              "cut off"));
}

absl::StatusOr<bool> RecordReader::Refill() {
  const absl::StatusOr<absl::string_view> block = source_->Next();
  if (!block.ok()) return block.status();
  at_ = block->data();
  end_ = at_ + block->size();
  if (block->empty()) return false;
  if (source_->member() != member_) {
    member_ = source_->member();
    const absl::Status whole = CheckMemberEnd();
    if (!whole.ok()) return whole;
  }
  return true;
}

absl::StatusOr<bool> RecordReader::NextAcross(TraceRecord* record) {
  char bytes[kRecordBytes];
  size_t have = 0;
  while (have < kRecordBytes) {
    if (at_ == end_) {
      const uint64_t member = member_;
      if (have != 0) last_.type = kRecordFooter;  // told below
      const absl::StatusOr<bool> more = Refill();
      if (!more.ok()) return more.status();
      if (!*more && have == 0) return false;
      if (!*more || (have != 0 && member_ != member)) {
        return ErrorAt(records_ * kRecordBytes,
                       absl::StrCat(have, " bytes behind record ", records_,
                                    ", expected records of 12: the file is "
                                    "cut off"));
      }
    }
    const size_t part =
        std::min(kRecordBytes - have, static_cast<size_t>(end_ - at_));
    memcpy(bytes + have, at_, part);
    have += part;
    at_ += part;
  }
  *record = RecordAt(bytes);
  return true;
}

absl::StatusOr<bool> RecordReader::Next(TraceRecord* record) {
  if (ahead_.has_value()) {
    *record = *std::exchange(ahead_, std::nullopt);
    return true;
  }
  if (static_cast<size_t>(end_ - at_) >= kRecordBytes) {
    *record = RecordAt(at_);
    at_ += kRecordBytes;
  } else {
    const absl::StatusOr<bool> more = NextAcross(record);
    if (!more.ok() || !*more) return more;
  }
  ++records_;
  const bool plain = repeats_ == Repeats::kNone && !in_syscall_ &&
                     !in_switch_ && IsPlain(record->type);
  if (!plain) {
    const absl::Status judged = Judge(record);
    if (!judged.ok()) return judged;
  }
  last_ = *record;
  return true;
}

absl::Status RecordReader::Judge(TraceRecord* record) {
  if (record->type >= kRecordInvalid) {
    return ErrorAt(
        (records_ - 1) * kRecordBytes,
        absl::StrCat("record ", records_, " is of type ", record->type,
                     ", expected one from 0 to ", kRecordInvalid - 1,
                     record->type == kRecordInvalid
                         ? ""
                         : ": damaged, or of a later DynamoRIO"));
  }
  if (record->type == kRecordMarker) return JudgeMarker(record);
  const bool names_thread =
      record->type == kRecordThread || record->type == kRecordPid;
  if (names_thread) return absl::OkStatus();
  repeats_ = Repeats::kNone;
  if (record->type == kRecordFooter || record->type == kRecordThreadExit) {
    in_syscall_ = in_switch_ = false;
  } else if (in_syscall_ || in_switch_) {
    record->use = RecordUse::kKernel;
  }
  return absl::OkStatus();
}

absl::Status RecordReader::JudgeMarker(TraceRecord* record) {
  const Repeats repeats = std::exchange(repeats_, Repeats::kNone);
  const bool kernel = in_syscall_ || in_switch_;
  if (kernel) record->use = RecordUse::kKernel;
  switch (record->size) {
    case kMarkerChunkFooter:
      repeats_ = Repeats::kTimestamp;
      return CheckChunk(record->address);
    case kMarkerRecordOrdinal:
      repeats_ = repeats;
      break;
    case kMarkerTimestamp:
      if (repeats != Repeats::kTimestamp) break;
      repeats_ = Repeats::kCpu;
      record->use = RecordUse::kRepeated;
      break;
    case kMarkerCpuId:
      if (repeats == Repeats::kCpu) record->use = RecordUse::kRepeated;
      break;
    case kMarkerSyscallTraceStart:
      in_syscall_ = true;
      break;
    case kMarkerSyscallTraceEnd:
      in_syscall_ = false;
      break;
    case kMarkerSwitchTraceStart:
      in_switch_ = true;
      break;
    case kMarkerSwitchTraceEnd:
      in_switch_ = false;
      break;
    case kMarkerFileType:
      core_sharded_ |= (record->address & kFileCoreSharded) != 0;
      break;
    default:
      break;
  }
  return absl::OkStatus();
}

absl::Status RecordReader::CheckChunk(uint64_t ordinal) {
  if (chunk_known_ && ordinal != next_chunk_) {
    return ErrorAt((records_ - 1) * kRecordBytes,
                   absl::StrCat("chunk ", ordinal,
                                " ends here, expected chunk ", next_chunk_,
                                ": members of the zip are lost or out of "
                                "order"));
  }
  chunk_known_ = true;
  next_chunk_ = ordinal + 1;
  return absl::OkStatus();
}

absl::Status RecordReader::AddBundle(const TraceRecord& record) {
  if (record.size > kMostOfABundle) {
    return ErrorAt(
        (records_ - 1) * kRecordBytes,
        absl::StrCat("record ", records_, " is a bundle of ", record.size,
                     " instructions, expected at most ", kMostOfABundle));
  }
  for (size_t i = 0; i < record.size; ++i) {
    TraceRecord fetch = record;
    fetch.type = kRecordInstr;
    fetch.size = record.address >> (8 * i) & 0xff;
    fetch.address = pc_end_;
    batch_.push_back(fetch);
    pc_ = pc_end_;
    pc_end_ += fetch.size;
  }
  return absl::OkStatus();
}

absl::Status RecordReader::Add(const TraceRecord& record) {
  if (record.type == kRecordInstrBundle) return AddBundle(record);
  batch_.push_back(record);
  if (record.type == kRecordInstrMaybeFetch) {
    batch_.back().type =
        record.address == pc_ ? kRecordInstrNoFetch : kRecordInstr;
  }
  if (IsInstruction(batch_.back().type)) {
    pc_ = record.address;
    pc_end_ = pc_ + record.size;
  }
  return absl::OkStatus();
}

// Reads what a batch is told by, if it begins with it: a thread and its
// process, or a timestamp and its processor.
absl::StatusOr<bool> RecordReader::BeginBatch(RecordBatch* batch) {
  TraceRecord first;
  const absl::StatusOr<bool> more = Next(&first);
  if (!more.ok()) return more;
  if (!*more) {
    const absl::Status whole = CheckMemberEnd();
    if (!whole.ok()) return whole;
    return false;
  }
  batch->offset = (records_ - 1) * kRecordBytes;
  const bool names_thread = first.type == kRecordThread;
  const bool stamps = first.IsUsedMarker(kMarkerTimestamp);
  batch->begins_piece = Cuts(first);
  if (names_thread || stamps) {
    TraceRecord second;
    const absl::StatusOr<bool> has_second = Next(&second);
    if (!has_second.ok()) return has_second;
    if (*has_second) ahead_ = second;
    const bool pair = *has_second && second.use == RecordUse::kUsed;
    if (names_thread) {
      batch->resumes = thread_ != 0;
      thread_ = first.address;
      key_.thread = thread_;
      if (pair && second.type == kRecordPid) process_ = second.address;
    } else {
      stamped_ = true;
      key_.timestamp = first.address;
      key_.cpu =
          pair && second.IsMarker(kMarkerCpuId) ? second.address : ~uint64_t{0};
    }
  }
  const absl::Status added = Add(first);
  if (!added.ok()) return added;
  return true;
}

absl::StatusOr<RecordBatch> RecordReader::Read() {
  batch_.clear();
  RecordBatch batch;
  batch.path = &source_->path();
  absl::StatusOr<bool> more = BeginBatch(&batch);
  batch.ended = more.ok() && !*more;
  while (more.ok() && *more && batch_.size() < kRecordsOfABatch) {
    TraceRecord record;
    more = Next(&record);
    if (!more.ok() || !*more) break;
    if (record.type == kRecordThread || record.IsUsedMarker(kMarkerTimestamp)) {
      ahead_ = record;  // the next batch begins with it
      break;
    }
    const absl::Status added = Add(record);
    if (!added.ok()) return added;
  }
  if (!more.ok()) return more.status();
  batch.records = batch_;
  batch.thread = thread_;
  batch.process = process_;
  batch.key = key_;
  return batch;
}

}  // namespace xmmu
