#ifndef XMMU_LIB_WORKLOAD_INPUT_BYTE_SOURCE_H_
#define XMMU_LIB_WORKLOAD_INPUT_BYTE_SOURCE_H_

// The bytes that a file holds: as they are, decompressed (gzip, xz, bzip2, lz4,
// zstd, Snappy's framing) or those of a zip's members, one after the other in archive order. What
// it is, is told by its content. It keeps a block, whatever the length of the
// file. Single-threaded.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "workload/input/snappy_frames.h"

struct archive;

namespace xmmu {

class ByteSource {
 public:
  // Errors: InvalidArgument, `FILE:0: what`, unless it is a regular file that
  // can be read and is not empty; for a zip without its directory.
  static absl::StatusOr<std::unique_ptr<ByteSource>> Open(
      const std::string& path);

  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  // Returns the next bytes, or nothing at the end. They stay valid until the
  // next call, and are all of one member.
  //
  // Errors: InvalidArgument, `FILE:OFFSET: what`, for data that is damaged or
  // cut off.
  absl::StatusOr<absl::string_view> Next();

  // Which member of a zip the bytes of the last Next() are of, from 0; else 0.
  uint64_t member() const { return member_; }
  // How many bytes were given out before those of the last Next().
  uint64_t offset() const { return offset_; }
  const std::string& path() const { return path_; }
  bool zip() const { return zip_; }

  // Returns the error `FILE:POSITION: what`.
  absl::Status ErrorAt(uint64_t position, absl::string_view what) const;

 private:
  explicit ByteSource(std::string path) : path_(std::move(path)) {}
  absl::Status Begin(int descriptor);
  // Goes to the next member. Returns false behind the last.
  absl::StatusOr<bool> NextMember();

  std::string path_;
  archive* archive_ = nullptr;
  std::unique_ptr<SnappyFrames> snappy_;  // instead of the archive
  int descriptor_ = -1;
  bool zip_ = false;
  bool in_member_ = false;
  bool ended_ = false;    // Next() has returned nothing
  uint64_t members_ = 0;  // begun so far
  uint64_t member_ = 0;
  uint64_t offset_ = 0;
  uint64_t given_ = 0;  // bytes of the last Next()
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_INPUT_BYTE_SOURCE_H_
