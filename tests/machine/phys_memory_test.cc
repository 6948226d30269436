#include "xmmu/machine/phys_memory.h"

#include <optional>
#include <utility>

#include "gtest/gtest.h"

namespace xmmu::phys_memory_test {
namespace {

TEST(PhysMemoryTest, UntouchedMemoryReadsZeroAndCostsNothing) {
  PhysMemory memory;
  EXPECT_EQ(memory.Read64(MachineAddr((uint64_t{1} << 52) - 8)), 0u);
  EXPECT_EQ(memory.ContentToken(Mfn(uint64_t{1} << 39)), 0u);
  EXPECT_EQ(memory.host_bytes(), 0u);
}

TEST(PhysMemoryTest, WritingZeroToAnUntouchedFrameStoresNoPage) {
  PhysMemory memory;
  memory.Write64(MachineAddr(0x1000), 0);
  EXPECT_EQ(memory.host_bytes(), 0u);
  memory.Write64(MachineAddr(0x1000), 1);
  const uint64_t one = memory.host_bytes();
  memory.Write64(MachineAddr(0x2000), 0);
  EXPECT_EQ(memory.host_bytes(), one);
  memory.Write64(MachineAddr(0x2000), 1);
  EXPECT_EQ(memory.host_bytes() - one, kPageSize);
}

TEST(PhysMemoryTest, WordsReadBackAtBothEndsOfTheAddressSpace) {
  PhysMemory memory;
  const MachineAddr top((uint64_t{1} << 52) - 8);
  memory.Write64(MachineAddr(0), 1);
  memory.Write64(top, 2);
  EXPECT_EQ(memory.Read64(MachineAddr(0)), 1u);
  EXPECT_EQ(memory.Read64(top), 2u);
}

TEST(PhysMemoryTest, HalvesOfAWordAreIndependent) {
  PhysMemory memory;
  memory.Write64(MachineAddr(0x2000), 0x1111111122222222);
  memory.Write32(MachineAddr(0x2004), 0x33333333);
  EXPECT_EQ(memory.Read64(MachineAddr(0x2000)), 0x3333333322222222u);
  memory.Write32(MachineAddr(0x2000), 0x44444444);
  EXPECT_EQ(memory.Read32(MachineAddr(0x2004)), 0x33333333u);
  EXPECT_EQ(memory.Read32(MachineAddr(0x2000)), 0x44444444u);
}

TEST(PhysMemoryTest, TwoWordsAreWrittenAsOneAfterTheOther) {
  PhysMemory memory;
  constexpr MachineAddr kFirst{0x3010};
  memory.WriteTwo64(kFirst, 0, 0);
  EXPECT_FALSE(memory.HasWords(Mfn(3)));
  memory.WriteTwo64(kFirst, 0, 7);
  memory.WriteTwo64(kFirst + 16, 8, 0);
  EXPECT_EQ(memory.Read64(kFirst), 0u);
  EXPECT_EQ(memory.Read64(kFirst + 8), 7u);
  EXPECT_EQ(memory.Read64(kFirst + 16), 8u);
  EXPECT_EQ(memory.WatchStores(kFirst), 0u);
  memory.WriteTwo64(kFirst, 1, 2);
  EXPECT_EQ(memory.WatchStores(kFirst), 2u);
  EXPECT_EQ(memory.Read64(kFirst), 1u);
  EXPECT_EQ(memory.Read64(kFirst + 8), 2u);
}

TEST(PhysMemoryTest, AMappedDataPageCostsTensOfBytesNotAPage) {
  PhysMemory memory;
  constexpr uint64_t kFrames = uint64_t{1} << 18;  // 1 GiB
  for (uint64_t i = 0; i < kFrames; ++i) {
    memory.FoldStore(AddressOf(Mfn(i)), i);
  }
  EXPECT_LT(memory.host_bytes() / kFrames, 9u);
}

TEST(PhysMemoryTest, TheTokenTellsWhatWasStoredWhereAndInWhichOrder) {
  PhysMemory memory;
  const auto token =
      [&](Mfn mfn,
          std::initializer_list<std::pair<uint64_t, uint64_t>> stores) {
        for (const auto& [offset, value] : stores) {
          memory.FoldStore(AddressOf(mfn) + offset, value);
        }
        return memory.ContentToken(mfn);
      };
  const uint64_t base = token(Mfn(1), {{0, 1}, {8, 2}});
  EXPECT_EQ(token(Mfn(2), {{0, 1}, {8, 2}}), base);
  EXPECT_NE(token(Mfn(3), {{8, 2}, {0, 1}}), base);
  EXPECT_NE(token(Mfn(4), {{0, 1}, {16, 2}}), base);
  EXPECT_NE(token(Mfn(5), {{0, 1}, {8, 3}}), base);
}

TEST(PhysMemoryTest, CopyTakesWordsAndTokenZeroDropsBoth) {
  PhysMemory memory;
  memory.Write64(MachineAddr(0x1008), 7);
  memory.FoldStore(MachineAddr(0x1010), 8);
  EXPECT_FALSE(memory.SameContent(Mfn(1), Mfn(2)));
  memory.CopyFrame(Mfn(2), Mfn(1));
  EXPECT_TRUE(memory.SameContent(Mfn(1), Mfn(2)));
  memory.Write64(MachineAddr(0x2008), 9);
  EXPECT_EQ(memory.Read64(MachineAddr(0x1008)), 7u);
  memory.ZeroFrame(Mfn(2));
  EXPECT_EQ(memory.Read64(MachineAddr(0x2008)), 0u);
  EXPECT_EQ(memory.ContentToken(Mfn(2)), 0u);
}

TEST(PhysMemoryTest, CopyOfAnUntouchedFrameIsZero) {
  PhysMemory memory;
  memory.Write64(MachineAddr(0x1000), 1);
  memory.CopyFrame(Mfn(1), Mfn(100));
  EXPECT_EQ(memory.Read64(MachineAddr(0x1000)), 0u);
}

TEST(PhysMemoryTest, DescribedTablesFollowTheirRuleInOneRecord) {
  PhysMemory memory;
  constexpr uint64_t kTables = uint64_t{1} << 31;  // 4 PiB of a direct map
  memory.DescribeTables(Mfn(0x1000), kTables, 0x8067, kPageSize);
  EXPECT_LE(memory.host_bytes(), 32u);
  EXPECT_EQ(memory.Read64(AddressOf(Mfn(0xfff)) + 0xff8), 0u);
  EXPECT_EQ(memory.Read64(AddressOf(Mfn(0x1000))), 0x8067u);
  EXPECT_EQ(memory.Read64(AddressOf(Mfn(0x1000)) + 8), 0x9067u);
  const MachineAddr last = AddressOf(Mfn(0x1000 + kTables - 1)) + 0xff8;
  EXPECT_EQ(memory.Read64(last), 0x8067 + (kTables * 512 - 1) * kPageSize);
  EXPECT_EQ(memory.Read64(last + 8), 0u);
  EXPECT_TRUE(memory.HasWords(Mfn(0x1000 + kTables - 1)));
  EXPECT_FALSE(memory.HasWords(Mfn(0x1000 + kTables)));
}

TEST(PhysMemoryTest, ARuleIsReplacedInPartWhereverThatIs) {
  for (const auto& [first, count] :
       {std::pair<uint64_t, uint64_t>{0, 10}, {0, 3}, {4, 3}, {7, 3}}) {
    SCOPED_TRACE(first);
    PhysMemory memory;
    memory.DescribeTables(Mfn(100), 10, 0x1003, kPageSize);
    memory.DescribeTables(Mfn(100 + first), count, 0x7, kPageSize);
    for (uint64_t k = 0; k < 10; ++k) {
      const bool replaced = first <= k && k < first + count;
      const uint64_t word = replaced ? 0x7 + (k - first) * 512 * kPageSize
                                     : 0x1003 + k * 512 * kPageSize;
      EXPECT_EQ(memory.Read64(AddressOf(Mfn(100 + k))), word) << k;
      EXPECT_EQ(memory.Read64(AddressOf(Mfn(100 + k)) + 16),
                word + 2 * kPageSize);
    }
    EXPECT_FALSE(memory.HasWords(Mfn(99)));
    EXPECT_FALSE(memory.HasWords(Mfn(110)));
  }
}

TEST(PhysMemoryTest, RulesThatGoOnAreOneRule) {
  PhysMemory memory;
  for (uint64_t k = 0; k < 1000; ++k) {
    memory.DescribeTables(Mfn(100 + k), 1, 0x1003 + k * 512 * kPageSize,
                          kPageSize);
  }
  EXPECT_LE(memory.host_bytes(), 32u);
  EXPECT_EQ(memory.RuleFrom(Mfn(150), 5000)->count, 950u);
  EXPECT_EQ(memory.RuleFrom(Mfn(150), 20)->count, 20u);
  EXPECT_EQ(memory.RuleFrom(Mfn(150), 20)->entry,
            memory.Read64(AddressOf(Mfn(150))));
  memory.Write64(AddressOf(Mfn(160)), 5);
  EXPECT_EQ(memory.RuleFrom(Mfn(150), 20)->count, 10u);
  EXPECT_EQ(memory.RuleFrom(Mfn(160), 20), std::nullopt);
  EXPECT_EQ(memory.RuleFrom(Mfn(99), 20), std::nullopt);
}

TEST(PhysMemoryTest, ADescribedTableThatIsWrittenKeepsItsOtherWords) {
  PhysMemory memory;
  memory.DescribeTables(Mfn(0x10), 3, 1, 0x1000);
  memory.Write64(AddressOf(Mfn(0x11)) + 16, 0);
  EXPECT_EQ(memory.Read64(AddressOf(Mfn(0x11)) + 8), 0x201001u);
  EXPECT_EQ(memory.Read64(AddressOf(Mfn(0x11)) + 16), 0u);
  EXPECT_EQ(memory.Read64(AddressOf(Mfn(0x11)) + 24), 0x203001u);
  memory.Write32(AddressOf(Mfn(0x12)) + 4, 7);
  EXPECT_EQ(memory.Read64(AddressOf(Mfn(0x12))), 0x700400001u);
}

TEST(PhysMemoryTest, ADescribedTableIsZeroedAndCopiedAsAnyFrame) {
  PhysMemory memory;
  memory.DescribeTables(Mfn(0x10), 2, 5, 0x1000);
  memory.CopyFrame(Mfn(0x20), Mfn(0x11));
  EXPECT_TRUE(memory.SameContent(Mfn(0x20), Mfn(0x11)));
  EXPECT_FALSE(memory.SameContent(Mfn(0x20), Mfn(0x10)));
  EXPECT_EQ(memory.Read64(AddressOf(Mfn(0x20)) + 8), 0x201005u);
  memory.ZeroFrame(Mfn(0x11));
  EXPECT_EQ(memory.Read64(AddressOf(Mfn(0x11)) + 8), 0u);
  EXPECT_TRUE(memory.SameContent(Mfn(0x11), Mfn(0x30)));
  memory.CopyFrame(Mfn(0x10), Mfn(0x30));
  EXPECT_EQ(memory.Read64(AddressOf(Mfn(0x10))), 0u);
}

TEST(PhysMemoryTest, AFrameThatIsZeroedGivesItsBlockToTheNext) {
  PhysMemory memory;
  for (uint64_t mfn = 1; mfn <= 100; ++mfn) {
    memory.Write64(AddressOf(Mfn(mfn)) + 8 * mfn, mfn);
  }
  const uint64_t full = memory.host_bytes();
  for (uint64_t mfn = 1; mfn <= 100; ++mfn) memory.ZeroFrame(Mfn(mfn));
  EXPECT_EQ(full - memory.host_bytes(), 100 * kPageSize);
  for (uint64_t mfn = 1; mfn <= 100; ++mfn) {
    memory.Write64(AddressOf(Mfn(mfn)), 1);
    EXPECT_EQ(memory.Read64(AddressOf(Mfn(mfn)) + 8 * mfn), 0u);
  }
  EXPECT_EQ(memory.host_bytes(), full);
}

TEST(MixHashTest, IsTheSameOnEveryMachine) {
  // SplitMix64 of state 0: its first output.
  EXPECT_EQ(MixHash(0, 0), 0xe220a8397b1dcdafu);
}

TEST(PhysMemoryTest, StoresAreCountedALineOnceItIsWatched) {
  PhysMemory memory;
  constexpr MachineAddr kLine{0x1040};
  const uint64_t line = PhysMemory::LineOf(kLine);
  memory.Write64(kLine, 1);
  EXPECT_EQ(memory.WatchStores(kLine + 8), 0u);
  memory.Write64(kLine, 1);
  memory.Write32(kLine + 60, 2);
  memory.WriteEntry(kLine + 4, 4, 3);
  EXPECT_EQ(memory.StoresToLine(line), 3u);
  // Lines beside it, a walker's flags, data.
  memory.Write64(kLine - 8, 4);
  memory.Write64(kLine + 64, 4);
  memory.WriteEntryByWalker(kLine, 8, 5);
  memory.WriteEntryByWalker(kLine + 12, 4, 6);
  memory.FoldStore(kLine, 7);
  EXPECT_EQ(memory.StoresToLine(line), 3u);
  EXPECT_EQ(memory.Read64(kLine), 5u);
  EXPECT_EQ(memory.Read32(kLine + 12), 6u);
  memory.ZeroFrame(Mfn(1));
  EXPECT_EQ(memory.StoresToLine(line), 4u);
  memory.CopyFrame(Mfn(1), Mfn(2));
  EXPECT_EQ(memory.WatchStores(kLine), 5u);
}

}  // namespace
}  // namespace xmmu::phys_memory_test
