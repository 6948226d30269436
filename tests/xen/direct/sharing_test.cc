// HYPERVISOR_make_ro_and_share: what becomes shared, and what is refused.

#include "xen/direct/sharing_fixture.h"

namespace xmmu::sharing_test {
namespace {

class SharingTest : public SharingWorld {};

INSTANTIATE_TEST_SUITE_P(Modes, SharingTest, testing::ValuesIn(kModes),
                         SharingModeName);

TEST_P(SharingTest, TheFirstPageOfAContentBecomesTheSharedFrame) {
  const Mfn mfn = a_.Data(0);
  const Pte before = a_.Get(0);
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  const PageInfo& page = Page(mfn);
  EXPECT_EQ(page.owner, kDomCow);
  EXPECT_EQ(page.type, PageType::kShared);
  EXPECT_EQ(page.type_count, 1u);
  EXPECT_EQ(page.ref_count, 1u);
  EXPECT_FALSE(page.allocated);
  EXPECT_EQ(a_.domain().p2m().PfnOf(mfn), kInvalidPfn);
  EXPECT_EQ(a_.domain().p2m().MfnOf(Pfn(kFirstData)), kInvalidMfn);
  EXPECT_EQ(a_.Get(0), before.Without(pte::kWritable).With(kSharedMark));
  EXPECT_EQ(host_.sharing().Mappings(mfn, a_.id()), 1u);
  EXPECT_EQ(host_.free_frames(), 0u);
  EXPECT_EQ(Counted(Counter::kPagesShared), 1u);
}

TEST_P(SharingTest, TheSameContentElsewhereIsFreedAndItsMappingLedThere) {
  a_.Fill(0, 5, 6);
  b_.Fill(3, 5, 6);
  const Mfn kept = a_.Data(0);
  const Mfn freed = b_.Data(3);
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  ASSERT_EQ(b_.ShareErrno({b_.Va(3)}), XenErrno::kOk);
  EXPECT_EQ(b_.Get(3).frame(), kept);
  EXPECT_FALSE(b_.Get(3).writable());
  EXPECT_EQ(b_.Get(3).raw() & kSharedMark, kSharedMark);
  EXPECT_EQ(Page(kept).ref_count, 2u);
  EXPECT_EQ(Page(freed).owner, kDomInvalid);
  EXPECT_EQ(b_.domain().p2m().PfnOf(freed), kInvalidPfn);
  EXPECT_EQ(host_.free_frames(), 1u);
  EXPECT_EQ(Counted(Counter::kPagesMerged), 1u);
  EXPECT_TRUE(b_.Access(b_.Va(3), AccessKind::kRead));
  EXPECT_FALSE(b_.Access(b_.Va(3), AccessKind::kWrite));
}

TEST_P(SharingTest, PagesThatDifferInOneWordOrTheTokenStayApart) {
  a_.Fill(0, 5, 6);
  b_.Fill(0, 5, 7);
  b_.Fill(1, 4, 6);
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  ASSERT_EQ(b_.ShareErrno({b_.Va(0), b_.Va(1)}), XenErrno::kOk);
  EXPECT_EQ(host_.sharing().frames().size(), 3u);
  EXPECT_EQ(host_.free_frames(), 0u);
}

TEST_P(SharingTest, AnEqualHashIsNotEnough) {
  // Two last words that make up for two different ones before them.
  uint64_t s[2] = {0, 0};
  for (int i = 0; i < 510; ++i) s[0] = s[1] = MixHash(s[0], 0);
  s[0] = MixHash(s[0], 1);
  s[1] = MixHash(s[1], 2);
  const uint64_t last = (s[0] - s[1]) * 0xd1342543de82ef95u;
  PhysMemory& memory = host_.memory();
  memory.Write64(AddressOf(a_.Data(0)) + 510 * 8, 1);
  memory.Write64(AddressOf(b_.Data(0)) + 510 * 8, 2);
  memory.Write64(AddressOf(b_.Data(0)) + 511 * 8, last);
  ASSERT_EQ(HashContent(memory, a_.Data(0)), HashContent(memory, b_.Data(0)));
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  const Mfn own = b_.Data(0);
  ASSERT_EQ(b_.ShareErrno({b_.Va(0)}), XenErrno::kOk);
  EXPECT_EQ(b_.Get(0).frame(), own);
  EXPECT_EQ(host_.sharing().frames().size(), 2u);
  EXPECT_EQ(host_.cpu(0).clock.tally(CostEvent::kComparePage), 1u);
  // Each is taken out by itself.
  EXPECT_EQ(a_.Update(0, Pte()), XenErrno::kOk);
  EXPECT_TRUE(host_.sharing().Contains(own));
}

TEST_P(SharingTest, APageInOtherUseIsRefusedAndStaysAsItIs) {
  // The other use is one more mapping, read-only or writable.
  for (const uint64_t flags : {kRo, kRw}) {
    ASSERT_EQ(a_.Update(20, Pte(a_.Data(0), flags)), XenErrno::kOk);
    const Pte before = a_.Get(0);
    EXPECT_EQ(a_.ShareErrno({a_.Va(0)}), Busy());
    EXPECT_EQ(a_.Get(0), before);
  }
  ASSERT_EQ(a_.Update(20, Pte()), XenErrno::kOk);
  // A table; a descriptor page; a page on its way out.
  ASSERT_EQ(a_.Update(21, Pte(a_.l1(), kRo)), XenErrno::kOk);
  EXPECT_EQ(a_.ShareErrno({a_.Va(21)}), Busy());
  ASSERT_EQ(a_.Update(1, Pte(a_.Data(1), kRo)), XenErrno::kOk);
  const std::array gdt = {a_.Data(1)};
  ASSERT_TRUE(a_.Execute(SetGdtCall{.frames = gdt}).status.ok());
  EXPECT_EQ(a_.ShareErrno({a_.Va(1)}), Busy());
  const std::array gone = {a_.Data(2)};
  ASSERT_EQ(a_.Execute(DecreaseReservationCall{.frames = gone}).done, 1u);
  EXPECT_EQ(a_.ShareErrno({a_.Va(2)}), Busy());
  EXPECT_TRUE(host_.sharing().frames().empty());
}

TEST_P(SharingTest, WhatMapsNothingIsRefused) {
  EXPECT_EQ(a_.ShareErrno({a_.Va(30)}), XenErrno::kEINVAL);
  EXPECT_EQ(a_.ShareErrno({VirtAddr(0x12345000)}), XenErrno::kEINVAL);
  EXPECT_EQ(a_.ShareErrno({}), XenErrno::kOk);
}

TEST_P(SharingTest, AllMappingsNamedInARowAreSharedTogether) {
  ASSERT_EQ(a_.Update(20, Pte(a_.Data(0), kRw)), XenErrno::kOk);
  ASSERT_EQ(a_.Update(21, Pte(a_.Data(0), kRo)), XenErrno::kOk);
  EXPECT_EQ(a_.ShareErrno({a_.Va(0), a_.Va(20)}), Busy());
  const HypercallResult result =
      a_.Share({a_.Va(0), a_.Va(20), a_.Va(21), a_.Va(1)});
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.done, 4u);
  for (const int slot : {0, 20, 21, 1}) {
    EXPECT_FALSE(a_.Get(slot).writable()) << slot;
    EXPECT_EQ(a_.Get(slot).raw() & kSharedMark, kSharedMark) << slot;
  }
  // Both pages are empty, so one frame serves them.
  EXPECT_EQ(Page(a_.Get(0).frame()).ref_count, 4u);
  EXPECT_EQ(host_.free_frames(), 1u);
}

// With the count made up by naming one twice, the other would stay writable.
TEST_P(SharingTest, AMappingNamedTwiceHidesNoOther) {
  ASSERT_EQ(a_.Update(20, Pte(a_.Data(0), kRw)), XenErrno::kOk);
  EXPECT_EQ(a_.ShareErrno({a_.Va(0), a_.Va(0)}), XenErrno::kEINVAL);
  EXPECT_EQ(a_.ShareErrno({a_.Va(0), a_.Va(20), a_.Va(0)}), XenErrno::kEINVAL);
  EXPECT_TRUE(a_.Get(20).writable());
  EXPECT_TRUE(host_.sharing().frames().empty());
}

TEST_P(SharingTest, ABatchStopsAtTheFirstRefusalAndFinishesWhatCameBefore) {
  for (int i = 0; i < 3; ++i) a_.Fill(i, static_cast<uint64_t>(i) + 1);
  ASSERT_EQ(a_.Update(20, Pte(a_.Data(1), kRo)), XenErrno::kOk);
  const HypercallResult result = a_.Share({a_.Va(0), a_.Va(1), a_.Va(2)});
  EXPECT_EQ(ErrnoOf(result.status), Busy());
  EXPECT_EQ(result.done, 1u);
  EXPECT_TRUE(host_.sharing().Contains(a_.Get(0).frame()));
  EXPECT_TRUE(a_.Get(1).writable());
  EXPECT_TRUE(a_.Get(2).writable());
}

TEST_P(SharingTest, APageSharedAlreadyOrNamedAgainLaterStays) {
  const HypercallResult result = a_.Share({a_.Va(0), a_.Va(1), a_.Va(0)});
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.done, 3u);
  const Pte entry = a_.Get(0);
  EXPECT_TRUE(a_.Share({a_.Va(0)}).status.ok());
  EXPECT_EQ(a_.Get(0), entry);
  EXPECT_EQ(Page(entry.frame()).ref_count, 2u);
}

// A 4-byte entry cannot name a frame at 2^20 or above.
TEST(SharingLimitTest, ATwoLevelGuestIsNotLedToAFrameThatItCannotName) {
  Host host(*FindMachine("skylake-2017"), {.timing = MemoryTiming::kFlat});
  DirectPaging paging(host);
  Guest low(host, paging, PagingMode::k2Level);
  ASSERT_TRUE(host.CreateDomain({.memory_frames = uint64_t{1} << 20}).ok());
  Guest high(host, paging, PagingMode::k4Level);
  const Mfn own = low.Data(0);
  ASSERT_EQ(high.ShareErrno({high.Va(0)}), XenErrno::kOk);
  ASSERT_EQ(low.ShareErrno({low.Va(0)}), XenErrno::kOk);
  EXPECT_EQ(low.Get(0).frame(), own);
  // The other way round there is no limit.
  low.Fill(1, 3);
  high.Fill(1, 3);
  ASSERT_EQ(low.ShareErrno({low.Va(1)}), XenErrno::kOk);
  ASSERT_EQ(high.ShareErrno({high.Va(1)}), XenErrno::kOk);
  EXPECT_EQ(high.Get(1).frame(), low.Get(1).frame());
}

}  // namespace
}  // namespace xmmu::sharing_test
