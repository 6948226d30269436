// Published escapes of paravirtual guests that lay in what a CPU still held:
// TLB entries of an earlier use of a frame, and Xen's own linear map. Judged by
// the TLBs of three CPUs. tests/README.md lists them all.

#include <gtest/gtest.h>

#include <functional>
#include <utility>
#include <vector>

#include "xen/direct/xsa_fixture.h"

namespace xmmu::xsa_flush_test {
namespace {

// A guest with an L1, frame 10, hooked at kXsaVa, whose three vCPUs share it.
class XsaFlushTest : public testing::TestWithParam<PvOptions> {
 protected:
  XsaFlushTest() : guest_(GetParam()) { guest_.Hook(guest_.Frame(10), kXsaVa); }

  Mfn page() const { return guest_.Frame(20); }

  XenErrno Map(Pte value, uint64_t offset = 0) {
    return guest_.UpdateVa(kXsaVa + offset, value);
  }
  // A store by the guest's CPU `cpu`, without any flush by the guest.
  bool Write(uint32_t cpu, uint64_t offset = 0) {
    return guest_.cpu(cpu)
        .mmu.Translate(UserWrite(guest_, kXsaVa + offset))
        .ok();
  }
  bool Holds(uint32_t cpu) {
    for (const TlbEntry& entry : guest_.cpu(cpu).mmu.TlbEntries()) {
      if (entry.base == AddressOf(page())) return true;
    }
    return false;
  }
  XenErrno FlushLocal(uint32_t cpu) {
    return guest_.Op({.command = MmuextCommand::kTlbFlushLocal}, kDomSelf, cpu);
  }

  PvGuest guest_;
};

INSTANTIATE_TEST_SUITE_P(Modes, XsaFlushTest, testing::ValuesIn(kXsaModes),
                         XsaModeName);

// XSA-401: the flush that goes with a change of type came before the new type
// was taken, and another CPU could write the page once more in between.
TEST_P(XsaFlushTest, Xsa401NoCpuWritesAPageOfAnyNewType) {
  const std::array gdt = {page()};
  std::vector<std::pair<std::function<XenErrno()>, std::function<XenErrno()>>>
      uses;
  for (int level = 1; level <= LevelCount(guest_.mode); ++level) {
    if (guest_.mode == PagingMode::kPae && level == 3) continue;
    uses.emplace_back([this, level] { return guest_.Pin(page(), level); },
                      [this] { return guest_.Unpin(page()); });
  }
  uses.emplace_back(
      [&] { return ErrnoOf(guest_.Execute(SetGdtCall{.frames = gdt}).status); },
      [&] { return ErrnoOf(guest_.Execute(SetGdtCall{}).status); });
  const Mfn l2 = TableAbove(guest_, 2);
  uses.emplace_back([&] { return guest_.Update(l2, 9, Pte(page(), 7)); },
                    [&] { return guest_.Update(l2, 9, Pte()); });
  for (const auto& [use, end] : uses) {
    ASSERT_EQ(guest_.Execute(MmuextCall{}).done, 0u);
    guest_.host.memory().ZeroFrame(page());
    ASSERT_EQ(Map(Pte(page(), kRw)), XenErrno::kOk);
    for (uint32_t cpu = 0; cpu < 3; ++cpu) ASSERT_TRUE(Write(cpu));
    EXPECT_NE(use(), XenErrno::kOk);  // still mapped
    ASSERT_EQ(Map(Pte(page(), kRo)), XenErrno::kOk);
    for (uint32_t cpu = 0; cpu < 3; ++cpu) EXPECT_TRUE(Write(cpu));  // stale
    ASSERT_EQ(use(), XenErrno::kOk);
    EXPECT_EQ(Reachable(guest_), "");
    for (uint32_t cpu = 0; cpu < 3; ++cpu) EXPECT_FALSE(Write(cpu));
    ASSERT_EQ(end(), XenErrno::kOk);
  }
}

// XSA-401, the way back: a table that has been one no longer is writable at
// once, and the flush is again due the next time it becomes a table.
TEST_P(XsaFlushTest, Xsa401EveryTurnOfWritableAndTableIsFlushed) {
  for (int turn = 0; turn < 4; ++turn) {
    ASSERT_EQ(Map(Pte(page(), kRw)), XenErrno::kOk);
    ASSERT_TRUE(Write(1));
    ASSERT_EQ(Map(Pte()), XenErrno::kOk);
    ASSERT_EQ(guest_.Pin(page(), 1), XenErrno::kOk);
    EXPECT_FALSE(Holds(1)) << "turn " << turn;
    EXPECT_NE(Map(Pte(page(), kRw)), XenErrno::kOk);
    ASSERT_EQ(guest_.Unpin(page()), XenErrno::kOk);
  }
}

// XSA-241: a race while a page's type was let go made Xen miss the flush that
// the page was owed; a stale TLB entry of it outlived the change of type.
TEST_P(XsaFlushTest, Xsa241AFlushBeforeTheLastUseEndsCountsForNothing) {
  // Twice mapped: the first to go is not the last use.
  ASSERT_EQ(Map(Pte(page(), kRw)), XenErrno::kOk);
  ASSERT_EQ(Map(Pte(page(), kRw), kPageSize), XenErrno::kOk);
  ASSERT_TRUE(Write(1));
  ASSERT_EQ(Map(Pte()), XenErrno::kOk);
  for (uint32_t cpu = 0; cpu < 3; ++cpu) {
    ASSERT_EQ(FlushLocal(cpu), XenErrno::kOk);
  }
  ASSERT_TRUE(Write(1, kPageSize));
  ASSERT_EQ(Map(Pte(), kPageSize), XenErrno::kOk);
  ASSERT_TRUE(Holds(1));
  ASSERT_EQ(guest_.Pin(page(), 1), XenErrno::kOk);
  EXPECT_FALSE(Holds(1));
  EXPECT_EQ(Reachable(guest_), "");
}

// XSA-241, one CPU's flush is not another's: each is asked for its own last
// flush, and only those that had theirs are spared.
TEST_P(XsaFlushTest, Xsa241AFlushOfOneCpuIsNotAFlushOfTheOthers) {
  ASSERT_EQ(Map(Pte(page(), kRw)), XenErrno::kOk);
  for (uint32_t cpu = 0; cpu < 3; ++cpu) ASSERT_TRUE(Write(cpu));
  ASSERT_EQ(Map(Pte()), XenErrno::kOk);
  ASSERT_EQ(FlushLocal(1), XenErrno::kOk);
  const uint64_t spared = guest_.cpu(1).counters[Counter::kIpis];
  const uint64_t needed = guest_.cpu(2).counters[Counter::kIpis];
  ASSERT_EQ(guest_.Pin(page(), 1), XenErrno::kOk);
  EXPECT_EQ(guest_.cpu(1).counters[Counter::kIpis], spared);
  EXPECT_EQ(guest_.cpu(2).counters[Counter::kIpis], needed + 1);
  EXPECT_EQ(Reachable(guest_), "");
}

// XSA-217: a page unmapped without a flush and then given to another guest,
// which made a table of it, was still written through the first one's TLB.
TEST_P(XsaFlushTest, Xsa217AFrameThatChangesHandsIsInNoTlb) {
  Domain* const other =
      guest_.host
          .CreateDomain({.mode = guest_.mode, .memory_frames = 8, .vcpus = 1})
          .value();
  const Mfn root = other->p2m().MfnOf(Pfn(0));
  if (guest_.mode == PagingMode::kPae) {
    guest_.Put(root, 3, Pte(other->p2m().MfnOf(Pfn(1)), 1));
  }
  ASSERT_EQ(guest_.paging.StartVcpu(other->vcpu(0), root, kInvalidMfn),
            absl::OkStatus());
  // The other domain makes room for one more page.
  const std::array given = {other->p2m().MfnOf(Pfn(7))};
  const std::array wanted = {Pfn(7)};
  ASSERT_EQ(
      guest_.paging
          .Execute(other->vcpu(0), DecreaseReservationCall{.frames = given})
          .done,
      1u);
  ASSERT_EQ(Map(Pte(page(), kRw)), XenErrno::kOk);
  for (uint32_t cpu = 0; cpu < 3; ++cpu) ASSERT_TRUE(Write(cpu));
  const std::array one = {page()};
  ASSERT_EQ(guest_.Execute(DecreaseReservationCall{.frames = one}).done, 1u);
  // The page is still mapped, and so not free.
  EXPECT_EQ(guest_.Page(page()).owner, guest_.domain->id());
  const Mfn moving = page();
  ASSERT_EQ(Map(Pte()), XenErrno::kOk);
  EXPECT_EQ(guest_.Page(moving).owner, kDomInvalid);
  ASSERT_EQ(
      guest_.paging.Execute(other->vcpu(0), PopulatePhysmapCall{.pfns = wanted})
          .done,
      1u);
  ASSERT_EQ(other->p2m().MfnOf(Pfn(7)), moving);
  const std::array pin = {
      MmuextOp{.command = MmuextCommand::kPinL1, .mfn = moving}};
  ASSERT_EQ(guest_.paging.Execute(other->vcpu(0), MmuextCall{.ops = pin}).done,
            1u);
  EXPECT_EQ(Reachable(guest_), "");
  for (uint32_t cpu = 0; cpu < 3; ++cpu) EXPECT_FALSE(Write(cpu));
  EXPECT_EQ(AuditDomain(guest_.host, *other), absl::OkStatus());
}

// XSA-402: a write-combining mapping leaves the cache behind memory, so what
// Xen validates as a table need not be what the processor then walks.
TEST(XsaCacheTest,
     Xsa402WriteCombiningIsForIoGuestsAndIsNotedUntilThePageTurns) {
  const uint64_t wc = kRw | pte::kPat;
  for (const bool io : {false, true}) {
    PvGuest guest({.io_privileged = io});
    ASSERT_EQ(guest.Pin(guest.Frame(10), 1), XenErrno::kOk);
    for (const uint64_t cache :
         {pte::kPwt, pte::kPcd, pte::kPwt | pte::kPcd, uint64_t{pte::kPat}}) {
      EXPECT_EQ(
          guest.Update(guest.Frame(10), 0, Pte(guest.Frame(20), kRw | cache)),
          io ? XenErrno::kOk : XenErrno::kEINVAL);
    }
    if (!io) continue;
    // No cheap way there: the change of attributes alone is noted as well.
    ASSERT_EQ(guest.Update(guest.Frame(10), 1, Pte(guest.Frame(21), kRw)),
              XenErrno::kOk);
    EXPECT_FALSE(guest.Page(21).non_coherent);
    ASSERT_EQ(guest.Update(guest.Frame(10), 1, Pte(guest.Frame(21), wc)),
              XenErrno::kOk);
    EXPECT_TRUE(guest.Page(21).non_coherent);
    ASSERT_EQ(guest.Update(guest.Frame(10), 1, Pte()), XenErrno::kOk);
    EXPECT_TRUE(guest.Page(21).non_coherent);
    ASSERT_EQ(guest.Pin(guest.Frame(21), 1), XenErrno::kOk);
    EXPECT_FALSE(guest.Page(21).non_coherent);
    // A table is not mapped so at all.
    EXPECT_EQ(guest.Update(guest.Frame(10), 1, Pte(guest.Frame(21), wc)),
              XenErrno::kEBUSY);
  }
}

// A guest under Xen 4.17 changes the entry of `level` on the way to kXsaVa by
// mmu_update, to have another L1 there.
class XsaLinearTest : public testing::TestWithParam<PvOptions> {};

INSTANTIATE_TEST_SUITE_P(Modes, XsaLinearTest,
                         testing::Values(kXsaModes[0], kXsaModes[1],
                                         kXsaModes[2]),
                         XsaModeName);

// Where the L1 entry itself is reached through the map, in the roots or in
// their kernel L2s.
INSTANTIATE_TEST_SUITE_P(
    PerTable, XsaLinearTest,
    testing::Values(
        PvOptions{.cpus = 3, .vcpus = 3, .linear_map = LinearMap::kPerTable},
        PvOptions{.mode = PagingMode::kPae,
                  .cpus = 3,
                  .vcpus = 3,
                  .linear_map = LinearMap::kPerTable}),
    XsaModeName);

// XSA-286: Xen found the L1 of an address through its own linear map, and
// changes further up left the old way to it in the TLB.
TEST_P(XsaLinearTest, Xsa286AnUpdateAfterASwapAboveGoesToTheNewL1) {
  const int top = LevelCount(GetParam().mode);
  for (int level = 2; level <= top; ++level) {
    PvGuest guest(GetParam());
    const bool pae_root = guest.mode == PagingMode::kPae && level == 3;
    guest.Hook(guest.Frame(10), kXsaVa);
    // A second way to a second L1, with the same slots below `level`.
    Mfn below = guest.Frame(11);
    for (int l = 2; l < level; ++l) {
      const Mfn table = guest.Frame(30 + static_cast<uint64_t>(l));
      guest.Put(table, IndexOf(guest.mode, l, kXsaVa), Pte(below, 7));
      below = table;
    }
    const Mfn table = TableAbove(guest, level);
    const int slot = IndexOf(guest.mode, level, kXsaVa);
    const Pte swap(below, pae_root ? 1 : 7);
    const std::array swaps = {
        MmuUpdate{guest.EntryOf(table, slot), swap.raw()}};
    const Pte value(guest.Frame(20), kRw);
    // All three at once, and again from another CPU that has been there.
    ASSERT_TRUE(
        ErrnoOf(guest.Execute(UpdateVaMappingCall{kXsaVa, 0}, 1).status) ==
        XenErrno::kOk);
    const std::array<Subcall, 3> calls = {
        UpdateVaMappingCall{kXsaVa, 0}, MmuUpdateCall{.requests = swaps},
        UpdateVaMappingCall{kXsaVa, value.raw()}};
    ASSERT_EQ(guest.Execute(MulticallCall{.calls = calls}).done, 3u);
    const int leaf = IndexOf(guest.mode, 1, kXsaVa);
    EXPECT_FALSE(guest.Get(guest.Frame(10), leaf).present()) << level;
    EXPECT_EQ(guest.Get(guest.Frame(11), leaf).frame(), guest.Frame(20));
    ASSERT_EQ(ErrnoOf(guest
                          .Execute(
                              UpdateVaMappingCall{
                                  kXsaVa, Pte(guest.Frame(21), kRw).raw()},
                              1)
                          .status),
              XenErrno::kOk);
    EXPECT_FALSE(guest.Get(guest.Frame(10), leaf).present()) << level;
    EXPECT_EQ(guest.Get(guest.Frame(11), leaf).frame(), guest.Frame(21));
  }
}

// XSA-286, for emulated stores: the L1 entry of the address stored to is read
// through the same map, so a stale way there named a table no longer mapped.
TEST_P(XsaLinearTest, Xsa286AnEmulatedStoreAfterASwapFindsTheNewTable) {
  PvGuest guest(GetParam());
  guest.domain->direct().set_writable_pagetables(true);
  guest.Hook(guest.Frame(10), kXsaVa);
  ASSERT_EQ(guest.Pin(guest.Frame(10), 1), XenErrno::kOk);
  const int leaf = IndexOf(guest.mode, 1, kXsaVa);
  guest.Put(guest.Frame(11), leaf, Pte(guest.Frame(12), kRo));
  ASSERT_EQ(guest.Pin(guest.Frame(12), 1), XenErrno::kOk);
  ASSERT_EQ(guest.Pin(guest.Frame(13), 1), XenErrno::kOk);
  ASSERT_EQ(guest.UpdateVa(kXsaVa, Pte(guest.Frame(13), kRo)), XenErrno::kOk);
  const Access access = UserWrite(guest, kXsaVa);
  const Pte value(guest.Frame(20), kRo);
  const auto store = [&] {
    MemoryOperand operand{.kind = OperandKind::kStore,
                          .size = static_cast<uint8_t>(guest.bytes()),
                          .value = value.raw()};
    const TranslateResult result = guest.cpu().mmu.Translate(access);
    return !result.ok() && guest.paging.EmulatePteWrite(
                               guest.vcpu(), result.fault(), access, operand);
  };
  ASSERT_TRUE(store());
  EXPECT_EQ(guest.Get(guest.Frame(13), 0).frame(), guest.Frame(20));
  ASSERT_EQ(guest.Update(TableAbove(guest, 2), IndexOf(guest.mode, 2, kXsaVa),
                         Pte(guest.Frame(11), 7)),
            XenErrno::kOk);
  ASSERT_TRUE(store());
  guest.Audit();
  EXPECT_EQ(guest.Get(guest.Frame(12), 0).frame(), guest.Frame(20));
}

// XSA-286, the other CPUs: theirs is the same map, and a change made on one CPU
// is flushed on all that may hold entries of the guest.
TEST_P(XsaLinearTest, Xsa286AChangeAboveL1FlushesEveryDirtyCpu) {
  PvGuest guest(GetParam());
  guest.Hook(guest.Frame(10), kXsaVa);
  std::array<uint64_t, 3> flushes{};
  for (uint32_t i = 0; i < 3; ++i) {
    flushes.at(i) = guest.cpu(i).counters[Counter::kTlbFlushes];
  }
  ASSERT_EQ(guest.Update(TableAbove(guest, 2), IndexOf(guest.mode, 2, kXsaVa),
                         Pte(guest.Frame(11), 7)),
            XenErrno::kOk);
  for (uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(guest.cpu(i).counters[Counter::kTlbFlushes], flushes.at(i) + 1);
  }
}

}  // namespace
}  // namespace xmmu::xsa_flush_test
