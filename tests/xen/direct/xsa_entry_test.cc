// Published escapes of paravirtual guests that lay in what a table entry may
// be: flags, self references, slots, addresses. Each test takes the steps of
// the attack through the guest's own calls; tests/README.md lists them all.

#include <gtest/gtest.h>

#include <vector>

#include "xen/direct/xsa_fixture.h"

namespace xmmu::xsa_entry_test {
namespace {

class XsaEntryTest : public testing::TestWithParam<PvOptions> {};

INSTANTIATE_TEST_SUITE_P(Modes, XsaEntryTest, testing::ValuesIn(kXsaModes),
                         XsaModeName);

// XSA-148: a guest could set PS in an L2 entry without the entry being checked,
// and had a large page of memory, tables included, writable in one mapping.
TEST_P(XsaEntryTest, Xsa148NoEntryAboveL1BecomesALargePage) {
  PvGuest guest(GetParam());
  guest.Hook(guest.Frame(10), kXsaVa);
  for (int level = 2; level <= LevelCount(guest.mode); ++level) {
    const Mfn table = TableAbove(guest, level);
    const int slot = IndexOf(guest.mode, level, kXsaVa);
    const Pte entry = guest.Get(table, slot);
    for (const uint64_t more : {pte::kPageSize, pte::kPageSize | pte::kGlobal,
                                pte::kPageSize | pte::kAvail}) {
      for (const Pte value : {entry.With(more), Pte(guest.Frame(0), kRw | more),
                              Pte(Mfn(0), kRw | more)}) {
        EXPECT_EQ(guest.Update(table, slot, value), XenErrno::kEINVAL);
        EXPECT_EQ(guest.Get(table, slot), entry);
      }
    }
  }
  // Nor by validation of a table that the guest wrote while it was plain.
  for (const int slot : {0, 7}) {
    guest.Put(guest.Frame(2), 0, Pte());
    guest.Put(guest.Frame(2), slot, Pte(Mfn(0), kRw | pte::kPageSize));
    EXPECT_EQ(guest.Pin(guest.Frame(2), 2), XenErrno::kEINVAL);
  }
  EXPECT_FALSE(guest.cpu().mmu.Translate(UserWrite(guest, kXsaVa)).ok());
  EXPECT_EQ(Reachable(guest), "");
}

// No advisory, but the same end: what a guest leaves in Xen's slots of a table
// is not checked, so nothing of it may be there once the processor walks it.
TEST_P(XsaEntryTest, NothingThatAGuestPutsInXensSlotsIsEverWalked) {
  PvGuest guest(GetParam());
  const XenSlots slots = XenSlotsOf(guest.mode);
  const Mfn table = guest.Frame(1);
  const Mfn root = guest.Frame(2);
  const Pte junk(Mfn(16), kRw | pte::kPageSize);
  for (int slot = slots.first; slot <= slots.last; ++slot) {
    guest.Put(table, slot, junk);
  }
  if (guest.mode == PagingMode::kPae) {
    guest.Put(root, 3, Pte(table, 1));
    ASSERT_EQ(guest.Pin(root, 3), XenErrno::kOk);
  } else {
    ASSERT_EQ(guest.Pin(table, slots.level), XenErrno::kOk);
  }
  for (int slot = slots.first; slot <= slots.last; ++slot) {
    // Xen's own entries there are for the supervisor.
    EXPECT_NE(guest.Get(table, slot).frame(), junk.frame()) << slot;
    EXPECT_FALSE(guest.Get(table, slot).user()) << slot;
    EXPECT_NE(guest.Update(table, slot, junk), XenErrno::kOk);
    EXPECT_NE(guest.Update(table, slot, Pte(guest.Frame(20), kRw)),
              XenErrno::kOk);
    EXPECT_NE(guest.Update(table, slot, Pte()), XenErrno::kOk);
  }
}

// XSA-212: XENMEM_exchange took a guest's word for where to write its results,
// so that Xen itself stored a guest's value into Xen's slots of a root table.
TEST_P(XsaEntryTest, Xsa212NoCallWritesToXensSlotsOfATableInUse) {
  PvGuest guest(GetParam());
  const XenSlots slots = XenSlotsOf(guest.mode);
  const Mfn table =
      guest.mode == PagingMode::kPae ? guest.Frame(1001) : guest.root;
  guest.Hook(guest.Frame(10), kXsaVa);
  const int slot = IndexOf(guest.mode, 1, kXsaVa);
  ASSERT_EQ(guest.Update(guest.Frame(10), slot, Pte(table, kRo)),
            XenErrno::kOk);
  guest.domain->direct().set_writable_pagetables(true);
  std::vector<Pte> before;
  for (int i = slots.first; i <= slots.last; ++i) {
    before.push_back(guest.Get(table, i));
  }
  for (int i = slots.first; i <= slots.last; ++i) {
    const Pte value(guest.Frame(2), kRw);
    EXPECT_NE(guest.Update(table, i, value), XenErrno::kOk);
    EXPECT_NE(guest.Update(table, i, value, MmuUpdateCommand::kPreserveAd),
              XenErrno::kOk);
    // A store that Xen might perform for the guest is refused, too.
    const auto offset = static_cast<uint64_t>(i * guest.bytes());
    const Access access = UserWrite(guest, kXsaVa + offset);
    const TranslateResult result = guest.cpu().mmu.Translate(access);
    ASSERT_FALSE(result.ok());
    MemoryOperand store{.kind = OperandKind::kStore,
                        .size = static_cast<uint8_t>(guest.bytes()),
                        .value = value.raw()};
    EXPECT_FALSE(guest.paging.EmulatePteWrite(guest.vcpu(), result.fault(),
                                              access, store));
  }
  EXPECT_EQ(guest.Op({.command = MmuextCommand::kClearPage, .mfn = table}),
            XenErrno::kEINVAL);
  EXPECT_EQ(guest.Op({.command = MmuextCommand::kCopyPage,
                      .mfn = table,
                      .source = guest.Frame(2)}),
            XenErrno::kEINVAL);
  for (int i = slots.first; i <= slots.last; ++i) {
    EXPECT_EQ(guest.Get(table, i),
              before[static_cast<size_t>(i - slots.first)]);
  }
  EXPECT_EQ(Reachable(guest), "");
}

// XSA-182: changing flags of an entry that existed skipped the checks, RW among
// them, so a read-only mapping of a table by itself became writable.
TEST_P(XsaEntryTest, Xsa182AReadOnlySelfReferenceStaysReadOnly) {
  PvGuest guest(GetParam());
  const int top = guest.mode == PagingMode::kPae ? 2 : LevelCount(guest.mode);
  for (int level = 2; level <= top; ++level) {
    const Mfn table =
        level == LevelCount(guest.mode) ? guest.root : guest.Frame(1);
    const bool pin = table != guest.root;
    if (pin) {
      ASSERT_EQ(guest.Pin(table, level), XenErrno::kOk);
    }
    ASSERT_EQ(guest.Update(table, 5, Pte(table, kRo)), XenErrno::kOk);
    const Pte entry = guest.Get(table, 5);
    for (const uint64_t more : {pte::kWritable, pte::kWritable | pte::kDirty,
                                pte::kWritable | pte::kUser | pte::kAvail}) {
      for (const MmuUpdateCommand command :
           {MmuUpdateCommand::kNormal, MmuUpdateCommand::kPreserveAd}) {
        EXPECT_EQ(guest.Update(table, 5, entry.With(more), command),
                  XenErrno::kEINVAL);
        EXPECT_EQ(guest.Get(table, 5), entry);
      }
    }
    if (pin) {
      ASSERT_EQ(guest.Unpin(table), XenErrno::kOk);
    }
  }
  if (guest.mode == PagingMode::kPae) return;
  // Every turn of the walk goes through the entry: the root is its own page.
  const VirtAddr self = SameSlotAddress(guest.mode, 5);
  EXPECT_TRUE(guest.cpu().mmu.Translate(UserRead(guest, self)).ok());
  EXPECT_FALSE(guest.cpu().mmu.Translate(UserWrite(guest, self)).ok());
  EXPECT_EQ(Reachable(guest), "");
}

// XSA-182, seen from another table: the reference to a second table of the same
// level was as easily made writable as one to the table itself.
TEST_P(XsaEntryTest, Xsa182AReadOnlyReferenceToAPeerStaysReadOnly) {
  PvGuest guest(GetParam());
  const int top = guest.mode == PagingMode::kPae ? 2 : LevelCount(guest.mode);
  for (int level = 2; level <= top; ++level) {
    const Mfn from = guest.Frame(uint64_t{10} * static_cast<uint64_t>(level));
    const Mfn to = guest.Frame(uint64_t{10} * static_cast<uint64_t>(level) + 1);
    ASSERT_EQ(guest.Pin(from, level), XenErrno::kOk);
    ASSERT_EQ(guest.Pin(to, level), XenErrno::kOk);
    EXPECT_EQ(guest.Update(from, 5, Pte(to, kRw)), XenErrno::kEINVAL);
    ASSERT_EQ(guest.Update(from, 5, Pte(to, kRo)), XenErrno::kOk);
    EXPECT_EQ(guest.Update(from, 5, Pte(to, kRw)), XenErrno::kEINVAL);
    EXPECT_FALSE(guest.Get(from, 5).writable());
    EXPECT_EQ(guest.Page(to).type_count, 2u);
  }
}

// XSA-185: a 32-bit guest's L3 could refer to itself, and RW, which Xen adds to
// L3 entries on 64-bit hardware, made that a writable mapping of its tables.
TEST(XsaPaeTest, Xsa185AnL3OfA32BitGuestNeverRefersToAnL3) {
  for (const char* machine : {"skylake-2017", "xeon-2003"}) {
    PvGuest guest({.mode = PagingMode::kPae, .machine = machine});
    const Mfn other = guest.Frame(1);
    guest.Put(other, 3, Pte(guest.Frame(2), 1));
    ASSERT_EQ(guest.Pin(other, 3), XenErrno::kOk);
    for (const Mfn target : {guest.root, other}) {
      for (int slot = 0; slot < 4; ++slot) {
        EXPECT_EQ(guest.Update(guest.root, slot, Pte(target, 1)),
                  XenErrno::kEINVAL);
      }
    }
    // Validation refuses the entry as well.
    const Mfn raw = guest.Frame(3);
    guest.Put(raw, 0, Pte(raw, 1));
    guest.Put(raw, 3, Pte(guest.Frame(4), 1));
    EXPECT_EQ(guest.Pin(raw, 3), XenErrno::kEINVAL);
    EXPECT_EQ(guest.Page(raw).type_count, 0u);
    EXPECT_EQ(Reachable(guest), "");
  }
}

// XSA-213: IRET inside a multicall went to user mode and the rest of the batch
// ran on, with the user's root loaded and the kernel's taken for granted.
TEST(XsaRootTest, Xsa213EveryRootLoadedInEitherModeIsOneThatIsReferredTo) {
  PvGuest guest;
  const Mfn old_root = guest.Frame(1);
  const Mfn new_root = guest.Frame(2);
  ASSERT_EQ(
      guest.Op({.command = MmuextCommand::kNewUserBaseptr, .mfn = old_root}),
      XenErrno::kOk);
  guest.paging.ToggleGuestMode(guest.vcpu(), /*to_kernel=*/false);
  EXPECT_EQ(LoadedRoot(guest), old_root);
  guest.paging.ToggleGuestMode(guest.vcpu(), /*to_kernel=*/true);
  // One batch replaces the user's root and takes the old one for data.
  const std::array replace = {
      MmuextOp{.command = MmuextCommand::kNewUserBaseptr, .mfn = new_root}};
  const std::array store = {
      MmuUpdate{guest.EntryOf(old_root, 0), Pte(guest.root, kRw).raw()}};
  const std::array<Subcall, 2> calls = {MmuextCall{.ops = replace},
                                        MmuUpdateCall{.requests = store}};
  ASSERT_EQ(guest.Execute(MulticallCall{.calls = calls}).done, 2u);
  EXPECT_EQ(guest.Page(old_root).type, PageType::kWritable);
  EXPECT_TRUE(guest.vcpu().kernel_mode);
  EXPECT_EQ(LoadedRoot(guest), guest.root);
  guest.paging.ToggleGuestMode(guest.vcpu(), /*to_kernel=*/false);
  EXPECT_EQ(LoadedRoot(guest), new_root);
  EXPECT_GT(guest.Page(new_root).type_count, 0u);
  EXPECT_EQ(Reachable(guest), "");
}

// XSA-248: a guest could get a mapping of a page that Xen used internally, and
// what Xen kept there was the guest's to change.
TEST_P(XsaEntryTest, Xsa248PagesOfXensAreNobodysToMap) {
  PvGuest guest(GetParam());
  ASSERT_EQ(guest.Pin(guest.Frame(10), 1), XenErrno::kOk);
  std::vector<Mfn> frames = {guest.host.AllocXenFrame()};
  if (guest.hidden_l4() != kInvalidMfn) {
    frames.push_back(guest.hidden_l4());
  }
  for (const Mfn mfn : frames) {
    for (const uint64_t flags : {kRo, kRw}) {
      EXPECT_NE(guest.Update(guest.Frame(10), 0, Pte(mfn, flags)),
                XenErrno::kOk);
    }
    EXPECT_NE(guest.Update(mfn, 0, Pte(guest.Frame(20), kRw)), XenErrno::kOk);
    for (int level = 1; level <= LevelCount(guest.mode); ++level) {
      EXPECT_NE(guest.Pin(mfn, level), XenErrno::kOk);
    }
    for (const MmuextCommand command :
         {MmuextCommand::kUnpin, MmuextCommand::kNewBaseptr,
          MmuextCommand::kClearPage, MmuextCommand::kCopyPage}) {
      EXPECT_NE(
          guest.Op({.command = command, .mfn = mfn, .source = guest.root}),
          XenErrno::kOk);
    }
    const std::array one = {mfn};
    EXPECT_NE(ErrnoOf(guest.Execute(SetGdtCall{.frames = one}).status),
              XenErrno::kOk);
    EXPECT_EQ(guest.Execute(DecreaseReservationCall{.frames = one}).done, 0u);
  }
}

// XSA-154: one page of a device mapped cached here and uncached there: such
// mappings disagree, and the processor may answer with a machine check.
TEST(XsaDeviceTest, Xsa154DeviceMemoryIsMappedUncachedWhateverTheGuestSays) {
  for (const PagingMode mode : {PagingMode::kPae, PagingMode::k4Level}) {
    PvGuest guest({.mode = mode, .io_privileged = true});
    ASSERT_EQ(guest.Pin(guest.Frame(10), 1), XenErrno::kOk);
    const Mfn device(guest.host.frames().size() + 5);
    // Write back, write through, write protect, in Xen's PAT.
    int slot = 0;
    for (const uint64_t cached :
         {uint64_t{0}, uint64_t{pte::kPwt}, pte::kPwt | pte::kPat}) {
      ASSERT_EQ(guest.Update(guest.Frame(10), slot, Pte(device, kRw | cached)),
                XenErrno::kOk);
      const Pte stored = guest.Get(guest.Frame(10), slot);
      EXPECT_EQ(stored.flags() & (pte::kPwt | pte::kPcd | pte::kPat),
                pte::kPwt | pte::kPcd);
      ++slot;
    }
    // The same entries by emulated stores.
    guest.domain->direct().set_writable_pagetables(true);
    guest.Hook(guest.Frame(11), kXsaVa);
    ASSERT_EQ(guest.UpdateVa(kXsaVa, Pte(guest.Frame(10), kRo)), XenErrno::kOk);
    const Access access = UserWrite(guest, kXsaVa);
    MemoryOperand store{.kind = OperandKind::kStore,
                        .value = Pte(device, kRw).raw()};
    const TranslateResult result = guest.cpu().mmu.Translate(access);
    ASSERT_FALSE(result.ok());
    ASSERT_TRUE(guest.paging.EmulatePteWrite(guest.vcpu(), result.fault(),
                                             access, store));
    EXPECT_NE(guest.Get(guest.Frame(10), 0).raw() & pte::kPcd, 0u);
  }
}

// XSA-273: the processor may guess data through the address of an entry that is
// not present; Xen's answer to a guest that writes one is to shadow its tables.
TEST_P(XsaEntryTest,
       Xsa273DirectPagingKeepsANotPresentEntryAndRefersToNothing) {
  PvGuest guest(GetParam());
  guest.Hook(guest.Frame(10), kXsaVa);
  const Mfn foreign(16);
  const PageInfo before = guest.Page(foreign);
  for (int level = 1; level <= LevelCount(guest.mode); ++level) {
    if (guest.mode == PagingMode::kPae && level == 3) continue;
    const Mfn table = level == 1 ? guest.Frame(10) : TableAbove(guest, level);
    const Pte junk = Pte(foreign, kRw).Without(pte::kPresent);
    ASSERT_EQ(guest.Update(table, 9, junk), XenErrno::kOk);
    EXPECT_EQ(guest.Get(table, 9), junk);
    // Presence is the one flag that is never just a flag.
    EXPECT_NE(guest.Update(table, 9, junk.With(pte::kPresent)), XenErrno::kOk);
    EXPECT_EQ(guest.Get(table, 9), junk);
  }
  EXPECT_EQ(guest.Page(foreign).ref_count, before.ref_count);
  EXPECT_EQ(Reachable(guest), "");
}

// XSA-279: with INVPCID in place of INVLPG a non-canonical address that a guest
// asked Xen to flush raised a general-protection fault in the hypervisor.
TEST_P(XsaEntryTest, Xsa279ANonCanonicalAddressIsFlushedWithoutHarm) {
  PvGuest guest(GetParam());
  guest.Hook(guest.Frame(10), kXsaVa);
  ASSERT_EQ(guest.UpdateVa(kXsaVa, Pte(guest.Frame(20), kRw)), XenErrno::kOk);
  const Access write = UserWrite(guest, kXsaVa);
  ASSERT_TRUE(guest.cpu().mmu.Translate(write).ok());
  const uint64_t hits = guest.cpu().counters[Counter::kTlbL1Hits];
  const VirtAddr bad(uint64_t{1} << 60 | kXsaVa.value());
  // Xen 3.0 makes of the second a full flush; the first is what it says.
  EXPECT_EQ(guest.Op({.command = MmuextCommand::kInvlpgLocal, .va = bad}),
            XenErrno::kOk);
  if (guest.mode == PagingMode::k4Level) {
    EXPECT_EQ(guest.Op({.command = MmuextCommand::kInvlpgAll, .va = bad}),
              XenErrno::kOk);
    EXPECT_TRUE(guest.cpu().mmu.Translate(write).ok());
    EXPECT_EQ(guest.cpu().counters[Counter::kTlbL1Hits], hits + 1);
  }
  EXPECT_EQ(guest.UpdateVa(bad, Pte(), {.scope = FlushScope::kPage}),
            XenErrno::kEINVAL);
}

}  // namespace
}  // namespace xmmu::xsa_entry_test
