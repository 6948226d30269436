// Operands that INVPCID, INVEPT and INVVPID refuse, and the processors that
// have none of them: what is refused changes and costs nothing. Source: SDM
// Vol. 2, "INVPCID"; Vol. 3C, "INVEPT", "INVVPID"; AMD APM Vol. 3, "INVPCID",
// "INVLPGA".

#include "gtest/gtest.h"
#include "mmu/mmu_fixture.h"

namespace xmmu::invalidation_operands_test {
namespace {

constexpr VirtAddr kVa{0x40201000};
constexpr uint64_t Bit(int n) { return uint64_t{1} << n; }

bool IsFault(const std::optional<PageFault>& fault, FaultVector vector) {
  return fault.has_value() && fault->vector == vector && fault->error_code == 0;
}
bool IsGp(const std::optional<PageFault>& fault) {
  return IsFault(fault, FaultVector::kGeneralProtection);
}

// Whether an operation left all that was cached, and its price.
bool KeepsEverything(TestMachine& m, const auto& operation) {
  const size_t pages = m.mmu().TlbEntries().size();
  const size_t tables = m.mmu().PagingStructureEntries().size();
  const uint64_t flushes = m.counters()[Counter::kTlbFlushes] +
                           m.counters()[Counter::kTlbPageFlushes];
  const Cycles before = m.clock().now();
  operation();
  return m.mmu().TlbEntries().size() == pages &&
         m.mmu().PagingStructureEntries().size() == tables &&
         m.counters()[Counter::kTlbFlushes] +
                 m.counters()[Counter::kTlbPageFlushes] ==
             flushes &&
         m.clock().now() == before;
}

TEST(InvpcidTest, IsAnInvalidOpcodeWithoutTheFeature) {
  for (const MachineModel* machine : Machines()) {
    TestMachine m(PagingMode::kPae, *machine);
    m.Map(kVa, Mfn(1));
    m.MustTranslate(Read(kVa));
    std::optional<PageFault> fault;
    const bool keeps = KeepsEverything(m, [&] {
      fault = m.mmu().Invpcid(InvpcidType::kAllWithGlobals, 0, VirtAddr());
    });
    const bool has = machine->features.invpcid;
    EXPECT_EQ(keeps, !has) << machine->name;
    EXPECT_EQ(fault.has_value(), !has);
    if (has) continue;
    EXPECT_TRUE(IsFault(fault, FaultVector::kInvalidOpcode));
  }
}

TEST(InvpcidTest, RefusesBadDescriptors) {
  constexpr VirtAddr kNoncanonical{Bit(60)};
  const struct {
    int type;
    uint16_t pcid;
    VirtAddr va;
    bool without_pcide, with_pcide;  // refused
  } cases[] = {{0, 0, kVa, false, false},
               {0, 1, kVa, true, false},
               {0, 0xfff, kVa, true, false},
               {0, 0x1000, kVa, true, true},
               {0, 0, kNoncanonical, true, true},
               {1, 1, kVa, true, false},
               {1, 0, kNoncanonical, false, false},
               {1, 0x1000, kVa, true, true},
               {2, 1, kNoncanonical, false, false},
               {2, 0x1000, kVa, true, true},
               {3, 1, kNoncanonical, false, false},
               {3, 0x8000, kVa, true, true},
               {4, 0, kVa, true, true},
               {255, 0, kVa, true, true}};
  for (const auto& c : cases) {
    for (const bool pcide : {false, true}) {
      TestMachine m;
      m.Map(kVa, Mfn(1));
      if (pcide) m.SetCr4(cr4::kPcide);
      m.MustTranslate(Read(kVa));
      std::optional<PageFault> fault;
      const bool keeps = KeepsEverything(m, [&] {
        fault = m.mmu().Invpcid(static_cast<InvpcidType>(c.type), c.pcid, c.va);
      });
      const bool refused = pcide ? c.with_pcide : c.without_pcide;
      EXPECT_EQ(IsGp(fault), refused)
          << c.type << " " << c.pcid << " " << pcide;
      EXPECT_EQ(keeps, refused) << c.type << " " << c.pcid << " " << pcide;
    }
  }
}

TestMachine Hypervisor(Vendor vendor, bool tags = true) {
  MachineModel model = TestModel();
  model.features.vendor = vendor;
  model.features.la57 = false;
  model.nested.tags = tags;
  return TestMachine(PagingMode::k4Level, model);
}

TEST(InveptTest, FailsForOtherTypesAndRootsThatNoEntryTakes) {
  TestMachine m = Hypervisor(Vendor::kIntel);
  using enum VmOutcome;
  const struct {
    int type;
    uint64_t root;
    VmOutcome outcome;
  } cases[] = {{0, 0x5000, kFails},  {1, 0x5000, kSucceeds},
               {1, 0x5008, kFails},  {1, Bit(39), kSucceeds},
               {1, Bit(40), kFails}, {2, 0x5008, kSucceeds},
               {3, 0x5000, kFails},  {200, 0x5000, kFails}};
  for (const auto& c : cases) {
    VmOutcome outcome = kInvalidOpcode;
    const bool keeps = KeepsEverything(m, [&] {
      outcome =
          m.mmu().Invept(static_cast<InveptType>(c.type), MachineAddr(c.root));
    });
    EXPECT_EQ(outcome, c.outcome) << c.type << " " << c.root;
    EXPECT_EQ(keeps, c.outcome != kSucceeds);
  }
}

TEST(InvvpidTest, FailsForOtherTypesVpidZeroAndBadAddresses) {
  TestMachine m = Hypervisor(Vendor::kIntel);
  using enum VmOutcome;
  constexpr VirtAddr kNoncanonical{Bit(47)};
  const struct {
    int type;
    uint16_t vpid;
    VirtAddr va;
    VmOutcome outcome;
  } cases[] = {{0, 1, kVa, kSucceeds},        {0, 0, kVa, kFails},
               {0, 1, kNoncanonical, kFails}, {1, 1, kNoncanonical, kSucceeds},
               {1, 0, kVa, kFails},           {2, 0, kNoncanonical, kSucceeds},
               {3, 1, kVa, kSucceeds},        {3, 0, kVa, kFails},
               {4, 1, kVa, kFails},           {255, 1, kVa, kFails}};
  for (const auto& c : cases) {
    VmOutcome outcome = kInvalidOpcode;
    const bool keeps = KeepsEverything(m, [&] {
      outcome = m.mmu().Invvpid(static_cast<InvvpidType>(c.type), c.vpid, c.va);
    });
    EXPECT_EQ(outcome, c.outcome) << c.type << " " << c.vpid;
    EXPECT_EQ(keeps, c.outcome != kSucceeds);
  }
}

TEST(VmInstructionTest, EachIsOfItsVendorAlone) {
  using enum VmOutcome;
  TestMachine intel = Hypervisor(Vendor::kIntel);
  TestMachine amd = Hypervisor(Vendor::kAmd);
  TestMachine untagged = Hypervisor(Vendor::kIntel, /*tags=*/false);
  EXPECT_EQ(amd.mmu().Invept(InveptType::kGlobal, {}), kInvalidOpcode);
  EXPECT_EQ(amd.mmu().Invvpid(InvvpidType::kAllContexts, 0, {}),
            kInvalidOpcode);
  EXPECT_EQ(untagged.mmu().Invvpid(InvvpidType::kAllContexts, 0, {}),
            kInvalidOpcode);
  EXPECT_EQ(untagged.mmu().Invept(InveptType::kGlobal, {}), kSucceeds);
  EXPECT_EQ(intel.mmu().Invlpga(kVa, 1), kInvalidOpcode);
  EXPECT_EQ(amd.mmu().Invlpga(kVa, 1), kSucceeds);
}

}  // namespace
}  // namespace xmmu::invalidation_operands_test
