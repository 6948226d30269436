#ifndef XMMU_LIB_WORKLOAD_QEMU_SPOOL_WORDS_H_
#define XMMU_LIB_WORKLOAD_QEMU_SPOOL_WORDS_H_

// The words of a spool, the raw files of a recording with QEMU. What they mean
// is in lib/workload/README.md, "The spool"; plugin/xmmu_record.c writes them.

#include <cstdint>

namespace xmmu::spool {

// The types of words whose bit 63 is clear: bits 62 to 56.
enum WordType : uint8_t {
  kBlock = 1,
  kClock = 2,
  kCall = 3,
  kReturn = 4,
  kText = 5,
  kMap = 6,
  kThread = 7,
  kProgram = 8,
  kForked = 9,
  kMemory = 10,
  kExit = 11,
};

constexpr uint8_t TypeOf(uint64_t word) {
  return static_cast<uint8_t>(word >> 56 & 0x7f);
}
constexpr uint64_t PayloadOf(uint64_t word) {
  return word & ((uint64_t{1} << 56) - 1);
}

constexpr bool IsAccess(uint64_t word) { return word >> 63 != 0; }
constexpr bool IsStore(uint64_t word) { return (word >> 62 & 1) != 0; }
constexpr uint64_t BytesOf(uint64_t word) {
  return uint64_t{1} << (word >> 59 & 7);
}
constexpr unsigned InstructionOf(uint64_t word) {
  return static_cast<unsigned>(word >> 50 & 0x1ff);
}
constexpr uint64_t AddressOf(uint64_t word) {
  return word & ((uint64_t{1} << 47) - 1);
}

// Payloads of CALL and RETURN.
constexpr uint64_t NumberOf(uint64_t payload) { return payload & 0xffff; }
constexpr uint64_t CallClockOf(uint64_t payload) { return payload >> 16; }

// Payloads of TEXT, MEMORY and PROGRAM: what it is, and how many bytes follow.
constexpr uint64_t TagOf(uint64_t payload) { return payload >> 32; }
constexpr uint64_t LengthOf(uint64_t payload) { return payload & 0xffffffff; }

// Clocks fit into the payload of a CLOCK.
inline constexpr uint64_t kClockEnd = uint64_t{1} << 56;

// Flags of a MAP.
inline constexpr uint64_t kMapStack = 1;
inline constexpr uint64_t kMapHeap = 2;

// Kinds of a PROGRAM.
inline constexpr uint64_t kProgramPath = 1;
inline constexpr uint64_t kProgramCommand = 2;
inline constexpr uint64_t kProgramArchitecture = 3;

// The most instructions of a block.
inline constexpr uint64_t kMostInstructions = 512;

}  // namespace xmmu::spool

#endif  // XMMU_LIB_WORKLOAD_QEMU_SPOOL_WORDS_H_
