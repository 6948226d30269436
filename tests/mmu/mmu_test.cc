// Translation through the TLBs: what is cached, and how cached rights are
// judged. What it charges is in mmu_charge_test.cc.

#include "xmmu/mmu/mmu.h"

#include "gtest/gtest.h"
#include "mmu/mmu_fixture.h"

namespace xmmu::mmu_test {
namespace {

constexpr VirtAddr kVa{0x40201000};
constexpr Mfn kFrame{0x345};
constexpr uint32_t kP = pf::kProtection;

// A machine with a cached translation of kVa.
class CachedPageTest : public testing::Test {
 protected:
  void Cache(uint64_t flags, AccessKind kind = AccessKind::kRead) {
    machine_.Map(kVa, kFrame, flags);
    // Once the TLB is filled the entry in memory does not matter: making it
    // absent proves that what follows comes from the TLB.
    machine_.MustTranslate({kVa, kind, false});
    machine_.ClearFlags(kVa, 1, pte::kPresent);
  }

  TestMachine machine_;
};

// ---- Rights are judged at each access, by the registers of the moment.

TEST_F(CachedPageTest, WriteProtectIsJudgedAtEachAccess) {
  Cache(kKernelPage & ~pte::kWritable);
  machine_.ClearCr0(cr0::kWp);
  EXPECT_EQ(machine_.MustTranslate(Write(kVa)), AddressOf(kFrame));
  machine_.SetCr0(cr0::kWp);
  EXPECT_EQ(machine_.ErrorCode(Write(kVa)), kP | pf::kWrite);
}

TEST_F(CachedPageTest, WriteProtectNeverConcernsUserWrites) {
  Cache(kUserPage & ~pte::kWritable);
  machine_.ClearCr0(cr0::kWp);
  EXPECT_EQ(machine_.ErrorCode(ByUser(Write(kVa))),
            kP | pf::kWrite | pf::kUser);
}

TEST_F(CachedPageTest, SmapIsJudgedAtEachAccess) {
  Cache(kUserPage);
  machine_.SetCr4(cr4::kSmap);
  machine_.mmu().set_ac(true);
  EXPECT_EQ(machine_.MustTranslate(Read(kVa)), AddressOf(kFrame));
  machine_.mmu().set_ac(false);
  EXPECT_EQ(machine_.ErrorCode(Read(kVa)), kP);
}

TEST_F(CachedPageTest, SmapRefusesImplicitAccessesWhateverAcIs) {
  Cache(kUserPage);
  machine_.SetCr4(cr4::kSmap);
  machine_.mmu().set_ac(true);
  EXPECT_EQ(machine_.ErrorCode(Implicit(kVa)), kP);
}

TEST_F(CachedPageTest, SmapSparesUserAccesses) {
  Cache(kUserPage);
  machine_.SetCr4(cr4::kSmap);
  EXPECT_EQ(machine_.MustTranslate(ByUser(Read(kVa))), AddressOf(kFrame));
}

TEST_F(CachedPageTest, SmepIsAboutSupervisorFetchesOfUserPages) {
  Cache(kUserPage, AccessKind::kExecute);
  machine_.ClearCr4(cr4::kSmep);
  EXPECT_EQ(machine_.MustTranslate(Fetch(kVa)), AddressOf(kFrame));
  EXPECT_EQ(machine_.MustTranslate(ByUser(Fetch(kVa))), AddressOf(kFrame));
  TestMachine smep;
  smep.SetCr4(cr4::kSmep);
  smep.Map(kVa, kFrame);
  EXPECT_EQ(smep.MustTranslate(ByUser(Fetch(kVa))), AddressOf(kFrame));
  EXPECT_EQ(smep.MustTranslate(Read(kVa)), AddressOf(kFrame));
  EXPECT_EQ(smep.ErrorCode(Fetch(kVa)), kP | pf::kFetch);
}

TEST_F(CachedPageTest, NoExecuteIsJudgedByTheNxeOfTheMoment) {
  // A read fills L2; the fetch then hits there.
  Cache(kUserPage | pte::kNoExecute);
  machine_.ClearEfer(efer::kNxe);
  EXPECT_EQ(machine_.MustTranslate(Fetch(kVa)), AddressOf(kFrame));
  machine_.SetEfer(efer::kNxe);
  EXPECT_EQ(machine_.ErrorCode(Fetch(kVa)), kP | pf::kFetch);
}

TEST_F(CachedPageTest, PkruIsJudgedAtEachAccess) {
  machine_.SetCr4(cr4::kPke);
  Cache(kUserPage | uint64_t{5} << 59);
  machine_.mmu().set_pkru(2u << 10);  // WD of key 5
  EXPECT_EQ(machine_.MustTranslate(ByUser(Read(kVa))), AddressOf(kFrame));
  machine_.mmu().set_pkru(3u << 8);  // key 4: not this page's
  EXPECT_EQ(machine_.MustTranslate(ByUser(Write(kVa))), AddressOf(kFrame));
  machine_.mmu().set_pkru(1u << 10);  // AD of key 5
  EXPECT_EQ(machine_.ErrorCode(ByUser(Read(kVa))),
            kP | pf::kUser | pf::kProtectionKey);
}

TEST_F(CachedPageTest, WriteDisableBindsTheSupervisorOnlyWithWp) {
  machine_.SetCr4(cr4::kPke);
  Cache(kUserPage | uint64_t{1} << 59);
  machine_.mmu().set_pkru(2u << 2);
  machine_.ClearCr0(cr0::kWp);
  EXPECT_EQ(machine_.MustTranslate(Write(kVa)), AddressOf(kFrame));
  machine_.SetCr0(cr0::kWp);
  EXPECT_EQ(machine_.ErrorCode(Write(kVa)),
            kP | pf::kWrite | pf::kProtectionKey);
}

TEST_F(CachedPageTest, KeysNeverStopAFetch) {
  machine_.SetCr4(cr4::kPke);
  Cache(kUserPage | uint64_t{1} << 59);
  machine_.mmu().set_pkru(3u << 2);
  EXPECT_EQ(machine_.MustTranslate(ByUser(Fetch(kVa))), AddressOf(kFrame));
}

TEST_F(CachedPageTest, PkrsGovernsSupervisorPages) {
  machine_.SetCr4(cr4::kPks);
  Cache(kKernelPage | uint64_t{3} << 59);
  machine_.mmu().set_pkru(~0u);
  EXPECT_EQ(machine_.MustTranslate(Read(kVa)), AddressOf(kFrame));
  machine_.mmu().set_pkrs(1u << 6);
  EXPECT_EQ(machine_.ErrorCode(Read(kVa)), kP | pf::kProtectionKey);
}

// ---- The bits of an error code.

TEST(ErrorCodeTest, FetchIsReportedOnlyWithNxeOrSmep) {
  TestMachine machine;
  EXPECT_EQ(machine.ErrorCode(Fetch(kVa)), pf::kFetch);
  machine.ClearEfer(efer::kNxe);
  EXPECT_EQ(machine.ErrorCode(Fetch(kVa)), 0u);
  machine.SetCr4(cr4::kSmep);
  EXPECT_EQ(machine.ErrorCode(Fetch(kVa)), pf::kFetch);
}

TEST(ErrorCodeTest, NxeMeansNothingInTwoLevelPaging) {
  TestMachine machine(PagingMode::k2Level);
  machine.SetEfer(efer::kNxe);
  EXPECT_EQ(machine.ErrorCode(Fetch(kVa)), 0u);
}

TEST(ErrorCodeTest, AnImplicitAccessOfUserCodeIsTheSupervisors) {
  TestMachine machine;
  EXPECT_EQ(machine.ErrorCode(ByUser(Implicit(kVa))), 0u);
  machine.Map(kVa, kFrame, kKernelPage);
  EXPECT_EQ(machine.MustTranslate(ByUser(Implicit(kVa))), AddressOf(kFrame));
}

TEST(ErrorCodeTest, AKeyIsReportedBesideOtherViolations) {
  TestMachine machine;
  machine.SetCr4(cr4::kPke);
  machine.Map(kVa, kFrame, (kUserPage & ~pte::kWritable) | uint64_t{1} << 59);
  machine.mmu().set_pkru(1u << 2);
  EXPECT_EQ(machine.ErrorCode(ByUser(Write(kVa))), 0x27u);
}

TEST(ErrorCodeTest, NonCanonicalAddressesAreGeneralProtection) {
  struct Case {
    PagingMode mode;
    uint64_t va;
    bool canonical;
  };
  for (const Case& c : std::initializer_list<Case>{
           {PagingMode::k4Level, 0x00007fffffffffff, true},
           {PagingMode::k4Level, 0x0000800000000000, false},
           {PagingMode::k4Level, 0xffff7fffffffffff, false},
           {PagingMode::k4Level, 0xffff800000000000, true},
           {PagingMode::k5Level, 0x00ffffffffffffff, true},
           {PagingMode::k5Level, 0x0100000000000000, false},
           {PagingMode::k5Level, 0xff00000000000000, true},
           {PagingMode::k5Level, 0xfeffffffffffffff, false},
           {PagingMode::kPae, 0xffffffff, true},
           {PagingMode::kPae, 0x100000000, false}}) {
    TestMachine machine(c.mode);
    const TranslateResult result =
        machine.mmu().Translate(Read(VirtAddr(c.va)));
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.fault().vector == FaultVector::kPageFault, c.canonical)
        << std::hex << c.va;
    EXPECT_EQ(machine.counters()[Counter::kPageWalks], c.canonical ? 1u : 0u);
  }
}

// ---- The dirty flag is cached.

TEST(DirtyTest, AWriteThroughACleanEntrySetsDInMemory) {
  TestMachine machine;
  machine.Map(kVa, kFrame, kUserPage & ~pte::kDirty);
  machine.MustTranslate(Read(kVa));
  EXPECT_EQ(machine.LoadsOf(Write(kVa)), 1u);
  EXPECT_TRUE(machine.EntryOf(kVa, 1).dirty());
  EXPECT_EQ(machine.LoadsOf(Write(kVa)), 0u);
  for (const TlbEntry& entry : machine.mmu().TlbEntries()) {
    EXPECT_TRUE(entry.dirty());
  }
}

TEST(DirtyTest, SoftwareClearingDIsNotSeenUntilInvalidated) {
  TestMachine machine;
  machine.Map(kVa, kFrame);
  machine.MustTranslate(Write(kVa));
  machine.ClearFlags(kVa, 1, pte::kDirty);
  machine.MustTranslate(Write(kVa));
  EXPECT_FALSE(machine.EntryOf(kVa, 1).dirty());
  machine.mmu().Invlpg(kVa);
  machine.MustTranslate(Write(kVa));
  EXPECT_TRUE(machine.EntryOf(kVa, 1).dirty());
}

TEST(DirtyTest, TheWalkForAWriteSeesWhatTheTablesHoldByThen) {
  TestMachine machine;
  machine.Map(kVa, kFrame, kUserPage & ~pte::kDirty);
  machine.MustTranslate(Read(kVa));
  machine.Map(kVa, Mfn(0x777), kUserPage & ~pte::kDirty);
  EXPECT_EQ(machine.MustTranslate(Read(kVa)), AddressOf(kFrame));
  EXPECT_EQ(machine.MustTranslate(Write(kVa)), AddressOf(Mfn(0x777)));
  EXPECT_EQ(machine.MustTranslate(Read(kVa)), AddressOf(Mfn(0x777)));
}

TEST(DirtyTest, AWriteRefusedByACleanEntryLeavesDAlone) {
  TestMachine machine;
  machine.Map(kVa, kFrame, kKernelPage & ~pte::kDirty);
  machine.MustTranslate(Read(kVa));
  EXPECT_EQ(machine.ErrorCode(ByUser(Write(kVa))), kP | pf::kWrite | pf::kUser);
  EXPECT_FALSE(machine.EntryOf(kVa, 1).dirty());
}

TEST(DirtyTest, AccessedClearedBySoftwareStaysClearWhileCached) {
  TestMachine machine;
  machine.Map(kVa, kFrame);
  machine.MustTranslate(Read(kVa));
  machine.ClearFlags(kVa, 1, pte::kAccessed);
  machine.MustTranslate(Read(kVa));
  EXPECT_FALSE(machine.EntryOf(kVa, 1).accessed());
}

// ---- Nothing negative is cached; what is cached may be stale.

TEST(StaleEntryTest, MakingAPagePresentNeedsNoInvalidation) {
  TestMachine machine;
  EXPECT_EQ(machine.ErrorCode(Read(kVa)), 0u);
  machine.Map(kVa, kFrame);
  EXPECT_EQ(machine.MustTranslate(Read(kVa)), AddressOf(kFrame));
}

TEST(StaleEntryTest, ClearingAReservedBitNeedsNoInvalidation) {
  TestMachine machine;
  machine.Map(kVa, kFrame);
  machine.SetFlags(kVa, 1, uint64_t{1} << 45);
  EXPECT_EQ(machine.ErrorCode(Read(kVa)), kP | pf::kReserved);
  machine.ClearFlags(kVa, 1, uint64_t{1} << 45);
  EXPECT_EQ(machine.MustTranslate(Read(kVa)), AddressOf(kFrame));
}

TEST(StaleEntryTest, AnUnmappedPageStaysReachableUntilInvalidated) {
  TestMachine machine;
  machine.Map(kVa, kFrame);
  machine.MustTranslate(Read(kVa));
  machine.Store(machine.EntryAt(kVa, 1), 0);
  EXPECT_EQ(machine.MustTranslate(Read(kVa)), AddressOf(kFrame));
  machine.mmu().Invlpg(kVa);
  EXPECT_EQ(machine.ErrorCode(Read(kVa)), 0u);
}

TEST(StaleEntryTest, AnUpgradeWithoutFlushCostsOneSpuriousFaultAtMost) {
  TestMachine machine;
  machine.Map(kVa, kFrame, kUserPage & ~pte::kWritable);
  machine.MustTranslate(ByUser(Read(kVa)));
  machine.Map(kVa, kFrame, kUserPage);
  EXPECT_EQ(machine.ErrorCode(ByUser(Write(kVa))), kP | pf::kWrite | pf::kUser);
  EXPECT_EQ(machine.MustTranslate(ByUser(Write(kVa))), AddressOf(kFrame));
}

TEST(StaleEntryTest, AGlobalEntryCostsOneSpuriousFaultAtMostToo) {
  TestMachine machine;
  machine.SetCr4(cr4::kPcide);
  machine.Map(kVa, kFrame, (kUserPage & ~pte::kWritable) | pte::kGlobal);
  machine.MustTranslate(ByUser(Read(kVa)));
  machine.LoadCr3(machine.cr3() | 1);
  machine.Map(kVa, kFrame, kUserPage | pte::kGlobal);
  EXPECT_TRUE(machine.ErrorCode(ByUser(Write(kVa))).has_value());
  EXPECT_EQ(machine.MustTranslate(ByUser(Write(kVa))), AddressOf(kFrame));
}

TEST(StaleEntryTest, ATlbOfSizeZeroGivesTheSameTranslations) {
  MachineModel model = TestModel();
  model.tlb = TlbGeometry{};
  model.psc = PagingStructureCacheGeometry{};
  TestMachine machine(PagingMode::k4Level, model);
  machine.Map(kVa, kFrame);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(machine.MustTranslate(Write(kVa)), AddressOf(kFrame));
  }
  EXPECT_EQ(machine.counters()[Counter::kPageWalks], 3u);
}

TEST(PagingOffTest, LinearAddressesArePhysical) {
  TestMachine machine;
  machine.ClearCr0(cr0::kPg);
  EXPECT_EQ(machine.MustTranslate(Write(kVa)), MachineAddr(kVa.value()));
}

// ---- Caches follow the mode: a PDE maps 4 MiB in 2-level paging, else 2 MiB.

TEST(ModeChangeTest, FourMegabytePagesAreFoundFromBothHalves) {
  MachineModel model = TestModel();
  model.tlb.data_l1[0] = {16, 4, kTlb4K | kTlbLarge};
  model.tlb.data_l2[0].entries = 0;
  TestMachine machine(PagingMode::k2Level, model);
  const VirtAddr va(0x40400000);
  machine.Map(va, Mfn(0x400), kUserPage, 2);
  EXPECT_EQ(machine.LoadsOf(Read(va)), 1u);
  EXPECT_EQ(machine.LoadsOf(Read(va + 0x200000)), 0u);
  EXPECT_EQ(machine.MustTranslate(Read(va + 0x3fffff)),
            AddressOf(Mfn(0x400)) + 0x3fffff);
  machine.mmu().Invlpg(va + 0x200000);
  EXPECT_FALSE(machine.Cached(va));
}

TEST(ModeChangeTest, APdeCacheEntryCoversFourMegabytesInTwoLevelPaging) {
  TestMachine machine(PagingMode::k2Level);
  const VirtAddr va(0x40400000);
  machine.Map(va, kFrame);
  machine.Map(va + 0x3ff000, kFrame);
  EXPECT_EQ(machine.LoadsOf(Read(va)), 2u);
  EXPECT_EQ(machine.LoadsOf(Read(va + 0x3ff000)), 1u);
}

}  // namespace
}  // namespace xmmu::mmu_test
