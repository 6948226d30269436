// Each row of the SDM's list of invalidations, on both sides: what has to go is
// gone, what may stay has stayed.

#include <functional>

#include "gtest/gtest.h"
#include "mmu/mmu_fixture.h"

namespace xmmu::invalidation_test {
namespace {

constexpr VirtAddr kLocal{0x40000000};   // not global
constexpr VirtAddr kOther{0x40001000};   // not global, another page
constexpr VirtAddr kGlobal{0x40002000};  // global
constexpr VirtAddr kLarge{0x80000000};   // 2 MiB, not global

// What survives: a page counts as held if its walk would load nothing.
struct Held {
  bool local = false;
  bool other = false;
  bool global = false;
  bool structures = false;  // of this PCID
  bool foreign = false;     // kLocal in PCID 7
  bool foreign_structures = false;
  bool operator==(const Held&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Held& held) {
  return out << "local " << held.local << " other " << held.other << " global "
             << held.global << " structures " << held.structures << " foreign "
             << held.foreign << " foreign structures "
             << held.foreign_structures;
}

constexpr Held kAll = {true, true, true, true, true, true};
constexpr Held kNothing = {};

// PCID 0 is current and PCID 7 has entries as well.
class InvalidationTest : public testing::Test {
 protected:
  void SetUp() override {
    machine_.Map(kLocal, Mfn(1));
    machine_.Map(kOther, Mfn(2));
    machine_.Map(kGlobal, Mfn(3), kUserPage | pte::kGlobal);
    machine_.SetCr4(cr4::kPcide);
    machine_.LoadCr3(machine_.cr3() | 7);
    machine_.MustTranslate(Read(kLocal));
    machine_.LoadCr3(machine_.cr3());
    for (const VirtAddr va : {kLocal, kOther, kGlobal}) {
      machine_.MustTranslate(Read(va));
    }
    ASSERT_EQ(Now(), kAll);
  }

  Held Now() {
    Held held;
    for (const TlbEntry& entry : machine_.mmu().TlbEntries()) {
      if (entry.va() == kGlobal) held.global = true;
      if (entry.va() == kOther) held.other = true;
      if (entry.va() == kLocal) {
        (entry.pcid == 7 ? held.foreign : held.local) = true;
      }
    }
    for (const auto& entry : machine_.mmu().PagingStructureEntries()) {
      (entry.pcid == 7 ? held.foreign_structures : held.structures) = true;
    }
    return held;
  }

  Held After(const std::function<void(Mmu&)>& operation) {
    operation(machine_.mmu());
    return Now();
  }

  TestMachine machine_;
};

TEST_F(InvalidationTest, InvlpgDropsThePageAndAllStructuresOfThePcid) {
  EXPECT_EQ(After([](Mmu& mmu) { mmu.Invlpg(kLocal + 0xfff); }),
            (Held{.other = true,
                  .global = true,
                  .foreign = true,
                  .foreign_structures = true}));
}

TEST_F(InvalidationTest, InvlpgOfAnUnrelatedPageStillDropsTheStructures) {
  EXPECT_EQ(After([](Mmu& mmu) { mmu.Invlpg(VirtAddr(0x123000)); }),
            (Held{.local = true,
                  .other = true,
                  .global = true,
                  .foreign = true,
                  .foreign_structures = true}));
}

TEST_F(InvalidationTest, InvlpgDropsAGlobalPageOfAnyPcid) {
  machine_.LoadCr3(machine_.cr3() | 9 | cr3::kNoFlush);
  const Held held = After([](Mmu& mmu) { mmu.Invlpg(kGlobal); });
  EXPECT_FALSE(held.global);
  EXPECT_TRUE(held.local);
  EXPECT_TRUE(held.structures);
}

TEST_F(InvalidationTest, InvlpgOfANonCanonicalAddressDoesNothing) {
  EXPECT_EQ(After([](Mmu& mmu) { mmu.Invlpg(VirtAddr(uint64_t{1} << 47)); }),
            kAll);
}

TEST_F(InvalidationTest, InvlpgAnywhereInALargePageDropsIt) {
  machine_.Map(kLarge, Mfn(0x200), kUserPage, 2);
  machine_.MustTranslate(Read(kLarge));
  machine_.mmu().Invlpg(kLarge + (uint64_t{1} << 21));
  EXPECT_TRUE(machine_.Cached(kLarge));
  machine_.mmu().Invlpg(kLarge + 0x1ff000);
  EXPECT_FALSE(machine_.Cached(kLarge));
}

TEST_F(InvalidationTest, InvpcidAddressDropsThatPageOfThatPcid) {
  EXPECT_EQ(
      After([](Mmu& mmu) { mmu.Invpcid(InvpcidType::kAddress, 7, kLocal); }),
      (Held{.local = true, .other = true, .global = true, .structures = true}));
}

TEST_F(InvalidationTest, InvpcidAddressSparesGlobals) {
  EXPECT_TRUE(After([](Mmu& mmu) {
                mmu.Invpcid(InvpcidType::kAddress, 0, kGlobal);
              }).global);
}

TEST_F(InvalidationTest, InvpcidAddressSparesStructuresOfOtherAddresses) {
  EXPECT_TRUE(After([](Mmu& mmu) {
                mmu.Invpcid(InvpcidType::kAddress, 0, VirtAddr(0x7f0000000000));
              }).structures);
}

TEST_F(InvalidationTest, InvpcidContextDropsAPcidButItsGlobals) {
  EXPECT_EQ(
      After(
          [](Mmu& mmu) { mmu.Invpcid(InvpcidType::kContext, 0, VirtAddr()); }),
      (Held{.global = true, .foreign = true, .foreign_structures = true}));
}

TEST_F(InvalidationTest, InvpcidAllWithGlobalsDropsEverything) {
  EXPECT_EQ(After([](Mmu& mmu) {
              mmu.Invpcid(InvpcidType::kAllWithGlobals, 0, VirtAddr());
            }),
            kNothing);
}

TEST_F(InvalidationTest, InvpcidAllWithoutGlobalsSparesGlobals) {
  EXPECT_EQ(After([](Mmu& mmu) {
              mmu.Invpcid(InvpcidType::kAllWithoutGlobals, 0, VirtAddr());
            }),
            (Held{.global = true}));
}

TEST_F(InvalidationTest, MovCr3FlushesThePcidItNames) {
  const uint64_t cr3 = machine_.cr3();
  EXPECT_EQ(
      After([=](Mmu& mmu) { (void)mmu.LoadCr3(cr3); }),
      (Held{.global = true, .foreign = true, .foreign_structures = true}));
}

TEST_F(InvalidationTest, MovCr3ToAnotherPcidSparesTheOldOne) {
  const uint64_t cr3 = machine_.cr3() | 7;
  EXPECT_EQ(
      After([=](Mmu& mmu) { (void)mmu.LoadCr3(cr3); }),
      (Held{.local = true, .other = true, .global = true, .structures = true}));
}

TEST_F(InvalidationTest, MovCr3WithBit63FlushesNothing) {
  const uint64_t cr3 = machine_.cr3() | 7 | cr3::kNoFlush;
  EXPECT_EQ(After([=](Mmu& mmu) { (void)mmu.LoadCr3(cr3); }), kAll);
  EXPECT_EQ(machine_.mmu().registers().cr3, machine_.cr3() | 7);
  EXPECT_EQ(machine_.LoadsOf(Read(kLocal)), 0u);
}

TEST_F(InvalidationTest, ClearingPcideDropsEverything) {
  EXPECT_EQ(After([](Mmu& mmu) {
              (void)mmu.LoadCr4(mmu.registers().cr4 & ~cr4::kPcide);
            }),
            kNothing);
}

TEST_F(InvalidationTest, TogglingPgeDropsEverythingEachTime) {
  EXPECT_EQ(After([](Mmu& mmu) {
              (void)mmu.LoadCr4(mmu.registers().cr4 & ~cr4::kPge);
            }),
            kNothing);
  machine_.MustTranslate(Read(kGlobal));
  EXPECT_FALSE(machine_.mmu().TlbEntries()[0].global);
  EXPECT_FALSE(After([](Mmu& mmu) {
                 (void)mmu.LoadCr4(mmu.registers().cr4 | cr4::kPge);
               }).global);
}

TEST_F(InvalidationTest, SettingSmepDropsTheCurrentPcid) {
  EXPECT_EQ(After([](Mmu& mmu) {
              (void)mmu.LoadCr4(mmu.registers().cr4 | cr4::kSmep);
            }),
            (Held{.foreign = true, .foreign_structures = true}));
}

TEST_F(InvalidationTest, ClearingSmepDropsNothing) {
  machine_.SetCr4(cr4::kSmep);
  machine_.MustTranslate(Read(kLocal));
  EXPECT_TRUE(After([](Mmu& mmu) {
                (void)mmu.LoadCr4(mmu.registers().cr4 & ~cr4::kSmep);
              }).local);
}

TEST_F(InvalidationTest, RegistersThatAreNotInTheListDropNothing) {
  EXPECT_EQ(After([](Mmu& mmu) {
              const ControlRegisters& registers = mmu.registers();
              (void)mmu.LoadCr4(registers.cr4 | cr4::kSmap | cr4::kPke);
              (void)mmu.LoadCr0(registers.cr0 ^ cr0::kWp);
              (void)mmu.LoadEfer(registers.efer ^ efer::kNxe);
              mmu.set_pkru(~0u);
              mmu.set_pkrs(~0u);
              mmu.set_ac(true);
            }),
            kAll);
}

TEST_F(InvalidationTest, PagingOffDropsEverything) {
  machine_.ClearCr4(cr4::kPcide);  // PG may not be cleared with PCIDE set
  machine_.MustTranslate(Read(kLocal));
  machine_.MustTranslate(Read(kGlobal));
  EXPECT_EQ(After([](Mmu& mmu) {
              (void)mmu.LoadCr0(mmu.registers().cr0 & ~cr0::kPg);
            }),
            kNothing);
}

TEST_F(InvalidationTest, APageFaultDropsWhatServesItsAddress) {
  machine_.Map(kLocal, Mfn(1), kKernelPage);
  machine_.mmu().Invlpg(kLocal);
  machine_.MustTranslate(Read(kLocal));
  EXPECT_TRUE(machine_.ErrorCode(ByUser(Read(kLocal))).has_value());
  const Held held = Now();
  EXPECT_FALSE(held.local);
  EXPECT_FALSE(held.structures);  // all of them are on the path of kLocal
  EXPECT_TRUE(held.other);
  EXPECT_TRUE(held.foreign);
  EXPECT_TRUE(held.foreign_structures);
}

TEST_F(InvalidationTest, APageFaultSparesStructuresOfOtherAddresses) {
  EXPECT_TRUE(machine_.ErrorCode(Read(VirtAddr(0x7f0000000000))).has_value());
  EXPECT_EQ(Now(), kAll);
}

TEST_F(InvalidationTest, AGeneralProtectionFaultDropsNothing) {
  EXPECT_FALSE(
      machine_.mmu().Translate(Read(VirtAddr(uint64_t{1} << 47))).ok());
  EXPECT_EQ(Now(), kAll);
}

TEST_F(InvalidationTest, FlushNonGlobalIsMovCr3) {
  EXPECT_EQ(
      After([](Mmu& mmu) { (void)mmu.FlushNonGlobal(); }),
      (Held{.global = true, .foreign = true, .foreign_structures = true}));
}

TEST_F(InvalidationTest, FlushAllDropsEverything) {
  EXPECT_EQ(After([](Mmu& mmu) { (void)mmu.FlushAll(); }), kNothing);
}

TEST_F(InvalidationTest, ResetDropsEverything) {
  EXPECT_EQ(After([](Mmu& mmu) {
              const ControlRegisters same = mmu.registers();
              (void)mmu.Reset(same);
            }),
            kNothing);
}

TEST_F(InvalidationTest, APagesSlotIsReusedByTheMappingMadeAfterwards) {
  machine_.Map(kLocal, Mfn(0x99));
  machine_.mmu().Invlpg(kLocal);
  EXPECT_EQ(machine_.MustTranslate(Read(kLocal)), AddressOf(Mfn(0x99)));
}

TEST(InvalidationWithoutPcidTest, MovCr3DropsAllButGlobals) {
  TestMachine machine;
  machine.Map(kLocal, Mfn(1));
  machine.Map(kGlobal, Mfn(3), kUserPage | pte::kGlobal);
  machine.MustTranslate(Read(kLocal));
  machine.MustTranslate(Read(kGlobal));
  machine.LoadCr3(machine.cr3());
  EXPECT_FALSE(machine.Cached(kLocal));
  EXPECT_TRUE(machine.Cached(kGlobal));
  EXPECT_TRUE(machine.mmu().PagingStructureEntries().empty());
}

TEST(InvalidationWithoutPcidTest, TheGlobalFlagMeansNothingWithoutPge) {
  TestMachine machine;
  machine.ClearCr4(cr4::kPge);
  machine.Map(kGlobal, Mfn(3), kUserPage | pte::kGlobal);
  machine.MustTranslate(Read(kGlobal));
  machine.LoadCr3(machine.cr3());
  EXPECT_FALSE(machine.Cached(kGlobal));
}

TEST(InvalidationWithoutPcidTest, ChangingPaeDropsEverything) {
  TestMachine machine(PagingMode::k2Level);
  machine.Map(kLocal, Mfn(1));
  machine.Map(kGlobal, Mfn(3), kUserPage | pte::kGlobal);
  machine.MustTranslate(Read(kLocal));
  machine.MustTranslate(Read(kGlobal));
  // The directory, read as PDPTEs, is empty.
  machine.SetCr4(cr4::kPae);
  EXPECT_EQ(machine.mmu().mode(), PagingMode::kPae);
  EXPECT_TRUE(machine.mmu().TlbEntries().empty());
  EXPECT_EQ(machine.ErrorCode(Read(kLocal)), 0u);
}

// ---- What the operations charge and count.

struct ChargeCase {
  const char* name;
  std::function<void(Mmu&)> operation;
  uint64_t mov_cr3, refill, no_flush, mov_cr4, invlpg, invpcid;
  uint64_t cr3_loads, flushes, page_flushes;
};

TEST(InvalidationChargeTest, EachOperationChargesAndCountsItsOwn) {
  const ChargeCase cases[] = {
      {"cr3", [](Mmu& m) { (void)m.LoadCr3(m.registers().cr3); }, 1, 1, 0, 0, 0,
       0, 1, 1, 0},
      {"cr3 noflush",
       [](Mmu& m) { (void)m.LoadCr3(m.registers().cr3 | cr3::kNoFlush); }, 0, 0,
       1, 0, 0, 0, 1, 0, 0},
      {"cr0", [](Mmu& m) { (void)m.LoadCr0(m.registers().cr0); }, 0, 0, 0, 1, 0,
       0, 0, 0, 0},
      {"cr4", [](Mmu& m) { (void)m.LoadCr4(m.registers().cr4); }, 0, 0, 0, 1, 0,
       0, 0, 0, 0},
      {"cr4 pge",
       [](Mmu& m) { (void)m.LoadCr4(m.registers().cr4 ^ cr4::kPge); }, 0, 0, 0,
       1, 0, 0, 0, 1, 0},
      {"efer", [](Mmu& m) { (void)m.LoadEfer(m.registers().efer); }, 0, 0, 0, 0,
       0, 0, 0, 0, 0},
      {"invlpg", [](Mmu& m) { m.Invlpg(kLocal); }, 0, 0, 0, 0, 1, 0, 0, 0, 1},
      {"invpcid page",
       [](Mmu& m) { m.Invpcid(InvpcidType::kAddress, 0, kLocal); }, 0, 0, 0, 0,
       0, 1, 0, 0, 1},
      {"invpcid all",
       [](Mmu& m) { m.Invpcid(InvpcidType::kAllWithGlobals, 0, {}); }, 0, 0, 0,
       0, 0, 1, 0, 1, 0},
      {"non-global", [](Mmu& m) { (void)m.FlushNonGlobal(); }, 1, 1, 0, 0, 0, 0,
       1, 1, 0},
      {"all", [](Mmu& m) { (void)m.FlushAll(); }, 0, 0, 0, 2, 0, 0, 0, 1, 0},
      {"reset", [](Mmu& m) { (void)m.Reset(ControlRegisters(m.registers())); },
       0, 0, 0, 0, 0, 0, 0, 0, 0},
      {"refused cr3", [](Mmu& m) { (void)m.LoadCr3(uint64_t{1} << 50); }, 0, 0,
       0, 0, 0, 0, 0, 0, 0}};
  for (const ChargeCase& c : cases) {
    TestMachine machine;
    machine.SetCr4(cr4::kPcide);
    CycleClock before = machine.clock();
    const Counters counted = machine.counters();
    c.operation(machine.mmu());
    const auto times = [&](CostEvent event) {
      return machine.clock().tally(event) - before.tally(event);
    };
    EXPECT_EQ(times(CostEvent::kMovCr3), c.mov_cr3) << c.name;
    EXPECT_EQ(times(CostEvent::kCr3Refill), c.refill) << c.name;
    EXPECT_EQ(times(CostEvent::kMovCr3NoFlush), c.no_flush) << c.name;
    EXPECT_EQ(times(CostEvent::kMovCr4), c.mov_cr4) << c.name;
    EXPECT_EQ(times(CostEvent::kInvlpg), c.invlpg) << c.name;
    EXPECT_EQ(times(CostEvent::kInvpcid), c.invpcid) << c.name;
    const Counters seen = machine.counters() - counted;
    EXPECT_EQ(seen[Counter::kCr3Loads], c.cr3_loads) << c.name;
    EXPECT_EQ(seen[Counter::kTlbFlushes], c.flushes) << c.name;
    EXPECT_EQ(seen[Counter::kTlbPageFlushes], c.page_flushes) << c.name;
  }
}

}  // namespace
}  // namespace xmmu::invalidation_test
