#include "workload/qemu/access_writer.h"

#include <algorithm>

#include "workload/qemu/spool_words.h"

namespace xmmu {

AccessWriter::AccessWriter(OpWriter& map, OpSink& sink, SpoolCounts& counts)
    : map_(map),
      sink_(sink),
      counts_(counts),
      buffer_storage_(std::make_unique<std::array<GuestOp, kBuffer>>()),
      buffer_(buffer_storage_->data()) {}

absl::Status AccessWriter::Turn(TaskId task) {
  if (task == task_) return absl::OkStatus();
  const absl::Status flushed = Flush();
  task_ = task;
  return flushed;
}

absl::Status AccessWriter::Flush() {
  if (count_ == 0) return absl::OkStatus();
  const absl::Status appended =
      sink_.Append(task_, std::span<const GuestOp>(buffer_, count_));
  count_ = first_ = 0;
  last_bytes_ = 0;
  return appended;
}

absl::Status AccessWriter::Append(const GuestOp& op) {
  absl::Status status = Flush();
  status.Update(sink_.Append(task_, std::span<const GuestOp>(&op, 1)));
  return status;
}

absl::Status AccessWriter::AppendTo(TaskId task, const GuestOp& op) {
  absl::Status status = Flush();
  status.Update(sink_.Append(task, std::span<const GuestOp>(&op, 1)));
  return status;
}

absl::Status AccessWriter::AppendOps() {
  if (map_.ops().empty()) return absl::OkStatus();
  absl::Status status = Flush();
  status.Update(sink_.Append(task_, map_.ops()));
  map_.ops().clear();
  return status;
}

bool AccessWriter::LookUp(uint8_t right, uint64_t va, uint64_t length) {
  const absl::StatusOr<AccessWindow> found = map_.WindowFor(va, length);
  if (!found.ok()) {
    failure_ = found.status();
    return false;
  }
  // A segment of unknown size may have grown.
  failure_ = AppendOps();
  RenewWindows();
  windows_[va >> 16 & (kWindows - 1)] = {found->start, found->size,
                                         found->rights};
  return failure_.ok() && (found->rights & right) != 0;
}

void AccessWriter::RenewWindows() {
  if (generation_ == map_.generation()) return;
  windows_.fill(Window());
  generation_ = map_.generation();
}

// Only calls change the map, and they come between blocks.
absl::Status AccessWriter::BeginBlock(const Block& block) {
  if (count_ >= kBuffer / 2) {
    const absl::Status flushed = Flush();
    if (!flushed.ok()) return flushed;
  }
  RenewWindows();
  executable_ = Allows(kMapExecute, block.pc, block.bytes);
  block_ = block;
  fetched_ = 0;
  fetch_at_ = block.pc;
  counts_.instructions += block.instructions;
  if (!executable_) counts_.unmapped += block.instructions;
  return failure_;
}

void AccessWriter::Fetch(unsigned count) {
  unsigned i = fetched_;
  fetched_ = count;
  if (!executable_) return;
  const uint8_t* const lengths = block_.lengths;
  uint64_t va = fetch_at_;
  for (; i < count; ++i) {
    Put(GuestOpKind::kFetch, va, lengths[i]);
    va += lengths[i];
  }
  fetch_at_ = va;
}

// Accesses() keeps room for the fetches.
void AccessWriter::EndBlock() {
  if (block_.instructions == 0) return;
  Fetch(block_.instructions);
  block_ = Block();
  fetched_ = 0;
}

void AccessWriter::JoinModify() {
  if (count_ - first_ < 2) return;
  GuestOp& load = buffer_[count_ - 2];
  const GuestOp& store = buffer_[count_ - 1];
  if (load.kind == GuestOpKind::kLoad && load.va == store.va &&
      load.length == store.length) {
    load.kind = GuestOpKind::kModify;
    --count_;
  }
}

absl::StatusOr<const uint64_t*> AccessWriter::Accesses(const uint64_t* at,
                                                       const uint64_t* end) {
  const uint64_t* const begin = at;
  for (; at != end && spool::IsAccess(*at); ++at) {
    const uint64_t word = *at;
    const unsigned instruction = spool::InstructionOf(word);
    if (instruction + 1 != fetched_) {
      if (instruction < fetched_ || instruction >= block_.instructions) {
        ++counts_.strays;
        continue;
      }
      Fetch(instruction + 1);
      first_ = count_;
      last_bytes_ = 0;
    }
    if (count_ + spool::kMostInstructions >= kBuffer) [[unlikely]] {
      const absl::Status flushed = Flush();
      if (!flushed.ok()) return flushed;
    }
    const uint64_t va = spool::AddressOf(word);
    const uint64_t bytes = spool::BytesOf(word);
    const bool store = spool::IsStore(word);
    if (!Allows(store ? kMapWrite : kMapRead, va, bytes)) [[unlikely]] {
      if (!failure_.ok()) return failure_;
      ++counts_.unmapped;
      continue;
    }
    const GuestOpKind kind = store ? GuestOpKind::kStore : GuestOpKind::kLoad;
    // QEMU splits vectors into words of 8 bytes.
    if (bytes == 8 && last_bytes_ == 8 && buffer_[count_ - 1].kind == kind &&
        buffer_[count_ - 1].va + buffer_[count_ - 1].length == VirtAddr(va)) {
      buffer_[count_ - 1].length += 8;
    } else {
      Put(kind, va, bytes);
      last_bytes_ = bytes;
    }
    if (store) JoinModify();
  }
  counts_.accesses += static_cast<uint64_t>(at - begin);
  return at;
}

}  // namespace xmmu
