#ifndef XMMU_LIB_WORKLOAD_LACKEY_LOG_TEXT_H_
#define XMMU_LIB_WORKLOAD_LACKEY_LOG_TEXT_H_

// Valgrind's own lines in a log are "==PID== text", "--PID-- text" and, for
// what the program has it print, "**PID** text". A time may stand before the
// process id: "==00:00:01:30.250 PID== text".

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace xmmu {

// The text of the first line of a log (lackey/lk_main.c, Valgrind 3.19).
inline constexpr absl::string_view kLackeyTitle =
    "Lackey, an example Valgrind tool";
inline constexpr absl::string_view kCommand = "Command: ";
inline constexpr absl::string_view kParent = "Parent PID: ";

// Returns the process id of a message, or 0 if `line` is no message or the id
// is too large.
uint32_t MessagePid(absl::string_view line);

inline bool IsMessage(absl::string_view line, uint32_t pid) {
  return MessagePid(line) == pid;
}

// Returns what is behind the process id, or all of a line that is no message.
absl::string_view MessageText(absl::string_view line);

// Returns at most 60 bytes of `text`, printable, for an error's line.
std::string Shown(absl::string_view text);

// Returns the command up to the first space without a backslash before it:
// Valgrind escapes spaces within a word.
absl::string_view FirstWord(absl::string_view command);

// Parses digits in `base` at `*at` and moves on behind them. Returns nothing if
// there is no digit, beyond 64 bits, and if a zero leads other digits.
std::optional<uint64_t> ParseNumber(absl::string_view line, size_t* at,
                                    unsigned base);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LACKEY_LOG_TEXT_H_
