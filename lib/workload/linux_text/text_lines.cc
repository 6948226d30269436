#include "workload/linux_text/text_lines.h"

#include <algorithm>
#include <utility>

namespace xmmu {
namespace {

// ftrace cuts a line at the size of its buffer for one event, a page (Linux,
// include/linux/trace_seq.h, TRACE_SEQ_BUFFER_SIZE); this is 16 of them.
constexpr size_t kLongestTextLine = 64 * 1024;

}  // namespace

absl::StatusOr<TextLines> TextLines::Open(const std::string& path) {
  auto source = ByteSource::Open(path);
  if (!source.ok()) return source.status();
  return TextLines(*std::move(source));
}

absl::StatusOr<std::optional<absl::string_view>> TextLines::Next() {
  line_text_.clear();
  ++line_;
  while (!ended_) {
    const size_t end = block_.find('\n');
    if (line_text_.size() + std::min(end, block_.size()) > kLongestTextLine) {
      return Error("a line of more than 65536 bytes, expected Linux's text");
    }
    if (end != absl::string_view::npos) {
      absl::string_view line = block_.substr(0, end);
      if (!line_text_.empty()) {
        line_text_.append(line.data(), line.size());
        line = line_text_;
      }
      block_.remove_prefix(end + 1);
      return line;
    }
    line_text_.append(block_.data(), block_.size());
    const absl::StatusOr<absl::string_view> block = source_->Next();
    if (!block.ok()) return block.status();
    if (source_->member() != 0) {
      return Error("a second file in the zip, expected one text");
    }
    block_ = *block;
    ended_ = block->empty();
  }
  if (!line_text_.empty()) {
    return Error("the text ends within a line, expected a newline");
  }
  return std::nullopt;
}

}  // namespace xmmu
