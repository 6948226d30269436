#ifndef XMMU_LIB_WORKLOAD_INPUT_SNAPPY_FRAMES_H_
#define XMMU_LIB_WORKLOAD_INPUT_SNAPPY_FRAMES_H_

// Decompresses files in Snappy's framing format. libarchive does not know it,
// and the format of a block is so small that no library is needed.
// Sources: google/snappy, framing_format.txt and format_description.txt.
//
// DynamoRIO adds chunks 02 and 03, which are 00 and 01 without a checksum
// (clients/drcachesim/reader/snappy_file_reader.cpp).
//
// It keeps one chunk, whatever the length of the file. Single-threaded.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace xmmu {

// The first bytes of every file in the format.
inline constexpr absl::string_view kSnappyMagic("\xff\x06\x00\x00sNaPpY", 10);

// Decompresses one block and appends what it holds to `to`. Returns false if it
// is damaged or holds more than `most` bytes.
bool UncompressSnappy(absl::string_view block, size_t most, std::string* to);

// CRC-32C (Castagnoli; RFC 3720, appendix B.4) of `bytes`.
uint32_t Crc32c(absl::string_view bytes);

class SnappyFrames {
 public:
  // Reads from the start of `descriptor`, which stays the caller's.
  explicit SnappyFrames(int descriptor) : descriptor_(descriptor) {}

  // Returns the next bytes, or nothing at the end. They stay valid until the
  // next call.
  //
  // Errors: InvalidArgument with what is wrong; the caller adds FILE:OFFSET.
  absl::StatusOr<absl::string_view> Next();

 private:
  // Reads exactly `size` bytes into chunk_. Returns false at the end of the
  // file, if it is there before the first of them.
  absl::StatusOr<bool> Read(size_t size);
  absl::StatusOr<absl::string_view> Data(uint8_t type);

  int descriptor_;
  uint64_t position_ = 0;  // in the file
  std::string chunk_;
  std::string content_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_INPUT_SNAPPY_FRAMES_H_
