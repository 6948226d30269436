#ifndef XMMU_LIB_WORKLOAD_PACKED_DIRECTORY_H_
#define XMMU_LIB_WORKLOAD_PACKED_DIRECTORY_H_

// What a packed trace holds beside its blocks: the header at its beginning and
// the tail at its end, which has the facts and the index. Values.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "workload/packed/layout.h"
#include "xmmu/workload/packed_trace.h"

namespace xmmu {

struct PackedHeader {
  uint64_t tail_offset = 0;
  uint64_t tail_bytes = 0;
  uint32_t tail_crc = 0;
  std::string content_hash;  // 40 hex digits
};

// The kPackedHeaderBytes of the header.
std::string BytesOf(const PackedHeader& header);

// One block in the index: where it is, and which of its task's operations is
// the first in it.
struct BlockPlace {
  uint64_t offset = 0;
  uint64_t first = 0;
};

struct IndexedTask {
  PackedTask task;
  std::vector<BlockPlace> blocks;
};

struct PackedDirectory {
  PackedHead head;
  TraceCounts counts;
  std::vector<IndexedTask> tasks;  // by id
};

// The bytes of the tail.
std::string BytesOf(const PackedDirectory& directory);

// Reads the tail of a file whose blocks end at `blocks_end`. Returns nothing if
// it says what cannot be.
std::optional<PackedDirectory> ParseDirectory(absl::string_view tail,
                                              uint64_t blocks_end);

std::string ContentHashOf(const PackedDirectory& directory);

// The first bytes of a block.
struct BlockHeader {
  TaskId task = 0;
  uint64_t first = 0;       // number of its first operation
  uint32_t operations = 0;  // 1 to kMostBlockOps
  uint32_t packed = 0;      // bytes that follow
  uint32_t unpacked = 0;    // bytes that these are, decompressed
};

// The kBlockHeaderBytes of a block's header; `data` are its other bytes.
std::string BytesOf(const BlockHeader& header, absl::string_view data);
// Reads them, without looking at the checksum.
BlockHeader ParseBlockHeader(absl::string_view bytes);
// The checksum that a block's header has, and the one that it should have.
uint32_t StatedCrc(absl::string_view header);
uint32_t CrcOf(absl::string_view header, absl::string_view data);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PACKED_DIRECTORY_H_
