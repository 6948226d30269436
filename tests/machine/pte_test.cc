#include "xmmu/machine/pte.h"

#include "gtest/gtest.h"

namespace xmmu::pte_test {
namespace {

TEST(PteTest, FrameAndFlagsAreApart) {
  const Pte entry(Mfn(0xabcde), pte::kPresent | pte::kNoExecute);
  EXPECT_EQ(entry.frame(), Mfn(0xabcde));
  EXPECT_EQ(entry.flags(), pte::kPresent | pte::kNoExecute);
  EXPECT_EQ(entry.raw(), 0x80000000abcde001u);
}

TEST(PteTest, AFrameBeyondTheFieldDoesNotSpillIntoFlags) {
  const Pte entry(kInvalidMfn, 0);
  EXPECT_EQ(entry.flags(), 0u);
  EXPECT_EQ(entry.frame(), Mfn((uint64_t{1} << 40) - 1));
}

TEST(PteTest, WithAndWithoutChangeOnlyTheirBits) {
  const Pte entry(Mfn(5), pte::kPresent);
  EXPECT_TRUE(entry.With(pte::kWritable).writable());
  EXPECT_EQ(entry.With(pte::kDirty).Without(pte::kDirty), entry);
}

TEST(PteTest, EntriesLieFourOrEightBytesApart) {
  const MachineAddr table(0x5000);
  EXPECT_EQ(EntryAddress(PagingMode::k2Level, table, 1023),
            MachineAddr(0x5ffc));
  EXPECT_EQ(EntryAddress(PagingMode::k4Level, table, 511), MachineAddr(0x5ff8));
}

}  // namespace
}  // namespace xmmu::pte_test
