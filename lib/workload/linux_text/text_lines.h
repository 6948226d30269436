#ifndef XMMU_LIB_WORKLOAD_LINUX_TEXT_TEXT_LINES_H_
#define XMMU_LIB_WORKLOAD_LINUX_TEXT_TEXT_LINES_H_

// The lines of a text, plain or compressed, with their numbers. It keeps a
// block and a line, whatever the length of the file. Single-threaded.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "workload/input/byte_source.h"

namespace xmmu {

class TextLines {
 public:
  // Errors: as ByteSource::Open().
  static absl::StatusOr<TextLines> Open(const std::string& path);

  // Returns the next line without its newline, or nothing at the end. It stays
  // valid until the next call.
  //
  // Errors: InvalidArgument, `FILE:LINE: what`, for data that is damaged, a
  // line of more than 64 KiB, a last line without a newline, and a zip of
  // several files.
  absl::StatusOr<std::optional<absl::string_view>> Next();

  // The number of the line that Next() has given last, from 1.
  uint64_t line() const { return line_; }

  // Returns the error `FILE:LINE: what` about that line.
  absl::Status Error(absl::string_view what) const {
    return source_->ErrorAt(line_, what);
  }

 private:
  explicit TextLines(std::unique_ptr<ByteSource> source)
      : source_(std::move(source)) {}

  std::unique_ptr<ByteSource> source_;
  absl::string_view block_;  // what of the last block is to be read
  std::string line_text_;    // a line that lies in several blocks
  uint64_t line_ = 0;
  bool ended_ = false;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LINUX_TEXT_TEXT_LINES_H_
