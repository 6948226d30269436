#include "workload/qemu/spool_call.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "workload/process/call_number.h"
#include "workload/qemu/spool_words.h"

namespace xmmu {
namespace {

// No string of a call is longer (Linux, include/linux/binfmts.h, MAX_ARG_STRLEN
// of 32 pages), and no vector of more elements (include/uapi/linux/uio.h,
// UIO_MAXIOV of 1024).
constexpr uint64_t kLongestText = 32 * 4096;

constexpr uint64_t kArguments = 6;

// Linux, include/uapi/linux/sched.h.
constexpr uint64_t kCloneMemory = 0x100;  // CLONE_VM

// Reads a TEXT or a MEMORY, whose head is next.
absl::Status ReadMemory(SpoolFile& file, uint64_t head, SpoolCall& call) {
  const uint64_t record = file.offset();
  const uint64_t payload = spool::PayloadOf(head);
  const uint64_t argument = spool::TagOf(payload);
  const uint64_t bytes = spool::LengthOf(payload);
  if (argument >= kArguments || bytes > kLongestText) {
    return file.ErrorAt(record,
                        absl::StrCat(bytes, " bytes of argument ", argument,
                                     ", expected up to ", kLongestText,
                                     " of one of arguments 0 to 5"));
  }
  file.SetAt(file.at() + 1);
  absl::StatusOr<std::string> text = file.TakeBytes(bytes, record);
  if (!text.ok()) return text.status();
  const bool is_text = spool::TypeOf(head) == spool::kText;
  // A kill can have come as it was being written.
  if (is_text) text->resize(strlen(text->c_str()));
  (is_text ? call.texts : call.memory)
      .push_back({static_cast<uint8_t>(argument), *std::move(text)});
  return absl::OkStatus();
}

absl::Status ReadReturn(SpoolFile& file, uint64_t head, SpoolCall& call) {
  const uint64_t record = file.offset();
  const uint64_t payload = spool::PayloadOf(head);
  call.return_clock = spool::CallClockOf(payload);
  if (spool::NumberOf(payload) != call.number ||
      call.return_clock <= call.clock) {
    return file.ErrorAt(
        record, absl::StrCat("the return of call ", spool::NumberOf(payload),
                             " at ", call.return_clock, ", expected one of ",
                             call.number, " after ", call.clock));
  }
  std::vector<uint64_t> words;
  const absl::Status taken = file.Take(2, record, words);
  if (!taken.ok()) return taken;
  call.returned = true;
  call.result = static_cast<int64_t>(words[1]);
  return absl::OkStatus();
}

// Calls whose second argument is an array of struct iovec (Linux,
// fs/read_write.c), of which the kernel writes what the vectors point to, or
// reads it.
constexpr uint64_t kWritev = 20;
constexpr uint64_t kPreadv = 295;
constexpr uint64_t kPwritev = 296;
constexpr uint64_t kPreadv2 = 327;
constexpr uint64_t kPwritev2 = 328;

bool ReadsIntoVectors(uint64_t number) {
  return number == kReadv || number == kPreadv || number == kPreadv2;
}
bool WritesFromVectors(uint64_t number) {
  return number == kWritev || number == kPwritev || number == kPwritev2;
}

}  // namespace

absl::StatusOr<SpoolCall> ReadSpoolCall(SpoolFile& file) {
  SpoolCall call;
  call.offset = file.offset();
  std::vector<uint64_t> words;
  absl::Status status = file.Take(1 + kArguments, call.offset, words);
  if (!status.ok()) return status;
  call.number = spool::NumberOf(spool::PayloadOf(words[0]));
  call.clock = spool::CallClockOf(spool::PayloadOf(words[0]));
  for (size_t i = 0; i < kArguments; ++i) call.args[i] = words[1 + i];
  for (;;) {
    const absl::StatusOr<uint64_t> head = file.Peek();
    if (!head.ok()) return head.status();
    if (spool::IsAccess(*head)) return call;
    switch (spool::TypeOf(*head)) {
      case spool::kText:
      case spool::kMemory:
        status = ReadMemory(file, *head, call);
        break;
      case spool::kReturn:
        status = ReadReturn(file, *head, call);
        if (status.ok()) return call;
        break;
      default:
        return call;
    }
    if (!status.ok()) return status;
  }
}

SystemCallResult ResultOf(int64_t value, bool narrow) {
  constexpr int64_t kMaxErrno = 4095;
  if (narrow) value = static_cast<int32_t>(static_cast<uint64_t>(value));
  if (value < 0 && value >= -kMaxErrno) {
    return {false, static_cast<uint64_t>(-value)};
  }
  const auto result = static_cast<uint64_t>(value);
  return {true, narrow ? result & 0xffffffff : result};
}

void TakeTexts(const SpoolCall& call, SystemCall& to) {
  if (!call.texts.empty()) {
    to.path = call.texts[0].bytes;
    to.path_argument = call.texts[0].argument;
  }
  if (call.texts.size() > 1) to.other_path = call.texts[1].bytes;
}

void TakeVectors(const SpoolCall& call, size_t width, TranslatedCall& to) {
  const uint64_t number = to.call.number;
  to.call.writes_vectors = ReadsIntoVectors(number);
  if (!ReadsIntoVectors(number) && !WritesFromVectors(number)) return;
  for (const CallMemory& memory : call.memory) {
    const absl::string_view bytes = memory.bytes;
    for (size_t at = 0; at + 2 * width <= bytes.size(); at += 2 * width) {
      UserMemory& part = to.vectors.emplace_back();
      memcpy(&part.va, bytes.data() + at, width);
      memcpy(&part.length, bytes.data() + at + width, width);
    }
  }
}

TranslatedCall TranslateCall(const SpoolCall& call) {
  TranslatedCall translated;
  SystemCall& to = translated.call;
  to.number = call.number;
  to.args = call.args;
  to.readable = true;
  TakeTexts(call, to);
  TakeVectors(call, sizeof(uint64_t), translated);
  if (call.returned) translated.result = ResultOf(call.result, false);
  return translated;
}

bool MakesThread(const SystemCall& call) {
  return call.number == kClone && (call.args[0] & kCloneMemory) != 0 &&
         (call.args[0] & kCloneVfork) == 0;
}

bool MakesProcess(const SystemCall& call) {
  return call.number == kForkCall || call.number == kVforkCall ||
         (call.number == kClone && !MakesThread(call));
}

bool StartsProgram(const SystemCall& call) {
  return call.number == kExecve || call.number == kExecveat;
}

bool EndsThread(const SystemCall& call) {
  return call.number == kExitThread || call.number == kExitGroup;
}

}  // namespace xmmu
