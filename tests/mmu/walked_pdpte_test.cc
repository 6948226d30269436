// PAE's PDPTEs on AMD's processors: recent ones read them in page walks, older
// ones load them into registers.
// Source: AMD APM Vol. 2, "TLB Management", handling of PDPT entries in PAE
// mode.

#include <array>

#include "gtest/gtest.h"
#include "mmu/mmu_fixture.h"

namespace xmmu::walked_pdpte_test {
namespace {

constexpr VirtAddr kVa{0x40201000};
constexpr Mfn kFrame{0x40000};

MachineModel LoadsPdptes() {
  MachineModel model = TestModel();
  model.features.vendor = Vendor::kAmd;
  return model;
}

MachineModel WalksPdptes() {
  MachineModel model = LoadsPdptes();
  model.features.walks_pdptes = true;
  return model;
}

MachineAddr PdpteOf(const TestMachine& m) {
  return AddressOf(m.root()) + 8;  // of kVa
}

TEST(WalkedPdpteTest, ARecentAmdProcessorReadsThemInItsWalks) {
  TestMachine m(PagingMode::kPae, WalksPdptes());
  m.Map(kVa, kFrame);
  EXPECT_EQ(m.LoadsOf(Read(kVa)), 3u);
  EXPECT_EQ(m.mmu().pdpte_registers(), (std::array<uint64_t, 4>{}));
  const WalkResult walk = m.mmu().ProbeWalk(Read(kVa));
  ASSERT_EQ(walk.entries.size(), 3u);
  EXPECT_EQ(walk.entries[0].addr, PdpteOf(m));
}

TEST(WalkedPdpteTest, AStoreNeedsInvlpgAndNoLoadOfCr3) {
  for (const bool walks : {false, true}) {
    TestMachine m(PagingMode::kPae, walks ? WalksPdptes() : LoadsPdptes());
    m.Map(kVa, kFrame);
    m.MustTranslate(Read(kVa));
    m.Store(PdpteOf(m), 0);
    m.MustTranslate(Read(kVa));  // as cached
    m.mmu().Invlpg(kVa);
    EXPECT_EQ(m.mmu().Translate(Read(kVa)).ok(), !walks);
  }
}

TEST(WalkedPdpteTest, OneThatWasAbsentServesAtOnce) {
  TestMachine m(PagingMode::kPae, WalksPdptes());
  m.Map(kVa, kFrame);
  const uint64_t pdpte = m.Load(PdpteOf(m));
  m.Store(PdpteOf(m), 0);
  EXPECT_EQ(m.ErrorCode(Read(kVa)), 0u);
  m.Store(PdpteOf(m), pdpte);
  m.MustTranslate(Read(kVa));
}

TEST(WalkedPdpteTest, ReservedBitsArePageFaultsOfTheWalk) {
  for (const int bit : {1, 2, 5, 6, 7, 8, 40, 51, 62, 63}) {
    TestMachine m(PagingMode::kPae, WalksPdptes());
    m.Map(kVa, kFrame);
    m.Store(PdpteOf(m), m.Load(PdpteOf(m)) | uint64_t{1} << bit);
    EXPECT_FALSE(m.mmu().LoadCr3(m.cr3()).has_value()) << bit;
    EXPECT_EQ(m.ErrorCode(Write(kVa)),
              pf::kProtection | pf::kWrite | pf::kReserved)
        << bit;
    // Registers check them when they are loaded.
    TestMachine old(PagingMode::kPae, LoadsPdptes());
    old.Map(kVa, kFrame);
    old.Store(PdpteOf(old), old.Load(PdpteOf(old)) | uint64_t{1} << bit);
    EXPECT_TRUE(old.mmu().LoadCr3(old.cr3()).has_value()) << bit;
  }
  for (const int bit : {3, 4, 9, 11}) {
    TestMachine m(PagingMode::kPae, WalksPdptes());
    m.Map(kVa, kFrame);
    m.Store(PdpteOf(m), m.Load(PdpteOf(m)) | uint64_t{1} << bit);
    EXPECT_FALSE(m.ErrorCode(Write(kVa)).has_value()) << bit;
  }
}

TEST(WalkedPdpteTest, TheyAreCachedAndHaveNoAccessedFlagNorRights) {
  TestMachine m(PagingMode::kPae, WalksPdptes());
  m.Map(kVa, kFrame);
  m.Map(kVa + (uint64_t{1} << 21), kFrame + 1);  // by another page table
  const uint64_t pdpte = m.Load(PdpteOf(m));
  m.MustTranslate(ByUser(Write(kVa)));
  EXPECT_EQ(m.Load(PdpteOf(m)), pdpte);
  EXPECT_EQ(m.LoadsOf(ByUser(Write(kVa + (uint64_t{1} << 21)))), 2u);
}

TEST(WalkedPdpteTest, OldAmdProcessorsReloadThemWithPgPaePseAndPge) {
  const struct {
    const char* name;
    void (*move)(TestMachine&);
    bool reloads;
  } cases[] = {{"PGE", [](TestMachine& m) { m.ClearCr4(cr4::kPge); }, true},
               {"PSE", [](TestMachine& m) { m.ClearCr4(cr4::kPse); }, true},
               {"SMEP", [](TestMachine& m) { m.SetCr4(cr4::kSmep); }, false},
               {"CD", [](TestMachine& m) { m.SetCr0(cr0::kCd); }, false}};
  for (const auto& c : cases) {
    TestMachine m(PagingMode::kPae, LoadsPdptes());
    m.Map(kVa, kFrame);
    m.Store(PdpteOf(m), 0);
    c.move(m);
    EXPECT_EQ(m.mmu().pdpte_registers()[1] == 0, c.reloads) << c.name;
  }
}

TEST(WalkedPdpteTest, OfThePresetsTheZensWalkThem) {
  for (const MachineModel* machine : Machines()) {
    const bool zen = machine->name.substr(0, 3) == "zen";
    EXPECT_EQ(machine->features.walks_pdptes, zen) << machine->name;
  }
}

}  // namespace
}  // namespace xmmu::walked_pdpte_test
