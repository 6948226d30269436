// Tests what the moves to control registers refuse, and PAE's PDPTE registers.

#include "gtest/gtest.h"
#include "mmu/mmu_fixture.h"

namespace xmmu::mmu_registers_test {
namespace {

constexpr VirtAddr kVa{0x40201000};
constexpr Mfn kFrame{0x345};

bool IsGeneralProtection(const std::optional<PageFault>& fault) {
  return fault.has_value() &&
         fault->vector == FaultVector::kGeneralProtection &&
         fault->error_code == 0;
}

TEST(Cr3Test, BitsFromMaxphyaddrUpAreReserved) {
  TestMachine machine;  // 40 bits
  EXPECT_FALSE(machine.mmu().LoadCr3(uint64_t{1} << 39).has_value());
  const ControlRegisters before = machine.mmu().registers();
  EXPECT_TRUE(IsGeneralProtection(machine.mmu().LoadCr3(uint64_t{1} << 40)));
  EXPECT_TRUE(IsGeneralProtection(machine.mmu().LoadCr3(uint64_t{1} << 62)));
  EXPECT_EQ(machine.mmu().registers(), before);
}

// 32-bit paging and PAE have no more than 32 bits of CR3.
TEST(Cr3Test, ReservedBitsFollowTheWidthInEveryMode) {
  for (const PagingMode mode : kAllPagingModes) {
    for (const int width : {36, 40, 46, 52}) {
      MachineModel model = TestModel();
      model.features.maxphyaddr = width;
      TestMachine machine(mode, model);
      const int first = LevelCount(mode) >= 4 ? width : 32;
      for (int bit = 12; bit < 64; ++bit) {
        const uint64_t value = uint64_t{1} << bit;
        EXPECT_EQ(IsGeneralProtection(machine.mmu().LoadCr3(value)),
                  bit >= first)
            << PagingModeName(mode) << " " << width << " bit " << bit;
      }
    }
  }
}

TEST(Cr3Test, Bit63IsReservedWithoutPcide) {
  TestMachine machine;
  const uint64_t value = machine.cr3() | cr3::kNoFlush;
  EXPECT_TRUE(IsGeneralProtection(machine.mmu().LoadCr3(value)));
  machine.SetCr4(cr4::kPcide);
  EXPECT_FALSE(machine.mmu().LoadCr3(value).has_value());
  EXPECT_EQ(machine.mmu().registers().cr3, machine.cr3());
}

TEST(Cr3Test, LowBitsAreNotPartOfTheRootWithoutPcide) {
  TestMachine machine;
  machine.Map(kVa, kFrame);
  machine.LoadCr3(machine.cr3() | 0xfff);
  EXPECT_EQ(machine.MustTranslate(Read(kVa)), AddressOf(kFrame));
  EXPECT_EQ(machine.mmu().TlbEntries()[0].pcid, 0);
}

TEST(Cr4Test, PcideNeedsTheFeatureLongModeAndPcidZero) {
  TestMachine machine;
  const uint64_t cr4 = machine.mmu().registers().cr4 | cr4::kPcide;
  machine.LoadCr3(machine.cr3() | 1);
  EXPECT_TRUE(IsGeneralProtection(machine.mmu().LoadCr4(cr4)));
  machine.LoadCr3(machine.cr3());
  EXPECT_FALSE(machine.mmu().LoadCr4(cr4).has_value());
  machine.LoadCr3(machine.cr3() | 1);
  EXPECT_FALSE(machine.mmu().LoadCr4(cr4).has_value());  // set already

  TestMachine pae(PagingMode::kPae);
  EXPECT_TRUE(IsGeneralProtection(
      pae.mmu().LoadCr4(pae.mmu().registers().cr4 | cr4::kPcide)));

  MachineModel old = TestModel();
  old.features.pcid = false;
  TestMachine without(PagingMode::k4Level, old);
  EXPECT_TRUE(IsGeneralProtection(without.mmu().LoadCr4(cr4)));
}

TEST(Cr4Test, LongModeHoldsPaeAndLa57) {
  TestMachine machine;
  const uint64_t cr4 = machine.mmu().registers().cr4;
  EXPECT_TRUE(IsGeneralProtection(machine.mmu().LoadCr4(cr4 & ~cr4::kPae)));
  EXPECT_TRUE(IsGeneralProtection(machine.mmu().LoadCr4(cr4 | cr4::kLa57)));
  EXPECT_EQ(machine.mmu().registers().cr4, cr4);
}

TEST(Cr0Test, PagingNeedsProtectionAndLongModeNeedsPae) {
  TestMachine machine;
  const uint64_t cr0 = machine.mmu().registers().cr0;
  EXPECT_TRUE(IsGeneralProtection(machine.mmu().LoadCr0(cr0 & ~cr0::kPe)));
  EXPECT_TRUE(
      IsGeneralProtection(machine.mmu().LoadCr0(cr0 | uint64_t{1} << 32)));
  machine.ClearCr0(cr0::kPg);
  EXPECT_EQ(machine.mmu().registers().efer & efer::kLma, 0u);
  machine.ClearCr4(cr4::kPae);
  EXPECT_TRUE(IsGeneralProtection(machine.mmu().LoadCr0(cr0)));
  machine.SetCr4(cr4::kPae);
  machine.SetCr0(cr0::kPg);
  EXPECT_EQ(machine.mmu().mode(), PagingMode::k4Level);
  EXPECT_NE(machine.mmu().registers().efer & efer::kLma, 0u);
}

TEST(Cr0Test, PagingMayNotEndWithPcideSet) {
  TestMachine machine;
  machine.SetCr4(cr4::kPcide);
  const uint64_t cr0 = machine.mmu().registers().cr0;
  EXPECT_TRUE(IsGeneralProtection(machine.mmu().LoadCr0(cr0 & ~cr0::kPg)));
}

TEST(Cr0Test, LongModeCanBeEnteredFromPae) {
  TestMachine machine(PagingMode::kPae);
  machine.ClearCr0(cr0::kPg);
  machine.SetEfer(efer::kLme);
  machine.SetCr4(cr4::kLa57);
  machine.SetCr0(cr0::kPg);
  EXPECT_EQ(machine.mmu().mode(), PagingMode::k5Level);
}

TEST(EferTest, LmeIsFixedWhilePagingAndLmaIsReadOnly) {
  TestMachine machine;
  const uint64_t value = machine.mmu().registers().efer;
  EXPECT_TRUE(IsGeneralProtection(machine.mmu().LoadEfer(value & ~efer::kLme)));
  EXPECT_FALSE(machine.mmu().LoadEfer(value & ~efer::kLma).has_value());
  EXPECT_EQ(machine.mmu().registers().efer, value);
}

TEST(EferTest, NxeNeedsTheFeature) {
  MachineModel model = TestModel();
  model.features.nx = false;
  TestMachine machine(PagingMode::kPae, model);
  EXPECT_TRUE(IsGeneralProtection(machine.mmu().LoadEfer(efer::kNxe)));
}

// ---- PAE's PDPTE registers.

class PdpteTest : public testing::Test {
 protected:
  PdpteTest() { machine_.Map(kVa, kFrame); }

  MachineAddr Pdpte(int index) const {
    return AddressOf(machine_.root()) + static_cast<uint64_t>(index) * 8;
  }

  TestMachine machine_{PagingMode::kPae};
};

TEST_F(PdpteTest, AStoreIsNotSeenBeforeTheNextLoad) {
  machine_.Store(Pdpte(1), 0);
  machine_.mmu().Invlpg(kVa);
  EXPECT_EQ(machine_.MustTranslate(Read(kVa)), AddressOf(kFrame));
  machine_.LoadCr3(machine_.cr3());
  EXPECT_EQ(machine_.ErrorCode(Read(kVa)), 0u);
}

TEST_F(PdpteTest, APresentPdpteWithReservedBitsRefusesTheLoad) {
  for (const int bit : {1, 2, 5, 6, 7, 8, 40, 51, 62, 63}) {
    machine_.Store(Pdpte(3), uint64_t{1} << bit | pte::kPresent);
    EXPECT_TRUE(IsGeneralProtection(machine_.mmu().LoadCr3(machine_.cr3())))
        << bit;
    machine_.Store(Pdpte(3), uint64_t{1} << bit);  // absent: not looked at
    EXPECT_FALSE(machine_.mmu().LoadCr3(machine_.cr3()).has_value()) << bit;
  }
  for (const int bit : {3, 4, 9, 11, 39}) {
    machine_.Store(Pdpte(3), uint64_t{1} << bit | pte::kPresent);
    EXPECT_FALSE(machine_.mmu().LoadCr3(machine_.cr3()).has_value()) << bit;
  }
}

TEST(PdpteWidthTest, EachBitOfEachPdpteForEachWidth) {
  for (const int width : {36, 40, 46, 52}) {
    MachineModel model = TestModel();
    model.features.maxphyaddr = width;
    TestMachine machine(PagingMode::kPae, model);
    for (uint64_t slot = 0; slot < 4; ++slot) {
      const MachineAddr pdpte = AddressOf(machine.root()) + slot * 8;
      for (int bit = 1; bit < 64; ++bit) {
        const bool reserved =
            bit <= 2 || (bit >= 5 && bit <= 8) || bit >= width;
        machine.Store(pdpte, uint64_t{1} << bit | pte::kPresent);
        EXPECT_EQ(IsGeneralProtection(machine.mmu().LoadCr3(machine.cr3())),
                  reserved)
            << width << " slot " << slot << " bit " << bit;
      }
      machine.Store(pdpte, 0);
    }
  }
}

TEST_F(PdpteTest, ARefusedLoadLeavesTheRegisters) {
  const auto before = machine_.mmu().pdpte_registers();
  machine_.Store(Pdpte(1), 0);
  machine_.Store(Pdpte(3), pte::kPresent | pte::kWritable);
  EXPECT_TRUE(IsGeneralProtection(machine_.mmu().LoadCr3(machine_.cr3())));
  EXPECT_EQ(machine_.mmu().pdpte_registers(), before);
}

TEST_F(PdpteTest, TheTableIsThirtyTwoByteAligned) {
  const MachineAddr table = AddressOf(Mfn(0x2000)) + 0xfe0;
  machine_.Store(table + 8, machine_.Load(Pdpte(1)));
  machine_.LoadCr3(table.value() | 0x1f);
  EXPECT_EQ(machine_.MustTranslate(Read(kVa)), AddressOf(kFrame));
}

TEST_F(PdpteTest, TheMovesThatReloadAreThoseOfTheManual) {
  struct Case {
    const char* name;
    void (*move)(TestMachine&);
    bool reloads;
  };
  const Case cases[] = {
      {"PGE", [](TestMachine& m) { m.ClearCr4(cr4::kPge); }, true},
      {"PSE", [](TestMachine& m) { m.ClearCr4(cr4::kPse); }, true},
      {"SMEP", [](TestMachine& m) { m.SetCr4(cr4::kSmep); }, true},
      {"SMAP", [](TestMachine& m) { m.SetCr4(cr4::kSmap); }, false},
      {"CD", [](TestMachine& m) { m.SetCr0(uint64_t{1} << 30); }, true},
      {"NW", [](TestMachine& m) { m.SetCr0(cr0::kCd | cr0::kNw); }, true},
      {"WP", [](TestMachine& m) { m.ClearCr0(cr0::kWp); }, false},
      {"NXE", [](TestMachine& m) { m.ClearEfer(efer::kNxe); }, false},
      {"FlushAll", [](TestMachine& m) { (void)m.mmu().FlushAll(); }, true},
      {"INVLPG", [](TestMachine& m) { m.mmu().Invlpg(kVa); }, false}};
  for (const Case& c : cases) {
    TestMachine machine(PagingMode::kPae);
    machine.Map(kVa, kFrame);
    machine.Store(AddressOf(machine.root()) + 8, 0);
    c.move(machine);
    EXPECT_EQ(machine.mmu().pdpte_registers()[1] == 0, c.reloads) << c.name;
  }
}

TEST_F(PdpteTest, LongModeHasNone) {
  TestMachine machine;
  machine.Store(AddressOf(machine.root()), pte::kPresent | pte::kWritable);
  EXPECT_FALSE(machine.mmu().LoadCr3(machine.cr3()).has_value());
  EXPECT_EQ(machine.mmu().pdpte_registers()[0], 0u);
}

TEST_F(PdpteTest, TheyHaveNoAccessedFlag) {
  const uint64_t before = machine_.Load(Pdpte(1));
  machine_.MustTranslate(Write(kVa));
  EXPECT_EQ(machine_.Load(Pdpte(1)), before);
}

}  // namespace
}  // namespace xmmu::mmu_registers_test
