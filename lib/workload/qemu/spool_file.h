#ifndef XMMU_LIB_WORKLOAD_QEMU_SPOOL_FILE_H_
#define XMMU_LIB_WORKLOAD_QEMU_SPOOL_FILE_H_

// The words of one file of a spool, in order. It keeps a piece of 64 KiB, and no
// descriptor between two pieces: a recording can have more threads than a
// process may open files. Single-threaded.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace xmmu {

class SpoolFile {
 public:
  explicit SpoolFile(std::string path) : path_(std::move(path)) {}

  // Makes the next piece available if the last one is used up. Then at() ==
  // end() means that the file's length is reached. What is behind the last word
  // written is zero, which ends a file, too: that is the caller's to see.
  //
  // Errors: InvalidArgument, `FILE:OFFSET: what`, for a file that cannot be
  // read, or is no regular one, or has no whole number of words.
  absl::Status Fill() { return at_ != end_ ? absl::OkStatus() : Refill(); }

  // The words that are available. What begins at at() is consumed by
  // SetAt(at() + n).
  const uint64_t* at() const { return at_; }
  const uint64_t* end() const { return end_; }
  void SetAt(const uint64_t* at) { at_ = at; }

  // Returns the next word, which stays, or 0 at the end.
  absl::StatusOr<uint64_t> Peek();
  // Takes `count` words that belong to the record at `record`, zero or not.
  //
  // Errors: as Fill(), and for a file that ends within them: OutOfRange if it
  // ends where the recorder's next window would have begun.
  absl::Status Take(uint64_t count, uint64_t record,
                    std::vector<uint64_t>& words);
  // As Take(), the first `bytes` bytes of the words.
  absl::StatusOr<std::string> TakeBytes(uint64_t bytes, uint64_t record);

  // Whether the file's length is reached and is a whole number of windows, as of
  // a file to which the recorder could add no more: it was killed, or had given
  // up the rights to. Source: plugin/spool.c, FIRST_WINDOW.
  bool IsAtBorder() const {
    constexpr uint64_t kWindow = 64 * 1024;
    return at_ == end_ && offset() % kWindow == 0;
  }

  // The position of `word`, one of [at(), end()], in bytes.
  uint64_t OffsetOf(const uint64_t* word) const {
    return piece_ + static_cast<uint64_t>(word - words_.data()) * 8;
  }
  uint64_t offset() const { return OffsetOf(at_); }
  const std::string& path() const { return path_; }

  // Gives up the piece; the file is read on from where it was.
  void Release();

  // Returns the error `FILE:OFFSET: what`.
  absl::Status ErrorAt(uint64_t offset, absl::string_view what) const;

 private:
  absl::Status Refill();

  std::string path_;
  std::vector<uint64_t> words_;
  uint64_t piece_ = 0;  // offset of words_
  const uint64_t* at_ = nullptr;
  const uint64_t* end_ = nullptr;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_QEMU_SPOOL_FILE_H_
