#include "workload/lackey/call_arguments.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "workload/lackey/log_text.h"
#include "workload/process/call_number.h"

namespace xmmu {
namespace {

// A string can contain what ends it. So many ends of one are tried: a name
// with more of them is not worth reading a record again and again for.
constexpr int kMostEnds = 64;

// The operations of epoll_ctl (Linux, include/uapi/linux/eventpoll.h), which
// Valgrind prints by name.
constexpr absl::string_view kWords[] = {"EPOLL_CTL_ADD", "EPOLL_CTL_DEL",
                                        "EPOLL_CTL_MOD"};

// Reads all arguments from the `index`th on, which `text` begins with, and what
// closes the list.
class ArgumentReader {
 public:
  explicit ArgumentReader(const CallRow& row) : row_(row) {}

  bool Read(absl::string_view text, size_t index);
  const SystemCall& call() const { return call_; }

 private:
  bool Value(char letter, absl::string_view* text, uint64_t* value) const;
  bool String(absl::string_view text, size_t index);
  // Reads ", " and the next argument, or what closes the list.
  bool GoOn(absl::string_view text, size_t index);

  const CallRow& row_;
  SystemCall call_;
};

bool ArgumentReader::Value(char letter, absl::string_view* text,
                           uint64_t* value) const {
  if (letter == 'w') {
    for (size_t i = 0; i < std::size(kWords); ++i) {
      *value = i + 1;
      if (absl::ConsumePrefix(text, kWords[i])) return true;
    }
    return false;
  }
  const bool negative = letter == 'n' && absl::ConsumePrefix(text, "-");
  const bool hex = absl::ConsumePrefix(text, "0x") || letter == 'h';
  size_t at = 0;
  const std::optional<uint64_t> number = ParseNumber(*text, &at, hex ? 16 : 10);
  if (!number.has_value()) return false;
  text->remove_prefix(at);
  *value = negative ? 0 - *number : *number;
  return true;
}

bool ArgumentReader::GoOn(absl::string_view text, size_t index) {
  if (index + 1 == row_.arguments.size()) {
    // Valgrind forgets it in execveat.
    const absl::string_view rest = absl::StripAsciiWhitespace(text);
    return rest == ")" || (rest.empty() && row_.number == kExecveat);
  }
  return absl::ConsumePrefix(&text, ", ") && Read(text, index + 1);
}

bool ArgumentReader::String(absl::string_view text, size_t index) {
  absl::string_view* string = &call_.path;
  if (call_.path.data() == nullptr || call_.path_argument == index) {
    call_.path_argument = static_cast<uint8_t>(index);
  } else {
    string = &call_.other_path;
  }
  size_t end = text.find(')');
  for (int i = 0; i < kMostEnds && end != absl::string_view::npos; ++i) {
    *string = text.substr(0, end);
    if (GoOn(text.substr(end + 1), index)) return true;
    end = text.find(')', end + 1);
  }
  return false;
}

bool ArgumentReader::Read(absl::string_view text, size_t index) {
  const char letter = row_.arguments[index];
  if (!Value(letter, &text, &call_.args[index])) return false;
  if (letter != 's') return GoOn(text, index);
  return absl::ConsumePrefix(&text, "(") && String(text, index);
}

}  // namespace

bool ReadArguments(absl::string_view text, const CallRow& row,
                   SystemCall* call) {
  if (row.arguments.empty() || !absl::ConsumePrefix(&text, row.name)) {
    return false;
  }
  absl::ConsumePrefix(&text, " ");
  if (!absl::ConsumePrefix(&text, "(")) return false;
  absl::ConsumePrefix(&text, " ");
  ArgumentReader reader(row);
  if (!reader.Read(text, 0)) return false;
  call->args = reader.call().args;
  call->path = reader.call().path;
  call->other_path = reader.call().other_path;
  call->path_argument = reader.call().path_argument;
  call->readable = true;
  return true;
}

}  // namespace xmmu
