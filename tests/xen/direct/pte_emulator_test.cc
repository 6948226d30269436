// Stores to L1 tables mapped read-only: rules 30 to 33, 46 of
// tests/golden/xen-pv/FINDINGS.md.

#include <gtest/gtest.h>

#include "xen/direct/pv_fixture.h"

namespace xmmu::pte_emulator_test {
namespace {

constexpr VirtAddr kVa{0x400000};

// L1 frame 10 maps itself read-only in slot 0 and frame 11, an L1 too, in slot
// 1; a page writable in slot 2.
class Emulated {
 public:
  explicit Emulated(const PvOptions& options) : guest(options) {
    guest.domain->direct().set_writable_pagetables(true);
    guest.Hook(guest.Frame(10), kVa);
    EXPECT_EQ(guest.Pin(guest.Frame(11), 1), XenErrno::kOk);
    Map(0, 10, kRo);
    Map(1, 11, kRo);
    Map(2, 20, kRw);
  }

  void Map(int slot, uint64_t pfn, uint64_t flags) {
    ASSERT_EQ(guest.Update(guest.Frame(10), slot, Pte(guest.Frame(pfn), flags)),
              XenErrno::kOk);
  }

  // One instruction of the kernel at `offset` of the page in `slot`. False if
  // it faults for good.
  bool Run(int slot, uint64_t offset, MemoryOperand& operand) {
    const VirtAddr va = kVa + static_cast<uint64_t>(slot) * kPageSize + offset;
    const Access access{va, AccessKind::kWrite, LevelCount(guest.mode) == 4};
    const TranslateResult result = guest.cpu().mmu.Translate(access);
    if (result.ok()) {
      operand.Perform(guest.host.memory(), result.addr());
      return true;
    }
    const bool done = guest.paging.EmulatePteWrite(guest.vcpu(), result.fault(),
                                                   access, operand);
    guest.Audit();
    return done;
  }

  bool Store(int slot, uint64_t offset, Pte value, int size) {
    MemoryOperand operand{.kind = OperandKind::kStore,
                          .size = static_cast<uint8_t>(size),
                          .value = value.raw()};
    return Run(slot, offset, operand);
  }

  PvGuest guest;
};

TEST(PteEmulatorTest, AStoreIsValidatedPerformedAndCounted) {
  Emulated e({});
  const Pte value(e.guest.Frame(21), kRw);
  CycleClock& clock = e.guest.clock();
  const uint64_t locked = clock.tally(CostEvent::kLockedOp);
  EXPECT_TRUE(e.Store(1, 40, value, 8));
  EXPECT_EQ(e.guest.Get(e.guest.Frame(11), 5), value.With(pte::kGlobal));
  EXPECT_EQ(e.guest.Page(21).type_count, 1u);
  EXPECT_EQ(e.guest.cpu().counters[Counter::kPtwrEmulations], 1u);
  EXPECT_EQ(clock.tally(CostEvent::kEmulate), 1u);
  // Four locked operations are on the table, two for the new value.
  EXPECT_EQ(clock.tally(CostEvent::kLockedOp) - locked, 6u);
}

TEST(PteEmulatorTest, EvenAChangeOfFlagsTakesReferences) {
  Emulated e({});
  const Pte value(e.guest.Frame(21), kRw);
  ASSERT_TRUE(e.Store(1, 0, value, 8));
  CycleClock& clock = e.guest.clock();
  const uint64_t locked = clock.tally(CostEvent::kLockedOp);
  EXPECT_TRUE(e.Store(1, 0, value.With(0x200), 8));
  EXPECT_EQ(clock.tally(CostEvent::kLockedOp) - locked, 8u);
}

// Xen 4.17, xen/arch/x86/x86_emulate/x86_emulate.c: an instruction that reads
// its operand writes back only what has changed.
TEST(PteEmulatorTest, AnInstructionThatChangesNothingIsNotValidated) {
  Emulated e({});
  // A frame of Xen's that only a request in Xen's name may map.
  const Mfn shared = e.guest.host.AllocXenFrame();
  PageInfo& page = e.guest.Page(shared);
  page.owner = kDomXen;
  page.ref_count = 1;
  const Pte entry(shared, kRo | pte::kGlobal);
  ASSERT_EQ(e.guest.Update(e.guest.Frame(11), 5, entry,
                           MmuUpdateCommand::kNormal, kDomXen),
            XenErrno::kOk);
  MemoryOperand same{.kind = OperandKind::kOr, .size = 8, .value = 1};
  EXPECT_TRUE(e.Run(1, 40, same));
  MemoryOperand swap{
      .kind = OperandKind::kXchg, .size = 8, .value = entry.raw()};
  EXPECT_TRUE(e.Run(1, 40, swap));
  EXPECT_EQ(swap.seen, entry.raw());
  EXPECT_EQ(page.ref_count, 2u);
  MemoryOperand other{.kind = OperandKind::kOr, .size = 8, .value = 0x200};
  EXPECT_FALSE(e.Run(1, 40, other));
  EXPECT_FALSE(e.Store(1, 40, entry, 8));
}

TEST(PteEmulatorTest, ARefusedValueIsTheGuestsFault) {
  Emulated e({});
  EXPECT_FALSE(e.Store(1, 0, Pte(e.guest.root, kRw), 8));
  EXPECT_EQ(e.guest.Get(e.guest.Frame(11), 0), Pte());
  EXPECT_EQ(e.guest.cpu().counters[Counter::kPtwrRefused], 1u);
}

TEST(PteEmulatorTest, NarrowStoresAreMergedAndTheWholeEntryIsJudged) {
  Emulated e({});
  const Pte value(e.guest.Frame(21), kRo);
  ASSERT_TRUE(e.Store(1, 0, value, 8));
  EXPECT_TRUE(e.Store(1, 0, Pte(0x27), 1));  // RW
  EXPECT_EQ(e.guest.Get(e.guest.Frame(11), 0).raw(),
            value.With(2 | pte::kGlobal).raw());
  EXPECT_EQ(e.guest.Page(21).type_count, 1u);
  EXPECT_FALSE(e.Store(1, 0, Pte(0x37), 1));  // PCD
}

TEST(PteEmulatorTest, InstructionsThatReadFirstReportWhatTheySaw) {
  Emulated e({});
  const Pte old = Pte(e.guest.Frame(21), kRw).With(pte::kGlobal);
  const Pte value(e.guest.Frame(22), kRo);
  ASSERT_TRUE(e.Store(1, 0, old, 8));
  MemoryOperand wrong{.kind = OperandKind::kCmpxchg,
                      .value = value.raw(),
                      .expected = old.raw() + 1};
  EXPECT_TRUE(e.Run(1, 0, wrong));
  EXPECT_FALSE(wrong.zf);
  EXPECT_EQ(wrong.seen, old.raw());
  EXPECT_EQ(e.guest.Get(e.guest.Frame(11), 0), old);
  MemoryOperand right{.kind = OperandKind::kCmpxchg,
                      .value = value.raw(),
                      .expected = old.raw()};
  EXPECT_TRUE(e.Run(1, 0, right));
  EXPECT_TRUE(right.zf);
  MemoryOperand clear{.kind = OperandKind::kXchg, .value = 0};
  EXPECT_TRUE(e.Run(1, 0, clear));
  EXPECT_EQ(clear.seen, value.With(pte::kGlobal).raw());
  EXPECT_EQ(e.guest.Page(21).ref_count, 1u);
  EXPECT_EQ(e.guest.Page(22).ref_count, 1u);
}

TEST(PteEmulatorTest, ATableMayChangeTheEntryThatMapsIt) {
  Emulated e({});
  EXPECT_TRUE(e.Store(0, 0, Pte(), 8));
  EXPECT_EQ(e.guest.Get(e.guest.Frame(10), 0), Pte());
}

TEST(PteEmulatorTest, OnlyStoresToL1sThatAreReadOnlyAtTheLastLevel) {
  Emulated e({});
  // These three are no L1 behind a read-only mapping: a page that is no table,
  // an L2, and a writable page behind a read-only L2 entry.
  e.Map(3, 22, kRo);
  e.Map(4, 989, kRo);
  EXPECT_EQ(e.guest.Page(989).type, PageType::kL2);
  EXPECT_FALSE(e.Store(3, 0, Pte(), 8));
  EXPECT_FALSE(e.Store(4, 0, Pte(), 8));
  const Mfn l2 = e.guest.Frame(989);
  const int slot = IndexOf(e.guest.mode, 2, kVa);
  ASSERT_EQ(e.guest.Update(l2, slot, Pte(e.guest.Frame(10), 0x5)),
            XenErrno::kOk);
  EXPECT_FALSE(e.Store(2, 0, Pte(), 8));
  EXPECT_TRUE(e.Store(1, 0, Pte(), 8));
}

TEST(PteEmulatorTest, NeedsTheAssistAndKernelMode) {
  Emulated e({});
  e.guest.domain->direct().set_writable_pagetables(false);
  EXPECT_FALSE(e.Store(1, 0, Pte(), 8));
  EXPECT_EQ(e.guest.Execute(VmAssistCall{}).done, 1u);
  e.guest.vcpu().kernel_mode = false;
  EXPECT_FALSE(e.Store(1, 0, Pte(), 8));
  e.guest.vcpu().kernel_mode = true;
  EXPECT_TRUE(e.Store(1, 0, Pte(), 8));
}

TEST(PteEmulatorTest, FlushesNothing) {
  Emulated e({.cpus = 2, .vcpus = 2});
  ASSERT_TRUE(e.Store(1, 0, Pte(e.guest.Frame(21), kRw), 8));
  const uint64_t flushes = e.guest.cpu().counters[Counter::kTlbFlushes];
  const uint64_t ipis = e.guest.cpu(1).counters[Counter::kIpis];
  ASSERT_TRUE(e.Store(1, 0, Pte(), 8));
  EXPECT_EQ(e.guest.cpu().counters[Counter::kTlbFlushes], flushes);
  EXPECT_EQ(e.guest.cpu(1).counters[Counter::kIpis], ipis);
}

class PaeEmulatorTest : public testing::TestWithParam<const char*> {};

TEST_P(PaeEmulatorTest, AnImpossibleUpperHalfClearsPAndALowerOneFaults) {
  Emulated e({.mode = PagingMode::kPae, .machine = GetParam()});
  const Mfn table = e.guest.Frame(11);
  ASSERT_TRUE(e.Store(1, 0, Pte(e.guest.Frame(21), kRw), 4));
  EXPECT_EQ(e.guest.Get(table, 0), Pte(e.guest.Frame(21), kRw));
  // The frame is far beyond the machine.
  EXPECT_TRUE(e.Store(1, 4, Pte(0x80000), 4));
  EXPECT_FALSE(e.guest.Get(table, 0).present());
  EXPECT_EQ(e.guest.Page(21).ref_count, 1u);
  EXPECT_FALSE(e.Store(1, 0, Pte(e.guest.Frame(21), kRw), 4));
  EXPECT_TRUE(e.Store(1, 4, Pte(), 4));
  EXPECT_TRUE(e.Store(1, 0, Pte(e.guest.Frame(21), kRw), 4));
  // All at once, nothing is taken for half of something.
  MemoryOperand whole{.kind = OperandKind::kCmpxchg,
                      .value = uint64_t{0x80000} << 32 | kRw,
                      .expected = e.guest.Get(table, 0).raw()};
  EXPECT_FALSE(e.Run(1, 0, whole));
}

INSTANTIATE_TEST_SUITE_P(Machines, PaeEmulatorTest,
                         testing::Values("skylake-2017", "xeon-2003"),
                         [](const testing::TestParamInfo<const char*>& row) {
                           return row.index == 0 ? "Compat" : "Pae";
                         });

TEST(TwoLevelEmulatorTest, StoresAreFourBytesAndPlain) {
  Emulated e({.mode = PagingMode::k2Level, .machine = "xeon-2003"});
  CycleClock& clock = e.guest.clock();
  const uint64_t plain = clock.tally(CostEvent::kXenPteWrite);
  EXPECT_TRUE(e.Store(1, 4, Pte(e.guest.Frame(21), kRw), 4));
  EXPECT_EQ(e.guest.Get(e.guest.Frame(11), 1), Pte(e.guest.Frame(21), kRw));
  EXPECT_EQ(clock.tally(CostEvent::kXenPteWrite) - plain, 1u);
  // An entry has no halves here, so Xen does not wait for another store.
  EXPECT_FALSE(e.Store(1, 4, Pte(e.guest.root, kRw), 4));
  MemoryOperand two{.kind = OperandKind::kCmpxchg, .size = 8};
  EXPECT_FALSE(e.Run(1, 0, two));
}

}  // namespace
}  // namespace xmmu::pte_emulator_test
