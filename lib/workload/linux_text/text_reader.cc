#include "workload/linux_text/text_reader.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace xmmu {

absl::StatusOr<TextReader> TextReader::Open(const std::string& path) {
  auto lines = TextLines::Open(path);
  if (!lines.ok()) return lines.status();
  return TextReader(*std::move(lines));
}

absl::Status TextReader::SkipTo(uint64_t line) {
  while (lines_.line() < line) {
    const auto skipped = lines_.Next();
    if (!skipped.ok()) return skipped.status();
    if (!skipped->has_value()) break;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<TextEvent>> TextReader::Next() {
  for (;;) {
    const auto line = lines_.Next();
    if (!line.ok()) return line.status();
    if (!line->has_value()) return std::nullopt;
    const TextLine parsed = ParseTextLine(**line);
    switch (parsed.kind) {
      case TextLineKind::kEvent:
        return parsed.event;
      case TextLineKind::kRemark:
        break;
      case TextLineKind::kLost:
        lost_ += std::max<uint64_t>(parsed.lost, 1);
        break;
      case TextLineKind::kNone:
        return Error(absl::StrCat("'", (*line)->substr(0, 200),
                                  "' is no line of Linux's, expected "
                                  "`TASK-PID [CPU] TIME: EVENT: ARGUMENTS`"));
    }
  }
}

}  // namespace xmmu
