#ifndef XMMU_MMU_MEMORY_OPERAND_H_
#define XMMU_MMU_MEMORY_OPERAND_H_

// The memory side of one instruction: what it does to the bytes at the address
// it accesses. It is carried along with an access, so that whoever performs the
// instruction (the simulated CPU, or a hypervisor that emulates it) needs
// nothing else.
//
// Plain values; any thread.

#include <cstdint>

#include "xmmu/machine/phys_memory.h"

namespace xmmu {

enum class OperandKind : uint8_t {
  kLoad,     // MOV from memory
  kStore,    // MOV to memory
  kXchg,     // XCHG (implicitly locked)
  kCmpxchg,  // LOCK CMPXCHG / CMPXCHG8B
  kOr,       // LOCK OR
  kAnd,      // LOCK AND
};

struct MemoryOperand {
  OperandKind kind = OperandKind::kLoad;
  uint8_t size = 8;       // bytes: 1, 2, 4 or 8; naturally aligned
  uint64_t value = 0;     // source operand, in the low `size` bytes
  uint64_t expected = 0;  // kCmpxchg: compared with memory

  // Results.
  uint64_t seen = 0;  // memory before the instruction, low `size` bytes
  bool zf = false;    // kCmpxchg: the comparison succeeded

  constexpr bool writes() const { return kind != OperandKind::kLoad; }
  // A mask of the low `size` bytes.
  constexpr uint64_t mask() const {
    return size == 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * size)) - 1;
  }

  // Returns what memory holds after the instruction if it held `old` before,
  // and sets `seen` and `zf`. Values are in the low `size` bytes.
  uint64_t Compute(uint64_t old);

  // Performs the instruction on the words of `memory` at `addr`. Charges
  // nothing. REQUIRES: `addr` is naturally aligned.
  void Perform(PhysMemory& memory, MachineAddr addr);
};

// One instruction of straight-line code with a memory operand.
struct Instruction {
  VirtAddr va;
  MemoryOperand operand = {};
  // Set by an emulator that performed this instruction right after an earlier
  // one.
  bool done = false;
};

}  // namespace xmmu

#endif  // XMMU_MMU_MEMORY_OPERAND_H_
