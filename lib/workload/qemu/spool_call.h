#ifndef XMMU_LIB_WORKLOAD_QEMU_SPOOL_CALL_H_
#define XMMU_LIB_WORKLOAD_QEMU_SPOOL_CALL_H_

// A system call as a spool has it, and what it is on x86-64. Single-threaded.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "workload/process/system_call.h"
#include "workload/qemu/spool_file.h"

namespace xmmu {

// What an argument points to: a string, or bytes of memory.
struct CallMemory {
  uint8_t argument = 0;
  std::string bytes;
};

struct SpoolCall {
  uint64_t offset = 0;  // of its CALL
  uint64_t number = 0;  // of the program's architecture
  uint64_t clock = 0;
  std::array<uint64_t, 6> args{};
  std::vector<CallMemory> texts;   // in the order of the arguments
  std::vector<CallMemory> memory;  // likewise
  // Whether there is a RETURN, and what it says.
  bool returned = false;
  uint64_t return_clock = 0;
  int64_t result = 0;
};

// Reads the CALL that is next in `file`, and all that belongs to it.
//
// Errors: InvalidArgument, `FILE:OFFSET: what`, for a file that ends within,
// for lengths that no call has, and a RETURN of another call, or one that came
// before the call.
absl::StatusOr<SpoolCall> ReadSpoolCall(SpoolFile& file);

// A call on x86-64, whatever the program's architecture. It refers to the
// SpoolCall that it is made of.
struct TranslatedCall {
  SystemCall call;
  SystemCallResult result;
  std::vector<UserMemory> vectors;

  // The call with its vectors, which are this object's.
  SystemCall Call() const {
    SystemCall whole = call;
    whole.vectors = vectors;
    return whole;
  }
};

// The call of a 64-bit program.
TranslatedCall TranslateCall(const SpoolCall& call);

// The result of a call that returned `value`, of so many bits: -4095 to -1 are
// errors (Linux, include/linux/err.h, MAX_ERRNO).
SystemCallResult ResultOf(int64_t value, bool narrow);

// Lets `to` refer to the strings of `call`.
void TakeTexts(const SpoolCall& call, SystemCall& to);
// Sets the vectors of `to`, whose number is known, if it is readv, writev or
// their kin: struct iovec of two words of `width` bytes.
void TakeVectors(const SpoolCall& call, size_t width, TranslatedCall& to);

// Whether the call makes a thread: CLONE_VM without CLONE_VFORK (QEMU 7.2,
// linux-user/syscall.c, do_fork).
bool MakesThread(const SystemCall& call);
// Whether it makes a process.
bool MakesProcess(const SystemCall& call);
bool StartsProgram(const SystemCall& call);
bool EndsThread(const SystemCall& call);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_QEMU_SPOOL_CALL_H_
