// Rules of PAE and 2-level guests alone, two domains on one host, and what the
// audit finds.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "xen/direct/pv_fixture.h"

namespace xmmu::guest_modes_test {
namespace {

using ::testing::HasSubstr;

// --- PAE: rules 37 to 45 of tests/golden/xen-pv/FINDINGS.md.

class PaeTest : public testing::TestWithParam<const char*> {
 protected:
  PaeTest() : guest({.mode = PagingMode::kPae, .machine = GetParam()}) {}
  bool compat() const { return guest.host.model().features.long_mode; }

  // A root of frames `l3` and `l2` in slot 3, not yet validated.
  Mfn Root(uint64_t l3, uint64_t l2) {
    guest.Put(guest.Frame(l3), 3, Pte(guest.Frame(l2), 1));
    return guest.Frame(l3);
  }

  PvGuest guest;
};

TEST_P(PaeTest, TheMmuWalksTheRootOrOneOfXensAboveIt) {
  EXPECT_EQ(guest.cpu().mmu.mode(),
            compat() ? PagingMode::k4Level : PagingMode::kPae);
  EXPECT_EQ(HardwareMode(PagingMode::kPae, guest.host.model().features),
            guest.cpu().mmu.mode());
  const Mfn loaded = compat() ? guest.hidden_l4() : guest.root;
  EXPECT_EQ(guest.cpu().mmu.registers().cr3, AddressOf(loaded).value());
}

TEST_P(PaeTest, SlotThreeMustBePresentAndItsL2InNoOtherRoot) {
  EXPECT_EQ(guest.Pin(guest.Frame(1), 3), XenErrno::kEINVAL);
  const Mfn root = Root(2, 3);
  ASSERT_EQ(guest.Pin(root, 3), XenErrno::kOk);
  EXPECT_TRUE(guest.Page(3).pae_xen_l2);
  const uint64_t types = guest.Page(3).type_count;
  EXPECT_EQ(guest.Pin(Root(4, 3), 3), XenErrno::kEINVAL);
  EXPECT_EQ(guest.Page(3).type_count, types);  // and nothing leaks
  EXPECT_EQ(guest.Page(4).type, PageType::kL3);
  // A kernel-slot L2 is nothing else.
  EXPECT_EQ(guest.Pin(guest.Frame(3), 2), XenErrno::kEINVAL);
  EXPECT_EQ(guest.Update(root, 0, Pte(guest.Frame(3), 1)), XenErrno::kEINVAL);
  EXPECT_EQ(guest.Update(root, 3, Pte(guest.Frame(5), 1)), XenErrno::kEINVAL);
}

TEST_P(PaeTest, APinnedL2CannotGoIntoSlotThree) {
  ASSERT_EQ(guest.Pin(guest.Frame(3), 2), XenErrno::kOk);
  EXPECT_EQ(guest.Pin(Root(2, 3), 3), XenErrno::kEINVAL);
}

TEST_P(PaeTest, XensSlotsAreXensOnlyInAKernelSlotL2) {
  ASSERT_EQ(guest.Pin(Root(2, 3), 3), XenErrno::kOk);
  EXPECT_EQ(guest.Update(guest.Frame(3), 427, Pte()), XenErrno::kOk);
  EXPECT_EQ(guest.Update(guest.Frame(3), 428, Pte()), XenErrno::kEPERM);
  ASSERT_EQ(guest.Pin(guest.Frame(4), 2), XenErrno::kOk);
  EXPECT_EQ(guest.Update(guest.Frame(4), 428, Pte()), XenErrno::kOk);
}

TEST_P(PaeTest, WhatXenLeavesInAKernelSlotL2KeepsItFromBeingAPlainOne) {
  ASSERT_EQ(guest.Pin(Root(2, 3), 3), XenErrno::kOk);
  ASSERT_EQ(guest.Unpin(guest.Frame(2)), XenErrno::kOk);
  EXPECT_EQ(guest.Pin(guest.Frame(3), 2), XenErrno::kEINVAL);
  EXPECT_EQ(guest.Pin(guest.Frame(2), 3), XenErrno::kOk);
  ASSERT_EQ(guest.Unpin(guest.Frame(2)), XenErrno::kOk);
  ASSERT_EQ(guest.Update(guest.Frame(3), 428, Pte()), XenErrno::kOk);
  EXPECT_EQ(guest.Pin(guest.Frame(3), 2), XenErrno::kOk);
}

// Xen 4.17, xen/arch/x86/x86_64/compat/mm.c, compat_mmuext_op: it is the
// translated operations that are refused for the domain they name.
TEST_P(PaeTest, AListWithoutOperationsNamesNoDomain) {
  if (!compat()) return;
  constexpr DomainId kNoDomain = 77;
  EXPECT_EQ(guest.Execute(MmuextCall{.ops = {}, .owner = kNoDomain}).status,
            absl::OkStatus());
  EXPECT_EQ(guest.Op({.command = MmuextCommand::kTlbFlushLocal}, kNoDomain),
            XenErrno::kESRCH);
  const MmuextOp user{.command = MmuextCommand::kNewUserBaseptr};
  EXPECT_EQ(guest.Op(user, kNoDomain), XenErrno::kESRCH);
  EXPECT_EQ(guest.Op(user, kDomIo), XenErrno::kEINVAL);
}

TEST_P(PaeTest, EntriesBehindTheRootAreCleared) {
  const Mfn root = Root(2, 3);
  guest.Put(root, 4, Pte(guest.Frame(9), kRw));
  guest.Put(root, 511, Pte(guest.Frame(9), kRw));
  ASSERT_EQ(guest.Pin(root, 3), XenErrno::kOk);
  EXPECT_EQ(guest.Get(root, 4), Pte());
  EXPECT_EQ(guest.Get(root, 511), Pte());
}

TEST_P(PaeTest, RootEntriesAreWhatTheHardwareTakes) {
  const Mfn root = Root(2, 3);
  ASSERT_EQ(guest.Pin(root, 3), XenErrno::kOk);
  const Mfn l2 = guest.Frame(5);
  ASSERT_EQ(guest.Update(root, 0, Pte(l2, pte::kPresent)), XenErrno::kOk);
  EXPECT_EQ(guest.Get(root, 0).flags(), compat() ? 0x7u : 0x1u);
  const XenErrno with_rights = guest.Update(root, 1, Pte(l2, 0x67));
  EXPECT_EQ(with_rights, compat() ? XenErrno::kOk : XenErrno::kEINVAL);
  ASSERT_EQ(guest.Unpin(root), XenErrno::kOk);
  EXPECT_EQ(guest.Get(root, 0).flags(), 0x1u);
}

TEST_P(PaeTest, L1EntriesAreNotAdjustedAndL4sDoNotExist) {
  ASSERT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kOk);
  ASSERT_EQ(guest.Update(guest.Frame(1), 0, Pte(guest.Frame(2), 0x63)),
            XenErrno::kOk);
  EXPECT_EQ(guest.Get(guest.Frame(1), 0).flags(), 0x63u);
  EXPECT_EQ(guest.Pin(guest.Frame(7), 4), XenErrno::kOk);
  EXPECT_EQ(guest.Page(7).type, PageType::kWritable);
}

TEST_P(PaeTest, SwitchingRootsSwitchesTranslations) {
  const VirtAddr va(0x40000000);
  guest.Hook(guest.Frame(10), va);
  ASSERT_EQ(guest.Update(guest.Frame(10), 0, Pte(guest.Frame(20), kRw)),
            XenErrno::kOk);
  const Access access{va, AccessKind::kRead, false};
  // The hardware reads a new root entry when CR3 is loaded; Xen has flushed.
  EXPECT_TRUE(guest.cpu().mmu.Translate(access).ok());
  const Mfn root = Root(2, 3);
  ASSERT_EQ(guest.Op({.command = MmuextCommand::kNewBaseptr, .mfn = root}),
            XenErrno::kOk);
  EXPECT_FALSE(guest.cpu().mmu.Translate(access).ok());
  ASSERT_EQ(
      guest.Op({.command = MmuextCommand::kNewBaseptr, .mfn = guest.root}),
      XenErrno::kOk);
  EXPECT_TRUE(guest.cpu().mmu.Translate(access).ok());
  EXPECT_FALSE(guest.Page(3).pae_xen_l2);
}

INSTANTIATE_TEST_SUITE_P(Machines, PaeTest,
                         testing::Values("skylake-2017", "xeon-2003"),
                         [](const testing::TestParamInfo<const char*>& row) {
                           return row.index == 0 ? "Compat" : "Pae";
                         });

// --- 2-level: Xen 3.0.0.

class TwoLevelTest : public testing::Test {
 protected:
  TwoLevelTest()
      : guest({.mode = PagingMode::k2Level, .machine = "xeon-2003"}) {}
  PvGuest guest;
};

TEST_F(TwoLevelTest, AnL1KnowsTheOneSlotThatItIsHookedAt) {
  const Mfn l1 = guest.Frame(1);
  ASSERT_EQ(guest.Pin(l1, 1), XenErrno::kOk);
  EXPECT_EQ(guest.Page(1).l2_slot, kL2SlotMutable);
  ASSERT_EQ(guest.Update(guest.root, 5, Pte(l1, 7)), XenErrno::kOk);
  EXPECT_EQ(guest.Page(1).l2_slot, 5);
  // The L1 is hooked at the same slot of another root.
  ASSERT_EQ(guest.Pin(guest.Frame(2), 2), XenErrno::kOk);
  ASSERT_EQ(guest.Update(guest.Frame(2), 5, Pte(l1, 7)), XenErrno::kOk);
  EXPECT_EQ(guest.Page(1).l2_slot, 5);
  ASSERT_EQ(guest.Update(guest.root, 6, Pte(l1, 7)), XenErrno::kOk);
  EXPECT_EQ(guest.Page(1).l2_slot, kL2SlotMany);
  // Only the pin is left: anywhere again.
  ASSERT_EQ(guest.Update(guest.root, 5, Pte()), XenErrno::kOk);
  ASSERT_EQ(guest.Update(guest.root, 6, Pte()), XenErrno::kOk);
  EXPECT_EQ(guest.Page(1).l2_slot, kL2SlotMany);
  ASSERT_EQ(guest.Update(guest.Frame(2), 5, Pte()), XenErrno::kOk);
  EXPECT_EQ(guest.Page(1).l2_slot, kL2SlotMutable);
}

TEST_F(TwoLevelTest, TheLastSlotsAreXensWithALinearMapOfTheRoot) {
  EXPECT_EQ(guest.Update(guest.root, 1007, Pte()), XenErrno::kOk);
  EXPECT_EQ(guest.Update(guest.root, 1008, Pte()), XenErrno::kEINVAL);
  int self = 0;
  for (int slot = 1008; slot < 1024; ++slot) {
    if (guest.Get(guest.root, slot).frame() == guest.root) ++self;
  }
  EXPECT_EQ(self, 1);
}

TEST_F(TwoLevelTest, FlagsThatMatterAreFewer) {
  ASSERT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kOk);
  const Mfn page = guest.Frame(2);
  EXPECT_EQ(guest.Update(guest.Frame(1), 0, Pte(page, 7 | pte::kPcd)),
            XenErrno::kOk);
  EXPECT_EQ(guest.Update(guest.Frame(1), 0, Pte(page, 7 | pte::kPat)),
            XenErrno::kEINVAL);
  EXPECT_EQ(guest.Update(guest.Frame(1), 0, Pte(page, 7 | pte::kGlobal)),
            XenErrno::kEINVAL);
  // Flags of an L2 entry but RW: the table's four locked operations, and the
  // big lock.
  ASSERT_EQ(guest.Update(guest.root, 0, Pte(guest.Frame(1), 7)), XenErrno::kOk);
  const uint64_t locked = guest.clock().tally(CostEvent::kLockedOp);
  ASSERT_EQ(guest.Update(guest.root, 0, Pte(guest.Frame(1), 0x27)),
            XenErrno::kOk);
  EXPECT_EQ(guest.clock().tally(CostEvent::kLockedOp) - locked, 5u);
}

TEST_F(TwoLevelTest, ALinearEntryDoesNotBecomeWritable) {
  ASSERT_EQ(guest.Update(guest.root, 9, Pte(guest.root, 5)), XenErrno::kOk);
  EXPECT_EQ(guest.Update(guest.root, 9, Pte(guest.root, 7)), XenErrno::kEINVAL);
}

TEST_F(TwoLevelTest, RootsMayReferToValidatedRootsReadOnly) {
  const Mfn other = guest.Frame(2);
  EXPECT_EQ(guest.Update(guest.root, 9, Pte(guest.root, 5)), XenErrno::kOk);
  EXPECT_EQ(guest.Update(guest.root, 10, Pte(guest.root, 7)),
            XenErrno::kEINVAL);
  ASSERT_EQ(guest.Pin(other, 2), XenErrno::kOk);
  EXPECT_EQ(guest.Update(guest.root, 10, Pte(other, 5)), XenErrno::kOk);
  EXPECT_EQ(guest.Page(other).type_count, 2u);
  EXPECT_EQ(guest.Update(guest.root, 10, Pte()), XenErrno::kOk);
  EXPECT_EQ(guest.Page(other).type_count, 1u);
}

// --- Two domains.

TEST(TwoDomainsTest, NoFrameOfAnotherDomainIsEverMappedOrTyped) {
  for (const PagingMode mode :
       {PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level}) {
    PvGuest guest({.mode = mode});
    Domain* const other =
        guest.host.CreateDomain({.mode = mode, .memory_frames = 16}).value();
    const Mfn foreign = other->p2m().MfnOf(Pfn(3));
    ASSERT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kOk);
    ASSERT_EQ(guest.Pin(guest.Frame(2), 2), XenErrno::kOk);
    for (const uint64_t flags : {kRo, kRw}) {
      EXPECT_NE(guest.Update(guest.Frame(1), 0, Pte(foreign, flags)),
                XenErrno::kOk);
      EXPECT_NE(guest.Update(guest.Frame(2), 0, Pte(foreign, flags)),
                XenErrno::kOk);
      EXPECT_EQ(guest.Update(guest.Frame(1), 0, Pte(foreign, flags),
                             MmuUpdateCommand::kNormal, other->id()),
                XenErrno::kEPERM);
    }
    EXPECT_EQ(guest.Pin(foreign, 1), XenErrno::kEINVAL);
    EXPECT_EQ(guest.Update(foreign, 0, Pte()), XenErrno::kEINVAL);
    EXPECT_EQ(guest.Op({.command = MmuextCommand::kNewBaseptr, .mfn = foreign}),
              XenErrno::kEINVAL);
    EXPECT_EQ(guest.Op({.command = MmuextCommand::kClearPage, .mfn = foreign}),
              XenErrno::kEINVAL);
    EXPECT_EQ(guest.Op({.command = MmuextCommand::kCopyPage,
                        .mfn = guest.Frame(5),
                        .source = foreign}),
              XenErrno::kEINVAL);
    EXPECT_EQ(guest.Op({.command = MmuextCommand::kPinL1, .mfn = foreign},
                       other->id()),
              XenErrno::kEPERM);
    const PageInfo& page = guest.host.frames()[foreign];
    EXPECT_EQ(page.ref_count, 1u);
    EXPECT_EQ(page.type_count, 0u);
  }
}

TEST(TwoDomainsTest, GuestsOfDifferentModesTakeTurnsOnOneCpu) {
  PvGuest guest({.mode = PagingMode::kPae});
  Domain* const other = guest.host.CreateDomain({.memory_frames = 16}).value();
  ASSERT_EQ(guest.paging.StartVcpu(other->vcpu(0), other->p2m().MfnOf(Pfn(0)),
                                   kInvalidMfn),
            absl::OkStatus());
  const ControlRegisters before = guest.cpu().mmu.registers();
  EXPECT_EQ(guest.cpu().current, &guest.vcpu());
  guest.host.SwitchVcpu(guest.cpu(), other->vcpu(0));
  EXPECT_EQ(guest.cpu().mmu.registers().cr3, other->vcpu(0).cr3);
  EXPECT_EQ(other->dirty_cpus(), 1u);
  EXPECT_EQ(guest.domain->dirty_cpus(), 0u);
  guest.host.SwitchVcpu(guest.cpu(), guest.vcpu());
  EXPECT_EQ(guest.cpu().mmu.registers(), before);
}

// --- The audit itself.

TEST(AuditTest, FindsEachKindOfDifference) {
  PvGuest guest;
  ASSERT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kOk);
  ASSERT_EQ(guest.Update(guest.Frame(1), 0, Pte(guest.Frame(2), kRw)),
            XenErrno::kOk);
  const auto audit = [&] {
    return std::string(AuditDomain(guest.host, *guest.domain).message());
  };
  EXPECT_EQ(audit(), "");
  ++guest.Page(2).ref_count;
  EXPECT_THAT(audit(), HasSubstr("pfn 2 has 3 references, recounted 2"));
  --guest.Page(2).ref_count;
  ++guest.Page(2).type_count;
  EXPECT_THAT(audit(), HasSubstr("pfn 2 has type count 2, recounted 1"));
  --guest.Page(2).type_count;
  guest.Put(guest.Frame(1), 1, Pte(guest.Frame(1), kRw));
  EXPECT_THAT(audit(), HasSubstr("as another type than it has"));
  guest.Put(guest.Frame(1), 1, Pte(Mfn(4000), kRo));
  EXPECT_THAT(audit(), HasSubstr("not the domain's"));
  guest.Put(guest.Frame(1), 1, Pte());
  guest.vcpu().guest_table = guest.Frame(3);
  EXPECT_THAT(audit(), HasSubstr("base pointer"));
}

}  // namespace
}  // namespace xmmu::guest_modes_test
