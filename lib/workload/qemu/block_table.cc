#include "workload/qemu/block_table.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "workload/qemu/spool_file.h"
#include "workload/qemu/spool_words.h"

namespace xmmu {
namespace {

// SDM Vol. 2, 2.3.11: no instruction is longer.
constexpr uint8_t kLongestInstruction = 15;

}  // namespace

absl::StatusOr<std::shared_ptr<const BlockTable>> BlockTable::Read(
    const std::string& path, std::shared_ptr<const BlockTable> parent) {
  auto table = std::make_shared<BlockTable>();
  table->path_ = path;
  table->parent_ = std::move(parent);
  SpoolFile file(path);
  for (;;) {
    const absl::StatusOr<bool> more = table->ReadBlock(file);
    if (!more.ok() && !absl::IsOutOfRange(more.status())) return more.status();
    if (more.ok() && *more) continue;
    table->cut_ = file.IsAtBorder();
    return table;
  }
}

absl::StatusOr<bool> BlockTable::ReadBlock(SpoolFile& file) {
  const absl::StatusOr<uint64_t> head = file.Peek();
  if (!head.ok()) return head.status();
  if (*head == 0) return false;
  const uint64_t record = file.offset();
  const uint64_t id = *head >> 16;
  const uint64_t count = *head & 0xffff;
  if (entries_.empty()) first_ = id;
  const uint64_t next = first_ + entries_.size();
  if (id == 0 || id != next) {
    return file.ErrorAt(
        record, absl::StrCat("a block of number ", id, ", expected ", next));
  }
  if (count == 0 || count > spool::kMostInstructions) {
    return file.ErrorAt(record, absl::StrCat("a block of ", count,
                                             " instructions, expected 1 to ",
                                             spool::kMostInstructions));
  }
  std::vector<uint64_t> words;
  const absl::Status taken = file.Take(2 + (count + 7) / 8, record, words);
  if (!taken.ok()) return taken;
  Entry entry{words[1], lengths_.size(), 0, static_cast<uint32_t>(count)};
  for (uint64_t i = 0; i < count; ++i) {
    const auto length =
        static_cast<uint8_t>(words[2 + i / 8] >> (i % 8 * 8) & 0xff);
    if (length == 0 || length > kLongestInstruction) {
      // A kill can have come as the last block was being written.
      const absl::StatusOr<uint64_t> behind = file.Peek();
      if (behind.ok() && *behind == 0 && length == 0) return false;
      return file.ErrorAt(
          record, absl::StrCat("an instruction of ", length, " bytes in block ",
                               id, ", expected 1 to ", kLongestInstruction));
    }
    lengths_.push_back(length);
    entry.bytes += length;
  }
  entries_.push_back(entry);
  return true;
}

Block BlockTable::Find(uint64_t id) const {
  const BlockTable* table = this;
  while (table != nullptr && (table->entries_.empty() || id < table->first_)) {
    table = table->parent_.get();
  }
  if (table == nullptr || id - table->first_ >= table->entries_.size()) {
    return {};
  }
  const Entry& entry = table->entries_[id - table->first_];
  return {entry.pc, entry.bytes, table->lengths_.data() + entry.lengths,
          entry.instructions};
}

}  // namespace xmmu
