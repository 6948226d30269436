#ifndef XMMU_LIB_WORKLOAD_LINUX_TEXT_LINUX_EVENT_H_
#define XMMU_LIB_WORKLOAD_LINUX_TEXT_LINUX_EVENT_H_

// The events of Linux 6.1 that tell what processes do to memory: faults, forks,
// execs, exits, switches, system calls (include/trace/events/sched.h,
// arch/x86/include/asm/trace/exceptions.h, kernel/trace/trace_syscalls.c).
// Plain values; any thread.

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "workload/linux_text/text_event.h"
#include "workload/process/system_call.h"

namespace xmmu {

enum class LinuxEventKind : uint8_t {
  kFault,
  kFork,
  kExec,
  kExit,
  kSwitch,
  kCallEnter,
  kCallExit,
  kOther,  // any other event
};

struct LinuxEvent {
  LinuxEventKind kind = LinuxEventKind::kOther;

  // kFault. A kernel's address, which may be printed as a symbol, is 0.
  uint64_t address = 0;
  uint32_t code = 0;       // the processor's error code
  bool in_kernel = false;  // page_fault_kernel: the kernel ran

  // kFork: the child; kExec, kExit: the process.
  uint32_t pid = 0;

  // kExec: what the thread was called before; it gets its process's id.
  uint32_t old_pid = 0;
  bool sleeps = false;     // kSwitch: the task waits, it is not preempted
  absl::string_view path;  // kExec

  // kCallEnter: number and arguments of a call that changes mappings, forks or
  // execs; kCallExit: its number. kOtherCall for any other call.
  SystemCall call;
  uint64_t result = 0;  // kCallExit: as the register has it

  bool succeeded() const { return result < uint64_t{0} - 4095; }
};

// What stands for calls that the reader does not interpret.
inline constexpr uint64_t kOtherCall = ~uint64_t{0};
// Source: Linux, arch/x86/entry/syscalls/syscall_64.tbl.
inline constexpr uint64_t kClone3 = 435;

// Error codes of page faults (SDM Vol. 3, 4.7).
inline constexpr uint32_t kFaultPresent = 1;
inline constexpr uint32_t kFaultWrite = 2;
inline constexpr uint32_t kFaultFetch = 0x10;

// Flags of clone(2) (Linux, include/uapi/linux/sched.h).
inline constexpr uint64_t kCloneSharesMemory = 0x100;
inline constexpr uint64_t kCloneSharesGroup = 0x10000;

// Reads an event.
//
// Errors: InvalidArgument with what is wrong, for an event of a known name
// whose arguments are not as Linux prints them; the caller adds FILE:LINE.
absl::StatusOr<LinuxEvent> ParseLinuxEvent(const TextEvent& event);

// Reads a number in hexadecimal, with 0x or without.
std::optional<uint64_t> HexNumber(absl::string_view text);
// Takes `key` and the word behind it off the front of `text`, and what
// separates it from the next: `TakeWord("a=1 b=2", "a=")` returns "1".
std::optional<absl::string_view> TakeWord(absl::string_view& text,
                                          absl::string_view key);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LINUX_TEXT_LINUX_EVENT_H_
