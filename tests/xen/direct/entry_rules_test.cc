// Flags, adjustments, the fast path, errors and linear tables: rules 9 to 18,
// 22 to 29 of tests/golden/xen-pv/FINDINGS.md.

#include <gtest/gtest.h>

#include "xen/direct/pv_fixture.h"

namespace xmmu::entry_rules_test {
namespace {

// A guest with a pinned empty table of each level in frames 1 to 4.
class EntryRulesTest : public testing::Test {
 protected:
  EntryRulesTest() {
    for (int level = 1; level <= 4; ++level) {
      EXPECT_EQ(guest.Pin(Table(level), level), XenErrno::kOk);
    }
  }

  Mfn Table(int level) const {
    return guest.Frame(static_cast<uint64_t>(level));
  }
  // An entry of `level` that is fine with `flags`: to a data page or a table.
  Pte Good(int level, uint64_t flags) const {
    return Pte(level == 1 ? guest.Frame(20) : Table(level - 1), flags);
  }

  PvGuest guest;
};

TEST_F(EntryRulesTest, CacheAttributesPseAndUpperGlobalAreRefused) {
  for (int level = 1; level <= 4; ++level) {
    for (const uint64_t flag :
         {pte::kPwt, pte::kPcd, pte::kPat, pte::kGlobal}) {
      const bool fine = level == 1 && flag == pte::kGlobal;
      EXPECT_EQ(guest.Update(Table(level), 3, Good(level, 0x7 | flag)),
                fine ? XenErrno::kOk : XenErrno::kEINVAL)
          << level << " " << flag;
      // An entry that is not present is stored as it is.
      EXPECT_EQ(guest.Update(Table(level), 4, Good(level, 0x6 | flag)),
                XenErrno::kOk);
      EXPECT_EQ(guest.Get(Table(level), 4), Good(level, 0x6 | flag));
    }
  }
}

TEST_F(EntryRulesTest, HighFlagsAreTheGuestsOwn) {
  for (int level = 1; level <= 4; ++level) {
    for (int bit = 53; bit < 64; ++bit) {
      const uint64_t flag = uint64_t{1} << bit;
      ASSERT_EQ(guest.Update(Table(level), 3, Good(level, 0x7 | flag)),
                XenErrno::kOk);
      EXPECT_NE(guest.Get(Table(level), 3).raw() & flag, 0u);
    }
  }
}

TEST_F(EntryRulesTest, EntriesAreStoredAdjusted) {
  constexpr uint64_t kKernel = uint64_t{1} << 52;
  const auto stored = [&](int level, uint64_t flags) {
    EXPECT_EQ(guest.Update(Table(level), 3, Good(level, flags)), XenErrno::kOk);
    return guest.Get(Table(level), 3).flags();
  };
  EXPECT_EQ(stored(1, 0x67), 0x167u);
  EXPECT_EQ(stored(1, 0x63), kKernel | 0x67);
  EXPECT_EQ(stored(1, kKernel | 0x67), kKernel | 0x67);
  EXPECT_EQ(stored(2, 0x3), 0x7u);
  EXPECT_EQ(stored(3, 0x1), 0x5u);
  EXPECT_EQ(stored(4, 0x3), 0x27u);
}

TEST_F(EntryRulesTest, FlagsThatDoNotMatterChangeWithoutReferences) {
  ASSERT_EQ(guest.Update(Table(1), 3, Good(1, 0x7)), XenErrno::kOk);
  CycleClock& clock = guest.clock();
  constexpr uint64_t kFree = pte::kAccessed | pte::kDirty | pte::kGlobal |
                             pte::kAvail | pte::kNoExecute |
                             (uint64_t{1} << 58);
  for (int bit = 0; bit < 64; ++bit) {
    const uint64_t flag = uint64_t{1} << bit;
    if ((kFree & flag) == 0) continue;
    const uint64_t before = clock.tally(CostEvent::kLockedOp);
    ASSERT_EQ(guest.Update(Table(1), 3, Good(1, 0x7 | flag)), XenErrno::kOk);
    EXPECT_EQ(clock.tally(CostEvent::kLockedOp) - before, 4u) << bit;
  }
}

TEST_F(EntryRulesTest, PreserveAdKeepsThemEvenInAClearedEntry) {
  constexpr auto kPreserve = MmuUpdateCommand::kPreserveAd;
  ASSERT_EQ(guest.Update(Table(1), 3, Good(1, 0x67)), XenErrno::kOk);
  ASSERT_EQ(guest.Update(Table(1), 3, Pte(guest.Frame(21), 0x5), kPreserve),
            XenErrno::kOk);
  EXPECT_EQ(guest.Get(Table(1), 3), Pte(guest.Frame(21), 0x165));
  ASSERT_EQ(guest.Update(Table(1), 3, Pte(), kPreserve), XenErrno::kOk);
  EXPECT_EQ(guest.Get(Table(1), 3).raw(), 0x60u);
  ASSERT_EQ(guest.Update(Table(1), 3, Pte()), XenErrno::kOk);
  EXPECT_EQ(guest.Get(Table(1), 3).raw(), 0u);
}

TEST_F(EntryRulesTest, RefusalsOfL1EntriesHaveTheirOwnErrno) {
  const Mfn nobodys = guest.host.AllocXenFrame();
  const Mfn all_ones{(uint64_t{1} << 40) - 1};
  EXPECT_EQ(guest.Update(Table(1), 3, Pte(nobodys, kRo)), XenErrno::kEBUSY);
  EXPECT_EQ(guest.Update(Table(1), 3, Pte(Table(2), kRw)), XenErrno::kEBUSY);
  EXPECT_EQ(guest.Update(Table(1), 3, Pte(Mfn(uint64_t{1} << 39), kRo)),
            XenErrno::kEPERM);
  EXPECT_EQ(guest.Update(Table(1), 3, Pte(all_ones, kRo)), XenErrno::kEINVAL);
  EXPECT_EQ(guest.Update(Table(1), 3, Good(1, 0x7 | pte::kPcd)),
            XenErrno::kEINVAL);
}

TEST_F(EntryRulesTest, WhatXenAnswersToWrongArguments) {
  const Mfn nobodys = guest.host.AllocXenFrame();
  EXPECT_EQ(guest.Update(nobodys, 0, Pte()), XenErrno::kEINVAL);
  EXPECT_EQ(guest.Update(Table(1), 0, Pte(), static_cast<MmuUpdateCommand>(5)),
            XenErrno::kENOSYS);
  EXPECT_EQ(guest.Update(Table(1), 0, Pte(), MmuUpdateCommand::kNormal, 77),
            XenErrno::kESRCH);
  EXPECT_EQ(guest.Update(Table(2), 0, Pte(), MmuUpdateCommand::kNormal, kDomIo),
            XenErrno::kEINVAL);
  EXPECT_EQ(guest.Update(Table(1), 0, Pte(), MmuUpdateCommand::kNormal, kDomIo),
            XenErrno::kOk);
  EXPECT_EQ(guest.Update(Table(4), 255, Pte()), XenErrno::kOk);
  EXPECT_EQ(guest.Update(Table(4), 256, Pte()), XenErrno::kEINVAL);
  EXPECT_EQ(guest.Update(Table(4), 271, Pte()), XenErrno::kEINVAL);
  EXPECT_EQ(guest.Update(Table(4), 272, Pte()), XenErrno::kOk);
  EXPECT_EQ(guest.Op({.command = MmuextCommand::kUnknown}), XenErrno::kENOSYS);
  EXPECT_EQ(guest.Op({.command = MmuextCommand::kTlbFlushLocal}, kDomIo),
            XenErrno::kEPERM);
  EXPECT_EQ(guest.Op({.command = MmuextCommand::kTlbFlushLocal}, 77),
            XenErrno::kESRCH);
  EXPECT_EQ(guest.Op({.command = MmuextCommand::kFlushCache}),
            XenErrno::kEACCES);
}

TEST_F(EntryRulesTest, ABatchStopsAtTheRefusalAndKeepsWhatIsDone) {
  const std::array requests = {
      MmuUpdate{guest.EntryOf(Table(1), 0), Good(1, kRw).raw()},
      MmuUpdate{guest.EntryOf(Table(1), 1), Pte(Table(2), kRw).raw()},
      MmuUpdate{guest.EntryOf(Table(1), 2), Good(1, kRw).raw()}};
  const HypercallResult result =
      guest.Execute(MmuUpdateCall{.requests = requests});
  EXPECT_EQ(ErrnoOf(result.status), XenErrno::kEBUSY);
  EXPECT_EQ(result.done, 1u);
  EXPECT_TRUE(guest.Get(Table(1), 0).present());
  EXPECT_FALSE(guest.Get(Table(1), 2).present());
}

TEST_F(EntryRulesTest, AMulticallGoesOnAfterARefusal) {
  const std::array good = {
      MmuUpdate{guest.EntryOf(Table(1), 0), Good(1, kRw).raw()}};
  const std::array bad = {
      MmuUpdate{guest.EntryOf(Table(1), 1), Pte(Table(2), kRw).raw()}};
  const std::array<Subcall, 2> calls = {MmuUpdateCall{.requests = bad},
                                        MmuUpdateCall{.requests = good}};
  const HypercallResult result = guest.Execute(MulticallCall{calls});
  EXPECT_EQ(ErrnoOf(result.status), XenErrno::kEBUSY);
  EXPECT_EQ(result.done, 1u);
  EXPECT_TRUE(guest.Get(Table(1), 0).present());
}

TEST_F(EntryRulesTest, AMulticallTellsWhatEachOfItsCallsWouldHaveAnswered) {
  const std::array two = {
      MmuUpdate{guest.EntryOf(Table(1), 0), Good(1, kRw).raw()},
      MmuUpdate{guest.EntryOf(Table(1), 1), Pte(Table(2), kRw).raw()}};
  const std::array unpin = {
      MmuextOp{.command = MmuextCommand::kUnpin, .mfn = guest.Frame(20)}};
  const std::array given = {guest.Frame(30), guest.Frame(31), Mfn(1)};
  const std::array<Subcall, 4> calls = {
      MmuUpdateCall{.requests = two}, MmuextCall{.ops = unpin},
      DecreaseReservationCall{.frames = given}, VmAssistCall{.enable = true}};
  const HypercallResult result = guest.Execute(MulticallCall{calls});
  ASSERT_EQ(result.entries.size(), calls.size());
  EXPECT_EQ(ErrnoOf(result.entries[0].status), XenErrno::kEBUSY);
  EXPECT_EQ(result.entries[0].done, 1u);
  EXPECT_EQ(ErrnoOf(result.entries[1].status), XenErrno::kEINVAL);
  EXPECT_EQ(result.entries[1].done, 0u);
  EXPECT_TRUE(result.entries[2].status.ok());
  EXPECT_EQ(result.entries[2].done, 2u);
  EXPECT_TRUE(result.entries[3].status.ok());
  // All together: the first refusal, and how many were none.
  EXPECT_EQ(ErrnoOf(result.status), XenErrno::kEBUSY);
  EXPECT_EQ(result.done, 2u);
  EXPECT_TRUE(guest.Execute(MulticallCall{}).entries.empty());
  EXPECT_TRUE(guest.Execute(VmAssistCall{}).entries.empty());
}

TEST_F(EntryRulesTest, PagesAreClearedAndCopiedAsWritableOnes) {
  guest.Put(guest.Frame(20), 7, Pte(5));
  ASSERT_EQ(guest.Op({.command = MmuextCommand::kCopyPage,
                      .mfn = guest.Frame(21),
                      .source = guest.Frame(20)}),
            XenErrno::kOk);
  EXPECT_EQ(guest.Get(guest.Frame(21), 7), Pte(5));
  ASSERT_EQ(
      guest.Op({.command = MmuextCommand::kClearPage, .mfn = guest.Frame(21)}),
      XenErrno::kOk);
  EXPECT_EQ(guest.Get(guest.Frame(21), 7), Pte());
  EXPECT_EQ(guest.Op({.command = MmuextCommand::kClearPage, .mfn = Table(1)}),
            XenErrno::kEINVAL);
}

// --- Linear tables.

TEST_F(EntryRulesTest, AReferenceToItselfTakesNoneAndMustBeReadOnly) {
  for (int level = 2; level <= 4; ++level) {
    const Mfn table = Table(level);
    const uint64_t refs = guest.Page(table).ref_count;
    EXPECT_EQ(guest.Update(table, 3, Pte(table, 0x5)), XenErrno::kOk);
    EXPECT_EQ(guest.Update(table, 4, Pte(table, 0x5)), XenErrno::kOk);
    EXPECT_EQ(guest.Update(table, 5, Pte(table, 0x7)), XenErrno::kEINVAL);
    EXPECT_EQ(guest.Page(table).ref_count, refs);
    EXPECT_EQ(guest.Page(table).linear_pt_count, 0);
  }
}

TEST_F(EntryRulesTest, AnotherTableOfTheSameLevelCountsOnBothSides) {
  const Mfn other = guest.Frame(12);
  ASSERT_EQ(guest.Pin(other, 2), XenErrno::kOk);
  ASSERT_EQ(guest.Update(Table(2), 3, Pte(other, 0x5)), XenErrno::kOk);
  EXPECT_EQ(guest.Page(Table(2)).linear_pt_count, 1);
  EXPECT_EQ(guest.Page(other).linear_pt_count, -1);
  EXPECT_EQ(guest.Page(other).type_count, 2u);
  // No chains: not from the one referred to, not to the one that refers.
  const Mfn third = guest.Frame(13);
  ASSERT_EQ(guest.Pin(third, 2), XenErrno::kOk);
  EXPECT_EQ(guest.Update(other, 3, Pte(third, 0x5)), XenErrno::kEINVAL);
  EXPECT_EQ(guest.Update(third, 3, Pte(Table(2), 0x5)), XenErrno::kEINVAL);
  // An unpinned table lives on through its linear user.
  ASSERT_EQ(guest.Unpin(other), XenErrno::kOk);
  EXPECT_TRUE(guest.Page(other).validated);
  ASSERT_EQ(guest.Update(Table(2), 3, Pte()), XenErrno::kOk);
  EXPECT_FALSE(guest.Page(other).validated);
  EXPECT_EQ(guest.Page(Table(2)).linear_pt_count, 0);
}

TEST_F(EntryRulesTest, ALinearTargetMustBeValidatedAlready) {
  const Mfn raw = guest.Frame(12);
  guest.Put(raw, 0, Pte(guest.Frame(13), 0x7 | pte::kPcd));
  EXPECT_EQ(guest.Update(Table(2), 3, Pte(raw, 0x5)), XenErrno::kEINVAL);
  EXPECT_EQ(guest.Page(raw).ref_count, 1u);
}

TEST_F(EntryRulesTest, XensSlotsOfAFormerL4StayBehind) {
  ASSERT_EQ(guest.Unpin(Table(4)), XenErrno::kOk);
  EXPECT_EQ(guest.Get(Table(4), 258).frame(), Table(4));
  EXPECT_EQ(guest.Pin(Table(4), 2), XenErrno::kEINVAL);
  EXPECT_EQ(guest.Pin(Table(4), 1), XenErrno::kEBUSY);
  EXPECT_EQ(guest.Pin(Table(4), 4), XenErrno::kOk);
}

// --- Domains with rights on I/O memory.

TEST(IoPrivilegedTest, DeviceMemoryIsMappedUncachedAndWithoutReferences) {
  PvGuest guest({.io_privileged = true});
  ASSERT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kOk);
  const Mfn device{uint64_t{1} << 30};
  ASSERT_EQ(guest.Update(guest.Frame(1), 0, Pte(device, kRw)), XenErrno::kOk);
  EXPECT_EQ(guest.Get(guest.Frame(1), 0).flags() & (pte::kPwt | pte::kPcd),
            pte::kPwt | pte::kPcd);
  EXPECT_EQ(guest.Update(guest.Frame(1), 1, Pte(guest.Frame(2), 7 | pte::kPcd)),
            XenErrno::kOk);
  // The local APIC may not be mapped, nor what the CPU cannot address.
  guest.host.frames()[Mfn(0xfee00)].is_ram = false;
  EXPECT_EQ(guest.Update(guest.Frame(1), 2, Pte(Mfn(0xfee00), kRo)),
            XenErrno::kEPERM);
  EXPECT_EQ(guest.Update(guest.Frame(1), 2, Pte(Mfn(uint64_t{1} << 34), kRo)),
            XenErrno::kEPERM);
  EXPECT_EQ(guest.Op({.command = MmuextCommand::kFlushCache}), XenErrno::kOk);
}

TEST(IoPrivilegedTest, WriteCombiningIsRememberedUntilThePageIsNoLongerData) {
  PvGuest guest({.io_privileged = true});
  ASSERT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kOk);
  ASSERT_EQ(guest.Update(guest.Frame(1), 0, Pte(guest.Frame(2), 7 | pte::kPat)),
            XenErrno::kOk);
  EXPECT_TRUE(guest.Page(2).non_coherent);
  ASSERT_EQ(guest.Update(guest.Frame(1), 0, Pte()), XenErrno::kOk);
  EXPECT_TRUE(guest.Page(2).non_coherent);
  ASSERT_EQ(guest.Pin(guest.Frame(2), 1), XenErrno::kOk);
  EXPECT_FALSE(guest.Page(2).non_coherent);
}

TEST(XenHeapTest, CacheAttributesOfAPageOfXensAreRefused) {
  PvGuest guest({.io_privileged = true});
  ASSERT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kOk);
  guest.Page(2).xen_heap = true;
  EXPECT_EQ(guest.Update(guest.Frame(1), 0, Pte(guest.Frame(2), 7 | pte::kPcd)),
            XenErrno::kEACCES);
  EXPECT_EQ(guest.Page(2).ref_count, 1u);
  EXPECT_EQ(guest.Update(guest.Frame(1), 0, Pte(guest.Frame(2), 7)),
            XenErrno::kOk);
}

}  // namespace
}  // namespace xmmu::entry_rules_test
