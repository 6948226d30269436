// What the nested tables of a machine may have, each with and without: EPT's
// execute-only pages, large leaves and mode-based execute control; and the
// loads of a PAE guest's PDPTEs, which are reads. Source: SDM Vol. 3C, "EPT
// Misconfigurations", "Exit Qualification for EPT Violations", "Accessed and
// Dirty Flags for EPT", "Mode-Based Execute Control"; Vol. 3D, "VPID and EPT
// Capabilities".

#include "gtest/gtest.h"
#include "mmu/nested_fixture.h"

namespace xmmu::nested_capabilities_test {
namespace {

constexpr VirtAddr kVa{0x40201000};
constexpr Gfn kPage{0x2345};
constexpr uint32_t kOfThePage =
    nested::kLinearAddressValid | nested::kFinalAddress;

// Returns the outcome of an access: 0, or the bits of the violation.
uint32_t Answer(NestedMachine& m, const Access& access) {
  const TranslateResult probed = m.mmu().Probe(access);
  const TranslateResult result = m.mmu().Translate(access);
  EXPECT_EQ(probed.ok(), result.ok());
  if (result.ok()) return 0;
  EXPECT_EQ(result.fault().vector, FaultVector::kNestedViolation);
  EXPECT_EQ(probed.fault(), result.fault());
  return result.fault().error_code;
}

void SetRights(NestedMachine& m, uint64_t rights, int level = 1) {
  m.ClearNested(kPage, level, ept::kRights | ept::kUserExecute);
  m.SetNested(kPage, level, rights);
}

TEST(ExecuteOnlyTest, IsARightWhereTheMachineHasItAndElseMisconfigured) {
  for (const bool has : {false, true}) {
    const NestedShape shape;
    MachineModel model = NestedMachine::ModelOf(shape);
    model.nested.execute_only = has;
    const auto of = [&](uint64_t rights, const Access& access) {
      NestedMachine m(shape, model);
      m.Map(kVa, kPage);
      SetRights(m, rights);
      return Answer(m, access);
    };
    const uint32_t bad = nested::kMisconfiguration | kOfThePage;
    const uint32_t x = nested::kExecutable | kOfThePage;
    EXPECT_EQ(of(ept::kExecute, Fetch(kVa)), has ? 0 : bad | nested::kFetch);
    EXPECT_EQ(of(ept::kExecute, Read(kVa)), (has ? x : bad) | nested::kRead);
    EXPECT_EQ(of(ept::kExecute, Write(kVa)), (has ? x : bad) | nested::kWrite);
    // Writing without reading is no right anywhere.
    EXPECT_EQ(of(ept::kWrite, Write(kVa)), bad | nested::kWrite);
    EXPECT_EQ(of(ept::kWrite | ept::kExecute, Fetch(kVa)),
              bad | nested::kFetch);
    EXPECT_EQ(of(0, Fetch(kVa)), kOfThePage | nested::kFetch);
  }
}

TEST(ExecuteOnlyTest, HoldsForUpperLevelsAsWell) {
  for (int level = 2; level <= 4; ++level) {
    NestedMachine m;
    const Gfn far(uint64_t{1} << 27 | 0x2345);
    m.Map(kVa, far);
    m.ClearNested(far, level, ept::kRead | ept::kWrite);
    EXPECT_EQ(Answer(m, Fetch(kVa)), 0u);
    EXPECT_EQ(Answer(m, Read(kVa)),
              nested::kRead | nested::kExecutable | kOfThePage);
  }
}

// A fetch fills the TLB; a read of the same page is not served by it.
TEST(ExecuteOnlyTest, ACachedFetchServesNoRead) {
  NestedMachine m;
  m.Map(kVa, kPage);
  SetRights(m, ept::kExecute);
  EXPECT_EQ(Answer(m, Fetch(kVa)), 0u);
  EXPECT_EQ(Answer(m, Read(kVa)),
            nested::kRead | nested::kExecutable | kOfThePage);
  EXPECT_EQ(Answer(m, Fetch(kVa)), 0u);
}

TEST(ExecuteOnlyTest, AllPresetsWithEptHaveIt) {
  for (const MachineModel* machine : Machines()) {
    if (machine->features.vendor != Vendor::kIntel) continue;
    EXPECT_TRUE(machine->nested.execute_only) << machine->name;
  }
}

TEST(LargeEptLeafTest, IsOneWhereTheMachineHasTheSize) {
  for (const int leaf : {2, 3}) {
    for (const bool has : {false, true}) {
      const NestedShape shape = {.leaf = leaf};
      MachineModel model = NestedMachine::ModelOf(shape);
      (leaf == 2 ? model.nested.pages_2m : model.nested.pages_1g) = has;
      NestedMachine m(shape, model);
      m.Map(kVa, kPage);
      const uint32_t answer = Answer(m, Read(kVa));
      EXPECT_EQ((answer & nested::kMisconfiguration) != 0, !has) << leaf;
      EXPECT_EQ(answer == 0, has) << leaf;
    }
  }
}

// ---- Mode-based execute control.

TEST(ModeBasedExecuteTest, UserAndSupervisorAddressesHaveARightEach) {
  for (const bool on : {false, true}) {
    for (const bool user : {false, true}) {
      for (const uint64_t x : {uint64_t{0}, ept::kExecute, ept::kUserExecute,
                               ept::kExecute | ept::kUserExecute}) {
        NestedMachine m({.mode_based_execute = on});
        m.Map(kVa, kPage, user ? kUserPage : kKernelPage);
        SetRights(m, ept::kRead | ept::kWrite | x);
        const uint64_t asked = on && user ? ept::kUserExecute : ept::kExecute;
        uint32_t wanted = 0;
        if ((x & asked) == 0) {
          wanted = nested::kFetch | nested::kReadable | nested::kWritable |
                   kOfThePage;
          if ((x & ept::kExecute) != 0) wanted |= nested::kExecutable;
          if (on && (x & ept::kUserExecute) != 0) {
            wanted |= nested::kUserExecutable;
          }
        }
        // Through an entry that a read left in the unified L2 TLB, too.
        EXPECT_EQ(Answer(m, Read(kVa)), 0u);
        EXPECT_EQ(Answer(m, Fetch(kVa)), wanted)
            << on << " " << user << " " << x;
      }
    }
  }
}

TEST(ModeBasedExecuteTest, TheUsersRightAloneMakesAnEntryPresent) {
  for (const bool on : {false, true}) {
    NestedMachine m({.mode_based_execute = on});
    m.Map(kVa, kPage);
    SetRights(m, ept::kUserExecute);
    const uint32_t absent = nested::kFetch | kOfThePage;
    EXPECT_EQ(Answer(m, Fetch(kVa)), on ? 0 : absent);
  }
}

TEST(ModeBasedExecuteTest, WithoutPagingAllAddressesAreTheUsers) {
  NestedMachine m({.guest = PagingMode::kPae, .mode_based_execute = true});
  m.MapNested(kPage);
  SetRights(m, ept::kRead | ept::kExecute);
  ControlRegisters registers = m.Registers();
  registers.cr0 &= ~cr0::kPg;
  ASSERT_FALSE(m.mmu().EnterVm(m.Controls(1), registers).has_value());
  const VirtAddr va(AddressOf(kPage).value());
  EXPECT_NE(Answer(m, Fetch(va)), 0u);
  m.SetNested(kPage, 1, ept::kUserExecute);
  EXPECT_EQ(Answer(m, Fetch(va)), 0u);
}

// ---- Loads of PDPTEs.

TEST(PdpteLoadTest, IsAReadAndSetsNoDirtyFlag) {
  for (const bool flags : {false, true}) {
    NestedMachine m({.guest = PagingMode::kPae, .accessed_dirty = flags});
    m.Map(kVa, kPage);
    const auto clean = [&] {
      m.ClearNested(m.guest_root(), 1,
                    ept::kAccessed | ept::kDirty | ept::kWrite);
      m.Chill();
    };
    const uint64_t wanted = flags ? ept::kAccessed : 0;
    const auto seen = [&] {
      return m.NestedEntry(m.guest_root(), 1) & (ept::kAccessed | ept::kDirty);
    };
    clean();
    m.ReloadCr3();
    EXPECT_EQ(seen(), wanted);
    clean();
    m.Enter(1);  // without PDPTEs given
    EXPECT_EQ(seen(), wanted);
    clean();
    EXPECT_FALSE(m.mmu().FlushAll().has_value());
    EXPECT_EQ(seen(), wanted);
    clean();
    EXPECT_FALSE(
        m.mmu().LoadCr4(m.mmu().registers().cr4 ^ cr4::kPse).has_value());
    EXPECT_EQ(seen(), wanted);
    m.ExpectGoesTo(Read(kVa), AddressOf(NestedMachine::Behind(kPage)));
  }
}

TEST(PdpteLoadTest, FromAPageThatIsNotMappedIsAViolationOfARead) {
  for (const bool flags : {false, true}) {
    NestedMachine m({.guest = PagingMode::kPae, .accessed_dirty = flags});
    m.Map(kVa, kPage);
    m.ClearNested(m.guest_root(), 1, ept::kRights);
    m.Chill();
    const auto fault = m.mmu().LoadCr3(AddressOf(m.guest_root()).value());
    ASSERT_TRUE(fault.has_value());
    EXPECT_EQ(fault->vector, FaultVector::kNestedViolation);
    // The violation has no linear address: MOV to CR3 reads the PDPTEs.
    EXPECT_EQ(fault->error_code, nested::kRead);
    EXPECT_EQ(fault->gpa, AddressOf(m.guest_root()));
  }
}

// The guest's other tables are written to by walks.
TEST(PdpteLoadTest, AWalksLookAtATableIsAWriteStill) {
  NestedMachine m({.guest = PagingMode::kPae, .accessed_dirty = true});
  m.Map(kVa, kPage);
  m.ExpectGoesTo(Read(kVa), AddressOf(NestedMachine::Behind(kPage)));
  EXPECT_NE(m.NestedEntry(m.TableOf(kVa, 2), 1) & ept::kDirty, 0u);
  EXPECT_EQ(m.NestedEntry(m.guest_root(), 1) & ept::kDirty, 0u);
}

}  // namespace
}  // namespace xmmu::nested_capabilities_test
