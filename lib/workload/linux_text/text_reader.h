#ifndef XMMU_LIB_WORKLOAD_LINUX_TEXT_TEXT_READER_H_
#define XMMU_LIB_WORKLOAD_LINUX_TEXT_TEXT_READER_H_

// The events of a text, one after the other in the order of its lines, which is
// that of their times over all CPUs. Constant memory. Single-threaded.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "workload/linux_text/text_event.h"
#include "workload/linux_text/text_lines.h"

namespace xmmu {

class TextReader {
 public:
  // Errors: as ByteSource::Open().
  static absl::StatusOr<TextReader> Open(const std::string& path);

  // Returns the next event, or nothing at the end. It stays valid until the
  // next call.
  //
  // Errors: InvalidArgument, `FILE:LINE: what`: those of TextLines, and for a
  // line that Linux does not print.
  absl::StatusOr<std::optional<TextEvent>> Next();

  // Passes over the lines up to `line`, whatever they are.
  // Errors: those of TextLines.
  absl::Status SkipTo(uint64_t line);

  uint64_t line() const { return lines_.line(); }
  absl::Status Error(absl::string_view what) const {
    return lines_.Error(what);
  }

  // How many events the text says were lost, so far: 1 for a loss of unknown
  // size.
  uint64_t lost() const { return lost_; }

 private:
  explicit TextReader(TextLines lines) : lines_(std::move(lines)) {}

  TextLines lines_;
  uint64_t lost_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LINUX_TEXT_TEXT_READER_H_
