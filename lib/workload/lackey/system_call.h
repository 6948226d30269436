#ifndef XMMU_LIB_WORKLOAD_LACKEY_SYSTEM_CALL_H_
#define XMMU_LIB_WORKLOAD_LACKEY_SYSTEM_CALL_H_

// One record of valgrind --trace-syscalls=yes, as text and as data.
//
//   SYSCALL[PID,TID](NR) sys_NAME ( ARGS ) --> [pre-success] Success(0x0)
//   SYSCALL[PID,TID](NR) sys_NAME ( ARGS ) --> [pre-fail] Failure(0x16)
//   SYSCALL[PID,TID](NR) sys_NAME ( ARGS )[sync] --> Failure(0x2)
//   SYSCALL[PID,TID](NR) sys_NAME ( ARGS ) --> [async] ...
//   SYSCALL[PID,TID](NR) ... [async] --> Success(0x0)
//   SYSCALL[PID,TID](NR) sys_NAME ( ARGS )   fork: process P created child C
//    --> [pre-success] Success(0x0)
//
// A record goes on in the next line after a fork, as here, where the wrapper of
// a call prints a newline (poll), where a string contains one, and behind
// messages of Valgrind's own, which may interrupt it.
//
// (Valgrind 3.19, coregrind/m_syswrap/syswrap-main.c.)

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace xmmu {

// Process ids are below this (Linux, include/linux/threads.h, PID_MAX_LIMIT on
// 64-bit machines).
inline constexpr uint64_t kProcessIdEnd = uint64_t{1} << 22;

// A call as its first record describes it.
struct SystemCall {
  uint64_t number = 0;             // Linux x86-64 number
  std::array<uint64_t, 6> args{};  // zero if not printed
  // The first two strings among the arguments, and which argument the first is.
  absl::string_view path;
  absl::string_view other_path;
  uint8_t path_argument = 0;
  // Whether the arguments were printed in a form that the reader knows. If not
  // they are zero, and the record counts as that of a call without any.
  bool readable = false;
  uint32_t child = 0;  // process id that a fork created, or 0
};

struct SystemCallResult {
  bool success = false;
  uint64_t value = 0;  // the returned value, or the errno
};

struct SystemCallRecord {
  enum class State {
    kDone,     // with `result`
    kBlocked,  // "[async] ...": the result is in a record of its own
    kOpen,     // the record goes on in the next line
  };
  uint32_t pid = 0;
  uint32_t tid = 0;
  bool resumes = false;  // the second record of a blocked call
  State state = State::kDone;
  SystemCall call;  // only its number when `resumes`
  std::optional<SystemCallResult> result;
  // How many bytes of the text belong to this record. More can follow in the
  // line: a record of another thread or a message of Valgrind's.
  size_t length = 0;
  // What is wrong with a kOpen record if it does not go on.
  std::string problem;
};

// Parses the record at the start of `text`: one line without its newline, or
// more of them, if the record goes on. Calls that the reader interprets must
// have exactly the form in which Valgrind prints them; of other calls only the
// number and the result must be read, and the arguments are as far as they are
// in the form of the call's row (call_buffers.h).
//
// Errors: InvalidArgument with what is wrong and what was expected, also for a
// name that is not the number's. The caller adds FILE:LINE.
absl::StatusOr<SystemCallRecord> ParseSystemCall(absl::string_view text);

// Returns the call `number` whose record `text` breaks off behind its
// arguments, which need not be readable.
SystemCall ReadOpenCall(absl::string_view text, uint64_t number);

// Parses " --> [pre-success] Success(0x0) ", the return of a fork in the child.
// `length` gets the bytes it takes up. Returns nothing if it is not there.
std::optional<SystemCallResult> ParseForkReturn(absl::string_view line,
                                                size_t* length);

// Whether Linux can have returned `result` from `call`, as far as the call's
// own fields tell. Its effect on the mappings is checked where those are known
// (call_rules.h).
//
// Errors: InvalidArgument, as ParseSystemCall().
absl::Status CheckCall(const SystemCall& call, const SystemCallResult& result);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LACKEY_SYSTEM_CALL_H_
