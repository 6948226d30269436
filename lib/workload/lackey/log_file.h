#ifndef XMMU_LIB_WORKLOAD_LACKEY_LOG_FILE_H_
#define XMMU_LIB_WORKLOAD_LACKEY_LOG_FILE_H_

// One log file, plain or gzip, as blocks of whole lines. Memory: two buffers,
// whatever the length of the file. Single-threaded.

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace xmmu {

// `FILE:LINE: what`, on one line of printable text whatever is in the file's
// name.
absl::Status LogError(absl::string_view file, uint64_t line,
                      absl::string_view what);

class LogFile {
 public:
  // Errors: InvalidArgument, at line 1, for what is no readable regular file.
  static absl::StatusOr<std::unique_ptr<LogFile>> Open(const std::string& path);

  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // The next lines, each with its newline; empty at the end of the file. Valid
  // until the next call. A message line of Valgrind's ("==PID== ...") that does
  // not fit the buffer is cut: commands can be of any length.
  //
  // Errors: InvalidArgument for compressed data that is damaged, cut off or
  // followed by other data, a last line without newline, any other line longer
  // than the buffer.
  absl::StatusOr<absl::string_view> NextLines();

  // What is in the buffer, also when NextLines() failed for want of a newline.
  absl::string_view buffered() const { return {buffer_.data(), filled_}; }

 private:
  explicit LogFile(std::string path) : path_(std::move(path)) {}

  // Reads to the end of the buffer. False: the file ended.
  absl::StatusOr<bool> Fill();
  // Bytes that are now at `to`, at most `room`; 0 at the end of the file.
  absl::StatusOr<size_t> Read(char* to, size_t room);
  absl::StatusOr<size_t> Inflate(char* to, size_t room);
  absl::Status CutLongLine();
  absl::Status Error(uint64_t line, absl::string_view what) const;
  absl::Status ErrorHere(absl::string_view what) const;

  std::string path_;
  int descriptor_ = -1;
  bool gzip_ = false;
  bool in_member_ = false;  // within a member of the gzip file
  uint64_t members_ = 0;    // of the gzip file that have been read
  z_stream stream_{};
  std::vector<char> input_;  // compressed data
  std::vector<char> buffer_;
  size_t given_ = 0;    // bytes that the last NextLines() gave out
  size_t filled_ = 0;   // bytes in the buffer
  uint64_t lines_ = 0;  // lines given out
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LACKEY_LOG_FILE_H_
