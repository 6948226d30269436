#include "workload/xentrace/xentrace_reader.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace xmmu {
namespace {

// TRC_TRACE_CPU_CHANGE with two words and no time: xentrace writes one before
// each window (tools/xentrace/xentrace.c, write_buffer).
constexpr uint32_t kWindowHead = 0x2001f003;
constexpr size_t kWordBytes = 4;
constexpr uint64_t kHeadBytes = 3 * kWordBytes;
// Xen, xen/arch/x86/Kconfig, NR_CPUS: 4095 at most.
constexpr uint32_t kMostXenCpus = 4096;

uint32_t WordAt(absl::string_view bytes) {
  uint32_t word;
  std::memcpy(&word, bytes.data(), sizeof(word));  // little-endian, as x86 is
  return word;
}

}  // namespace

bool IsXentrace(absl::string_view first_bytes) {
  return first_bytes.size() >= kWordBytes && WordAt(first_bytes) == kWindowHead;
}

absl::StatusOr<bool> IsXentraceFile(const std::string& path) {
  const auto source = ByteSource::Open(path);
  if (!source.ok()) return source.status();
  const auto block = (*source)->Next();
  if (!block.ok()) return block.status();
  return IsXentrace(*block);
}

absl::StatusOr<XentraceReader> XentraceReader::Open(
    const std::string& path, std::optional<uint32_t> only_cpu) {
  auto source = ByteSource::Open(path);
  if (!source.ok()) return source.status();
  XentraceReader reader(*std::move(source), only_cpu);
  const absl::Status filled = reader.Fill(kWordBytes);
  if (!filled.ok()) return filled;
  if (IsXentrace(reader.rest_)) return reader;
  return reader.source_->ErrorAt(
      0,
      "does not begin with a CPU's window (word 0x2001f003), expected a "
      "file of xentrace");
}

absl::Status XentraceReader::Fill(size_t bytes) {
  while (rest_.size() < bytes && !source_ended_) {
    // The last block goes with the next one.
    std::vector<char> joined(rest_.begin(), rest_.end());
    const absl::StatusOr<absl::string_view> block = source_->Next();
    if (!block.ok()) return block.status();
    source_ended_ = block->empty();
    rest_ = *block;
    if (joined.empty()) continue;
    joined.insert(joined.end(), block->begin(), block->end());
    kept_ = std::move(joined);
    rest_ = absl::string_view(kept_.data(), kept_.size());
  }
  return absl::OkStatus();
}

uint32_t XentraceReader::TakeWord() {
  const uint32_t word = WordAt(rest_);
  rest_.remove_prefix(kWordBytes);
  offset_ += kWordBytes;
  return word;
}

absl::StatusOr<bool> XentraceReader::Skip(uint64_t bytes) {
  while (bytes > 0) {
    const absl::Status filled = Fill(1);
    if (!filled.ok()) return filled;
    if (rest_.empty()) return false;
    const size_t step =
        static_cast<size_t>(std::min<uint64_t>(bytes, rest_.size()));
    rest_.remove_prefix(step);
    offset_ += step;
    bytes -= step;
  }
  return true;
}

absl::StatusOr<bool> XentraceReader::BeginWindow() {
  for (;;) {
    const absl::Status filled = Fill(kHeadBytes);
    if (!filled.ok()) return filled;
    truncated_ = !rest_.empty() && rest_.size() < kHeadBytes;
    if (rest_.size() < kHeadBytes) return false;
    const uint64_t at = offset_;
    const uint32_t head = TakeWord();
    if (head != kWindowHead) {
      return source_->ErrorAt(
          at, absl::StrCat("the word 0x", absl::Hex(head),
                           ", expected 0x2001f003, which begins a CPU's "
                           "window"));
    }
    cpu_ = TakeWord();
    window_left_ = TakeWord();
    if (cpu_ >= kMostXenCpus || window_left_ % kWordBytes != 0) {
      return source_->ErrorAt(
          at, absl::StrCat("a window of CPU ", cpu_, " with ", window_left_,
                           " bytes, expected a CPU below 4096 and whole "
                           "words"));
    }
    ++windows_;
    ++windows_by_cpu_[cpu_];
    if (!only_cpu_.has_value() || *only_cpu_ == cpu_) return true;
    const absl::StatusOr<bool> skipped = Skip(window_left_);
    if (!skipped.ok()) return skipped.status();
    window_left_ = 0;
    truncated_ = !*skipped;
    if (truncated_) return false;
  }
}

absl::StatusOr<std::optional<XentraceRecord>> XentraceReader::Next() {
  while (window_left_ == 0) {
    const absl::StatusOr<bool> begun = BeginWindow();
    if (!begun.ok()) return begun.status();
    if (!*begun) return std::nullopt;
  }
  const uint64_t at = offset_;
  absl::Status filled = Fill(kWordBytes);
  if (!filled.ok()) return filled;
  XentraceRecord record;
  uint64_t bytes = 0;
  if (rest_.size() >= kWordBytes) {
    const uint32_t head = WordAt(rest_);
    record.cpu = cpu_;
    record.event = head & 0x0fffffff;
    record.words = head >> 28 & 7;
    record.timed = head >> 31 != 0;
    bytes = kWordBytes * (1 + record.words + (record.timed ? 2 : 0));
    filled = Fill(static_cast<size_t>(std::min(bytes, window_left_)));
    if (!filled.ok()) return filled;
  }
  if (bytes > window_left_) {
    return source_->ErrorAt(
        at, absl::StrCat("a record of ", bytes, " bytes in a window with ",
                         window_left_, " left, expected whole records"));
  }
  if (bytes == 0 || rest_.size() < bytes) {
    truncated_ = true;
    window_left_ = 0;
    rest_ = {};
    return std::nullopt;
  }
  window_left_ -= bytes;
  TakeWord();
  if (record.timed) {
    const uint64_t low = TakeWord();
    tsc_[cpu_] = low | uint64_t{TakeWord()} << 32;
  }
  record.tsc = tsc_[cpu_];
  for (uint32_t i = 0; i < record.words; ++i) record.payload[i] = TakeWord();
  return record;
}

}  // namespace xmmu
