#ifndef XMMU_LIB_WORKLOAD_PACKED_PACKED_FILE_H_
#define XMMU_LIB_WORKLOAD_PACKED_PACKED_FILE_H_

// The file of a packed trace: its header and tail, checked, and its blocks as
// they are asked for. It keeps the index, and no block. Single-threaded.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "workload/packed/columns.h"
#include "workload/packed/directory.h"

namespace xmmu {

class PackedFile {
 public:
  // Errors: InvalidArgument, `FILE:OFFSET: what is wrong, expected what`, here
  // and below.
  static absl::StatusOr<std::unique_ptr<PackedFile>> Open(
      const std::string& path);

  ~PackedFile();
  PackedFile(const PackedFile&) = delete;
  PackedFile& operator=(const PackedFile&) = delete;

  const PackedDirectory& directory() const { return directory_; }
  const std::string& content_hash() const { return header_.content_hash; }

  // Reads the columns of block `number` of a task. The memory of those before
  // is used again.
  absl::Status ReadBlock(const IndexedTask& task, size_t number,
                         ColumnBytes* columns);

  absl::Status ErrorAt(uint64_t offset, absl::string_view what) const;

 private:
  explicit PackedFile(std::string path) : path_(std::move(path)) {}
  absl::Status OpenFile();
  absl::Status ReadHeader();
  absl::Status ReadTail();
  // Reads `bytes` at `offset`, which lie in the file.
  absl::Status Read(uint64_t offset, uint64_t bytes, std::string* to) const;

  std::string path_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
  PackedHeader header_;
  PackedDirectory directory_;
  ColumnUnpacker unpacker_;
  std::string packed_;  // the block that is read
};

// How many operations block `number` of a task has.
inline uint64_t OperationsOf(const IndexedTask& task, size_t number) {
  const uint64_t end = number + 1 < task.blocks.size()
                           ? task.blocks[number + 1].first
                           : task.task.operations;
  return end - task.blocks[number].first;
}

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PACKED_PACKED_FILE_H_
