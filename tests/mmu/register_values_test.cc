// Tests which values each machine accepts for CR0, CR4, EFER and CR3, and in a
// guest's registers and controls at an entry.
// Source: SDM Vol. 2, "MOV - Move to/from Control Registers"; Vol. 3A, "Control
// Registers"; Vol. 3C, "VM Entries"; AMD APM
// Vol. 2, "System-Control Registers".

#include <string>

#include "gtest/gtest.h"
#include "mmu/mmu_fixture.h"
#include "mmu/nested_fixture.h"

namespace xmmu::register_values_test {
namespace {

constexpr uint64_t Bit(int n) { return uint64_t{1} << n; }

testing::AssertionResult IsFault(const std::optional<PageFault>& fault,
                                 FaultVector vector) {
  if (!fault.has_value()) return testing::AssertionFailure() << "no fault";
  if (fault->vector == vector && fault->error_code == 0) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure()
         << "vector " << static_cast<int>(fault->vector);
}
bool IsGp(const std::optional<PageFault>& fault) {
  return IsFault(fault, FaultVector::kGeneralProtection);
}

MachineModel Preset(std::string_view name) { return *FindMachine(name); }

// ---- CR0.

TEST(Cr0ValueTest, CacheDisableMayStandAloneAndNotWriteThroughMayNot) {
  for (const MachineModel* machine : Machines()) {
    TestMachine m(PagingMode::kPae, *machine);
    const uint64_t cr0 = m.mmu().registers().cr0;
    EXPECT_TRUE(IsGp(m.mmu().LoadCr0(cr0 | cr0::kNw)));
    EXPECT_EQ(m.mmu().registers().cr0, cr0);
    EXPECT_FALSE(m.mmu().LoadCr0(cr0 | cr0::kCd).has_value());
    EXPECT_FALSE(m.mmu().LoadCr0(cr0 | cr0::kCd | cr0::kNw).has_value());
    EXPECT_TRUE(IsGp(m.mmu().LoadCr0(cr0 | cr0::kNw)));
  }
}

TEST(Cr0ValueTest, ReservedBitsAreIgnoredBelow32AndRefusedAbove) {
  TestMachine m;
  const uint64_t cr0 = m.mmu().registers().cr0;
  for (int bit = 0; bit < 64; ++bit) {
    if ((cr0 & Bit(bit)) != 0 || Bit(bit) == cr0::kNw) continue;
    const auto fault = m.mmu().LoadCr0(cr0 | Bit(bit));
    EXPECT_EQ(IsGp(fault), bit >= 32) << bit;
    const bool known = bit <= 5 || bit == 18 || bit == 30;
    EXPECT_EQ(m.mmu().registers().cr0, known ? cr0 | Bit(bit) : cr0) << bit;
    ASSERT_FALSE(m.mmu().LoadCr0(cr0).has_value());
  }
}

TEST(Cr0ValueTest, WpStaysSetWithShadowStacks) {
  TestMachine m;
  m.SetCr4(cr4::kCet);
  const uint64_t cr0 = m.mmu().registers().cr0;
  EXPECT_TRUE(IsGp(m.mmu().LoadCr0(cr0 & ~cr0::kWp)));
  m.ClearCr4(cr4::kCet);
  m.ClearCr0(cr0::kWp);
  EXPECT_TRUE(IsGp(m.mmu().LoadCr4(m.mmu().registers().cr4 | cr4::kCet)));
}

// ---- CR4: which bits there are, by preset.

struct Cr4Bits {
  std::string_view name;
  std::vector<uint64_t> has;  // of those not on every machine
};

const std::vector<Cr4Bits>& Cr4OfPresets() {
  using namespace cr4;  // NOLINT: twelve names
  static const std::vector<Cr4Bits> all = {
      {"xeon-2003", {}},
      {"opteron-2005", {}},
      {"core2-2006", {kVmxe}},
      {"nehalem-2009", {kVmxe}},
      {"westmere-2010", {kVmxe, kPcide}},
      {"skylake-2017",
       {kVmxe, kSmxe, kFsgsbase, kPcide, kOsxsave, kSmep, kSmap, kPke}},
      {"zen2-2019", {kUmip, kFsgsbase, kOsxsave, kSmep, kSmap}},
      {"zen3-2020",
       {kUmip, kFsgsbase, kPcide, kOsxsave, kSmep, kSmap, kPke, kCet}},
      {"zen5-2024",
       {kUmip, kLa57, kFsgsbase, kPcide, kOsxsave, kSmep, kSmap, kPke, kCet}}};
  return all;
}

// Paging is off so that LA57 may change; PCIDE cannot be set then.
TEST(Cr4ValueTest, ABitIsTakenWhereCpuidHasItsFeature) {
  ASSERT_EQ(Cr4OfPresets().size(), Machines().size());
  for (const Cr4Bits& preset : Cr4OfPresets()) {
    uint64_t has = 0x7ff & ~cr4::kPae;  // up to OSXMMEXCPT, PGE among them
    for (const uint64_t bit : preset.has) has |= bit;
    for (int bit = 0; bit < 64; ++bit) {
      TestMachine m(PagingMode::kPae, Preset(preset.name));
      m.ClearCr0(cr0::kPg);
      if (bit == 5) continue;  // PAE is set already
      const uint64_t cr4 = m.mmu().registers().cr4;
      const bool takes = (has & Bit(bit)) != 0 && Bit(bit) != cr4::kPcide;
      EXPECT_EQ(IsGp(m.mmu().LoadCr4(cr4 | Bit(bit))), !takes)
          << preset.name << " bit " << bit;
      EXPECT_EQ(m.mmu().registers().cr4, takes ? cr4 | Bit(bit) : cr4);
    }
  }
}

TEST(Cr4ValueTest, PcideIsTakenInLongModeWhereCpuidHasIt) {
  for (const Cr4Bits& preset : Cr4OfPresets()) {
    const MachineModel model = Preset(preset.name);
    if (!model.features.long_mode) continue;
    TestMachine m(PagingMode::k4Level, model);
    const uint64_t cr4 = m.mmu().registers().cr4 | cr4::kPcide;
    EXPECT_EQ(IsGp(m.mmu().LoadCr4(cr4)), !model.features.pcid) << preset.name;
  }
}

TEST(Cr4ValueTest, PgeNeedsTheFeature) {
  MachineModel model = TestModel();
  model.features.pge = false;
  TestMachine m(PagingMode::k4Level, model);
  EXPECT_EQ(m.mmu().registers().cr4 & cr4::kPge, 0u);
  EXPECT_TRUE(IsGp(m.mmu().LoadCr4(m.mmu().registers().cr4 | cr4::kPge)));
}

// ---- EFER.

TEST(EferValueTest, ABitIsTakenWhereTheMachineHasIt) {
  const struct {
    std::string_view name;
    uint64_t has;
  } presets[] = {
      {"core2-2006", efer::kSce | efer::kNxe},
      {"nehalem-2009", efer::kSce | efer::kNxe},
      {"westmere-2010", efer::kSce | efer::kNxe},
      {"skylake-2017", efer::kSce | efer::kNxe},
      {"opteron-2005", efer::kSce | efer::kNxe},
      {"zen2-2019", efer::kSce | efer::kNxe | efer::kSvme | efer::kLmsle |
                        efer::kFfxsr | efer::kTce | efer::kMcommit |
                        efer::kIntwb},
      {"zen3-2020", efer::kSce | efer::kNxe | efer::kSvme | efer::kFfxsr |
                        efer::kTce | efer::kIntwb},
      {"zen5-2024", efer::kSce | efer::kNxe | efer::kSvme | efer::kFfxsr |
                        efer::kTce | efer::kIntwb | efer::kAibrse}};
  for (const auto& preset : presets) {
    const MachineModel model = Preset(preset.name);
    const bool amd = model.features.vendor == Vendor::kAmd;
    for (int bit = 0; bit < 64; ++bit) {
      TestMachine m(PagingMode::kPae, model);
      const uint64_t efer = m.mmu().registers().efer;
      // LME is fixed while paging; LMA reads as it is: Intel ignores what is
      // written, AMD refuses another value. AMD's bits 7:1 read as zero.
      const bool kept = (preset.has & Bit(bit)) != 0;
      const bool ignored = (!amd && bit == 10) || (amd && bit >= 1 && bit <= 7);
      EXPECT_EQ(IsGp(m.mmu().LoadEfer(efer | Bit(bit))), !kept && !ignored)
          << preset.name << " bit " << bit;
      EXPECT_EQ(m.mmu().registers().efer, kept ? efer | Bit(bit) : efer)
          << preset.name << " bit " << bit;
    }
  }
}

TEST(EferValueTest, LmeIsTakenWithoutPagingWhereThereIsLongMode) {
  for (const MachineModel* machine : Machines()) {
    TestMachine m(PagingMode::kPae, *machine);
    m.ClearCr0(cr0::kPg);
    EXPECT_EQ(IsGp(m.mmu().LoadEfer(m.mmu().registers().efer | efer::kLme)),
              !machine->features.long_mode)
        << machine->name;
  }
}

// A Pentium 4 without EM64T and NX has no such register.
TEST(EferValueTest, ThereIsNoneWithoutLongModeAndNx) {
  TestMachine m(PagingMode::kPae, Preset("xeon-2003"));
  EXPECT_TRUE(IsGp(m.mmu().LoadEfer(0)));
  TestMachine other(PagingMode::kPae, Preset("core2-2006"));
  EXPECT_FALSE(other.mmu().LoadEfer(0).has_value());
}

TEST(EferValueTest, AmdRefusesAnotherLmaAndIntelIgnoresIt) {
  for (const Vendor vendor : {Vendor::kIntel, Vendor::kAmd}) {
    MachineModel model = TestModel();
    model.features.vendor = vendor;
    TestMachine m(PagingMode::k4Level, model);
    const uint64_t efer = m.mmu().registers().efer;
    EXPECT_EQ(IsGp(m.mmu().LoadEfer(efer & ~efer::kLma)),
              vendor == Vendor::kAmd);
    EXPECT_EQ(m.mmu().registers().efer, efer);
  }
}

// ---- The whole register file at once.

struct BadRegisters {
  const char* name;
  void (*spoil)(ControlRegisters&);
};
constexpr BadRegisters kBadRegisters[] = {
    {"CR0[32]", [](ControlRegisters& r) { r.cr0 |= Bit(32); }},
    {"PG without PE", [](ControlRegisters& r) { r.cr0 &= ~cr0::kPe; }},
    {"CR4 bit 15", [](ControlRegisters& r) { r.cr4 |= Bit(15); }},
    {"CR4 bit 40", [](ControlRegisters& r) { r.cr4 |= Bit(40); }},
    {"long mode without PAE", [](ControlRegisters& r) { r.cr4 &= ~cr4::kPae; }},
    {"LMA without LME", [](ControlRegisters& r) { r.efer &= ~efer::kLme; }},
    {"LME and PG without LMA",
     [](ControlRegisters& r) { r.efer &= ~efer::kLma; }},
    {"EFER bit 63", [](ControlRegisters& r) { r.efer |= Bit(63); }},
    {"CET without WP",
     [](ControlRegisters& r) {
       r.cr4 |= cr4::kCet;
       r.cr0 &= ~cr0::kWp;
     }},
    {"PCIDE outside long mode",
     [](ControlRegisters& r) {
       r.cr4 |= cr4::kPcide;
       r.efer &= ~(efer::kLme | efer::kLma);
     }},
    {"CR3 beyond MAXPHYADDR", [](ControlRegisters& r) { r.cr3 |= Bit(40); }},
};

TEST(RegisterFileTest, ResetAndEntryRefuseWhatNoMovesCanMake) {
  for (const Vendor vendor : {Vendor::kIntel, Vendor::kAmd}) {
    for (const BadRegisters& bad : kBadRegisters) {
      NestedMachine m({.vendor = vendor});
      const ControlRegisters before = m.mmu().registers();
      ControlRegisters registers = m.Registers();
      bad.spoil(registers);
      EXPECT_TRUE(IsFault(m.mmu().EnterVm(m.Controls(1), registers),
                          FaultVector::kFailedEntry))
          << bad.name;
      EXPECT_TRUE(IsGp(m.mmu().Reset(registers))) << bad.name;
      EXPECT_EQ(m.mmu().registers(), before);
      EXPECT_FALSE(m.mmu().EnterVm(m.Controls(1), m.Registers()).has_value());
    }
  }
}

// A machine may be simulated in a mode that it has not; its other registers
// then take what they take.
TEST(RegisterFileTest, TheModeIsTakenAtItsWord) {
  for (const MachineModel* machine : Machines()) {
    for (const PagingMode mode : {PagingMode::k4Level, PagingMode::k5Level}) {
      TestMachine m(mode, *machine);
      EXPECT_EQ(m.mmu().mode(), mode);
      m.ClearCr4(cr4::kPge);
      EXPECT_FALSE(m.mmu().LoadEfer(m.mmu().registers().efer).has_value());
      EXPECT_EQ(IsGp(m.mmu().LoadCr4(m.mmu().registers().cr4 | cr4::kSmep)),
                !machine->features.smep)
          << machine->name;
    }
  }
}

// VM entry has no use for CD and NW; VMRUN looks at them.
TEST(RegisterFileTest, NotWriteThroughAloneStopsAmdsEntryOnly) {
  for (const Vendor vendor : {Vendor::kIntel, Vendor::kAmd}) {
    NestedMachine m({.vendor = vendor});
    ControlRegisters registers = m.Registers();
    registers.cr0 |= cr0::kNw;
    EXPECT_EQ(m.mmu().EnterVm(m.Controls(1), registers).has_value(),
              vendor == Vendor::kAmd);
    EXPECT_TRUE(IsGp(m.mmu().Reset(registers)));
  }
}

struct BadControls {
  const char* name;
  void (*spoil)(MachineModel&, VmControls&);
  bool intel, amd;  // whether it stops the entry
};
constexpr BadControls kBadControls[] = {
    {"nothing", [](MachineModel&, VmControls&) {}, false, false},
    {"root not aligned",
     [](MachineModel&, VmControls& c) { c.root = c.root + 8; }, true, true},
    {"root beyond MAXPHYADDR",
     [](MachineModel&, VmControls& c) { c.root = MachineAddr(Bit(40)); }, true,
     true},
    {"3-level nested tables",
     [](MachineModel&, VmControls& c) { c.nested_mode = PagingMode::kPae; },
     true, true},
    {"5-level EPT that there is not",
     [](MachineModel& m, VmControls& c) {
       m.nested.five_level = false;
       c.nested_mode = PagingMode::k5Level;
     },
     true, false},
    {"5-level nested paging that there is not",
     [](MachineModel& m, VmControls& c) {
       m.features.la57 = false;
       c.nested_mode = PagingMode::k5Level;
     },
     false, true},
    {"5-level tables",
     [](MachineModel&, VmControls& c) { c.nested_mode = PagingMode::k5Level; },
     false, false},
    {"EPT A/D flags that there are not",
     [](MachineModel& m, VmControls& c) {
       m.nested.accessed_dirty = false;
       c.accessed_dirty = true;
     },
     true, false},
    {"mode-based execute control that there is not",
     [](MachineModel& m, VmControls& c) {
       m.nested.mode_based_execute = false;
       c.mode_based_execute = true;
     },
     true, false},
    {"a tag where there are none",
     [](MachineModel& m, VmControls&) { m.nested.tags = false; }, true, true},
};

TEST(EntryControlsTest, AreThoseThatTheMachineHas) {
  for (const Vendor vendor : {Vendor::kIntel, Vendor::kAmd}) {
    for (const BadControls& bad : kBadControls) {
      MachineModel model = TestModel();
      model.features.vendor = vendor;
      model.nested.tags = true;
      VmControls controls = {
          .nested = true, .root = MachineAddr(0x5000), .tag = 1};
      bad.spoil(model, controls);
      TestMachine m(PagingMode::k4Level, model);
      const bool stops = vendor == Vendor::kIntel ? bad.intel : bad.amd;
      const auto fault = m.mmu().EnterVm(controls, m.mmu().registers());
      EXPECT_EQ(fault.has_value(), stops) << bad.name;
      EXPECT_EQ(m.mmu().vm(), stops ? VmControls() : controls) << bad.name;
    }
  }
}

TEST(EntryControlsTest, PdptesInMemoryStopAnIntelEntryAndNoneOfAmds) {
  for (const Vendor vendor : {Vendor::kIntel, Vendor::kAmd}) {
    NestedMachine m({.guest = PagingMode::kPae, .vendor = vendor});
    m.Store(AddressOf(m.guest_root()), Bit(1) | 1);
    const auto fault = m.mmu().EnterVm(m.Controls(1), m.Registers());
    EXPECT_EQ(fault.has_value(), vendor == Vendor::kIntel);
    if (vendor == Vendor::kIntel) {
      EXPECT_TRUE(IsFault(fault, FaultVector::kFailedEntry));
    }
    // Nor does AMD take any that are given.
    const std::array<uint64_t, 4> pdptes = {1, 1, 1, 1};
    EXPECT_FALSE(m.mmu().EnterVm(m.Controls(1), m.Registers(), &pdptes));
    EXPECT_EQ(m.mmu().pdpte_registers() == pdptes, vendor == Vendor::kIntel);
  }
}

TEST(EntryControlsTest, PdptesGivenToAnIntelEntryAreChecked) {
  for (const uint64_t pdpte : {Bit(1) | 1, Bit(63) | 1, Bit(1), uint64_t{1}}) {
    NestedMachine m({.guest = PagingMode::kPae});
    const std::array<uint64_t, 4> pdptes = {1, 0, 1, pdpte};
    const bool bad = (pdpte & 1) != 0 && pdpte != 1;
    EXPECT_EQ(
        m.mmu().EnterVm(m.Controls(1), m.Registers(), &pdptes).has_value(), bad)
        << pdpte;
    if (bad) continue;
    EXPECT_EQ(m.mmu().pdpte_registers(), pdptes);
  }
}

}  // namespace
}  // namespace xmmu::register_values_test
