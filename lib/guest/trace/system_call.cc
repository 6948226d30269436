#include "guest/trace/system_call.h"

#include "absl/strings/match.h"

namespace xmmu {
namespace {

constexpr absl::string_view kArrow = "--> ";

bool Take(absl::string_view line, size_t* at, absl::string_view text) {
  if (!absl::StartsWith(line.substr(*at), text)) return false;
  *at += text.size();
  return true;
}

unsigned DigitValue(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  return 255;
}

// One argument: 12, -1, 0x12, 0x12(a string). clone() and arch_prctl() print
// hexadecimal without a prefix.
std::optional<uint64_t> ParseArgument(absl::string_view line, size_t* at,
                                      bool bare_hex) {
  const bool negative = Take(line, at, "-");
  const unsigned base = Take(line, at, "0x") || bare_hex ? 16 : 10;
  const std::optional<uint64_t> value = ParseNumber(line, at, base);
  if (!value.has_value()) return std::nullopt;
  return negative ? 0 - *value : *value;
}

// Steps over "(a string)" behind an argument. The string may have parentheses
// of its own: it ends where the next argument or the end of the list follows.
absl::string_view TakeString(absl::string_view line, size_t* at) {
  if (!Take(line, at, "(")) return {};
  const size_t begin = *at;
  size_t end = line.find("),", begin);
  const size_t last = line.find(") )", begin);
  if (last < end) end = last;
  if (end == absl::string_view::npos) return {};
  *at = end + 1;
  return line.substr(begin, end - begin);
}

void ParseArguments(absl::string_view line, size_t* at, SystemCall* call) {
  constexpr uint64_t kClone = 56;
  for (size_t i = 0; i < call->args.size(); ++i) {
    while (Take(line, at, " ")) {
    }
    const auto value =
        ParseArgument(line, at, call->number == kClone && i == 0);
    if (!value.has_value()) return;
    call->args[i] = *value;
    const absl::string_view text = TakeString(line, at);
    if (call->path.empty()) call->path = text;
    while (Take(line, at, " ")) {
    }
    if (!Take(line, at, ",")) return;
  }
}

uint32_t ParseChild(absl::string_view text) {
  constexpr absl::string_view kCreated = " created child ";
  size_t at = text.find(kCreated);
  if (at == absl::string_view::npos) return 0;
  at += kCreated.size();
  return static_cast<uint32_t>(ParseNumber(text, &at, 10).value_or(0));
}

}  // namespace

std::optional<uint64_t> ParseNumber(absl::string_view line, size_t* at,
                                    unsigned base) {
  uint64_t value = 0;
  const size_t begin = *at;
  for (; *at < line.size() && DigitValue(line[*at]) < base; ++*at) {
    const unsigned digit = DigitValue(line[*at]);
    if (value > (UINT64_MAX - digit) / base) return std::nullopt;
    value = value * base + digit;
  }
  if (*at == begin) return std::nullopt;
  return value;
}

std::optional<SystemCallResult> ParseResult(absl::string_view line,
                                            size_t* length) {
  size_t at = line.find(kArrow);
  if (at == absl::string_view::npos) return std::nullopt;
  at += kArrow.size();
  if (Take(line, &at, "[")) {
    const size_t close = line.find("] ", at);
    if (close == absl::string_view::npos) return std::nullopt;
    at = close + 2;
  }
  SystemCallResult result;
  if (Take(line, &at, "NoWriteResult")) {  // rt_sigreturn
    result.success = true;
    Take(line, &at, " ");
    *length = at;
    return result;
  }
  result.success = Take(line, &at, "Success(0x");
  if (!result.success && !Take(line, &at, "Failure(0x")) return std::nullopt;
  const std::optional<uint64_t> value = ParseNumber(line, &at, 16);
  if (!value.has_value() || !Take(line, &at, ")")) return std::nullopt;
  Take(line, &at, " ");
  result.value = *value;
  *length = at;
  return result;
}

std::optional<SystemCallRecord> ParseSystemCall(absl::string_view line) {
  SystemCallRecord record;
  size_t at = 0;
  if (!Take(line, &at, "SYSCALL[")) return std::nullopt;
  const auto pid = ParseNumber(line, &at, 10);
  if (!pid.has_value() || !Take(line, &at, ",")) return std::nullopt;
  const auto tid = ParseNumber(line, &at, 10);
  if (!tid.has_value() || !Take(line, &at, "](")) return std::nullopt;
  const auto number = ParseNumber(line, &at, 10);
  if (!number.has_value() || !Take(line, &at, ") ")) return std::nullopt;
  if (*pid > UINT32_MAX || *tid > UINT32_MAX) return std::nullopt;
  record.pid = static_cast<uint32_t>(*pid);
  record.tid = static_cast<uint32_t>(*tid);
  record.call.number = *number;
  record.resumes = Take(line, &at, "... ");
  if (!record.resumes) {
    const size_t open = line.find('(', at);
    if (open != absl::string_view::npos) {
      at = open + 1;
      ParseArguments(line, &at, &record.call);
    }
  }
  const absl::string_view rest = line.substr(at);
  record.call.child = ParseChild(rest);
  size_t length = 0;
  record.result = ParseResult(rest, &length);
  record.open = rest.find(kArrow) == absl::string_view::npos;
  record.length = record.result.has_value() ? at + length : line.size();
  return record;
}

}  // namespace xmmu
