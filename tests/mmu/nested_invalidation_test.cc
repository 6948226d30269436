// Tests which linear, combined and guest-physical mappings each operation
// drops, and which it spares.

#include "gtest/gtest.h"
#include "mmu/nested_fixture.h"

namespace xmmu::nested_invalidation_test {
namespace {

constexpr VirtAddr kVa{0x40201000};
constexpr VirtAddr kGlobalVa{0x40301000};
constexpr Gfn kPage{0x2345};
constexpr Gfn kGlobalPage{0x2346};
constexpr uint16_t kOther = 7;

class NestedInvalidationTest : public ::testing::TestWithParam<Vendor> {
 protected:
  NestedInvalidationTest()
      : m_({.vendor = GetParam(),
            .guest_psc = true,
            .nested_psc = true,
            .nested_tlb = 16}) {
    m_.Map(kVa, kPage);
    m_.Map(kGlobalVa, kGlobalPage, kUserPage | pte::kGlobal);
    m_.Chill();
    // Both tags hold both pages; in the end tag 1 is in force.
    m_.Enter(kOther);
    Touch();
    m_.Enter(1);
    Touch();
  }

  void Touch() {
    for (const VirtAddr va : {kVa, kGlobalVa}) {
      EXPECT_TRUE(m_.mmu().Translate(Read(va)).ok());
    }
  }
  bool Holds(uint16_t vpid, VirtAddr va) {
    for (const TlbEntry& entry : m_.mmu().TlbEntries()) {
      if (entry.vm.vpid == vpid && entry.va() == va) return true;
    }
    return false;
  }
  bool HoldsStructures(uint16_t vpid) {
    for (const auto& entry : m_.mmu().PagingStructureEntries()) {
      if (entry.tag.vpid == vpid) return true;
    }
    return false;
  }
  bool HoldsGuestPhysical() {
    return !m_.mmu().NestedTlbEntries().empty() &&
           !m_.mmu().NestedStructureEntries().empty();
  }
  // Expects exactly these linear and combined mappings of a tag.
  void ExpectHolds(uint16_t vpid, bool page, bool global, bool structures) {
    EXPECT_EQ(Holds(vpid, kVa), page) << vpid;
    EXPECT_EQ(Holds(vpid, kGlobalVa), global) << vpid;
    EXPECT_EQ(HoldsStructures(vpid), structures) << vpid;
  }
  void ExpectUntouched(uint16_t vpid) { ExpectHolds(vpid, true, true, true); }
  void ExpectGone(uint16_t vpid) { ExpectHolds(vpid, false, false, false); }
  bool amd() const { return GetParam() == Vendor::kAmd; }

  NestedMachine m_;
};

using NestedEptInvalidationTest = NestedInvalidationTest;
using NestedNptInvalidationTest = NestedInvalidationTest;

INSTANTIATE_TEST_SUITE_P(Vendors, NestedInvalidationTest,
                         ::testing::Values(Vendor::kIntel, Vendor::kAmd));
INSTANTIATE_TEST_SUITE_P(Intel, NestedEptInvalidationTest,
                         ::testing::Values(Vendor::kIntel));
INSTANTIATE_TEST_SUITE_P(Amd, NestedNptInvalidationTest,
                         ::testing::Values(Vendor::kAmd));

TEST_P(NestedInvalidationTest, TagsKeepGuestsApart) {
  ExpectUntouched(1);
  ExpectUntouched(kOther);
  EXPECT_TRUE(HoldsGuestPhysical());
  // The other's entries, globals too, serve nobody else.
  m_.Enter(9);
  const uint64_t walks = m_.counters()[Counter::kPageWalks];
  Touch();
  EXPECT_EQ(m_.counters()[Counter::kPageWalks] - walks, 2u);
  m_.Enter(kOther);
  Touch();
  EXPECT_EQ(m_.counters()[Counter::kPageWalks] - walks, 2u);
}

TEST_P(NestedInvalidationTest, AnExitWithATagDropsNothing) {
  m_.mmu().VmExit();
  ExpectUntouched(1);
  EXPECT_EQ(m_.clock().tally(CostEvent::kVmExit), 1u);
  EXPECT_EQ(m_.counters()[Counter::kVmExits], 1u);
}

TEST_P(NestedInvalidationTest, AnExitWithoutATagDropsWhatHasNone) {
  m_.Enter(0);
  Touch();
  ExpectUntouched(0);
  m_.mmu().VmExit();
  ExpectGone(0);
  ExpectUntouched(1);
  EXPECT_TRUE(HoldsGuestPhysical());
}

TEST_P(NestedInvalidationTest, EntryFromAGuestWithoutATagDropsWhatHasNone) {
  m_.Enter(0);
  Touch();
  m_.Enter(1);
  ExpectGone(0);
  ExpectUntouched(1);
}

TEST_P(NestedInvalidationTest, InvlpgInAGuestDropsItsPageAndStructures) {
  m_.mmu().Invlpg(kVa);
  ExpectHolds(1, false, true, false);
  ExpectUntouched(kOther);
  EXPECT_TRUE(HoldsGuestPhysical());
}

TEST_P(NestedInvalidationTest, InvlpgInAGuestDropsItsGlobalPageToo) {
  m_.mmu().Invlpg(kGlobalVa);
  ExpectHolds(1, true, false, false);
  ExpectUntouched(kOther);
}

TEST_P(NestedInvalidationTest, MovToCr3InAGuestSparesGlobalsAndOthers) {
  m_.ReloadCr3();
  ExpectHolds(1, false, true, false);
  ExpectUntouched(kOther);
  EXPECT_TRUE(HoldsGuestPhysical());
}

TEST_P(NestedInvalidationTest, TogglingPgeInAGuestDropsAllOfItsOwn) {
  EXPECT_FALSE(m_.mmu().FlushAll().has_value());
  ExpectGone(1);
  ExpectUntouched(kOther);
  EXPECT_TRUE(HoldsGuestPhysical());
}

TEST_P(NestedInvalidationTest, InvpcidOfAllStaysWithinTheGuest) {
  m_.mmu().Invpcid(InvpcidType::kAllWithoutGlobals, 0, VirtAddr());
  ExpectHolds(1, false, true, false);
  ExpectUntouched(kOther);
  m_.mmu().Invpcid(InvpcidType::kAllWithGlobals, 0, VirtAddr());
  ExpectGone(1);
  ExpectUntouched(kOther);
}

TEST_P(NestedInvalidationTest, APageFaultDropsItsAddressOfItsGuest) {
  EXPECT_FALSE(m_.mmu().Translate(ByUser(Write(VirtAddr(0x7000)))).ok());
  ExpectUntouched(1);
  m_.Store(m_.EntryAt(kVa, 1), 0);
  m_.mmu().Invlpg(kVa);
  EXPECT_FALSE(m_.mmu().Translate(Read(kVa)).ok());
  ExpectUntouched(kOther);
  EXPECT_TRUE(HoldsGuestPhysical());
}

TEST_P(NestedInvalidationTest, AViolationDropsBothOfItsAddresses) {
  // A write that the nested tables stop, through entries made by reads.
  m_.ClearNested(kPage, 1, amd() ? pte::kWritable : ept::kWrite);
  m_.mmu().FlushNested(m_.mmu().vm());
  m_.Enter(kOther);
  Touch();
  m_.Enter(1);
  Touch();
  EXPECT_EQ(m_.FaultOf(Write(kVa)).vector, FaultVector::kNestedViolation);
  ExpectHolds(1, false, true, false);
  ExpectUntouched(kOther);
  for (const NestedPage& page : m_.mmu().NestedTlbEntries()) {
    const bool mine = !amd() || page.tag.vpid == 1;
    EXPECT_FALSE(mine && page.gpa == AddressOf(kPage));
  }
  EXPECT_FALSE(m_.mmu().NestedTlbEntries().empty());
}

TEST_P(NestedInvalidationTest, ResetEmptiesEverything) {
  EXPECT_FALSE(m_.mmu().Reset(m_.Registers()).has_value());
  ExpectGone(1);
  ExpectGone(kOther);
  EXPECT_TRUE(m_.mmu().NestedTlbEntries().empty());
  EXPECT_TRUE(m_.mmu().NestedStructureEntries().empty());
}

// Until it is told to flush, the processor uses what it holds.
TEST_P(NestedInvalidationTest, AChangedNestedEntryIsStaleUntilFlushed) {
  m_.memory().Write64(m_.NestedEntryAt(kPage, 1), 0);
  EXPECT_TRUE(m_.mmu().Translate(Read(kVa)).ok());
  // The guest's own flush is not enough: the nested TLB has it.
  m_.mmu().Invlpg(kVa);
  EXPECT_TRUE(m_.mmu().Translate(Read(kVa)).ok());
  m_.mmu().FlushNested(m_.mmu().vm());
  EXPECT_FALSE(m_.mmu().Translate(Read(kVa)).ok());
}

TEST_P(NestedEptInvalidationTest, InveptDropsAllThatIsOfItsRoot) {
  m_.mmu().Invept(InveptType::kSingleContext, MachineAddr(0x5000));
  ExpectUntouched(1);
  EXPECT_TRUE(HoldsGuestPhysical());
  m_.mmu().Invept(InveptType::kSingleContext, m_.Controls(1).root);
  ExpectGone(1);
  ExpectGone(kOther);
  EXPECT_TRUE(m_.mmu().NestedTlbEntries().empty());
  EXPECT_TRUE(m_.mmu().NestedStructureEntries().empty());
  EXPECT_EQ(m_.clock().tally(CostEvent::kInvept), 1u + 1u + 1u);  // Chill()
}

TEST_P(NestedEptInvalidationTest, InveptOfAllTakesEveryRoot) {
  m_.mmu().Invept(InveptType::kGlobal, MachineAddr());
  ExpectGone(1);
  ExpectGone(kOther);
  EXPECT_TRUE(m_.mmu().NestedTlbEntries().empty());
}

TEST_P(NestedEptInvalidationTest, RootsAreKeptApart) {
  VmControls other = m_.Controls(1);
  other.root = AddressOf(Mfn(0x90000));  // an empty table
  EXPECT_FALSE(m_.mmu().EnterVm(other, m_.Registers()).has_value());
  EXPECT_FALSE(m_.mmu().Translate(Read(kVa)).ok());
  // But INVLPG works on the VPID, whatever the root.
  m_.mmu().Invlpg(kGlobalVa);
  EXPECT_FALSE(Holds(1, kGlobalVa));
  EXPECT_TRUE(Holds(kOther, kGlobalVa));
}

TEST_P(NestedEptInvalidationTest, InvvpidOfAnAddressTakesGlobalsAndSparesRest) {
  m_.mmu().Invvpid(InvvpidType::kAddress, 1, kGlobalVa);
  ExpectHolds(1, true, false, false);
  ExpectUntouched(kOther);
  m_.mmu().Invvpid(InvvpidType::kAddress, kOther, kVa);
  ExpectHolds(kOther, false, true, false);
  EXPECT_TRUE(HoldsGuestPhysical());
}

TEST_P(NestedEptInvalidationTest, InvvpidOfAContextSparesOthers) {
  m_.mmu().Invvpid(InvvpidType::kSingleContextRetainingGlobals, 1, VirtAddr());
  ExpectHolds(1, false, true, false);
  m_.mmu().Invvpid(InvvpidType::kSingleContext, 1, VirtAddr());
  ExpectGone(1);
  ExpectUntouched(kOther);
  EXPECT_TRUE(HoldsGuestPhysical());
}

TEST_P(NestedEptInvalidationTest, InvvpidOfAllContextsSparesVpidZero) {
  m_.Enter(0);
  Touch();
  m_.mmu().Invvpid(InvvpidType::kAllContexts, 0, VirtAddr());
  ExpectGone(1);
  ExpectGone(kOther);
  ExpectUntouched(0);
  EXPECT_TRUE(HoldsGuestPhysical());
}

TEST_P(NestedNptInvalidationTest, InvlpgaDropsAPageOfItsAsid) {
  m_.mmu().Invlpga(kVa, kOther);
  ExpectHolds(kOther, false, true, false);
  ExpectUntouched(1);
  EXPECT_TRUE(HoldsGuestPhysical());
}

TEST_P(NestedNptInvalidationTest, AnAsidsFlushDropsAllThatIsOfIt) {
  m_.mmu().FlushAsid(kOther);
  ExpectGone(kOther);
  ExpectUntouched(1);
  for (const NestedPage& page : m_.mmu().NestedTlbEntries()) {
    EXPECT_EQ(page.tag.vpid, 1);
  }
  for (const auto& entry : m_.mmu().NestedStructureEntries()) {
    EXPECT_EQ(entry.tag.vpid, 1);
  }
  EXPECT_TRUE(HoldsGuestPhysical());
}

TEST(NestedTagTest, ManyRootsDoNotRunOutOfNumbers) {
  NestedMachine m;
  m.Map(kVa, kPage);
  VmControls other = m.Controls(1);
  for (uint64_t i = 0; i < 600; ++i) {
    other.root = AddressOf(Mfn(0x90000 + i));
    EXPECT_FALSE(m.mmu().EnterVm(other, m.Registers()).has_value());
    EXPECT_FALSE(m.mmu().Translate(Read(kVa)).ok());
  }
  m.Enter(1);
  m.ExpectGoesTo(Read(kVa), AddressOf(NestedMachine::Behind(kPage)));
}

TEST(NestedTagTest, TheBareMachineIsAnotherContext) {
  NestedMachine m;
  m.Map(kVa, kPage);
  m.ExpectGoesTo(Read(kVa), AddressOf(NestedMachine::Behind(kPage)));
  // Without nested tables the same CR3 points to nothing.
  EXPECT_FALSE(m.mmu().EnterVm(VmControls(), m.Registers()).has_value());
  EXPECT_EQ(m.FaultOf(Read(kVa)).vector, FaultVector::kPageFault);
  m.Enter(1);
  EXPECT_EQ(m.LoadsOf(Read(kVa)), 0u);
}

}  // namespace
}  // namespace xmmu::nested_invalidation_test
