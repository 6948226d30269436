// Two-dimensional walks: how many entries they load, whose rights they judge by
// and whose fault they end in.

#include "gtest/gtest.h"
#include "mmu/nested_fixture.h"

namespace xmmu::nested_walk_test {
namespace {

constexpr VirtAddr kVa{0x40201000};
constexpr Gfn kPage{0x2345};

uint64_t ColdLoads(const NestedShape& shape, int guest_leaf = 1) {
  NestedMachine m(shape);
  m.Map(kVa, Gfn(0x80000), kUserPage, guest_leaf);
  return m.ColdLoadsOf(Read(kVa));
}

// (g + 1)(h + 1) - 1 entries: each of g guest entries and the final address
// take h, and the guest's entries themselves one each.
TEST(NestedWalkTest, AColdWalkLoadsTheEntriesOfBothDimensions) {
  using enum PagingMode;
  EXPECT_EQ(ColdLoads({.guest = k4Level}), 24u);
  EXPECT_EQ(ColdLoads({.guest = k5Level, .nested = k5Level}), 35u);
  EXPECT_EQ(ColdLoads({.guest = k4Level, .nested = k5Level}), 29u);
  EXPECT_EQ(ColdLoads({.guest = k5Level, .nested = k4Level}), 29u);
  EXPECT_EQ(ColdLoads({.guest = k2Level}), 14u);
}

TEST(NestedWalkTest, PaesThirdLevelIsWalkedByAmdAndInRegistersOfIntel) {
  EXPECT_EQ(ColdLoads({.guest = PagingMode::kPae, .vendor = Vendor::kAmd}),
            19u);
  EXPECT_EQ(ColdLoads({.guest = PagingMode::kPae}), 14u);
}

TEST(NestedWalkTest, LargeNestedLeavesSaveALoadAWalk) {
  EXPECT_EQ(ColdLoads({.leaf = 2}), 19u);
  EXPECT_EQ(ColdLoads({.leaf = 3}), 14u);
  EXPECT_EQ(ColdLoads({.leaf = 2, .vendor = Vendor::kAmd}), 19u);
  EXPECT_EQ(ColdLoads({.leaf = 3, .vendor = Vendor::kAmd}), 14u);
  // Both dimensions have leaves of 2 MiB.
  EXPECT_EQ(ColdLoads({.leaf = 2}, /*guest_leaf=*/2), 15u);
}

TEST(NestedWalkTest, MovToCr3LoadsPdptesThroughTheNestedTablesOnIntelOnly) {
  for (const Vendor vendor : {Vendor::kIntel, Vendor::kAmd}) {
    NestedMachine m({.guest = PagingMode::kPae, .vendor = vendor});
    m.Map(kVa, kPage);
    const uint64_t before = m.counters()[Counter::kNestedPteLoads];
    m.ReloadCr3();
    EXPECT_EQ(m.counters()[Counter::kNestedPteLoads] - before,
              vendor == Vendor::kIntel ? 4u : 0u);
  }
}

TEST(NestedWalkTest, ATlbHitLoadsNothing) {
  NestedMachine m;
  m.Map(kVa, kPage);
  m.ExpectGoesTo(Read(kVa), AddressOf(NestedMachine::Behind(kPage)));
  EXPECT_EQ(m.LoadsOf(Read(kVa)), 0u);
  m.ExpectGoesTo(Read(kVa + 0xabc),
                 AddressOf(NestedMachine::Behind(kPage)) + 0xabc);
}

// A PDE-cache hit has the machine address of the L1 table: the nested walk for
// the table is saved with the table's own.
TEST(NestedWalkTest, APdeCacheHitLeavesOneEntryAndOneNestedWalk) {
  NestedMachine m({.guest_psc = true});
  m.Map(kVa, kPage);
  m.Map(kVa + kPageSize, Gfn(0x4000));
  EXPECT_EQ(m.ColdLoadsOf(Read(kVa)), 24u);
  EXPECT_EQ(m.LoadsOf(Read(kVa + kPageSize)), 1u + 4u);
}

// Frames of one nested L1 table: after the first nested walk each takes one.
TEST(NestedWalkTest, NestedStructureCachesLeaveOneLoadANestedWalk) {
  NestedMachine m({.nested_psc = true});
  m.Map(kVa, Gfn(0x1100));
  EXPECT_EQ(m.ColdLoadsOf(Read(kVa)), 4u + 4u + 4u * 1u);
  EXPECT_EQ(m.counters()[Counter::kNestedPscHits], 4u);
}

TEST(NestedWalkTest, TheNestedTlbSavesNestedWalksOfKnownPages) {
  NestedMachine m({.nested_tlb = 16});
  m.Map(kVa, kPage);
  m.Map(kVa + kPageSize, Gfn(0x4000));
  EXPECT_EQ(m.ColdLoadsOf(Read(kVa)), 24u);
  // The four tables are known, the page is not.
  EXPECT_EQ(m.LoadsOf(Read(kVa + kPageSize)), 4u + 4u);
  m.mmu().Invlpg(kVa);
  EXPECT_EQ(m.LoadsOf(Read(kVa)), 4u);
}

TEST(NestedWalkTest, TheNestedTlbForgetsTheLeastRecentlyUsedPage) {
  NestedMachine m({.nested_tlb = 5});
  m.Map(kVa, kPage);
  m.Map(kVa + kPageSize, Gfn(0x4000));
  EXPECT_EQ(m.ColdLoadsOf(Read(kVa)), 24u);
  // Takes the place of the page before, not of a table just used.
  EXPECT_EQ(m.LoadsOf(Read(kVa + kPageSize)), 8u);
  m.mmu().Invlpg(kVa + kPageSize);
  EXPECT_EQ(m.LoadsOf(Read(kVa + kPageSize)), 4u);
}

TEST(NestedWalkTest, OneLargeNestedPageServesAllTables) {
  NestedMachine m({.leaf = 3, .nested_tlb = 16});
  m.Map(kVa, kPage);
  EXPECT_EQ(m.ColdLoadsOf(Read(kVa)), 4u + 2u);
}

class NestedFormatTest : public ::testing::TestWithParam<Vendor> {
 protected:
  NestedShape Shape() const { return {.vendor = GetParam()}; }
  uint64_t WriteBit() const {
    return GetParam() == Vendor::kIntel ? ept::kWrite : pte::kWritable;
  }
};

INSTANTIATE_TEST_SUITE_P(Vendors, NestedFormatTest,
                         ::testing::Values(Vendor::kIntel, Vendor::kAmd));

TEST_P(NestedFormatTest, AMissingEntryOfEachLevelIsAViolationOfThePage) {
  for (int level = 1; level <= 4; ++level) {
    NestedMachine m(Shape());
    // Far from the tables, on a path of its own.
    const Gfn far(uint64_t{1} << 27 | 0x2345);
    m.Map(kVa, far);
    m.memory().Write64(m.NestedEntryAt(far, level), 0);
    const PageFault fault = m.FaultOf(Read(kVa + 8));
    EXPECT_EQ(fault.vector, FaultVector::kNestedViolation) << level;
    EXPECT_EQ(fault.gpa, AddressOf(far) + 8);
    EXPECT_EQ(fault.va, kVa + 8);
    EXPECT_EQ(fault.error_code, nested::kRead | nested::kLinearAddressValid |
                                    nested::kFinalAddress);
  }
}

TEST_P(NestedFormatTest, AMissingTableOfEachLevelIsAViolationOfItsEntry) {
  for (int level = 1; level <= 4; ++level) {
    NestedMachine m(Shape());
    m.Map(kVa, kPage);
    const GuestAddr entry = m.EntryAt(kVa, level);
    m.memory().Write64(m.NestedEntryAt(FrameOf(entry), 1), 0);
    const PageFault fault = m.FaultOf(Write(kVa));
    EXPECT_EQ(fault.vector, FaultVector::kNestedViolation) << level;
    EXPECT_EQ(fault.gpa, entry);
    // AMD's walker always means to write; EPT's only with A/D flags.
    const uint32_t access =
        nested::kRead |
        (GetParam() == Vendor::kAmd ? nested::kWrite : uint32_t{0});
    EXPECT_EQ(fault.error_code, access | nested::kLinearAddressValid);
  }
}

TEST_P(NestedFormatTest, EachLevelsWriteRightCounts) {
  for (int level = 1; level <= 4; ++level) {
    NestedMachine m(Shape());
    const Gfn far(uint64_t{1} << 27 | 0x2345);
    m.Map(kVa, far);
    m.ClearNested(far, level, WriteBit());
    m.ExpectGoesTo(Read(kVa), AddressOf(NestedMachine::Behind(far)));
    const PageFault fault = m.FaultOf(Write(kVa));
    EXPECT_EQ(fault.vector, FaultVector::kNestedViolation) << level;
    EXPECT_EQ(fault.error_code,
              nested::kWrite | nested::kReadable | nested::kExecutable |
                  nested::kLinearAddressValid | nested::kFinalAddress);
    // Reading stays possible, as cached.
    m.ExpectGoesTo(Read(kVa), AddressOf(NestedMachine::Behind(far)));
  }
}

TEST_P(NestedFormatTest, NoExecuteOfTheNestedTablesHoldsInEachGuestMode) {
  for (const PagingMode mode : kAllPagingModes) {
    NestedShape shape = Shape();
    shape.guest = mode;
    NestedMachine m(shape);
    m.Map(kVa, kPage);
    if (GetParam() == Vendor::kIntel) {
      m.ClearNested(kPage, 1, ept::kExecute);
    } else {
      m.SetNested(kPage, 1, pte::kNoExecute);
    }
    m.ExpectGoesTo(Read(kVa), AddressOf(NestedMachine::Behind(kPage)));
    // Through the entry that the read left in the unified L2 TLB.
    const PageFault fault = m.FaultOf(Fetch(kVa));
    EXPECT_EQ(fault.vector, FaultVector::kNestedViolation);
    EXPECT_EQ(fault.error_code & (nested::kFetch | nested::kExecutable),
              nested::kFetch);
  }
}

TEST_P(NestedFormatTest, TheGuestsOwnFaultComesFirstAndIsNoViolation) {
  NestedMachine m(Shape());
  m.Map(kVa, kPage, kKernelPage & ~pte::kWritable);
  m.memory().Write64(m.NestedEntryAt(kPage, 1), 0);
  PageFault fault = m.FaultOf(ByUser(Read(kVa)));
  EXPECT_EQ(fault.vector, FaultVector::kPageFault);
  EXPECT_EQ(fault.error_code, pf::kProtection | pf::kUser);
  fault = m.FaultOf(Write(kVa));
  EXPECT_EQ(fault.vector, FaultVector::kPageFault);
  EXPECT_EQ(fault.error_code, pf::kProtection | pf::kWrite);
  m.Store(m.EntryAt(kVa, 1), 0);
  EXPECT_EQ(m.FaultOf(Read(kVa)).error_code, 0u);
  EXPECT_EQ(m.counters()[Counter::kNestedViolations], 0u);
}

// Nested write protection holds against a guest that ignores its own.
TEST_P(NestedFormatTest, Cr0WpOfTheGuestDoesNotLiftNestedProtection) {
  NestedMachine m(Shape());
  m.Map(kVa, kPage, kKernelPage & ~pte::kWritable);
  ASSERT_FALSE(m.mmu().LoadCr0(m.mmu().registers().cr0 & ~cr0::kWp));
  m.ExpectGoesTo(Write(kVa), AddressOf(NestedMachine::Behind(kPage)));
  m.ClearNested(kPage, 1, WriteBit());
  m.Chill();
  m.ExpectGoesTo(Read(kVa), AddressOf(NestedMachine::Behind(kPage)));
  EXPECT_EQ(m.FaultOf(Write(kVa)).vector, FaultVector::kNestedViolation);
}

TEST_P(NestedFormatTest, AReservedBitIsAMisconfigurationAtEachLevel) {
  for (int level = 1; level <= 4; ++level) {
    NestedMachine m(Shape());
    const Gfn far(uint64_t{1} << 27 | 0x2345);
    m.Map(kVa, far);
    m.SetNested(far, level, uint64_t{1} << 45);  // MAXPHYADDR is 40
    const PageFault fault = m.FaultOf(Read(kVa));
    EXPECT_NE(fault.error_code & nested::kMisconfiguration, 0u) << level;
  }
}

TEST_P(NestedFormatTest, AnAddressWiderThanTheTablesIsAViolation) {
  NestedShape shape = Shape();
  NestedMachine m(shape);
  m.Map(kVa, kPage);
  // Bit 48 would need a fifth nested level, and is reserved to the guest's own
  // tables on a CPU of 40 bits: so without paging.
  ASSERT_FALSE(m.mmu().EnterVm(m.Controls(1), [&] {
    ControlRegisters registers =
        KernelControlRegisters(PagingMode::kPae, m.mmu().features());
    registers.cr0 &= ~cr0::kPg;
    return registers;
  }()));
  m.ExpectGoesTo(Read(VirtAddr(AddressOf(kPage).value() + 4)),
                 AddressOf(NestedMachine::Behind(kPage)) + 4);
  const PageFault fault = m.FaultOf(Read(VirtAddr(uint64_t{1} << 48)));
  EXPECT_EQ(fault.vector, FaultVector::kNestedViolation);
}

TEST(NestedNptTest, EachLevelMustBeTheUsers) {
  for (int level = 1; level <= 4; ++level) {
    NestedMachine m({.vendor = Vendor::kAmd});
    const Gfn far(uint64_t{1} << 27 | 0x2345);
    m.Map(kVa, far);
    m.ClearNested(far, level, pte::kUser);
    EXPECT_EQ(m.FaultOf(Read(kVa)).vector, FaultVector::kNestedViolation);
  }
}

TEST(NestedEptTest, WritableButUnreadableIsAMisconfiguration) {
  NestedMachine m;
  m.Map(kVa, kPage);
  m.ClearNested(kPage, 1, ept::kRead);
  EXPECT_NE(m.FaultOf(Read(kVa)).error_code & nested::kMisconfiguration, 0u);
}

TEST(NestedEptTest, MemoryTypesTwoThreeAndSevenAreMisconfigurations) {
  for (uint64_t type = 0; type < 8; ++type) {
    NestedMachine m;
    m.Map(kVa, kPage);
    m.ClearNested(kPage, 1, ept::kMemoryType);
    m.SetNested(kPage, 1, type << 3);
    const bool bad = type == 2 || type == 3 || type == 7;
    EXPECT_EQ(m.mmu().Translate(Read(kVa)).ok(), !bad) << type;
  }
}

TEST(NestedEptTest, ATableReadIsNoWriteUnlessFlagsAreKept) {
  for (const bool flags : {false, true}) {
    NestedMachine m({.accessed_dirty = flags});
    m.Map(kVa, kPage);
    m.ClearNested(m.TableOf(kVa, 2), 1, ept::kWrite);
    EXPECT_EQ(m.mmu().Translate(Read(kVa)).ok(), !flags);
  }
}

// An A update of a table, a D update of the leaf.
TEST(NestedEptTest, AnUpdateOfTheGuestsFlagsNeedsNestedWritePermission) {
  for (const int level : {1, 2, 3, 4}) {
    NestedMachine m;
    m.Map(kVa, kPage);
    const GuestAddr entry = m.EntryAt(kVa, level);
    m.ClearNested(FrameOf(entry), 1, ept::kWrite);
    m.Chill();
    m.ExpectGoesTo(Read(kVa), AddressOf(NestedMachine::Behind(kPage)));
    m.Store(entry, m.Load(entry) & ~(pte::kAccessed | pte::kDirty));
    m.Chill();
    const PageFault fault = m.FaultOf(Write(kVa));
    EXPECT_EQ(fault.vector, FaultVector::kNestedViolation) << level;
    EXPECT_EQ(fault.gpa, entry);
    EXPECT_EQ(fault.error_code, nested::kRead | nested::kWrite |
                                    nested::kReadable | nested::kExecutable |
                                    nested::kLinearAddressValid);
    EXPECT_EQ(m.Load(entry) & pte::kAccessed, 0u);
    m.SetNested(FrameOf(entry), 1, ept::kWrite);
    m.ExpectGoesTo(Write(kVa), AddressOf(NestedMachine::Behind(kPage)));
    EXPECT_NE(m.Load(entry) & pte::kAccessed, 0u);
  }
}

TEST(NestedEptTest, NestedFlagsAreSetOnDemandOnly) {
  for (const bool flags : {false, true}) {
    NestedMachine m({.accessed_dirty = flags});
    m.Map(kVa, kPage);
    m.ExpectGoesTo(Read(kVa), AddressOf(NestedMachine::Behind(kPage)));
    const uint64_t a = flags ? ept::kAccessed : 0;
    const uint64_t d = flags ? ept::kDirty : 0;
    const uint64_t both = ept::kAccessed | ept::kDirty;
    EXPECT_EQ(m.NestedEntry(kPage, 1) & both, a);
    EXPECT_EQ(m.NestedEntry(kPage, 2) & both, a);
    // Reading a table of the guest counts as writing it.
    EXPECT_EQ(m.NestedEntry(m.TableOf(kVa, 1), 1) & both, a | d);
    m.ExpectGoesTo(Write(kVa), AddressOf(NestedMachine::Behind(kPage)));
    EXPECT_EQ(m.NestedEntry(kPage, 1) & both, a | d);
  }
}

TEST(NestedNptTest, NestedFlagsAreThoseOfOrdinaryEntries) {
  NestedMachine m({.vendor = Vendor::kAmd});
  m.Map(kVa, kPage);
  m.ExpectGoesTo(Read(kVa), AddressOf(NestedMachine::Behind(kPage)));
  const uint64_t both = pte::kAccessed | pte::kDirty;
  EXPECT_EQ(m.NestedEntry(kPage, 1) & both, pte::kAccessed);
  EXPECT_EQ(m.NestedEntry(m.TableOf(kVa, 4), 1) & both, both);
  m.ExpectGoesTo(Write(kVa), AddressOf(NestedMachine::Behind(kPage)));
  EXPECT_EQ(m.NestedEntry(kPage, 1) & both, both);
}

TEST(NestedNptTest, AReservedBitOfAPdpteIsAPageFaultOfTheWalk) {
  NestedMachine m({.guest = PagingMode::kPae, .vendor = Vendor::kAmd});
  m.Map(kVa, kPage);
  const GuestAddr pdpte = m.EntryAt(kVa, 3);
  m.Store(pdpte, m.Load(pdpte) | pte::kUser);
  EXPECT_EQ(m.FaultOf(Read(kVa)).error_code, pf::kProtection | pf::kReserved);
  m.Store(pdpte, 0);
  EXPECT_EQ(m.FaultOf(Read(kVa)).error_code, 0u);
}

TEST(NestedFractureTest, TheSmallerPageIsCached) {
  const auto cached = [](int guest_leaf, int nested_leaf) {
    NestedMachine m({.leaf = nested_leaf});
    const VirtAddr va(0x40000000);
    m.Map(va, Gfn(0x80000), kUserPage, guest_leaf);
    EXPECT_TRUE(m.mmu().Translate(Read(va)).ok());
    return m.mmu().TlbEntries().at(0).page_shift;
  };
  EXPECT_EQ(cached(1, 3), 12);
  EXPECT_EQ(cached(2, 1), 12);
  EXPECT_EQ(cached(2, 2), 21);
  EXPECT_EQ(cached(3, 2), 21);
  EXPECT_EQ(cached(3, 3), 30);
}

TEST(NestedFractureTest, AFourMebibytePageIsCachedInTwoPieces) {
  NestedMachine m({.guest = PagingMode::k2Level, .leaf = 3});
  m.Map(VirtAddr(0x40000000), Gfn(0x80000), kUserPage, 2);
  m.ExpectGoesTo(Read(VirtAddr(0x40000008)),
                 AddressOf(NestedMachine::Behind(Gfn(0x80000))) + 8);
  m.ExpectGoesTo(Read(VirtAddr(0x40200008)),
                 AddressOf(NestedMachine::Behind(Gfn(0x80200))) + 8);
  EXPECT_EQ(m.mmu().TlbEntries().size(), 4u);  // L1 and L2
}

TEST(NestedFractureTest, InvlpgAnywhereInTheGuestsPageDropsAllPieces) {
  for (const uint64_t flags : {kUserPage, kUserPage | pte::kGlobal}) {
    NestedMachine m;
    const VirtAddr large(0x40200000);
    m.Map(large, Gfn(0x80000), flags, 2);
    m.Map(large + 0x200000, kPage);
    for (uint64_t page : {0u, 1u, 300u}) {
      m.MapNested(Gfn(0x80000 + page));
      EXPECT_TRUE(m.mmu().Translate(Read(large + page * kPageSize)).ok());
    }
    EXPECT_TRUE(m.mmu().Translate(Read(large + 0x200000)).ok());
    m.mmu().Invlpg(large + 7 * kPageSize + 5);
    for (const TlbEntry& entry : m.mmu().TlbEntries()) {
      EXPECT_EQ(entry.va(), large + 0x200000);
    }
    EXPECT_FALSE(m.mmu().TlbEntries().empty());
  }
}

}  // namespace
}  // namespace xmmu::nested_walk_test
