// Types and counts: rules 1 to 8 and 19, 21 of tests/golden/xen-pv/FINDINGS.md.

#include <gtest/gtest.h>

#include "xen/direct/pv_fixture.h"

namespace xmmu::page_type_test {
namespace {

TEST(PageTypeTest, ATypeOutlivesItsLastUseButATableIsNoLongerValidated) {
  PvGuest guest;
  ASSERT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kOk);
  EXPECT_TRUE(guest.Page(1).validated);
  ASSERT_EQ(guest.Unpin(guest.Frame(1)), XenErrno::kOk);
  EXPECT_EQ(guest.Page(1).type, PageType::kL1);
  EXPECT_EQ(guest.Page(1).type_count, 0u);
  EXPECT_FALSE(guest.Page(1).validated);
  EXPECT_EQ(guest.Page(1).ref_count, 1u);
}

TEST(PageTypeTest, AWritablePageStaysValidated) {
  PvGuest guest;
  ASSERT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kOk);
  ASSERT_EQ(guest.Update(guest.Frame(1), 0, Pte(guest.Frame(2), kRw)),
            XenErrno::kOk);
  EXPECT_EQ(guest.Page(2).type_count, 1u);
  EXPECT_EQ(guest.Page(2).ref_count, 2u);
  ASSERT_EQ(guest.Update(guest.Frame(1), 0, Pte()), XenErrno::kOk);
  EXPECT_EQ(guest.Page(2).type_count, 0u);
  EXPECT_EQ(guest.Page(2).ref_count, 1u);
  EXPECT_TRUE(guest.Page(2).validated);
}

TEST(PageTypeTest, ALiveTableCannotBeMappedWritableAndAWritablePageIsNoTable) {
  for (const PagingMode mode :
       {PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level}) {
    PvGuest guest({.mode = mode});
    const bool old_xen = mode == PagingMode::k2Level;
    ASSERT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kOk);
    ASSERT_EQ(guest.Pin(guest.Frame(2), 1), XenErrno::kOk);
    EXPECT_EQ(guest.Update(guest.Frame(1), 0, Pte(guest.Frame(2), kRw)),
              old_xen ? XenErrno::kEINVAL : XenErrno::kEBUSY);
    EXPECT_EQ(guest.Update(guest.Frame(1), 0, Pte(guest.Frame(2), kRo)),
              XenErrno::kOk);
    ASSERT_EQ(guest.Update(guest.Frame(1), 1, Pte(guest.Frame(3), kRw)),
              XenErrno::kOk);
    EXPECT_EQ(guest.Pin(guest.Frame(3), 1), XenErrno::kEINVAL);
    ASSERT_EQ(guest.Update(guest.Frame(1), 1, Pte(guest.Frame(3), kRo)),
              XenErrno::kOk);
    EXPECT_EQ(guest.Pin(guest.Frame(3), 1), XenErrno::kOk);
  }
}

TEST(PageTypeTest, ATableMayMapItselfReadOnlyButNotWritable) {
  PvGuest guest;
  const Mfn table = guest.Frame(1);
  ASSERT_EQ(guest.Pin(table, 1), XenErrno::kOk);
  EXPECT_EQ(guest.Update(table, 0, Pte(table, kRo)), XenErrno::kOk);
  EXPECT_EQ(guest.Page(1).ref_count, 3u);
  EXPECT_EQ(guest.Update(table, 0, Pte(table, kRw)), XenErrno::kEBUSY);
}

TEST(PageTypeTest, UpperEntriesCountEachWhateverTheirRw) {
  PvGuest guest;
  ASSERT_EQ(guest.Pin(guest.Frame(2), 2), XenErrno::kOk);
  for (const int slot : {0, 1}) {
    const uint64_t flags = slot == 0 ? 0x7 : 0x5;
    ASSERT_EQ(guest.Update(guest.Frame(2), slot, Pte(guest.Frame(1), flags)),
              XenErrno::kOk);
  }
  EXPECT_EQ(guest.Page(1).type, PageType::kL1);
  EXPECT_EQ(guest.Page(1).type_count, 2u);
  EXPECT_EQ(guest.Page(1).ref_count, 3u);
}

TEST(PageTypeTest, APageOnlyReplacedByItselfStaysInUse) {
  PvGuest guest;
  ASSERT_EQ(guest.Pin(guest.Frame(2), 2), XenErrno::kOk);
  ASSERT_EQ(guest.Update(guest.Frame(2), 0, Pte(guest.Frame(1), 0x7)),
            XenErrno::kOk);
  const uint64_t scanned = guest.clock().tally(CostEvent::kValidatePte);
  // RW of a table entry is no fast-path flag: references are taken anew.
  ASSERT_EQ(guest.Update(guest.Frame(2), 0, Pte(guest.Frame(1), 0x5)),
            XenErrno::kOk);
  EXPECT_EQ(guest.Page(1).type_count, 1u);
  EXPECT_EQ(guest.clock().tally(CostEvent::kValidatePte), scanned);
}

TEST(PageTypeTest, AnUpdateOfSomethingThatIsNoTableIsAPlainStore) {
  PvGuest guest;
  ASSERT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kOk);
  ASSERT_EQ(guest.Unpin(guest.Frame(1)), XenErrno::kOk);
  // A former table: the store makes it writable, and checks nothing.
  EXPECT_EQ(guest.Update(guest.Frame(1), 5, Pte(0xdead0000dead0fff)),
            XenErrno::kOk);
  EXPECT_EQ(guest.Get(guest.Frame(1), 5).raw(), 0xdead0000dead0fff);
  EXPECT_EQ(guest.Page(1).type, PageType::kWritable);
  EXPECT_EQ(guest.Page(1).type_count, 0u);
}

TEST(PinTest, TwiceOrNeverIsRefused) {
  PvGuest guest;
  ASSERT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kOk);
  EXPECT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kEINVAL);
  EXPECT_EQ(guest.Pin(guest.Frame(1), 2), XenErrno::kEINVAL);
  EXPECT_EQ(guest.Page(1).type_count, 1u);
  EXPECT_EQ(guest.Unpin(guest.Frame(1)), XenErrno::kOk);
  EXPECT_EQ(guest.Unpin(guest.Frame(1)), XenErrno::kEINVAL);
  EXPECT_EQ(guest.cpu().counters[Counter::kPins], 2u);  // the root, and this
  EXPECT_EQ(guest.cpu().counters[Counter::kUnpins], 1u);
}

TEST(PinTest, UnpinningATableInUseDropsOnlyThePin) {
  PvGuest guest;
  ASSERT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kOk);
  ASSERT_EQ(guest.Pin(guest.Frame(2), 2), XenErrno::kOk);
  ASSERT_EQ(guest.Update(guest.Frame(2), 0, Pte(guest.Frame(1), 7)),
            XenErrno::kOk);
  ASSERT_EQ(guest.Unpin(guest.Frame(1)), XenErrno::kOk);
  EXPECT_TRUE(guest.Page(1).validated);
  EXPECT_EQ(guest.Page(1).type_count, 1u);
  // The last user takes it along.
  ASSERT_EQ(guest.Unpin(guest.Frame(2)), XenErrno::kOk);
  EXPECT_FALSE(guest.Page(1).validated);
}

TEST(PinTest, AWholeTreeIsValidatedByPinningItsRoot) {
  PvGuest guest;
  for (int level = 1; level < 4; ++level) {
    const auto pfn = static_cast<uint64_t>(level);
    guest.Put(guest.Frame(pfn + 1), 5, Pte(guest.Frame(pfn), 7));
  }
  guest.Put(guest.Frame(1), 7, Pte(guest.Frame(20), kRw));
  ASSERT_EQ(guest.Pin(guest.Frame(4), 4), XenErrno::kOk);
  for (int level = 1; level <= 4; ++level) {
    EXPECT_EQ(guest.Page(static_cast<uint64_t>(level)).type, TableType(level));
    EXPECT_TRUE(guest.Page(static_cast<uint64_t>(level)).validated);
  }
  EXPECT_EQ(guest.Page(20).type_count, 1u);
  EXPECT_EQ(guest.cpu().counters[Counter::kPromotions], 5u);
}

// --- Failed validations.

// Xen 4.17: demote_l4_table leaves Xen's slots as they are.
TEST(PageTypeTest, AFormerL4AndCopiesOfItBecomeNoOtherTableUntilWiped) {
  PvGuest guest;
  const Mfn table = guest.Frame(1);
  const Mfn copy = guest.Frame(2);
  ASSERT_EQ(guest.Pin(table, 4), XenErrno::kOk);
  ASSERT_EQ(guest.Unpin(table), XenErrno::kOk);
  ASSERT_EQ(
      guest.Op(
          {.command = MmuextCommand::kCopyPage, .mfn = copy, .source = table}),
      XenErrno::kOk);
  EXPECT_EQ(guest.Pin(table, 1), XenErrno::kEBUSY);
  EXPECT_EQ(guest.Pin(table, 2), XenErrno::kEINVAL);
  EXPECT_EQ(guest.Pin(table, 3), XenErrno::kEINVAL);
  // The copy's slot of the linear map refers to the table, whose own entries
  // are what is refused first.
  EXPECT_EQ(guest.Pin(copy, 1), XenErrno::kEBUSY);
  EXPECT_EQ(guest.Pin(copy, 2), XenErrno::kEBUSY);
  EXPECT_EQ(guest.Pin(copy, 3), XenErrno::kEINVAL);
  EXPECT_EQ(guest.Pin(table, 4), XenErrno::kOk);
  ASSERT_EQ(guest.Op({.command = MmuextCommand::kClearPage, .mfn = copy}),
            XenErrno::kOk);
  EXPECT_EQ(guest.Pin(copy, 1), XenErrno::kOk);
}

TEST(FailedValidationTest, InTheFirstSlotTheTypeIsForgotten) {
  PvGuest guest;
  guest.Put(guest.Frame(2), 0, Pte(guest.Frame(1), 0x7 | pte::kPcd));
  EXPECT_EQ(guest.Pin(guest.Frame(2), 2), XenErrno::kEINVAL);
  EXPECT_EQ(guest.Page(2).type, PageType::kNone);
}

TEST(FailedValidationTest, InALaterSlotTheTypeStays) {
  PvGuest guest;
  guest.Put(guest.Frame(2), 1, Pte(guest.Frame(1), 0x7 | pte::kPcd));
  EXPECT_EQ(guest.Pin(guest.Frame(2), 2), XenErrno::kEINVAL);
  EXPECT_EQ(guest.Page(2).type, PageType::kL2);
  EXPECT_EQ(guest.Page(2).type_count, 0u);
  EXPECT_EQ(guest.Page(2).ref_count, 1u);
}

TEST(FailedValidationTest, OfAnL1AlwaysForgetsTheType) {
  PvGuest guest;
  guest.Put(guest.Frame(1), 9, Pte(guest.Frame(2), 0x7 | pte::kPcd));
  EXPECT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kEINVAL);
  EXPECT_EQ(guest.Page(1).type, PageType::kNone);
}

TEST(FailedValidationTest, EntriesBeforeTheBadOneStayAdjustedButHoldNothing) {
  PvGuest guest;
  guest.Put(guest.Frame(1), 0, Pte(guest.Frame(2), kRw));
  guest.Put(guest.Frame(1), 1, Pte(guest.root, kRw));
  guest.Put(guest.Frame(1), 2, Pte(guest.Frame(2), kRw));
  EXPECT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kEBUSY);
  EXPECT_EQ(guest.Get(guest.Frame(1), 0).flags(), kRw | pte::kGlobal);
  EXPECT_EQ(guest.Get(guest.Frame(1), 2).flags(), kRw);
  EXPECT_EQ(guest.Page(2).type_count, 0u);
  EXPECT_EQ(guest.Page(2).ref_count, 1u);
}

TEST(FailedValidationTest, TheErrnoOfTheDeepestOneSurfaces) {
  PvGuest guest;
  guest.Put(guest.Frame(1), 3, Pte(Mfn(0xfee00), kRo));  // device memory
  guest.host.frames()[Mfn(0xfee00)].is_ram = false;
  for (uint64_t pfn = 1; pfn < 4; ++pfn) {
    guest.Put(guest.Frame(pfn + 1), 0, Pte(guest.Frame(pfn), 7));
  }
  EXPECT_EQ(guest.Pin(guest.Frame(4), 4), XenErrno::kEPERM);
  for (uint64_t pfn = 1; pfn <= 4; ++pfn) {
    EXPECT_EQ(guest.Page(pfn).type, PageType::kNone);
  }
}

TEST(FailedValidationTest, ALostChildOfAnUpperSlotIsCleanedUpToo) {
  // The shape of Xen 4.17's defect: L4[1] -> L3[0] -> L2[1] bad.
  PvGuest guest;
  guest.Put(guest.Frame(2), 0, Pte(guest.Frame(1), 7));
  guest.Put(guest.Frame(2), 1, Pte(guest.Frame(1), 7 | pte::kPcd));
  guest.Put(guest.Frame(3), 0, Pte(guest.Frame(2), 7));
  guest.Put(guest.Frame(4), 1, Pte(guest.Frame(3), 7));
  EXPECT_EQ(guest.Pin(guest.Frame(4), 4), XenErrno::kEINVAL);
  EXPECT_EQ(guest.Page(4).type, PageType::kL4);
  EXPECT_EQ(guest.Page(3).type, PageType::kNone);
  EXPECT_EQ(guest.Page(2).type, PageType::kL2);
  for (uint64_t pfn = 1; pfn <= 4; ++pfn) {
    EXPECT_EQ(guest.Page(pfn).type_count, 0u);
    EXPECT_EQ(guest.Page(pfn).ref_count, 1u);
  }
}

// --- Pages given back.

TEST(ReservationTest, AMappedPageLivesUntilTheLastReferenceGoes) {
  PvGuest guest;
  ASSERT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kOk);
  const Mfn page = guest.Frame(2);
  ASSERT_EQ(guest.Update(guest.Frame(1), 0, Pte(page, kRw)), XenErrno::kOk);
  const std::array frames = {page};
  const DecreaseReservationCall give_back{frames};
  EXPECT_EQ(guest.Execute(give_back).done, 1u);
  EXPECT_EQ(guest.Page(page).ref_count, 1u);
  EXPECT_EQ(guest.Update(guest.Frame(1), 0, Pte()), XenErrno::kOk);
  EXPECT_EQ(guest.Page(page).owner, kDomInvalid);
  EXPECT_EQ(guest.Frame(2), kInvalidMfn);
  EXPECT_EQ(guest.Update(guest.Frame(1), 0, Pte(page, kRo)), XenErrno::kEBUSY);
  EXPECT_EQ(guest.Execute(give_back).done, 0u);
}

TEST(ReservationTest, AFrameGivenBackGoesToWhoeverAsksNext) {
  PvGuest guest;
  Domain* const other = guest.host.CreateDomain({.memory_frames = 8}).value();
  other->vcpu(0).cpu = &guest.cpu();
  const Mfn page = guest.Frame(2);
  const std::array frames = {page};
  const std::array pfns = {Pfn(2), Pfn(2)};
  EXPECT_EQ(guest.Execute(PopulatePhysmapCall{pfns}).done, 0u);
  guest.Execute(DecreaseReservationCall{frames});
  EXPECT_EQ(
      guest.paging.Execute(other->vcpu(0), PopulatePhysmapCall{pfns}).done,
      0u);  // it has a frame there
  const std::array others = {other->p2m().MfnOf(Pfn(2))};
  guest.paging.Execute(other->vcpu(0), DecreaseReservationCall{others});
  EXPECT_EQ(guest.Execute(PopulatePhysmapCall{pfns}).done, 1u);
  EXPECT_EQ(guest.Frame(2), others[0]);
  EXPECT_EQ(guest.Page(2).type, PageType::kNone);
  EXPECT_EQ(guest.Page(2).ref_count, 1u);
  EXPECT_EQ(guest.Pin(guest.Frame(2), 1), XenErrno::kOk);
}

// Unmapping flushes nothing, nor does giving back; the next owner's kernel must
// not be read through what is left in a TLB.
TEST(ReservationTest, AStaleTranslationEndsBeforeTheFrameChangesHands) {
  PvGuest guest({.cpus = 2, .vcpus = 2});
  const VirtAddr va{0x1000};
  guest.Hook(guest.Frame(1), va);
  const Mfn page = guest.Frame(2);
  ASSERT_EQ(guest.Update(guest.Frame(1), 1, Pte(page, kRo)), XenErrno::kOk);
  ASSERT_TRUE(guest.cpu(1).mmu.Translate({va, AccessKind::kRead, true}).ok());
  ASSERT_EQ(guest.Update(guest.Frame(1), 1, Pte()), XenErrno::kOk);
  const std::array frames = {page};
  guest.Execute(DecreaseReservationCall{frames});
  EXPECT_EQ(guest.cpu(1).mmu.TlbEntries().size(), 2u);  // L1 and L2 TLB
  const std::array pfns = {Pfn(2)};
  EXPECT_EQ(guest.Execute(PopulatePhysmapCall{pfns}).done, 1u);
  EXPECT_TRUE(guest.cpu(1).mmu.TlbEntries().empty());
}

TEST(DescriptorTest, ADescriptorPageIsNothingElseMeanwhile) {
  PvGuest guest;
  const std::array frames = {guest.Frame(3)};
  ASSERT_EQ(guest.Execute(SetGdtCall{frames}).status, absl::OkStatus());
  EXPECT_EQ(guest.Page(3).type, PageType::kSegDesc);
  EXPECT_EQ(guest.Pin(guest.Frame(3), 1), XenErrno::kEINVAL);
  EXPECT_EQ(guest.Update(guest.Frame(3), 0, Pte()), XenErrno::kEINVAL);
  ASSERT_EQ(guest.Execute(SetGdtCall{}).status, absl::OkStatus());
  EXPECT_EQ(guest.Pin(guest.Frame(3), 1), XenErrno::kOk);
}

TEST(DescriptorTest, ATableOf14PagesIsTheGuestsAndTheNextIsXens) {
  PvGuest guest;
  std::vector<Mfn> frames;
  for (uint64_t pfn = 1; pfn <= 14; ++pfn) frames.push_back(guest.Frame(pfn));
  EXPECT_EQ(guest.Execute(SetGdtCall{frames}).status, absl::OkStatus());
  frames.push_back(guest.Frame(15));
  EXPECT_EQ(ErrnoOf(guest.Execute(SetGdtCall{frames}).status),
            XenErrno::kEINVAL);
}

TEST(DescriptorTest, ASystemDescriptorIsRefusedAndNothingIsKept) {
  PvGuest guest;
  // P, S = 0, type 12: a call gate.
  guest.Put(guest.Frame(4), 1, Pte((uint64_t{1} << 47) | (uint64_t{12} << 40)));
  const std::array frames = {guest.Frame(3), guest.Frame(4)};
  EXPECT_EQ(ErrnoOf(guest.Execute(SetGdtCall{frames}).status),
            XenErrno::kEINVAL);
  EXPECT_EQ(guest.Page(3).type_count, 0u);
  EXPECT_EQ(guest.Page(4).ref_count, 1u);
}

}  // namespace
}  // namespace xmmu::page_type_test
