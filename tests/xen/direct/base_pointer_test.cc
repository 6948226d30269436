// Base pointers, update_va_mapping and flushes.

#include <gtest/gtest.h>

#include "xen/direct/pv_fixture.h"
#include "xen/layout.h"

namespace xmmu::base_pointer_test {
namespace {

XenErrno NewBase(PvGuest& guest, Mfn root) {
  return guest.Op({.command = MmuextCommand::kNewBaseptr, .mfn = root});
}
XenErrno NewUserBase(PvGuest& guest, Mfn root) {
  return guest.Op({.command = MmuextCommand::kNewUserBaseptr, .mfn = root});
}

TEST(BasePointerTest, AnUnpinnedRootLastsAsLongAsItIsLoaded) {
  PvGuest guest;
  ASSERT_EQ(NewBase(guest, guest.Frame(1)), XenErrno::kOk);
  EXPECT_EQ(guest.cpu().mmu.registers().cr3, AddressOf(guest.Frame(1)).value());
  EXPECT_TRUE(guest.Page(1).validated);
  EXPECT_TRUE(guest.Page(guest.root).validated);  // pinned
  ASSERT_EQ(NewBase(guest, guest.root), XenErrno::kOk);
  EXPECT_FALSE(guest.Page(1).validated);
}

TEST(BasePointerTest, TheSameOneAgainOnlyLoadsCr3) {
  PvGuest guest;
  const uint64_t loads = guest.cpu().counters[Counter::kCr3Loads];
  const uint64_t locked = guest.clock().tally(CostEvent::kLockedOp);
  ASSERT_EQ(NewBase(guest, guest.root), XenErrno::kOk);
  EXPECT_EQ(guest.cpu().counters[Counter::kCr3Loads], loads + 1);
  EXPECT_EQ(guest.clock().tally(CostEvent::kLockedOp), locked);
}

TEST(BasePointerTest, ARefusedRootChangesNothing) {
  for (const char* machine : {"skylake-2017", "xeon-2003"}) {
    for (const PagingMode mode :
         {PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level}) {
      if (mode == PagingMode::k4Level && machine[0] == 'x') continue;
      PvGuest guest({.mode = mode, .machine = machine});
      const uint64_t cr3 = guest.cpu().mmu.registers().cr3;
      ASSERT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kOk);
      EXPECT_EQ(NewBase(guest, guest.Frame(1)), XenErrno::kEINVAL);
      EXPECT_EQ(guest.cpu().mmu.registers().cr3, cr3);
      EXPECT_EQ(guest.vcpu().guest_table, guest.root);
    }
  }
}

TEST(BasePointerTest, TheUserRootIsLoadedByGoingToUserMode) {
  PvGuest guest;
  guest.paging.ToggleGuestMode(guest.vcpu(),
                               false);  // there is none: no switch
  EXPECT_TRUE(guest.vcpu().kernel_mode);
  const uint64_t kernel = guest.cpu().mmu.registers().cr3;
  ASSERT_EQ(NewUserBase(guest, guest.Frame(1)), XenErrno::kOk);
  EXPECT_EQ(guest.cpu().mmu.registers().cr3, kernel);
  const uint32_t tick = guest.host.tlb_clock();
  guest.paging.ToggleGuestMode(guest.vcpu(), false);
  EXPECT_EQ(guest.cpu().mmu.registers().cr3, AddressOf(guest.Frame(1)).value());
  guest.paging.ToggleGuestMode(guest.vcpu(), true);
  EXPECT_EQ(guest.cpu().mmu.registers().cr3, kernel);
  // Global entries survive both, so neither counts as a flush.
  EXPECT_EQ(guest.host.tlb_clock(), tick);
  ASSERT_EQ(NewUserBase(guest, Mfn(0)), XenErrno::kOk);
  EXPECT_EQ(guest.vcpu().guest_table_user, kInvalidMfn);
  EXPECT_FALSE(guest.Page(1).validated);
}

TEST(BasePointerTest, ThirtyTwoBitGuestsHaveOne) {
  PvGuest pae({.mode = PagingMode::kPae});
  EXPECT_EQ(NewUserBase(pae, Mfn(0)), XenErrno::kEINVAL);
  // The answer is the same whichever existing domain the call names.
  EXPECT_EQ(pae.Op({.command = MmuextCommand::kNewUserBaseptr}, kDomXen),
            XenErrno::kEINVAL);
  PvGuest old({.mode = PagingMode::k2Level});
  EXPECT_EQ(NewUserBase(old, Mfn(0)), XenErrno::kENOSYS);
}

TEST(BasePointerTest, NoGuestsOfModesThatXenDoesNotRun) {
  Host host(*FindMachine("skylake-2017"), {.timing = MemoryTiming::kFlat});
  DirectPaging paging(host);
  Domain* const wide =
      host.CreateDomain({.mode = PagingMode::k5Level, .memory_frames = 8})
          .value();
  EXPECT_EQ(
      paging.StartVcpu(wide->vcpu(0), wide->p2m().MfnOf(Pfn(0)), kInvalidMfn)
          .code(),
      absl::StatusCode::kUnimplemented);
}

// --- update_va_mapping.

constexpr VirtAddr kVa{0x40201000};

class UpdateVaTest : public testing::TestWithParam<PvOptions> {};

TEST_P(UpdateVaTest, ChangesTheEntryThatMapsTheAddress) {
  PvGuest guest(GetParam());
  guest.Hook(guest.Frame(10), kVa);
  const int slot = IndexOf(guest.mode, 1, kVa);
  ASSERT_EQ(guest.UpdateVa(kVa, Pte(guest.Frame(20), kRw)), XenErrno::kOk);
  EXPECT_EQ(guest.Get(guest.Frame(10), slot).frame(), guest.Frame(20));
  const bool user = guest.mode == PagingMode::k4Level;
  const TranslateResult result =
      guest.cpu().mmu.Translate({kVa + 0x18, AccessKind::kWrite, user});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.addr(), AddressOf(guest.Frame(20)) + 0x18);
}

TEST_P(UpdateVaTest, IsRefusedWhereNoL1IsAndInXensArea) {
  PvGuest guest(GetParam());
  EXPECT_EQ(guest.UpdateVa(kVa, Pte()), XenErrno::kEINVAL);
  EXPECT_EQ(guest.UpdateVa(HypervisorStart(guest.mode), Pte()),
            XenErrno::kEINVAL);
  EXPECT_EQ(guest.UpdateVa(VirtAddr(uint64_t{1} << 60), Pte()),
            XenErrno::kEINVAL);
}

TEST_P(UpdateVaTest, FlushesWhatItIsToldTo) {
  PvGuest guest(GetParam());
  guest.Hook(guest.Frame(10), kVa);
  CycleClock& clock = guest.clock();
  const Counters& counters = guest.cpu().counters;
  const uint64_t pages = clock.tally(CostEvent::kInvlpg);
  const uint64_t fulls = counters[Counter::kTlbFlushes];
  ASSERT_EQ(guest.UpdateVa(kVa, Pte()), XenErrno::kOk);
  EXPECT_EQ(clock.tally(CostEvent::kInvlpg), pages);
  ASSERT_EQ(guest.UpdateVa(kVa, Pte(), {.scope = FlushScope::kPage}),
            XenErrno::kOk);
  EXPECT_EQ(clock.tally(CostEvent::kInvlpg), pages + 1);
  EXPECT_EQ(counters[Counter::kTlbFlushes], fulls);
  ASSERT_EQ(guest.UpdateVa(kVa, Pte(), {.scope = FlushScope::kNonGlobal}),
            XenErrno::kOk);
  EXPECT_EQ(counters[Counter::kTlbFlushes], fulls + 1);
}

std::string ModeName(const testing::TestParamInfo<PvOptions>& row) {
  static constexpr std::array kNames = {"FourLevel", "Compat", "Pae",
                                        "TwoLevel"};
  return kNames.at(row.index);
}

INSTANTIATE_TEST_SUITE_P(
    Modes, UpdateVaTest,
    testing::Values(PvOptions{}, PvOptions{.mode = PagingMode::kPae},
                    PvOptions{.mode = PagingMode::kPae, .machine = "xeon-2003"},
                    PvOptions{.mode = PagingMode::k2Level,
                              .machine = "xeon-2003"}),
    ModeName);

TEST(LinearMapPathTest, TheLinearMapSetsAccessedBitsOnThePath) {
  PvGuest guest;
  guest.Hook(guest.Frame(10), kVa);
  const Mfn l3 = guest.Frame(990);
  const int slot = IndexOf(guest.mode, 3, kVa);
  ASSERT_FALSE(guest.Get(l3, slot).accessed());
  ASSERT_EQ(guest.UpdateVa(kVa, Pte()), XenErrno::kOk);
  EXPECT_TRUE(guest.Get(l3, slot).accessed());
  const Mfn l2 = guest.Frame(989);
  EXPECT_FALSE(guest.Get(l2, IndexOf(guest.mode, 2, kVa)).accessed());
}

TEST(LinearMapPathTest, AnAddressInALinearTableIsNoL1Entry) {
  for (const PagingMode mode : {PagingMode::k2Level, PagingMode::k4Level}) {
    PvGuest guest({.mode = mode});
    ASSERT_EQ(guest.Update(guest.root, 9, Pte(guest.root, 0x5)), XenErrno::kOk);
    uint64_t va = 0;
    for (int level = 1; level <= LevelCount(mode); ++level) {
      va |= uint64_t{9} << LevelShift(mode, level);
    }
    EXPECT_EQ(guest.UpdateVa(VirtAddr(va), Pte()), XenErrno::kEINVAL);
  }
}

// --- Flushes.

TEST(FlushTest, AnUpdateAboveL1FlushesTheDomainOnceAHypercall) {
  PvGuest guest({.cpus = 3, .vcpus = 2});
  ASSERT_EQ(guest.Pin(guest.Frame(2), 2), XenErrno::kOk);
  const std::array requests = {
      MmuUpdate{guest.EntryOf(guest.Frame(2), 0), 0},
      MmuUpdate{guest.EntryOf(guest.Frame(2), 1), 0},
      MmuUpdate{guest.EntryOf(guest.Frame(2), 2), 0x7 | pte::kPcd}};
  const uint64_t flushes = guest.cpu().counters[Counter::kTlbFlushes];
  const uint64_t ipis = guest.cpu(1).counters[Counter::kIpis];
  const HypercallResult result =
      guest.Execute(MmuUpdateCall{.requests = requests});
  EXPECT_EQ(result.done, 2u);  // and the third refused: flushed all the same
  EXPECT_EQ(guest.cpu().counters[Counter::kTlbFlushes], flushes + 1);
  EXPECT_EQ(guest.cpu(1).counters[Counter::kIpis], ipis + 1);
  EXPECT_EQ(guest.cpu(2).counters[Counter::kIpis], 0u);
}

TEST(FlushTest, AnUpdateOfAnL1FlushesNothing) {
  PvGuest guest({.cpus = 2, .vcpus = 2});
  ASSERT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kOk);
  const uint64_t flushes = guest.cpu().counters[Counter::kTlbFlushes];
  const uint64_t ipis = guest.cpu(1).counters[Counter::kIpis];
  ASSERT_EQ(guest.Update(guest.Frame(1), 0, Pte(guest.Frame(2), kRw)),
            XenErrno::kOk);
  ASSERT_EQ(guest.Update(guest.Frame(1), 0, Pte()), XenErrno::kOk);
  EXPECT_EQ(guest.cpu().counters[Counter::kTlbFlushes], flushes);
  EXPECT_EQ(guest.cpu(1).counters[Counter::kIpis], ipis);
}

TEST(FlushTest, APageThatWasWritableBecomesATableOnlyWithItsEntriesGone) {
  PvGuest guest({.cpus = 2, .vcpus = 2});
  ASSERT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kOk);
  ASSERT_EQ(guest.Update(guest.Frame(1), 0, Pte(guest.Frame(2), kRw)),
            XenErrno::kOk);
  ASSERT_EQ(guest.Update(guest.Frame(1), 0, Pte()), XenErrno::kOk);
  const uint64_t forced = guest.cpu().counters[Counter::kTypeChangeFlushes];
  const uint64_t ipis = guest.cpu(1).counters[Counter::kIpis];
  ASSERT_EQ(guest.Pin(guest.Frame(2), 1), XenErrno::kOk);
  EXPECT_EQ(guest.cpu().counters[Counter::kTypeChangeFlushes], forced + 1);
  EXPECT_EQ(guest.cpu(1).counters[Counter::kIpis], ipis + 1);
}

TEST(FlushTest, AFlushInBetweenSparesTheTypeChangeItsOwn) {
  PvGuest guest({.cpus = 2, .vcpus = 2});
  ASSERT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kOk);
  ASSERT_EQ(guest.Update(guest.Frame(1), 0, Pte(guest.Frame(2), kRw)),
            XenErrno::kOk);
  ASSERT_EQ(guest.Update(guest.Frame(1), 0, Pte()), XenErrno::kOk);
  ASSERT_EQ(guest.Op({.command = MmuextCommand::kTlbFlushAll}), XenErrno::kOk);
  const uint64_t ipis = guest.cpu(1).counters[Counter::kIpis];
  const uint64_t forced = guest.cpu().counters[Counter::kTypeChangeFlushes];
  ASSERT_EQ(guest.Pin(guest.Frame(2), 1), XenErrno::kOk);
  EXPECT_EQ(guest.cpu().counters[Counter::kTypeChangeFlushes], forced);
  EXPECT_EQ(guest.cpu(1).counters[Counter::kIpis], ipis);
}

TEST(FlushTest, NoGlobalEntryOutlivesTheChangeOfRootThatPassesForAFlush) {
  PvGuest guest;
  guest.Hook(guest.Frame(10), kVa);
  const Mfn page = guest.Frame(2);
  ASSERT_EQ(guest.UpdateVa(kVa, Pte(page, kRw)), XenErrno::kOk);
  ASSERT_TRUE(guest.cpu().mmu.Translate({kVa, AccessKind::kWrite, true}).ok());
  ASSERT_EQ(guest.UpdateVa(kVa, Pte()), XenErrno::kOk);
  const auto stale = [&] {
    for (const TlbEntry& entry : guest.cpu().mmu.TlbEntries()) {
      if (entry.base == AddressOf(page)) return entry.global;
    }
    return false;
  };
  ASSERT_TRUE(stale());
  ASSERT_EQ(NewBase(guest, guest.Frame(1)), XenErrno::kOk);
  ASSERT_EQ(guest.Pin(page, 1), XenErrno::kOk);
  EXPECT_FALSE(stale());
}

TEST(FlushTest, TearingATableDownUnder30FlushesTheDomainAtTheEnd) {
  PvGuest guest({.mode = PagingMode::k2Level,
                 .machine = "xeon-2003",
                 .cpus = 2,
                 .vcpus = 2});
  ASSERT_EQ(guest.Pin(guest.Frame(1), 1), XenErrno::kOk);
  const uint64_t ipis = guest.cpu(1).counters[Counter::kIpis];
  const uint64_t flushes = guest.cpu().counters[Counter::kTlbFlushes];
  ASSERT_EQ(guest.Unpin(guest.Frame(1)), XenErrno::kOk);
  EXPECT_EQ(guest.cpu(1).counters[Counter::kIpis], ipis + 1);
  EXPECT_EQ(guest.cpu().counters[Counter::kTlbFlushes], flushes + 1);
}

TEST(FlushTest, AFullFlushOfNamedVcpusSparesTheOthers) {
  PvGuest guest({.cpus = 3, .vcpus = 3});
  std::array<uint64_t, 3> before{};
  for (uint32_t i = 0; i < 3; ++i) {
    before.at(i) = guest.cpu(i).counters[Counter::kTlbFlushes];
  }
  ASSERT_EQ(guest.Op({.command = MmuextCommand::kTlbFlushMulti, .vcpus = 0b10}),
            XenErrno::kOk);
  EXPECT_EQ(guest.cpu(0).counters[Counter::kTlbFlushes], before[0]);
  EXPECT_EQ(guest.cpu(1).counters[Counter::kTlbFlushes], before[1] + 1);
  EXPECT_EQ(guest.cpu(2).counters[Counter::kTlbFlushes], before[2]);
}

TEST(FlushTest, AnUpdateFlushesTheVcpusItNamesOrAll) {
  PvGuest guest({.cpus = 3, .vcpus = 3});
  guest.Hook(guest.Frame(10), kVa);
  const auto flushed = [&](const VaMappingFlush& flush) {
    std::array<uint64_t, 3> counts{};
    for (uint32_t i = 0; i < 3; ++i) {
      counts.at(i) = guest.cpu(i).counters[Counter::kTlbPageFlushes];
    }
    EXPECT_EQ(guest.UpdateVa(kVa, Pte(), flush), XenErrno::kOk);
    CpuMask cpus = 0;
    for (uint32_t i = 0; i < 3; ++i) {
      const uint64_t now = guest.cpu(i).counters[Counter::kTlbPageFlushes];
      if (now > counts.at(i)) cpus |= MaskOf(i);
    }
    return cpus;
  };
  EXPECT_EQ(flushed({.scope = FlushScope::kPage}), 0b001u);
  EXPECT_EQ(flushed({.scope = FlushScope::kPage, .vcpus = 0b110}), 0b110u);
  EXPECT_EQ(flushed({.scope = FlushScope::kPage, .all_vcpus = true}), 0b111u);
}

TEST(FlushTest, NamedVcpusAreFlushedAndNoOthers) {
  PvGuest guest({.cpus = 4, .vcpus = 4});
  ASSERT_EQ(guest.Op({.command = MmuextCommand::kInvlpgMulti,
                      .va = VirtAddr(0x5000),
                      .vcpus = 0b0110}),
            XenErrno::kOk);
  EXPECT_EQ(guest.cpu(0).counters[Counter::kTlbPageFlushes], 0u);
  EXPECT_EQ(guest.cpu(1).counters[Counter::kTlbPageFlushes], 1u);
  EXPECT_EQ(guest.cpu(2).counters[Counter::kTlbPageFlushes], 1u);
  EXPECT_EQ(guest.cpu(3).counters[Counter::kTlbPageFlushes], 0u);
  ASSERT_EQ(guest.Op({.command = MmuextCommand::kInvlpgAll,
                      .va = HypervisorStart(guest.mode)}),
            XenErrno::kOk);
  EXPECT_EQ(guest.cpu(1).counters[Counter::kTlbPageFlushes], 1u);
}

}  // namespace
}  // namespace xmmu::base_pointer_test
