#ifndef XMMU_GUEST_TRACE_SYSTEM_CALL_H_
#define XMMU_GUEST_TRACE_SYSTEM_CALL_H_

// One record of valgrind --trace-syscalls=yes, as text and as data.
//
//   SYSCALL[PID,TID](NR) sys_NAME ( ARGS ) --> [pre-success] Success(0x0)
//   SYSCALL[PID,TID](NR) sys_NAME ( ARGS )[sync] --> Failure(0x2)
//   SYSCALL[PID,TID](NR) sys_NAME ( ARGS ) --> [async] ...
//   SYSCALL[PID,TID](NR) ... [async] --> Success(0x0)
//   SYSCALL[PID,TID](NR) sys_NAME ( ARGS )  fork: process P created child C
//    --> [pre-success] Success(0x0)
//
// A record goes on in the next line after a fork, as here, where the wrapper of
// a call prints a newline (poll) and where a string has one.
//
// (Valgrind 3.19, coregrind/m_syswrap/syswrap-main.c.)

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace xmmu {

// A call under way: what its first record says.
struct SystemCall {
  uint64_t number = 0;             // Linux x86-64 number
  std::array<uint64_t, 6> args{};  // those not printed are zero
  absl::string_view path;          // the first string among the arguments
  uint32_t child = 0;              // process id that a fork created, or 0
};

struct SystemCallResult {
  bool success = false;
  uint64_t value = 0;  // the returned value, or the errno
};

struct SystemCallRecord {
  uint32_t pid = 0;
  uint32_t tid = 0;
  bool resumes = false;  // the second record of an asynchronous call
  bool open = false;     // goes on in the next line
  SystemCall call;       // only `number` when `resumes`
  std::optional<SystemCallResult> result;
  // Bytes of the line that are this record. More than the result can follow,
  // from another thread.
  size_t length = 0;
};

// Parses the record at the start of `line`, which has no newline. None if it
// is not one.
std::optional<SystemCallRecord> ParseSystemCall(absl::string_view line);

// Parses " --> [pre-success] Success(0x0) ", which ends a record that something
// else has interrupted. `length` gets the bytes it takes up.
std::optional<SystemCallResult> ParseResult(absl::string_view line,
                                            size_t* length);

// Parses `digits` in `base` at `*at` and moves on behind them. None without a
// digit or beyond 64 bits.
std::optional<uint64_t> ParseNumber(absl::string_view line, size_t* at,
                                    unsigned base);

}  // namespace xmmu

#endif  // XMMU_GUEST_TRACE_SYSTEM_CALL_H_
