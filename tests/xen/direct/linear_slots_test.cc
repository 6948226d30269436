// Xen's linear map in the kernel L2s of PAE roots: whose slots they are, when
// they follow the roots, and that the guest gains nothing by them.

#include <gtest/gtest.h>

#include "xen/direct/pv_fixture.h"
#include "xen/layout.h"

namespace xmmu::linear_slots_test {
namespace {

// Xen 3.0.0, PAE: LINEAR_PT_VIRT_START 0xfd400000.
constexpr int kFirstSlot = 490;
constexpr uint64_t kXenFlags = 0x63;  // P RW A D

PvOptions PaeGuest(LinearMap linear_map) {
  return {.mode = PagingMode::kPae,
          .machine = "xeon-2003",
          .linear_map = linear_map};
}

// The entry in slot `slot` of the linear map in the kernel L2 of `root`.
Pte LinearOf(PvGuest& guest, Mfn root, int slot) {
  return guest.Get(guest.Get(root, 3).frame(), kFirstSlot + slot);
}

void ExpectLinearSlots(PvGuest& guest, Mfn holder, Mfn root) {
  for (int slot = 0; slot < 4; ++slot) {
    const Pte entry = guest.Get(root, slot);
    const Pte wanted = entry.present() ? Pte(entry.frame(), kXenFlags) : Pte();
    EXPECT_EQ(LinearOf(guest, holder, slot), wanted) << slot;
  }
}

// A root of frame `l3` with `l2` in slot 0 and `kernel_l2` in slot 3.
Mfn Root(PvGuest& guest, uint64_t l3, uint64_t l2, Mfn kernel_l2) {
  guest.Put(guest.Frame(l3), 0, Pte(guest.Frame(l2), 1));
  guest.Put(guest.Frame(l3), 3, Pte(kernel_l2, 1));
  return guest.Frame(l3);
}

XenErrno Load(PvGuest& guest, Mfn root) {
  return guest.Op({.command = MmuextCommand::kNewBaseptr, .mfn = root});
}

TEST(LinearSlotsTest, AValidatedRootHasItsOwn) {
  PvGuest guest(PaeGuest(LinearMap::kPerTable));
  ExpectLinearSlots(guest, guest.root, guest.root);
  const Mfn root = Root(guest, 10, 11, guest.Frame(12));
  ASSERT_EQ(guest.Pin(root, 3), XenErrno::kOk);
  ExpectLinearSlots(guest, root, root);
  ExpectLinearSlots(guest, guest.root, guest.root);
  EXPECT_TRUE(LinearOf(guest, root, 0).present());
  EXPECT_FALSE(LinearOf(guest, root, 1).present());
}

TEST(LinearSlotsTest, TheyFollowEachChangeOfTheRoot) {
  PvGuest guest(PaeGuest(LinearMap::kPerTable));
  const Mfn root = Root(guest, 10, 11, guest.Frame(12));
  ASSERT_EQ(guest.Pin(root, 3), XenErrno::kOk);
  ASSERT_EQ(guest.Update(root, 2, Pte(guest.Frame(13), 1)), XenErrno::kOk);
  EXPECT_EQ(LinearOf(guest, root, 2).frame(), guest.Frame(13));
  ASSERT_EQ(guest.Update(root, 0, Pte()), XenErrno::kOk);
  EXPECT_FALSE(LinearOf(guest, root, 0).present());
  ExpectLinearSlots(guest, root, root);
}

TEST(LinearSlotsTest, AnL2OfItsOwnIsWhatARootMustHave) {
  PvGuest guest(PaeGuest(LinearMap::kPerTable));
  const Mfn kernel_l2 = guest.Get(guest.root, 3).frame();
  EXPECT_EQ(guest.Pin(Root(guest, 10, 11, kernel_l2), 3), XenErrno::kEINVAL);
}

TEST(LinearSlotsTest, ASharedL2FollowsTheRootThatIsLoaded) {
  PvGuest guest(PaeGuest(LinearMap::kSharedL2));
  const Mfn kernel_l2 = guest.Get(guest.root, 3).frame();
  ExpectLinearSlots(guest, guest.root, guest.root);
  const Mfn root = Root(guest, 10, 11, kernel_l2);
  ASSERT_EQ(guest.Pin(root, 3), XenErrno::kOk);
  EXPECT_FALSE(LinearOf(guest, root, 0).present());  // not loaded
  ASSERT_EQ(guest.Update(root, 1, Pte(guest.Frame(13), 1)), XenErrno::kOk);
  EXPECT_FALSE(LinearOf(guest, root, 1).present());
  ASSERT_EQ(Load(guest, root), XenErrno::kOk);
  ExpectLinearSlots(guest, root, root);
  ASSERT_EQ(guest.Update(root, 1, Pte()), XenErrno::kOk);
  ExpectLinearSlots(guest, root, root);
  ASSERT_EQ(Load(guest, guest.root), XenErrno::kOk);
  ExpectLinearSlots(guest, root, guest.root);
}

// No stale way to the tables of another address space.
TEST(LinearSlotsTest, AfterALoadUpdatesGoToTheLoadedTables) {
  for (const LinearMap way : {LinearMap::kPerTable, LinearMap::kSharedL2}) {
    PvGuest guest(PaeGuest(way));
    constexpr VirtAddr kVa{0x400000};
    guest.Hook(guest.Frame(20), kVa);
    const Mfn kernel_l2 = way == LinearMap::kSharedL2
                              ? guest.Get(guest.root, 3).frame()
                              : guest.Frame(12);
    const Mfn root = Root(guest, 10, 11, kernel_l2);
    guest.Put(guest.Frame(11), IndexOf(guest.mode, 2, kVa),
              Pte(guest.Frame(21), 7));
    ASSERT_EQ(guest.Pin(root, 3), XenErrno::kOk);
    ASSERT_EQ(guest.UpdateVa(kVa, Pte(guest.Frame(30), kRo)), XenErrno::kOk);
    ASSERT_EQ(Load(guest, root), XenErrno::kOk);
    ASSERT_EQ(guest.UpdateVa(kVa, Pte(guest.Frame(31), kRo)), XenErrno::kOk);
    EXPECT_EQ(guest.Get(guest.Frame(20), 0).frame(), guest.Frame(30));
    EXPECT_EQ(guest.Get(guest.Frame(21), 0).frame(), guest.Frame(31));
  }
}

TEST(LinearSlotsTest, TheSlotsAreXensAndOutOfTheGuestsReach) {
  for (const LinearMap way : {LinearMap::kPerTable, LinearMap::kSharedL2}) {
    PvGuest guest(PaeGuest(way));
    const Mfn kernel_l2 = guest.Get(guest.root, 3).frame();
    for (int slot = 0; slot < 4; ++slot) {
      EXPECT_EQ(guest.Update(kernel_l2, kFirstSlot + slot, Pte()),
                XenErrno::kEPERM);
      EXPECT_FALSE(LinearOf(guest, guest.root, slot).user());
    }
    EXPECT_TRUE(IsHypervisorAddress(guest.mode, VirtAddr(0xfd400000)));
    // Programs do not get there by the tables, nor the kernel by its segments.
    const Access by_program{VirtAddr(0xfd400000 + 3 * 0x200000 + 490 * 0x1000),
                            AccessKind::kRead, /*user=*/true};
    EXPECT_FALSE(guest.cpu().mmu.Translate(by_program).ok());
  }
}

TEST(LinearSlotsTest, ASharedL2TakesAReferenceARoot) {
  PvGuest guest(PaeGuest(LinearMap::kSharedL2));
  const Mfn kernel_l2 = guest.Get(guest.root, 3).frame();
  const uint64_t uses = guest.Page(kernel_l2).type_count;
  const Mfn root = Root(guest, 10, 11, kernel_l2);
  ASSERT_EQ(guest.Pin(root, 3), XenErrno::kOk);
  EXPECT_EQ(guest.Page(kernel_l2).type_count, uses + 1);
  ASSERT_EQ(guest.Unpin(root), XenErrno::kOk);
  EXPECT_EQ(guest.Page(kernel_l2).type_count, uses);
}

TEST(LinearSlotsTest, ASharedL2ServesOneVcpu) {
  const LinearMap way = LinearMap::kSharedL2;
  Host host(*FindMachine("xeon-2003"), {.cpus = 2, .linear_map = way});
  Domain* const domain =
      host.CreateDomain(
              {.mode = PagingMode::kPae, .memory_frames = 1024, .vcpus = 2})
          .value();
  const absl::Status status = DirectPaging(host).StartVcpu(
      domain->vcpu(0), domain->p2m().MfnOf(Pfn(1000)), kInvalidMfn);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
}

TEST(LinearSlotsTest, ALoadOfARootChargesTheRewriteOfASharedL2Only) {
  const auto writes_of_a_load = [](LinearMap way) {
    PvGuest guest(PaeGuest(way));
    const uint64_t before = guest.clock().tally(CostEvent::kXenPteWrite);
    EXPECT_EQ(Load(guest, guest.root), XenErrno::kOk);
    return guest.clock().tally(CostEvent::kXenPteWrite) - before;
  };
  EXPECT_EQ(writes_of_a_load(LinearMap::kSharedL2), 4u);
  EXPECT_EQ(writes_of_a_load(LinearMap::kPerTable), 0u);
  EXPECT_EQ(writes_of_a_load(LinearMap::kNone), 0u);
}

// The Xen is a 32-bit one also where the machine could run a 64-bit Xen.
TEST(LinearSlotsTest, TheXenIsA32BitOne) {
  for (const LinearMap way :
       {LinearMap::kPerTable, LinearMap::kSharedL2, LinearMap::kNone}) {
    PvOptions options = PaeGuest(way);
    options.machine = "skylake-2017";
    PvGuest guest(options);
    EXPECT_EQ(guest.cpu().mmu.mode(), PagingMode::kPae);
    EXPECT_EQ(guest.hidden_l4(), kInvalidMfn);
    EXPECT_EQ(HardwareMode(PagingMode::kPae, guest.host.model().features, way),
              PagingMode::kPae);
  }
}

}  // namespace
}  // namespace xmmu::linear_slots_test
