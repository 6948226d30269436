#include "workload/linux_text/xen_event.h"

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "workload/linux_text/linux_event.h"

namespace xmmu {
namespace {

using absl::string_view;

constexpr string_view kXenEventNames[] = {
#define XMMU_NAME(id, name, help) "xen_" name,
    XMMU_XEN_EVENTS(XMMU_NAME)
#undef XMMU_NAME
};
constexpr string_view kXenEventHelps[] = {
#define XMMU_HELP(id, name, help) help,
    XMMU_XEN_EVENTS(XMMU_HELP)
#undef XMMU_HELP
};

XenEventKind XenKindOf(string_view name) {
  for (size_t i = 0; i + 1 < kXenEventKinds; ++i) {
    if (kXenEventNames[i] == name) return static_cast<XenEventKind>(i);
  }
  return XenEventKind::kOther;
}

// The word behind `key`, which begins the text or stands behind a blank.
std::optional<string_view> WordOf(string_view text, string_view key) {
  for (size_t at = text.find(key); at != string_view::npos;
       at = text.find(key, at + 1)) {
    if (at != 0 && text[at - 1] != ' ' && text[at - 1] != '(') continue;
    const string_view rest = text.substr(at + key.size());
    const string_view word = rest.substr(0, rest.find_first_of(" ,)"));
    if (!word.empty()) return word;
  }
  return std::nullopt;
}

template <typename T>
bool ReadDecimal(std::optional<string_view> word, T& value) {
  return word.has_value() && absl::SimpleAtoi(*word, &value);
}

// `pteval V (raw R)`, or trace-cmd's `pteval=DECIMAL`.
bool ReadEntry(string_view text, XenEvent& read) {
  if (const auto raw = WordOf(text, "raw ")) {
    const auto value = HexNumber(*raw);
    read.raw = value.value_or(0);
    return value.has_value();
  }
  for (string_view key : {"pteval=", "pmdval=", "pudval=", "p4dval="}) {
    if (const auto word = WordOf(text, key)) {
      return ReadDecimal(word, read.raw);
    }
  }
  // Kernels until 5.9 print no machine frames of some.
  return read.kind == XenEventKind::kPteClear ||
         read.kind == XenEventKind::kPmdClear;
}

// `mm P`, or trace-cmd's `mm=P`. Before the kernel can hash pointers it prints
// the same for all.
void ReadMm(string_view text, XenEvent& read) {
  for (string_view key : {"mm ", "mm="}) {
    const auto word = WordOf(text, key);
    if (!word.has_value() || absl::StartsWith(*word, "(")) continue;
    read.mm = *word;
  }
}

bool ReadTable(string_view text, XenEvent& read) {
  ReadMm(text, read);
  if (const auto pinned = WordOf(text, "pinned=")) {
    read.pinned = *pinned != "0";
    return ReadDecimal(WordOf(text, "level="), read.level);
  }
  read.pinned = absl::EndsWith(text, " pinned");
  return ReadDecimal(WordOf(text, "level "), read.level) &&
         (read.pinned || absl::EndsWith(text, " unpinned"));
}

// `op 26(mmuext_op) args ...` or `op=26 nargs=4 args=...`.
bool ReadQueued(string_view text, XenEvent& read) {
  auto op = WordOf(text, "op ");
  if (!op.has_value()) op = WordOf(text, "op=");
  if (!op.has_value()) return false;
  return absl::SimpleAtoi(op->substr(0, op->find('(')), &read.op);
}

// `... res OK|BAD_OP|NO_SPACE`, or trace-cmd's number of it.
bool ReadExtend(string_view text, XenEvent& read) {
  if (!ReadQueued(text, read)) return false;
  auto result = WordOf(text, "res ");
  if (!result.has_value()) result = WordOf(text, "res=");
  if (!result.has_value()) return false;
  if (*result == "OK" || *result == "0") {
    read.extend = XenExtend::kOk;
  } else if (*result == "BAD_OP" || *result == "1") {
    read.extend = XenExtend::kBadOp;
  } else if (*result == "NO_SPACE" || *result == "2") {
    read.extend = XenExtend::kNoSpace;
  } else {
    return false;
  }
  return true;
}

// `flushing 8 hypercalls, 72 arg bytes, 1 callbacks`.
bool ReadFlush(string_view text, XenEvent& read) {
  if (const auto calls = WordOf(text, "mcidx=")) {
    return ReadDecimal(calls, read.calls) &&
           ReadDecimal(WordOf(text, "argidx="), read.bytes);
  }
  const auto behind = [&](string_view key, uint64_t& value) {
    return ReadDecimal(TakeWord(text, key), value);
  };
  if (!behind("flushing ", read.calls)) return false;
  const auto unit = TakeWord(text, "");
  return unit == "hypercalls" && behind("", read.bytes);
}

bool ReadArguments(string_view text, XenEvent& read) {
  switch (read.kind) {
    case XenEventKind::kSetPte:
    case XenEventKind::kSetPteAt:
    case XenEventKind::kSetPteAtomic:
    case XenEventKind::kPteClear:
    case XenEventKind::kSetPmd:
    case XenEventKind::kPmdClear:
    case XenEventKind::kSetPud:
    case XenEventKind::kSetP4d:
    case XenEventKind::kProtStart:
    case XenEventKind::kProtCommit:
      ReadMm(text, read);
      return ReadEntry(text, read);
    case XenEventKind::kAllocTable:
    case XenEventKind::kReleaseTable:
      return ReadTable(text, read);
    case XenEventKind::kPin:
    case XenEventKind::kUnpin:
      ReadMm(text, read);
      return absl::StartsWith(text, "mm");
    case XenEventKind::kWriteCr3:
      read.user = absl::StartsWith(text, "user cr3 ") ||
                  absl::StartsWith(text, "kernel=0 ");
      return read.user || absl::StartsWith(text, "kernel");
    case XenEventKind::kFlushMulti:
    case XenEventKind::kFlushOthers:
      ReadMm(text, read);
      return true;
    case XenEventKind::kEntry:
      return ReadQueued(text, read);
    case XenEventKind::kExtend:
      return ReadExtend(text, read);
    case XenEventKind::kFlush:
      return ReadFlush(text, read);
    default:
      return true;
  }
}

}  // namespace

string_view XenEventName(XenEventKind kind) {
  return kXenEventNames[static_cast<size_t>(kind)];
}
string_view XenEventHelp(XenEventKind kind) {
  return kXenEventHelps[static_cast<size_t>(kind)];
}

absl::StatusOr<XenEvent> ParseXenEvent(const TextEvent& event) {
  XenEvent read;
  read.kind = XenKindOf(event.name);
  string_view text = event.arguments;
  absl::ConsumePrefix(&text, "[FAILED TO PARSE] ");
  while (absl::ConsumeSuffix(&text, " ")) {
  }
  if (ReadArguments(text, read)) return read;
  return absl::InvalidArgumentError(absl::StrCat(
      "'", event.arguments.substr(0, 200), "' is nothing that ", event.name,
      " prints, expected the arguments of Linux's include/trace/events/xen.h"));
}

}  // namespace xmmu
