#include "xmmu/mmu/internal/tlb.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmu/tlb_search.h"

namespace xmmu::tlb_test {
namespace {

constexpr TlbSide kData = TlbSide::kData;
constexpr TlbSide kInstruction = TlbSide::kInstruction;

VirtAddr Page(uint64_t number) { return VirtAddr(number << kPageShift); }

TlbEntry Entry(VirtAddr va, uint16_t pcid = 0, bool global = false,
               int shift = kPageShift) {
  TlbEntry entry;
  entry.vpn = va.value() >> shift;
  entry.base = MachineAddr(0x100000000 + (entry.vpn << shift));
  entry.pcid = pcid;
  entry.page_shift = static_cast<uint8_t>(shift);
  entry.rights = rights::kAll;
  entry.global = global;
  return entry;
}

void FillPage(Tlb& tlb, VirtAddr va, uint16_t pcid = 0, bool global = false,
              int shift = kPageShift) {
  tlb.Fill(kData, va, Entry(va, pcid, global, shift));
}

size_t FindL1(Tlb& tlb, VirtAddr va, uint16_t pcid = 0, TlbSide side = kData) {
  Tlb::Probe probe(va, pcid);
  return tlb.FindL1(side, probe);
}

bool InL1(Tlb& tlb, VirtAddr va, uint16_t pcid = 0) {
  return FindL1(tlb, va, pcid) != 0;
}

bool InL2(Tlb& tlb, VirtAddr va, TlbSide side = kData) {
  return tlb.FindL2(side, Tlb::Probe(va, 0)) != 0;
}

TlbGeometry L1Only(TlbArrayGeometry array) {
  TlbGeometry geometry;
  geometry.data_l1[0] = array;
  geometry.instruction_l1[0] = array;
  return geometry;
}

TEST(TlbTest, AsManyPagesOfASetAsWaysStay) {
  Tlb tlb(L1Only({64, 4, kTlb4K}));  // 16 sets
  for (uint64_t i = 0; i < 4; ++i) FillPage(tlb, Page(16 * i));
  for (uint64_t i = 0; i < 4; ++i) EXPECT_TRUE(InL1(tlb, Page(16 * i))) << i;
}

TEST(TlbTest, OneMoreEntryThanWaysEvictsTheLeastRecentlyUsed) {
  Tlb tlb(L1Only({64, 4, kTlb4K}));
  for (uint64_t i = 0; i < 4; ++i) FillPage(tlb, Page(16 * i));
  EXPECT_TRUE(InL1(tlb, Page(0)));  // now page 16 is the oldest
  FillPage(tlb, Page(64));
  EXPECT_FALSE(InL1(tlb, Page(16)));
  for (const uint64_t i : {0u, 32u, 48u, 64u}) {
    EXPECT_TRUE(InL1(tlb, Page(i))) << i;
  }
}

TEST(TlbTest, AHitThroughTheHintKeepsAnEntryYoung) {
  Tlb tlb(L1Only({2, 0, kTlb4K}));
  FillPage(tlb, Page(1));
  FillPage(tlb, Page(2));
  const size_t index = tlb.Guess(kData, Page(1));
  ASSERT_TRUE(tlb.slot(index).Matches(TlbSlot::Key(Page(1), 0)));
  tlb.Touch(index);
  FillPage(tlb, Page(3));
  EXPECT_TRUE(InL1(tlb, Page(1)));
  EXPECT_FALSE(InL1(tlb, Page(2)));
}

TEST(TlbTest, TheHintOfAnEvictedPageMatchesNothing) {
  Tlb tlb(L1Only({1, 0, kTlb4K}));
  FillPage(tlb, Page(1));
  FillPage(tlb, Page(2));
  const TlbSlot& slot = tlb.slot(tlb.Guess(kData, Page(1)));
  EXPECT_FALSE(slot.Matches(TlbSlot::Key(Page(1), 0)));
}

TEST(TlbTest, PagesOfOtherSetsEvictNothing) {
  Tlb tlb(L1Only({64, 4, kTlb4K}));
  for (uint64_t i = 0; i < 64; ++i) FillPage(tlb, Page(i));
  for (uint64_t i = 0; i < 64; ++i) EXPECT_TRUE(InL1(tlb, Page(i))) << i;
}

TEST(TlbTest, AFullyAssociativeArrayHoldsAnySixtyFourPages) {
  Tlb tlb(L1Only({64, 0, kTlb4K | kTlbLarge}));
  for (uint64_t i = 0; i < 64; ++i) FillPage(tlb, Page(1024 * i));
  for (uint64_t i = 0; i < 64; ++i) EXPECT_TRUE(InL1(tlb, Page(1024 * i)));
  FillPage(tlb, Page(7));
  EXPECT_FALSE(InL1(tlb, Page(0)));
  EXPECT_EQ(tlb.size(), 64u);
}

TEST(TlbTest, ANumberOfSetsThatIsNoPowerOfTwoWorks) {
  Tlb tlb(L1Only({6, 2, kTlb4K}));  // 3 sets
  for (uint64_t i = 0; i < 6; ++i) FillPage(tlb, Page(i));
  for (uint64_t i = 0; i < 6; ++i) EXPECT_TRUE(InL1(tlb, Page(i))) << i;
  FillPage(tlb, Page(6));  // set 0 again
  EXPECT_FALSE(InL1(tlb, Page(0)));
  EXPECT_TRUE(InL1(tlb, Page(1)));
}

TEST(TlbTest, ATlbWithoutArraysHoldsNothing) {
  Tlb tlb{TlbGeometry{}};
  FillPage(tlb, Page(1));
  EXPECT_FALSE(InL1(tlb, Page(1)));
  EXPECT_FALSE(InL2(tlb, Page(1)));
  tlb.DropPage(Page(1), 0, true);
  tlb.DropAll();
  EXPECT_EQ(tlb.size(), 0u);
}

TEST(TlbTest, ASizeThatNoArrayHoldsIsNotCached) {
  Tlb tlb(L1Only({16, 4, kTlb4K}));
  FillPage(tlb, VirtAddr(0x200000), 0, false, 21);
  EXPECT_FALSE(InL1(tlb, VirtAddr(0x200000)));
}

TEST(TlbTest, AnEntryServesItsPageToTheLastByteAndNoFurther) {
  for (const int shift : {12, 21, 22, 30}) {
    Tlb tlb(L1Only({16, 0, kTlb4K | kTlbLarge | kTlb1G}));
    tlb.SetLargeShift(shift == 22 ? 22 : 21);
    const VirtAddr va(uint64_t{3} << shift);
    const uint64_t bytes = uint64_t{1} << shift;
    FillPage(tlb, va, 0, false, shift);
    EXPECT_TRUE(InL1(tlb, va)) << shift;
    EXPECT_TRUE(InL1(tlb, va + (bytes - 1))) << shift;
    EXPECT_FALSE(InL1(tlb, va - uint64_t{1})) << shift;
    EXPECT_FALSE(InL1(tlb, va + bytes)) << shift;
    const TlbSlot& slot = tlb.slot(FindL1(tlb, va + (bytes - 1)));
    EXPECT_EQ(slot.Translate(va + (bytes - 1)),
              Entry(va, 0, false, shift).base + (bytes - 1));
  }
}

TEST(TlbTest, LargePagesAreFoundInASetAssociativeArrayFromAnyOfTheirPages) {
  Tlb tlb(L1Only({64, 4, kTlb4K | kTlbLarge}));
  FillPage(tlb, VirtAddr(0x200000), 0, false, 21);
  for (uint64_t i = 0; i < 512; ++i) {
    EXPECT_TRUE(InL1(tlb, VirtAddr(0x200000) + i * kPageSize));
  }
}

TEST(TlbTest, TwoSizesOfTheSameAddressCoexistAndDropTogether) {
  Tlb tlb(L1Only({16, 4, kTlb4K | kTlbLarge}));
  FillPage(tlb, VirtAddr(0x201000));
  FillPage(tlb, VirtAddr(0x200000), 0, false, 21);
  EXPECT_EQ(tlb.size(), 2u);
  EXPECT_TRUE(InL1(tlb, VirtAddr(0x202000)));
  tlb.DropPage(VirtAddr(0x201fff), 0, true);
  EXPECT_EQ(tlb.size(), 0u);
}

TEST(TlbTest, AnOwnAndAGlobalEntryOfAPageDropTogether) {
  Tlb tlb(L1Only({4, 0, kTlb4K}));
  FillPage(tlb, Page(1), 1);
  FillPage(tlb, Page(1), 2, /*global=*/true);
  ASSERT_EQ(tlb.size(), 2u);
  tlb.DropPage(Page(1), 1, /*globals=*/true);
  EXPECT_EQ(tlb.size(), 0u);
}

TEST(TlbTest, DroppingAnyAddressOfALargePageDropsIt) {
  Tlb tlb(L1Only({16, 4, kTlb4K | kTlbLarge}));
  FillPage(tlb, VirtAddr(0x200000), 0, false, 21);
  tlb.DropPage(VirtAddr(0x400000), 0, true);
  EXPECT_EQ(tlb.size(), 1u);
  tlb.DropPage(VirtAddr(0x3ff000), 0, true);
  EXPECT_EQ(tlb.size(), 0u);
}

TEST(TlbTest, AnEntryMatchesUnderItsOwnPcidOnly) {
  Tlb tlb(L1Only({16, 4, kTlb4K}));
  FillPage(tlb, Page(5), 1);
  EXPECT_TRUE(InL1(tlb, Page(5), 1));
  EXPECT_FALSE(InL1(tlb, Page(5), 2));
  EXPECT_FALSE(InL1(tlb, Page(5), 0xfff));
}

TEST(TlbTest, AGlobalEntryMatchesUnderAnyPcid) {
  Tlb tlb(L1Only({16, 4, kTlb4K}));
  FillPage(tlb, Page(5), 1, true);
  for (const int id : {0, 1, 2, 0xfff}) {
    const auto pcid = static_cast<uint16_t>(id);
    EXPECT_TRUE(InL1(tlb, Page(5), pcid)) << pcid;
  }
  EXPECT_FALSE(InL1(tlb, Page(6), 1));
}

TEST(TlbTest, InstructionAndDataL1AreSeparate) {
  Tlb tlb(L1Only({16, 4, kTlb4K}));
  tlb.Fill(kInstruction, Page(5), Entry(Page(5)));
  EXPECT_FALSE(InL1(tlb, Page(5)));
  EXPECT_NE(FindL1(tlb, Page(5), 0, kInstruction), 0u);
}

TEST(TlbTest, AUnifiedL2ServesBothSidesAndASplitOneDoesNot) {
  TlbGeometry geometry = L1Only({16, 4, kTlb4K});
  geometry.data_l2[0] = {64, 4, kTlb4K};
  geometry.instruction_l2[0] = {64, 4, kTlb4K};
  for (const bool unified : {true, false}) {
    geometry.unified_l2 = unified;
    Tlb tlb(geometry);
    tlb.Fill(kInstruction, Page(5), Entry(Page(5)));
    EXPECT_TRUE(InL2(tlb, Page(5), kInstruction));
    EXPECT_EQ(InL2(tlb, Page(5)), unified);
  }
}

TEST(TlbTest, RefillPutsAnL2EntryIntoL1Unchanged) {
  TlbGeometry geometry = L1Only({1, 0, kTlb4K});
  geometry.data_l2[0] = {64, 4, kTlb4K};
  Tlb tlb(geometry);
  FillPage(tlb, Page(5), 3, true);
  FillPage(tlb, Page(6), 3);
  ASSERT_FALSE(InL1(tlb, Page(5), 3));
  Tlb::Probe probe(Page(5), 3);
  EXPECT_EQ(tlb.FindL1(kData, probe), 0u);
  const size_t found = tlb.FindL2(kData, probe);
  ASSERT_NE(found, 0u);
  tlb.Refill(kData, found, probe);
  const size_t refilled = FindL1(tlb, Page(5), 9);
  ASSERT_NE(refilled, 0u);
  EXPECT_EQ(tlb.EntryOf(refilled), Entry(Page(5), 3, true));
}

TEST(TlbTest, EntriesComeBackAsTheyWereFilled) {
  Tlb tlb(L1Only({16, 0, kTlb4K | kTlbLarge | kTlb1G}));
  TlbEntry entry = Entry(VirtAddr(0xffffff8000201000), 7);
  entry.rights = rights::kUser | rights::kNoExecute | rights::kDirty |
                 (5u << rights::kKeyShift);
  tlb.Fill(kData, entry.va(), entry);
  ASSERT_THAT(tlb.Entries(), testing::ElementsAre(entry));
  const TlbEntry held = tlb.Entries()[0];
  EXPECT_EQ(held.va(), VirtAddr(0xffffff8000201000));
  EXPECT_FALSE(held.writable());
  EXPECT_TRUE(held.user());
  EXPECT_TRUE(held.no_execute());
  EXPECT_TRUE(held.dirty());
  EXPECT_EQ(held.protection_key(), 5);
}

TEST(TlbTest, DropPcidSparesOtherPcidsAndGlobalsUnlessAsked) {
  for (const bool globals : {false, true}) {
    Tlb tlb(L1Only({16, 0, kTlb4K}));
    FillPage(tlb, Page(1), 1);
    FillPage(tlb, Page(2), 1, true);
    FillPage(tlb, Page(3), 2);
    tlb.DropPcid(1, globals);
    EXPECT_FALSE(InL1(tlb, Page(1), 1));
    EXPECT_EQ(InL1(tlb, Page(2), 1), !globals);
    EXPECT_TRUE(InL1(tlb, Page(3), 2));
  }
}

TEST(TlbTest, DropNonGlobalSparesGlobalsOnly) {
  Tlb tlb(L1Only({16, 0, kTlb4K | kTlbLarge}));
  FillPage(tlb, Page(1), 1);
  FillPage(tlb, Page(2), 2, true);
  FillPage(tlb, VirtAddr(0x200000), 2, false, 21);
  tlb.DropNonGlobal();
  EXPECT_THAT(tlb.Entries(), testing::ElementsAre(Entry(Page(2), 2, true)));
}

TEST(TlbTest, SizeCountsWhatIsHeldThroughEvictionsAndDrops) {
  TlbGeometry geometry = L1Only({4, 2, kTlb4K | kTlbLarge});
  geometry.data_l2[0] = {16, 4, kTlb4K};
  Tlb tlb(geometry);
  for (uint64_t i = 0; i < 100; ++i) {
    FillPage(tlb, Page(i * 3 + 0x1000));
    if (i % 5 == 0) {
      FillPage(tlb, VirtAddr(uint64_t{i + 1} << 21), 0, false, 21);
    }
    if (i % 7 == 0) tlb.DropPage(Page(i * 3 + 0x1000), 0, true);
    ASSERT_EQ(tlb.size(), tlb.Entries().size());
  }
  tlb.DropAll();
  EXPECT_EQ(tlb.size(), 0u);
}

TEST(TlbDeathTest, WaysThatDoNotDivideTheEntriesAreRefused) {
  EXPECT_DEATH(Tlb(L1Only({10, 4, kTlb4K})), "check failed");
}

}  // namespace
}  // namespace xmmu::tlb_test
