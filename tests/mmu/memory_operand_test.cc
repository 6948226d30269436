#include "xmmu/mmu/memory_operand.h"

#include "gtest/gtest.h"

namespace xmmu::memory_operand_test {
namespace {

constexpr MachineAddr kAddr{0x5008};
constexpr uint64_t kOld = 0x1122334455667788;

uint64_t Perform(MemoryOperand& operand, uint64_t offset = 0) {
  PhysMemory memory;
  memory.Write64(kAddr, kOld);
  operand.Perform(memory, kAddr + offset);
  return memory.Read64(kAddr);
}

TEST(MemoryOperandTest, ALoadSeesAndChangesNothing) {
  MemoryOperand operand{.kind = OperandKind::kLoad, .size = 4};
  EXPECT_EQ(Perform(operand, 4), kOld);
  EXPECT_EQ(operand.seen, 0x11223344u);
}

TEST(MemoryOperandTest, AStoreChangesItsBytesOnly) {
  MemoryOperand operand{
      .kind = OperandKind::kStore, .size = 2, .value = 0xabcdffff};
  EXPECT_EQ(Perform(operand, 2), 0x11223344ffff7788u);
}

TEST(MemoryOperandTest, XchgStoresAndBringsTheOldValue) {
  MemoryOperand operand{.kind = OperandKind::kXchg, .size = 8, .value = 7};
  EXPECT_EQ(Perform(operand), 7u);
  EXPECT_EQ(operand.seen, kOld);
}

TEST(MemoryOperandTest, CmpxchgStoresOnlyIfMemoryIsAsExpected) {
  MemoryOperand same{.kind = OperandKind::kCmpxchg,
                     .size = 1,
                     .value = 0x99,
                     .expected = 0x88};
  EXPECT_EQ(Perform(same), 0x1122334455667799u);
  EXPECT_TRUE(same.zf);
  MemoryOperand other{.kind = OperandKind::kCmpxchg,
                      .size = 1,
                      .value = 0x99,
                      .expected = 0x87};
  EXPECT_EQ(Perform(other), kOld);
  EXPECT_FALSE(other.zf);
  EXPECT_EQ(other.seen, 0x88u);
}

TEST(MemoryOperandTest, OrAndAndWorkOnTheOldValue) {
  MemoryOperand set{.kind = OperandKind::kOr, .size = 4, .value = 0x70};
  EXPECT_EQ(Perform(set), kOld | 0x70);
  MemoryOperand clear{.kind = OperandKind::kAnd, .size = 4, .value = 0xf0};
  EXPECT_EQ(Perform(clear), 0x1122334400000080u);
}

}  // namespace
}  // namespace xmmu::memory_operand_test
