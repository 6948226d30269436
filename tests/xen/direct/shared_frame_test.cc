// HYPERVISOR_make_ro_and_share: nobody can write to a shared frame, nor get one
// that he does not hold; and who has dropped it has no more to do with it.

#include <tuple>

#include "xen/direct/sharing_fixture.h"

namespace xmmu::shared_frame_test {
namespace {

class SharedFrameTest : public SharingWorld {};

INSTANTIATE_TEST_SUITE_P(Modes, SharedFrameTest, testing::ValuesIn(kModes),
                         SharingModeName);

TEST_P(SharedFrameTest, NoProcessorCanWriteAnyMore) {
  for (const uint32_t i : {0u, 1u}) {
    for (int page = 0; page < kDataPages; ++page) {
      ASSERT_TRUE(a_.Access(a_.Va(page), AccessKind::kWrite, i));
    }
  }
  const uint64_t ipis = host_.cpu(1).counters[Counter::kIpis];
  std::vector<VirtAddr> all;
  for (int page = 0; page < kDataPages; ++page) all.push_back(a_.Va(page));
  ASSERT_TRUE(a_.Share(all).status.ok());
  // One flush serves the whole batch.
  EXPECT_EQ(host_.cpu(1).counters[Counter::kIpis], ipis + 1);
  for (const uint32_t i : {0u, 1u}) {
    for (int page = 0; page < kDataPages; ++page) {
      EXPECT_FALSE(a_.Access(a_.Va(page), AccessKind::kWrite, i));
      EXPECT_TRUE(a_.Access(a_.Va(page), AccessKind::kRead, i));
    }
  }
}

// The entry is read-only; the TLB does not know yet.
TEST_P(SharedFrameTest, AnUnflushedDowngradeIsFlushedBeforeHashing) {
  ASSERT_TRUE(a_.Access(a_.Va(0), AccessKind::kWrite, 1));
  ASSERT_EQ(a_.Update(0, Pte(a_.Data(0), kRo)), XenErrno::kOk);
  ASSERT_TRUE(a_.Access(a_.Va(0), AccessKind::kWrite, 1));
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  EXPECT_FALSE(a_.Access(a_.Va(0), AccessKind::kWrite, 1));
}

TEST_P(SharedFrameTest, OnlyWhoHoldsAFrameMapsItAndOnlyReadOnly) {
  const Mfn shared = a_.Data(0);
  a_.Fill(0, 9);
  b_.Fill(0, 9);
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  // To know the number of the frame does not help, as with any frame of another
  // domain.
  EXPECT_EQ(b_.Update(20, Pte(shared, kRo)), Busy());
  EXPECT_EQ(b_.Update(20, Pte(shared, kRw)), Busy());
  EXPECT_EQ(b_.Update(20, Pte(a_.Data(1), kRo)), Busy());
  EXPECT_EQ(a_.Update(20, Pte(shared, kRw)), Busy());
  EXPECT_EQ(a_.Update(0, Pte(shared, kRw)), Busy());
  EXPECT_EQ(a_.Update(20, Pte(shared, kRo)), XenErrno::kOk);
  EXPECT_EQ(host_.sharing().Mappings(shared, a_.id()), 2u);
  // To share the same content gives the right to map the frame.
  ASSERT_EQ(b_.ShareErrno({b_.Va(0)}), XenErrno::kOk);
  EXPECT_EQ(b_.Update(20, Pte(shared, kRo)), XenErrno::kOk);
  EXPECT_EQ(Page(shared).ref_count, 4u);
  // The right lasts as long as the domain maps the frame.
  EXPECT_EQ(b_.Update(0, Pte()), XenErrno::kOk);
  EXPECT_EQ(b_.Update(0, Pte(shared, kRo)), XenErrno::kOk);
  EXPECT_EQ(b_.Update(0, Pte()), XenErrno::kOk);
  EXPECT_EQ(b_.Update(20, Pte()), XenErrno::kOk);
  EXPECT_EQ(b_.Update(0, Pte(shared, kRo)), Busy());
}

TEST_P(SharedFrameTest, AFreshTableWithASharedFrameFollowsTheSameRule) {
  const Mfn shared = a_.Data(0);
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  for (const auto& [flags, by_a, by_b] :
       {std::tuple{kRo, XenErrno::kOk, Busy()},
        std::tuple{kRw, Busy(), Busy()}}) {
    for (Guest* guest : {&a_, &b_}) {
      guest->Put(guest->Frame(kSpareL1Pfn), 7, Pte(shared, flags));
      EXPECT_EQ(guest->Op({.command = MmuextCommand::kPinL1,
                           .mfn = guest->Frame(kSpareL1Pfn)}),
                guest == &a_ ? by_a : by_b);
    }
    (void)a_.Op(
        {.command = MmuextCommand::kUnpin, .mfn = a_.Frame(kSpareL1Pfn)});
  }
  EXPECT_EQ(Page(shared).ref_count, 1u);
}

TEST_P(SharedFrameTest, TheFormerOwnerHasNoMoreRightsThanOthers) {
  const Mfn shared = a_.Data(0);
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  const std::array frames = {shared};
  EXPECT_EQ(a_.Execute(DecreaseReservationCall{.frames = frames}).done, 0u);
  EXPECT_FALSE(a_.Execute(SetGdtCall{.frames = frames}).status.ok());
  for (const MmuextOp& op :
       {MmuextOp{.command = MmuextCommand::kPinL1, .mfn = shared},
        MmuextOp{.command = MmuextCommand::kNewBaseptr, .mfn = shared},
        MmuextOp{.command = MmuextCommand::kClearPage, .mfn = shared},
        MmuextOp{.command = MmuextCommand::kCopyPage,
        .mfn = shared,
        .source = a_.Data(1)},
        MmuextOp{.command = MmuextCommand::kCopyPage,
        .mfn = a_.Data(1),
        .source = shared}}) {
    EXPECT_NE(a_.Op(op), XenErrno::kOk);
  }
  // A store to it as to any page, or a table that it is made into.
  EXPECT_EQ(a_.Update(0, Pte(1), shared), XenErrno::kEINVAL);
  const int above = IndexOf(GetParam().mode, 2, a_.Va(0)) + 1;
  const Mfn l2 =
      LevelCount(GetParam().mode) == 2 ? a_.Frame(1000) : a_.Frame(903);
  EXPECT_NE(a_.Update(above, Pte(shared, 7), l2), XenErrno::kOk);
  // To name its owner does not help either.
  const std::array request = {
      MmuUpdate{a_.EntryOf(a_.l1(), 20), Pte(shared, kRw).raw()}};
  EXPECT_EQ(ErrnoOf(a_.Execute(MmuUpdateCall{.requests = request,
                                             .page_owner = kDomCow})
                        .status),
            XenErrno::kESRCH);
}

TEST_P(SharedFrameTest, TheLastMappingFreesTheFrameAndForgetsTheContent) {
  a_.Fill(0, 9);
  b_.Fill(0, 9);
  const Mfn shared = a_.Data(0);
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  ASSERT_EQ(b_.ShareErrno({b_.Va(0)}), XenErrno::kOk);
  ASSERT_EQ(a_.Update(0, Pte()), XenErrno::kOk);
  EXPECT_TRUE(host_.sharing().Contains(shared));
  ASSERT_EQ(b_.Update(0, Pte()), XenErrno::kOk);
  EXPECT_FALSE(host_.sharing().Contains(shared));
  EXPECT_TRUE(
      host_.sharing().WithHash(HashContent(host_.memory(), shared)).empty());
  EXPECT_EQ(Page(shared).ref_count, 0u);
  EXPECT_EQ(host_.free_frames(), 2u);
  EXPECT_EQ(Counted(Counter::kSharedFreed), 1u);
  // Both domains get memory again in the place that they gave up.
  const std::array pfns = {Pfn(kFirstData)};
  EXPECT_EQ(a_.Execute(PopulatePhysmapCall{.pfns = pfns}).done, 1u);
  EXPECT_EQ(b_.Execute(PopulatePhysmapCall{.pfns = pfns}).done, 1u);
  EXPECT_EQ(host_.free_frames(), 0u);
}

TEST_P(SharedFrameTest, ACopyOnWriteReplacesTheMappingAndDropsTheShare) {
  const Mfn shared = a_.Data(0);
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  ASSERT_EQ(a_.Update(20, Pte(shared, kRo | kSharedMark)), XenErrno::kOk);
  EXPECT_EQ(ErrnoOf(a_.Execute(UpdateVaMappingCall{
                                   .va = a_.Va(0),
                                   .value = Pte(a_.Data(1), kRw).raw(),
                                   .flush = {.scope = FlushScope::kPage}})
                        .status),
            XenErrno::kOk);
  EXPECT_EQ(Page(shared).ref_count, 1u);
  EXPECT_TRUE(a_.Access(a_.Va(0), AccessKind::kWrite));
}

TEST_P(SharedFrameTest, EmulatedStoresFollowTheSameRule) {
  const Mfn shared = a_.Data(0);
  ASSERT_EQ(a_.ShareErrno({a_.Va(0)}), XenErrno::kOk);
  ASSERT_EQ(a_.Update(21, Pte(a_.l1(), kRo)), XenErrno::kOk);
  a_.domain().direct().set_writable_pagetables(true);
  const auto bytes = static_cast<uint8_t>(EntryBytes(GetParam().mode));
  const Access access{a_.Va(21) + uint64_t{22} * bytes, AccessKind::kWrite,
                      GetParam().mode == PagingMode::k4Level};
  const PageFault fault{.va = access.va,
                        .error_code = pf::kProtection | pf::kWrite};
  for (const uint64_t flags : {kRw, kRo | kSharedMark}) {
    MemoryOperand store{.kind = OperandKind::kStore,
                        .size = bytes,
                        .value = Pte(shared, flags).raw()};
    EXPECT_EQ(paging_.EmulatePteWrite(a_.vcpu(), fault, access, store),
              flags != kRw);
  }
  EXPECT_EQ(a_.Get(22).frame(), shared);
  EXPECT_EQ(a_.Get(22).raw() & kSharedMark, kSharedMark);
  EXPECT_EQ(Page(shared).ref_count, 2u);
}

TEST_P(SharedFrameTest, AMulticallCarriesIt) {
  const std::array one = {a_.Va(0)};
  const std::array two = {a_.Va(1)};
  const std::array<Subcall, 2> calls = {MakeRoAndShareCall{.mappings = one},
                                        MakeRoAndShareCall{.mappings = two}};
  EXPECT_EQ(a_.Execute(MulticallCall{.calls = calls}).done, 2u);
  EXPECT_EQ(Page(a_.Data(0)).ref_count, 2u);
}

TEST_P(SharedFrameTest, EachPageIsHashedOnceAndComparedOnlyWithItsLike) {
  for (int i = 0; i < 4; ++i) a_.Fill(i, static_cast<uint64_t>(i) / 2 + 1);
  std::vector<VirtAddr> mappings;
  for (int i = 0; i < 4; ++i) mappings.push_back(a_.Va(i));
  ASSERT_TRUE(a_.Share(mappings).status.ok());
  EXPECT_EQ(host_.cpu(0).clock.tally(CostEvent::kHashPage), 4u);
  EXPECT_EQ(host_.cpu(0).clock.tally(CostEvent::kComparePage), 2u);
}

}  // namespace
}  // namespace xmmu::shared_frame_test
