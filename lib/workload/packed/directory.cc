#include "workload/packed/directory.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "workload/input/sha1.h"

namespace xmmu {
namespace {

void PutPlaces(std::string* out, const IndexedTask& entry) {
  PutVarint(out, entry.blocks.size());
  uint64_t offset = 0;
  for (size_t i = 0; i < entry.blocks.size(); ++i) {
    const uint64_t end = i + 1 < entry.blocks.size() ? entry.blocks[i + 1].first
                                                     : entry.task.operations;
    PutVarint(out, entry.blocks[i].offset - offset);
    PutVarint(out, end - entry.blocks[i].first);
    offset = entry.blocks[i].offset;
  }
}

std::string ReadText(ByteCursor& cursor) {
  const uint64_t bytes = cursor.Varint();
  return std::string(cursor.Text(bytes));
}

void ReadHead(ByteCursor& cursor, PackedHead* head) {
  head->format_of_origin = ReadText(cursor);
  head->command = ReadText(cursor);
  for (uint64_t n = cursor.Varint(); n > 0 && !cursor.failed(); --n) {
    std::string name = ReadText(cursor);
    head->environment.emplace_back(std::move(name), ReadText(cursor));
  }
  for (uint64_t n = cursor.Varint(); n > 0 && !cursor.failed(); --n) {
    head->lacks.push_back(ReadText(cursor));
  }
  head->faults_only = cursor.Byte() != 0;
  head->first_task = static_cast<TaskId>(cursor.Varint());
}

// Blocks of a task come one behind the other, each with 1 to kMostBlockOps
// operations.
bool ReadPlaces(ByteCursor& cursor, uint64_t blocks_end, IndexedTask* entry) {
  uint64_t offset = 0;
  uint64_t first = 0;
  for (uint64_t n = cursor.Varint(); n > 0; --n) {
    const uint64_t step = cursor.Varint();
    const uint64_t operations = cursor.Varint();
    if (cursor.failed() || operations == 0 || operations > kMostBlockOps ||
        step < (offset == 0 ? kPackedHeaderBytes : kBlockHeaderBytes) ||
        step >= blocks_end - offset) {
      return false;
    }
    offset += step;
    entry->blocks.push_back({offset, first});
    first += operations;
  }
  entry->task.operations = first;
  return first > 0;
}

bool ReadTasks(ByteCursor& cursor, uint64_t blocks_end,
               std::vector<IndexedTask>* tasks) {
  uint64_t next = 0;  // the least id that may come
  for (uint64_t n = cursor.Varint(); n > 0; --n) {
    IndexedTask entry;
    const uint64_t id = next + cursor.Varint();
    if (id < next || id > std::numeric_limits<TaskId>::max()) return false;
    entry.task.id = static_cast<TaskId>(id);
    next = id + 1;
    entry.task.hash.first = cursor.Number64();
    entry.task.hash.second = cursor.Number64();
    if (!ReadPlaces(cursor, blocks_end, &entry)) return false;
    tasks->push_back(std::move(entry));
  }
  return true;
}

}  // namespace

std::string BytesOf(const PackedHeader& header) {
  std::string rest;  // what the checksum is over, behind itself
  PutFixed64(&rest, header.tail_offset);
  PutFixed64(&rest, header.tail_bytes);
  PutFixed32(&rest, header.tail_crc);
  rest += header.content_hash;
  rest.resize(kPackedHeaderBytes - 16);
  std::string bytes(kPackedMagic);
  PutFixed32(&bytes, kPackedVersion);
  PutFixed32(&bytes, Crc32(rest, Crc32(bytes)));
  return bytes + rest;
}

std::string BytesOf(const PackedDirectory& directory) {
  std::string out;
  const PackedHead& head = directory.head;
  PutText(&out, head.format_of_origin);
  PutText(&out, head.command);
  PutVarint(&out, head.environment.size());
  for (const auto& [name, value] : head.environment) {
    PutText(&out, name);
    PutText(&out, value);
  }
  PutVarint(&out, head.lacks.size());
  for (const std::string& clause : head.lacks) PutText(&out, clause);
  out.push_back(head.faults_only ? 1 : 0);
  PutVarint(&out, head.first_task);
  PutVarint(&out, directory.counts.size());
  for (const auto& [name, count] : directory.counts) {
    PutText(&out, name);
    PutVarint(&out, count);
  }
  PutVarint(&out, directory.tasks.size());
  uint64_t next = 0;
  for (const IndexedTask& entry : directory.tasks) {
    PutVarint(&out, entry.task.id - next);
    next = uint64_t{entry.task.id} + 1;
    PutFixed64(&out, entry.task.hash.first);
    PutFixed64(&out, entry.task.hash.second);
    PutPlaces(&out, entry);
  }
  return out;
}

std::optional<PackedDirectory> ParseDirectory(absl::string_view tail,
                                              uint64_t blocks_end) {
  PackedDirectory directory;
  ByteCursor cursor(tail);
  ReadHead(cursor, &directory.head);
  for (uint64_t n = cursor.Varint(); n > 0 && !cursor.failed(); --n) {
    std::string name = ReadText(cursor);
    directory.counts.emplace_back(std::move(name), cursor.Varint());
  }
  if (cursor.failed() || !ReadTasks(cursor, blocks_end, &directory.tasks) ||
      cursor.failed() || cursor.left() != 0) {
    return std::nullopt;
  }
  return directory;
}

std::string ContentHashOf(const PackedDirectory& directory) {
  Sha1 hash;
  hash.Add(absl::StrCat(directory.head.first_task, "\n"));
  for (const IndexedTask& entry : directory.tasks) {
    const PackedTask& task = entry.task;
    hash.Add(absl::StrCat(task.id, " ", task.operations, " ",
                          absl::Hex(task.hash.first, absl::kZeroPad16), " ",
                          absl::Hex(task.hash.second, absl::kZeroPad16), "\n"));
  }
  return hash.Hex();
}

std::string BytesOf(const BlockHeader& header, absl::string_view data) {
  std::string rest;  // what the checksum is over, behind itself
  PutFixed32(&rest, header.task);
  PutFixed64(&rest, header.first);
  PutFixed32(&rest, header.operations);
  PutFixed32(&rest, header.packed);
  PutFixed32(&rest, header.unpacked);
  PutFixed32(&rest, 0);
  std::string bytes;
  PutFixed32(&bytes, Crc32(data, Crc32(rest)));
  return bytes + rest;
}

BlockHeader ParseBlockHeader(absl::string_view bytes) {
  return {.task = Fixed32(&bytes[4]),
          .first = Fixed64(&bytes[8]),
          .operations = Fixed32(&bytes[16]),
          .packed = Fixed32(&bytes[20]),
          .unpacked = Fixed32(&bytes[24])};
}

uint32_t StatedCrc(absl::string_view header) { return Fixed32(header.data()); }

uint32_t CrcOf(absl::string_view header, absl::string_view data) {
  return Crc32(data, Crc32(header.substr(4)));
}

}  // namespace xmmu
