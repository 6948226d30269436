#include "xmmu/mmu/memory_operand.h"

#include "xmmu/base/check.h"

namespace xmmu {

uint64_t MemoryOperand::Compute(uint64_t old) {
  seen = old & mask();
  switch (kind) {
    case OperandKind::kLoad:
      return seen;
    case OperandKind::kStore:
    case OperandKind::kXchg:
      return value & mask();
    case OperandKind::kCmpxchg:
      zf = seen == (expected & mask());
      return zf ? value & mask() : seen;
    case OperandKind::kOr:
      return seen | (value & mask());
    case OperandKind::kAnd:
      return seen & value;
  }
  return seen;
}

void MemoryOperand::Perform(PhysMemory& memory, MachineAddr addr) {
  XMMU_CHECK((addr.value() & (size - 1u)) == 0);
  // PhysMemory keeps words of 8 bytes; the operand is a part of one.
  const MachineAddr word = MachineAddr(addr.value() & ~uint64_t{7});
  const int shift = static_cast<int>(addr.value() & 7) * 8;
  const uint64_t old = memory.Read64(word);
  const uint64_t now = Compute(old >> shift);
  if (!writes()) return;
  memory.Write64(word, (old & ~(mask() << shift)) | (now << shift));
}

}  // namespace xmmu
