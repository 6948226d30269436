#ifndef XMMU_LIB_WORKLOAD_LACKEY_LOG_FILE_H_
#define XMMU_LIB_WORKLOAD_LACKEY_LOG_FILE_H_

// One log file, plain or gzip, as blocks of whole lines. It keeps two buffers,
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

class LogFile {
 public:
  // Errors: InvalidArgument, at line 1, unless it is a readable regular file.
  static absl::StatusOr<std::unique_ptr<LogFile>> Open(const std::string& path);

  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // Returns the next lines, each with its newline, or nothing at the end of the
  // file. They stay valid until the next call. A message line of Valgrind's
  // ("==PID== ...") that does not fit the buffer is cut: commands can be of any
  // length.
  //
  // Errors: InvalidArgument for compressed data that is damaged, cut off or
  // followed by other data, a last line without newline, any other line longer
  // than the buffer.
  absl::StatusOr<absl::string_view> NextLines();

  // Returns what is in the buffer, also after NextLines() failed for want of a
  // newline.
  absl::string_view buffered() const { return {buffer_.data(), filled_}; }

 private:
  explicit LogFile(std::string path) : path_(std::move(path)) {}

  // Reads to the end of the buffer. Returns false if the file ended before
  // that.
  absl::StatusOr<bool> Fill();
  // Reads at most `room` bytes to `to` and returns their number, or 0 at the
  // end of the file.
  absl::StatusOr<size_t> Read(char* to, size_t room);
  // As Read(), but decompresses. A gzip file may have several members.
  absl::StatusOr<size_t> Inflate(char* to, size_t room);
  // Cuts a message line that fills the buffer. REQUIRES: no newline is in it.
  absl::Status CutLongLine();
  absl::Status Error(uint64_t line, absl::string_view what) const;
  // The error `what` at the line that is being read.
  absl::Status ErrorHere(absl::string_view what) const;

  std::string path_;
  int descriptor_ = -1;
  bool gzip_ = false;
  bool in_member_ = false;  // within a member of the gzip file
  uint64_t members_ = 0;    // members of the gzip file read so far
  z_stream stream_{};
  std::vector<char> input_;  // compressed data
  std::vector<char> buffer_;
  size_t given_ = 0;    // bytes that the last NextLines() gave out
  size_t filled_ = 0;   // bytes in the buffer
  uint64_t lines_ = 0;  // lines given out
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LACKEY_LOG_FILE_H_
