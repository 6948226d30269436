#ifndef XMMU_LIB_WORKLOAD_LACKEY_CALL_RECORD_H_
#define XMMU_LIB_WORKLOAD_LACKEY_CALL_RECORD_H_

// One record of valgrind --trace-syscalls=yes.
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

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "workload/process/system_call.h"

namespace xmmu {

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

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LACKEY_CALL_RECORD_H_
