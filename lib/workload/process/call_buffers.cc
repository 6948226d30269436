#include "workload/process/call_buffers.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "workload/process/call_number.h"
#include "workload/process/call_rules.h"

namespace xmmu {
namespace {

// Requests of ioctl(2) of certain size (include/uapi/asm-generic/ioctls.h).
constexpr IoctlRow kIoctls[] = {
    {0x5401, CallBuffer::Way::kOut, 36},     // TCGETS
    {0x5402, CallBuffer::Way::kIn, 36},      // TCSETS
    {0x5403, CallBuffer::Way::kIn, 36},      // TCSETSW
    {0x5404, CallBuffer::Way::kIn, 36},      // TCSETSF
    {0x5405, CallBuffer::Way::kOut, 18},     // TCGETA
    {0x5406, CallBuffer::Way::kIn, 18},      // TCSETA
    {0x5407, CallBuffer::Way::kIn, 18},      // TCSETAW
    {0x5408, CallBuffer::Way::kIn, 18},      // TCSETAF
    {0x540f, CallBuffer::Way::kOut, 4},      // TIOCGPGRP
    {0x5410, CallBuffer::Way::kIn, 4},       // TIOCSPGRP
    {0x5411, CallBuffer::Way::kOut, 4},      // TIOCOUTQ
    {0x5413, CallBuffer::Way::kOut, 8},      // TIOCGWINSZ
    {0x5414, CallBuffer::Way::kIn, 8},       // TIOCSWINSZ
    {0x541b, CallBuffer::Way::kOut, 4},      // FIONREAD
    {0x5421, CallBuffer::Way::kIn, 4},       // FIONBIO
    {0x5429, CallBuffer::Way::kOut, 4},      // TIOCGSID
    {0x5452, CallBuffer::Way::kIn, 4},       // FIOASYNC
    {0x80045430, CallBuffer::Way::kOut, 4},  // TIOCGPTN
    {0x40045431, CallBuffer::Way::kIn, 4},   // TIOCSPTLCK
};

// Linux, include/uapi/asm-generic/errno-base.h and errno.h.
constexpr uint64_t kEintr = 4;
constexpr uint64_t kEfault = 14;
constexpr uint64_t kEinval = 22;
constexpr uint64_t kEnosys = 38;

// The length of one of the strings that are printed beside their pointers.
uint64_t TextBytes(uint8_t pointer, const SystemCall& call) {
  return pointer == call.path_argument ? call.path.size() + 1
                                       : call.other_path.size() + 1;
}

// The product, or the most that a call can ask for: nothing wraps.
uint64_t Product(uint64_t count, uint64_t unit, uint64_t extra) {
  constexpr uint64_t kMost = uint64_t{1} << 47;
  return std::min(count, kMost / (unit + 1)) * unit + extra;
}

uint64_t LengthOf(const CallBuffer& buffer, const SystemCall& call,
                  uint64_t result) {
  const BufferLength& length = buffer.length;
  const uint64_t value = call.args[length.argument];
  switch (length.of) {
    case BufferLength::Of::kBytes:
      return length.unit;
    case BufferLength::Of::kArgument:
      return Product(value, length.unit, length.extra);
    case BufferLength::Of::kResult:
      return Product(result, length.unit, length.extra);
    case BufferLength::Of::kText:
      return TextBytes(buffer.pointer, call);
    case BufferLength::Of::kBits:
      return (std::min<uint64_t>(value, 1 << 20) + 63) / 64 * 8;
    case BufferLength::Of::kPages:
      return Product(value, 1, kPageOffsetMask) >> kPageShift;
  }
  return 0;
}

// Whether the kernel gets to the buffer in a call that failed. A name is read
// first (getname), unless an argument is refused before, or the kernel was not
// asked.
bool BeforeFailure(const CallBuffer& buffer, uint64_t error) {
  return buffer.way == CallBuffer::Way::kIn &&
         buffer.length.of == BufferLength::Of::kText && error != kEfault &&
         error != kEinval && error != kEnosys;
}

bool Reaches(const CallBuffer& buffer, const SystemCall& call,
             const SystemCallResult& result) {
  const BufferWhen& when = buffer.when;
  if (when.condition == BufferWhen::If::kInterrupted) {
    return !result.success && result.value == kEintr;
  }
  if (when.condition == BufferWhen::If::kEvenThen) {
    return result.success || result.value == kEintr;
  }
  if (when.condition == BufferWhen::If::kAlsoFailed) {
    return result.success ||
           (result.value != kEfault && result.value != kEnosys);
  }
  if (!result.success) return BeforeFailure(buffer, result.value);
  if (when.condition == BufferWhen::If::kReturned) return result.value != 0;
  if (when.condition == BufferWhen::If::kAlways) return true;
  const uint64_t value = call.args[when.argument] & when.mask;
  return value >= when.low && value <= when.high;
}

}  // namespace

std::span<const IoctlRow> IoctlRows() { return kIoctls; }

const CallRow* FindCallRow(uint64_t number) {
  const std::span<const CallRow> rows = CallRows();
  const auto found = std::lower_bound(
      rows.begin(), rows.end(), number,
      [](const CallRow& row, uint64_t n) { return row.number < n; });
  return found != rows.end() && found->number == number ? &*found : nullptr;
}

std::string LinuxName(const CallRow& row) {
  absl::string_view name = row.name;
  if (row.number == kVforkCall) return "vfork";
  if (row.number == kExitThread || row.number == kExitGroup) {
    return std::string(name);
  }
  absl::ConsumePrefix(&name, "sys_");
  // Valgrind has kept the kernel's own names of these.
  if (name != "newfstatat") absl::ConsumePrefix(&name, "new");
  return std::string(name);
}

uint64_t BufferBytes(const CallBuffer& buffer, const SystemCall& call,
                     const SystemCallResult& result) {
  if (!call.readable || call.args[buffer.pointer] == 0 ||
      !Reaches(buffer, call, result)) {
    return 0;
  }
  return LengthOf(buffer, call, result.value);
}

}  // namespace xmmu
