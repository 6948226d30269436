#include "workload/champsim/champsim_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "workload/process/call_number.h"
#include "workload/process/program_layout.h"

namespace xmmu {
namespace {

constexpr size_t kOpsAtOnce = 1024;

// An x86 instruction is at most this long (SDM Vol. 2, 2.3.11), so that one
// closer before the next is followed by it.
constexpr uint64_t kLongestGap = 15;
// Assumed, where the next instruction does not tell: a fetch of 4 bytes; and of
// data, of which the format never tells.
constexpr uint64_t kFetchBytes = 4;
constexpr uint64_t kDataBytes = 8;

constexpr uint64_t kKernelBit = uint64_t{1} << 63;

// Converters have moved data to the lowest pages (ChampSim, cvp2champsim).
constexpr ImageLayout kChampsimLayout = [] {
  ImageLayout layout = kProgramLayout;
  layout.lowest = kPageSize;
  return layout;
}();

uint64_t ClippedToPage(uint64_t va, uint64_t length) {
  return std::min(length, kPageSize - (va & kPageOffsetMask));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChampsimFile>> ChampsimFile::Open(
    const std::string& path) {
  absl::StatusOr<std::unique_ptr<ByteSource>> source = ByteSource::Open(path);
  if (!source.ok()) return source.status();
  std::unique_ptr<ChampsimFile> file(new ChampsimFile(*std::move(source)));
  const absl::Status filled = file->Fill(kChampsimSample);
  if (!filled.ok()) return filled;
  file->layout_ = LayoutOf(file->buffer_);
  if (file->layout_ != ChampsimLayout::kNone) return file;
  return file->ErrorHere(
      "no records of ChampSim, expected instructions of 64 or of 96 bytes");
}

absl::Status ChampsimFile::Fill(size_t bytes) {
  if (at_ == buffer_.size()) {
    buffer_.clear();
    at_ = 0;
  }
  while (!at_end_ && buffer_.size() - at_ < bytes) {
    const absl::StatusOr<absl::string_view> block = source_->Next();
    if (!block.ok()) return block.status();
    at_end_ = block->empty();
    buffer_.erase(0, std::exchange(at_, 0));
    buffer_.append(block->data(), block->size());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<ChampsimRecord>> ChampsimFile::Read() {
  const size_t bytes = RecordBytesOf(layout_);
  const absl::Status filled = Fill(bytes);
  if (!filled.ok()) return filled;
  if (buffer_.size() - at_ < bytes) {
    partial_ = buffer_.size() != at_;
    return std::nullopt;
  }
  const ChampsimRecord record = ParseChampsim(buffer_.data() + at_, layout_);
  at_ += bytes;
  return record;
}

absl::StatusOr<bool> ChampsimFile::Next() {
  if (begun_) {
    if (!following_.has_value()) return false;
    offset_ += RecordBytesOf(layout_);
  } else {
    absl::StatusOr<std::optional<ChampsimRecord>> first = Read();
    if (!first.ok()) return first.status();
    following_ = *first;
    begun_ = true;
  }
  record_ = *following_;
  if (record_.ip == 0 || record_.is_branch > 1 || record_.branch_taken > 1) {
    return ErrorHere(
        "no record of ChampSim, expected the address of an instruction and two "
        "flags");
  }
  absl::StatusOr<std::optional<ChampsimRecord>> next = Read();
  if (!next.ok()) return next.status();
  following_ = *next;
  return true;
}

ChampsimStream::ChampsimStream(TaskId task,
                               const std::vector<std::string>& files,
                               size_t file, std::optional<uint16_t> space,
                               bool fetches, uint64_t address_limit,
                               ChampsimCounts* counts)
    : files_(files),
      file_index_(file),
      space_(space),
      leads_(!space.has_value()),
      root_(leads_ && file == 0),
      fetches_(fetches),
      next_child_(task + 1),
      counts_(*counts),
      writer_(task, ProcessState(address_limit, kChampsimLayout)) {}

absl::StatusOr<std::span<const GuestOp>> ChampsimStream::Next(
    std::vector<Birth>* births) {
  if (!failure_.ok()) return failure_;
  writer_.ops().clear();
  if (!std::exchange(started_, true)) failure_ = Start(births);
  while (failure_.ok() && !ended_ && writer_.ops().size() < kOpsAtOnce) {
    failure_ = ReadRecord(births);
  }
  if (!failure_.ok()) return failure_;
  if (writer_.ops().empty()) {
    // The exit is a span of its own, and stays valid as long as the workload.
    std::vector<GuestOp>(1).swap(writer_.ops());
    writer_.ops()[0].kind = GuestOpKind::kExit;
    writer_.state() = ProcessState(0, kChampsimLayout);
    done_ = true;
  }
  return std::span<const GuestOp>(writer_.ops());
}

// The first task starts those of the other files, as by posix_spawn: nothing
// is copied.
absl::Status ChampsimStream::Start(std::vector<Birth>* births) {
  if (!root_) writer_.BeginExec(ExecCall());
  writer_.Exec(files_[file_index_]);
  for (size_t file = 1; root_ && file < files_.size(); ++file) {
    Spawn({ChampsimTask(file), file, std::nullopt}, births);
  }
  absl::StatusOr<std::unique_ptr<ChampsimFile>> file =
      ChampsimFile::Open(files_[file_index_]);
  if (!file.ok()) return file.status();
  file_ = *std::move(file);
  return absl::OkStatus();
}

void ChampsimStream::Spawn(const Birth& birth, std::vector<Birth>* births) {
  writer_.Push(GuestOpKind::kVfork);
  writer_.ops().back().child = birth.child;
  births->push_back(birth);
}

absl::Status ChampsimStream::ReadRecord(std::vector<Birth>* births) {
  const absl::StatusOr<bool> more = file_->Next();
  if (!more.ok()) return more.status();
  if (!*more) {
    if (leads_ && file_->partial()) ++counts_.partial;
    file_.reset();
    ended_ = true;
    return absl::OkStatus();
  }
  const ChampsimRecord& record = file_->record();
  if (!space_.has_value()) space_ = record.address_space;
  if (record.address_space != *space_) {
    if (!leads_ || !spaces_.insert(record.address_space).second) {
      return absl::OkStatus();
    }
    if (spaces_.size() >= kMostSpaces) {
      return file_->ErrorHere(absl::StrCat("more than ", kMostSpaces,
                                           " address spaces, expected fewer"));
    }
    Spawn({next_child_++, file_index_, record.address_space}, births);
    return absl::OkStatus();
  }
  ++counts_.records;
  const absl::Status fetched = Fetch(record);
  return fetched.ok() ? Data(record) : fetched;
}

// The iterations of a string instruction are records of one address.
absl::Status ChampsimStream::Fetch(const ChampsimRecord& record) {
  const bool repeats = record.ip == std::exchange(last_ip_, record.ip);
  if (repeats && record.has_memory()) {
    ++counts_.repeats;
    return absl::OkStatus();
  }
  ++counts_.fetches;
  if (!fetches_) return absl::OkStatus();
  const std::optional<ChampsimRecord>& next = file_->following();
  uint64_t length = ClippedToPage(record.ip, kFetchBytes);
  if (next.has_value() && next->address_space == record.address_space) {
    const uint64_t distance = next->ip - record.ip;
    if (distance >= 1 && distance <= kLongestGap) length = distance;
  }
  return Access(GuestOpKind::kFetch, record.ip, length);
}

absl::Status ChampsimStream::Data(const ChampsimRecord& record) {
  std::array<uint64_t, kMostStores> stores = record.stores;
  for (const uint64_t va : record.loads) {
    if (va == 0) continue;
    const auto same = std::find(stores.begin(), stores.end(), va);
    const bool modifies = same != stores.end();
    if (modifies) *same = 0;
    ++(modifies ? counts_.modifies : counts_.loads);
    const absl::Status done =
        Access(modifies ? GuestOpKind::kModify : GuestOpKind::kLoad, va,
               ClippedToPage(va, kDataBytes));
    if (!done.ok()) return done;
  }
  for (const uint64_t va : stores) {
    if (va == 0) continue;
    ++counts_.stores;
    const absl::Status done =
        Access(GuestOpKind::kStore, va, ClippedToPage(va, kDataBytes));
    if (!done.ok()) return done;
  }
  return absl::OkStatus();
}

absl::Status ChampsimStream::Access(GuestOpKind kind, uint64_t va,
                                    uint64_t length) {
  if ((va & kKernelBit) != 0) {
    ++counts_.kernel;
    return absl::OkStatus();
  }
  const absl::StatusOr<AccessWindow> window =
      writer_.WindowFor(va, length, /*store=*/kind == GuestOpKind::kStore ||
                                        kind == GuestOpKind::kModify,
                        /*fetch=*/kind == GuestOpKind::kFetch);
  if (!window.ok()) return file_->ErrorHere(window.status().message());
  if (window->rights == 0) {
    ++counts_.outside;
    return absl::OkStatus();
  }
  GuestOp& op = writer_.ops().emplace_back();
  op.kind = kind;
  op.va = VirtAddr(va + window->shift);
  op.length = length;
  return absl::OkStatus();
}

}  // namespace xmmu
