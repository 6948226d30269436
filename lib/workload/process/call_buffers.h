#ifndef XMMU_LIB_WORKLOAD_PROCESS_CALL_BUFFERS_H_
#define XMMU_LIB_WORKLOAD_PROCESS_CALL_BUFFERS_H_

// The table of system calls: how Valgrind prints each, and which of its
// arguments are memory that the kernel reads or writes for it, and how much.

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "absl/strings/string_view.h"
#include "workload/process/system_call.h"

namespace xmmu {

// How long a buffer is.
struct BufferLength {
  enum class Of : uint8_t {
    kBytes,     // `unit` bytes
    kArgument,  // the value of an argument, in units
    kResult,    // what the call returned, in units, and `extra` bytes
    kText,      // the string that is printed beside the pointer, with its NUL
    kBits,      // as many bits as an argument says, in words (an fd_set)
    kPages,     // a byte for each page of so many bytes (mincore)
  };
  Of of = Of::kBytes;
  uint8_t argument = 0;
  uint16_t unit = 1;
  uint16_t extra = 0;
};

// When the kernel gets to a buffer, beyond that the call succeeds.
struct BufferWhen {
  enum class If : uint8_t {
    kAlways,
    kArgumentIs,   // `argument`, masked, lies in [low, high]
    kReturned,     // the result is not 0
    kInterrupted,  // the call failed with EINTR instead
    kEvenThen,     // the call succeeded, or failed with EINTR
    kAlsoFailed,   // whether it succeeds or fails, but for EFAULT
  };
  If condition = If::kAlways;
  uint8_t argument = 0;
  uint32_t mask = 0xffffffff;
  uint32_t low = 0;
  uint32_t high = 0;
};

struct CallBuffer {
  enum class Way : uint8_t { kNone, kIn, kOut };
  Way way = Way::kNone;
  uint8_t pointer = 0;  // the argument that points to it
  BufferLength length;
  BufferWhen when;
};

struct CallRow {
  uint16_t number;              // Linux x86-64
  absl::string_view name;       // as Valgrind prints it
  absl::string_view arguments;  // a letter each; see call_arguments.h
  absl::string_view becomes;    // what it becomes, or empty: kSyscall
  std::array<CallBuffer, 9> buffers;
};

// The rows, by number.
std::span<const CallRow> CallRows();

// A request of ioctl(2), whose third argument points to so many bytes.
struct IoctlRow {
  uint32_t request;
  CallBuffer::Way way;
  uint16_t bytes;
};
std::span<const IoctlRow> IoctlRows();

// Returns null for a call without a row.
const CallRow* FindCallRow(uint64_t number);

// Linux's name of a row's call (arch/x86/entry/syscalls/syscall_64.tbl).
std::string LinuxName(const CallRow& row);

// The bytes of `buffer` that the kernel gets to in `call`; 0 if it does not get
// to it, or the pointer is null. A name is read before anything else, so also
// by most calls that fail.
uint64_t BufferBytes(const CallBuffer& buffer, const SystemCall& call,
                     const SystemCallResult& result);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PROCESS_CALL_BUFFERS_H_
