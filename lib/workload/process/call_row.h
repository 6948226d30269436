#ifndef XMMU_LIB_WORKLOAD_PROCESS_CALL_ROW_H_
#define XMMU_LIB_WORKLOAD_PROCESS_CALL_ROW_H_

// What rows of the table of system calls are written with.

#include "workload/process/call_buffers.h"

namespace xmmu::call_row {

using Length = BufferLength;
using When = BufferWhen;
using Way = CallBuffer::Way;

constexpr CallBuffer In(uint8_t pointer, Length length, When when = {}) {
  return {Way::kIn, pointer, length, when};
}
constexpr CallBuffer Out(uint8_t pointer, Length length, When when = {}) {
  return {Way::kOut, pointer, length, when};
}

constexpr Length Bytes(uint16_t bytes) {
  return {Length::Of::kBytes, 0, bytes, 0};
}
constexpr Length Times(uint8_t argument, uint16_t unit = 1,
                       uint16_t extra = 0) {
  return {Length::Of::kArgument, argument, unit, extra};
}
constexpr Length Result(uint16_t unit = 1, uint16_t extra = 0) {
  return {Length::Of::kResult, 0, unit, extra};
}
constexpr Length Bits(uint8_t argument) {
  return {Length::Of::kBits, argument, 1, 0};
}
inline constexpr Length kName = {Length::Of::kText, 0, 1, 0};
inline constexpr Length kStart = Bytes(1);  // of a string that is not printed

constexpr When Is(uint8_t argument, uint32_t low, uint32_t high) {
  return {When::If::kArgumentIs, argument, 0xffffffff, low, high};
}
constexpr When Is(uint8_t argument, uint32_t value) {
  return Is(argument, value, value);
}
inline constexpr When kReturned = {When::If::kReturned, 0, 0, 0, 0};
// Source: do_sys_poll, poll_select_finish (Linux, fs/select.c).
inline constexpr When kEvenThen = {When::If::kEvenThen, 0, 0, 0, 0};
inline constexpr When kAlsoFailed = {When::If::kAlsoFailed, 0, 0, 0, 0};
inline constexpr When kInterrupted = {When::If::kInterrupted, 0, 0, 0, 0};
// An operation of futex(2) less FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME.
constexpr When Futex(uint32_t low, uint32_t high) {
  return {When::If::kArgumentIs, 1, 0x7f, low, high};
}
constexpr When Futex(uint32_t operation) { return Futex(operation, operation); }
// A command of shmctl(2) less IPC_64, which Valgrind adds.
constexpr When Command(uint32_t command) {
  return {When::If::kArgumentIs, 1, 0xff, command, command};
}

inline constexpr Length kStat = Bytes(144);
inline constexpr Length kStatfs = Bytes(120);
inline constexpr Length kTime = Bytes(16);  // timespec, timeval
inline constexpr Length kTimer = Bytes(32);
inline constexpr Length kRusage = Bytes(144);
inline constexpr Length kSocket = Bytes(16);  // assumed
inline constexpr Length kInt = Bytes(4);
inline constexpr Length kWord = Bytes(8);
inline constexpr Length kMessage = Bytes(56);  // msghdr
inline constexpr Length kSignalInfo = Bytes(128);
inline constexpr Length kIds = Bytes(4);

inline constexpr absl::string_view kSleeps = "kYield";
inline constexpr absl::string_view kHolds =
    "kOpenFile of what is opened by a path";
inline constexpr absl::string_view kCopies =
    "no kCloseFile before the last copy's";
inline constexpr absl::string_view kReads =
    "kYield from what was not opened by a path";
inline constexpr absl::string_view kForgets = "the name's file is another";

}  // namespace xmmu::call_row

#endif  // XMMU_LIB_WORKLOAD_PROCESS_CALL_ROW_H_
