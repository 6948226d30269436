// Published escapes of paravirtual guests that lay in what Xen knows of a
// frame: its type, its counts, and what validation leaves of them when it
// fails. tests/README.md lists them all.

#include <gtest/gtest.h>

#include <vector>

#include "xen/direct/xsa_fixture.h"

namespace xmmu::xsa_type_test {
namespace {

class XsaTypeTest : public testing::TestWithParam<PvOptions> {};

INSTANTIATE_TEST_SUITE_P(Modes, XsaTypeTest, testing::ValuesIn(kXsaModes),
                         XsaModeName);

// Highest level of which a table may refer to another.
int LinearTop(PagingMode mode) {
  return mode == PagingMode::kPae ? 2 : LevelCount(mode);
}

// Whether nothing but its allocation is left of `pfn`.
testing::AssertionResult Untouched(PvGuest& guest, uint64_t pfn) {
  const PageInfo& page = guest.Page(pfn);
  if (page.type_count == 0 && page.ref_count == 1 && !page.pinned) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure()
         << "pfn " << pfn << " has type count " << page.type_count << " and "
         << page.ref_count << " references";
}

// XSA-240: tables of one level could refer to each other in a chain of any
// length, and undoing the first undid all, each deeper in Xen's stack.
TEST_P(XsaTypeTest, Xsa240AChainOfPeersIsOneLinkLong) {
  PvGuest guest(GetParam());
  for (int level = 2; level <= LinearTop(guest.mode); ++level) {
    const uint64_t a = static_cast<uint64_t>(level) * 10;
    for (uint64_t pfn = a; pfn < a + 3; ++pfn) {
      ASSERT_EQ(guest.Pin(guest.Frame(pfn), level), XenErrno::kOk);
    }
    ASSERT_EQ(guest.Update(guest.Frame(a), 1, Pte(guest.Frame(a + 1), kRo)),
              XenErrno::kOk);
    // The one referred to refers no further, not even back.
    for (const uint64_t next : {a, a + 2}) {
      EXPECT_EQ(
          guest.Update(guest.Frame(a + 1), 1, Pte(guest.Frame(next), kRo)),
          XenErrno::kEINVAL);
    }
    // The one that refers is referred to by nobody.
    EXPECT_EQ(guest.Update(guest.Frame(a + 2), 1, Pte(guest.Frame(a), kRo)),
              XenErrno::kEINVAL);
    for (uint64_t pfn = a; pfn < a + 3; ++pfn) {
      ASSERT_EQ(guest.Unpin(guest.Frame(pfn)), XenErrno::kOk);
    }
    for (uint64_t pfn = a; pfn < a + 3; ++pfn) {
      EXPECT_TRUE(Untouched(guest, pfn));
    }
  }
}

// XSA-240, built beforehand: a table written while it was a plain page, with an
// entry for a peer that itself refers to one, made the chain when validated.
TEST_P(XsaTypeTest, Xsa240NoChainComesAboutByValidation) {
  PvGuest guest(GetParam());
  for (int level = 2; level <= LinearTop(guest.mode); ++level) {
    const uint64_t a = static_cast<uint64_t>(level) * 10;
    guest.Put(guest.Frame(a), 1, Pte(guest.Frame(a + 1), kRo));
    guest.Put(guest.Frame(a + 1), 1, Pte(guest.Frame(a + 2), kRo));
    ASSERT_EQ(guest.Pin(guest.Frame(a + 2), level), XenErrno::kOk);
    ASSERT_EQ(guest.Pin(guest.Frame(a + 1), level), XenErrno::kOk);
    EXPECT_EQ(guest.Pin(guest.Frame(a), level), XenErrno::kEINVAL);
    EXPECT_TRUE(Untouched(guest, a));
    // Without its own reference the peer may be referred to.
    ASSERT_EQ(guest.Update(guest.Frame(a + 1), 1, Pte()), XenErrno::kOk);
    EXPECT_EQ(guest.Pin(guest.Frame(a), level), XenErrno::kOk);
  }
}

// XSA-240, from the side: the way in for peers is for validated tables of the
// level alone, not for whatever else is in use with another type.
TEST_P(XsaTypeTest, Xsa240NothingButATableOfTheLevelPassesForAPeer) {
  PvGuest guest(GetParam());
  ASSERT_EQ(guest.Pin(guest.Frame(5), 1), XenErrno::kOk);
  ASSERT_EQ(guest.Update(guest.Frame(5), 0, Pte(guest.Frame(6), kRw)),
            XenErrno::kOk);
  const std::array gdt = {guest.Frame(7)};
  ASSERT_EQ(ErrnoOf(guest.Execute(SetGdtCall{.frames = gdt}).status),
            XenErrno::kOk);
  for (int level = 2; level <= LinearTop(guest.mode); ++level) {
    const Mfn table = guest.Frame(static_cast<uint64_t>(level) * 10);
    ASSERT_EQ(guest.Pin(table, level), XenErrno::kOk);
    for (const uint64_t pfn : {6u, 7u}) {
      EXPECT_EQ(guest.Update(table, 1, Pte(guest.Frame(pfn), kRo)),
                XenErrno::kEINVAL);
      EXPECT_EQ(guest.Page(pfn).type_count, 1u);
    }
    if (level > 2) {
      EXPECT_EQ(guest.Update(table, 1, Pte(guest.Frame(5), kRo)),
                XenErrno::kEINVAL);
    }
  }
}

// XSA-309: the count of references between peers went back to zero when the
// validation of a table was taken up again, and chains were possible again.
TEST_P(XsaTypeTest, Xsa309PeersAreCountedRightThroughFailuresAndRetries) {
  PvGuest guest(GetParam());
  const int level = 2;
  const Mfn from = guest.Frame(10);
  const Mfn to = guest.Frame(11);
  ASSERT_EQ(guest.Pin(to, level), XenErrno::kOk);
  guest.Put(from, 1, Pte(to, kRo));
  guest.Put(from, 2, Pte(to, kRo));
  guest.Put(from, 3, Pte(guest.root, kRw));  // stops it
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(guest.Pin(from, level), XenErrno::kEINVAL);
    EXPECT_EQ(guest.Page(to).linear_pt_count, 0);
    EXPECT_EQ(guest.Page(to).type_count, 1u);
  }
  guest.Put(from, 3, Pte());
  ASSERT_EQ(guest.Pin(from, level), XenErrno::kOk);
  EXPECT_EQ(guest.Page(from).linear_pt_count, 2);
  EXPECT_EQ(guest.Page(to).linear_pt_count, -2);
  // Losing the pin takes nothing from those that refer to it.
  ASSERT_EQ(guest.Unpin(to), XenErrno::kOk);
  ASSERT_EQ(guest.Pin(to, level), XenErrno::kOk);
  EXPECT_EQ(guest.Update(to, 1, Pte(guest.Frame(10), kRo)), XenErrno::kEINVAL);
  ASSERT_EQ(guest.Update(from, 1, Pte()), XenErrno::kOk);
  EXPECT_EQ(guest.Update(to, 1, Pte(guest.Frame(10), kRo)), XenErrno::kEINVAL);
  ASSERT_EQ(guest.Update(from, 2, Pte()), XenErrno::kOk);
  // Only now may it turn round.
  EXPECT_EQ(guest.Update(to, 1, Pte(guest.Frame(10), kRo)), XenErrno::kOk);
}

// XSA-290: a table kept only by a peer's entry was undone on a path that Xen
// could interrupt, and was then left half undone for good.
TEST_P(XsaTypeTest, Xsa290ATableThatAPeerKeptIsUndoneWhenItIsLetGo) {
  PvGuest guest(GetParam());
  for (int level = 2; level <= LinearTop(guest.mode); ++level) {
    const uint64_t pfn = static_cast<uint64_t>(level) * 10;
    const Mfn from = guest.Frame(pfn);
    const Mfn to = guest.Frame(pfn + 1);
    const Mfn child = guest.Frame(pfn + 2);
    guest.Put(to, 5, Pte(child, 7));
    ASSERT_EQ(guest.Pin(from, level), XenErrno::kOk);
    ASSERT_EQ(guest.Pin(to, level), XenErrno::kOk);
    ASSERT_EQ(guest.Update(from, 1, Pte(to, kRo)), XenErrno::kOk);
    ASSERT_EQ(guest.Unpin(to), XenErrno::kOk);
    EXPECT_TRUE(guest.Page(to).validated);
    EXPECT_EQ(guest.Page(child).type_count, 1u);
    ASSERT_EQ(guest.Update(from, 1, Pte()), XenErrno::kOk);
    EXPECT_FALSE(guest.Page(to).validated);
    EXPECT_TRUE(Untouched(guest, pfn + 1));
    EXPECT_TRUE(Untouched(guest, pfn + 2));
    EXPECT_EQ(guest.Page(from).linear_pt_count, 0);
  }
}

// XSA-299: validation that stopped in the middle dropped or kept references
// that it should not have, and a table could end as an ordinary page in use.
TEST_P(XsaTypeTest, Xsa299AFailureAtAnySlotLeavesNoReferenceBehind) {
  PvGuest guest(GetParam());
  const int top = LevelCount(guest.mode);
  for (int level = 2; level <= top; ++level) {
    const bool pae_root = guest.mode == PagingMode::kPae && level == 3;
    const uint64_t flags = pae_root ? 1 : 7;
    const Mfn table = guest.Frame(9);
    for (int bad = 0; bad < (pae_root ? 4 : 9); ++bad) {
      guest.host.memory().ZeroFrame(table);
      for (int slot = 0; slot < (pae_root ? 4 : 9); ++slot) {
        const auto pfn = 20 + static_cast<uint64_t>(slot);
        guest.Put(table, slot, Pte(guest.Frame(pfn), flags));
      }
      const std::array bad_entries = {
          Pte(guest.Frame(8), flags | pte::kGlobal), Pte(guest.root, flags),
          Pte(Mfn(16), flags), Pte(guest.Frame(7), flags)};
      // The last one's own entry is what is bad.
      guest.Put(guest.Frame(7), 3, Pte(guest.root, kRw));
      for (const Pte entry : bad_entries) {
        guest.Put(table, bad, entry);
        EXPECT_NE(guest.Pin(table, level), XenErrno::kOk);
        for (const uint64_t pfn : {7u, 8u, 9u})
          EXPECT_TRUE(Untouched(guest, pfn));
        for (uint64_t pfn = 20; pfn < 29; ++pfn) {
          EXPECT_TRUE(Untouched(guest, pfn))
              << "level " << level << " slot " << bad;
        }
        ASSERT_FALSE(testing::Test::HasFailure());
      }
      // Taken up again, it goes through, and all of it comes off again.
      guest.Put(table, bad, Pte(guest.Frame(19), flags));
      ASSERT_EQ(guest.Pin(table, level), XenErrno::kOk);
      ASSERT_EQ(guest.Unpin(table), XenErrno::kOk);
      EXPECT_TRUE(Untouched(guest, 19));
    }
  }
}

// XSA-299, at the bottom: an L1 that is refused gives back what its entries
// before the bad one took, pages and writable types alike.
TEST_P(XsaTypeTest, Xsa299AnL1RefusedAtAnySlotLeavesItsPagesAlone) {
  PvGuest guest(GetParam());
  const Mfn table = guest.Frame(9);
  const int last = EntryCount(guest.mode, 1) - 1;
  for (const int bad : {0, 1, 5, last}) {
    guest.host.memory().ZeroFrame(table);
    for (int slot = 0; slot < bad && slot < 8; ++slot) {
      const auto pfn = 20 + static_cast<uint64_t>(slot);
      guest.Put(table, slot, Pte(guest.Frame(pfn), slot % 2 == 0 ? kRw : kRo));
    }
    for (const Pte entry : {Pte(guest.root, kRw), Pte(Mfn(16), kRo)}) {
      guest.Put(table, bad, entry);
      EXPECT_NE(guest.Pin(table, 1), XenErrno::kOk);
      for (uint64_t pfn = 20; pfn < 28; ++pfn) {
        EXPECT_TRUE(Untouched(guest, pfn)) << "slot " << bad;
      }
      EXPECT_TRUE(Untouched(guest, 9));
    }
  }
  // The references of the first and the last entry go again with the table.
  guest.Put(table, 0, Pte(guest.Frame(20), kRw));
  guest.Put(table, last, Pte(guest.Frame(21), kRw));
  ASSERT_EQ(guest.Pin(table, 1), XenErrno::kOk);
  EXPECT_EQ(guest.Page(20).type_count, 1u);
  EXPECT_EQ(guest.Page(21).type_count, 1u);
  ASSERT_EQ(guest.Unpin(table), XenErrno::kOk);
  for (const uint64_t pfn : {9u, 20u, 21u}) EXPECT_TRUE(Untouched(guest, pfn));
}

// XSA-299, nested: tables are validated one inside the other, and where the
// innermost stopped, each level above had its own part to give back.
TEST(XsaTreeTest, Xsa299AFailureDeepInATreeUnwindsAllLevels) {
  PvGuest guest;
  const std::vector<int> slots = {0, 1, 511};
  for (const int i : slots) {
    for (const int j : slots) {
      for (const int k : slots) {
        for (uint64_t pfn = 10; pfn < 20; ++pfn) {
          guest.host.memory().ZeroFrame(guest.Frame(pfn));
        }
        guest.Put(guest.Frame(10), i, Pte(guest.Frame(11), 7));
        guest.Put(guest.Frame(11), j, Pte(guest.Frame(12), 7));
        guest.Put(guest.Frame(12), k, Pte(guest.root, 7));
        // At each level a good child stands before the bad one.
        if (i > 0) guest.Put(guest.Frame(10), 0, Pte(guest.Frame(13), 7));
        if (j > 0) guest.Put(guest.Frame(11), 0, Pte(guest.Frame(14), 7));
        if (k > 0) guest.Put(guest.Frame(12), 0, Pte(guest.Frame(15), 7));
        EXPECT_EQ(guest.Pin(guest.Frame(10), 4), XenErrno::kEINVAL);
        for (uint64_t pfn = 10; pfn < 16; ++pfn) {
          EXPECT_TRUE(Untouched(guest, pfn)) << i << " " << j << " " << k;
        }
      }
    }
  }
}

// XSA-242: the lock of a table under change is a type reference, and dropping
// it could be the last, on a path that then did not undo the table.
TEST_P(XsaTypeTest, Xsa242ATableWithOneReferenceKeepsItWhileItIsChanged) {
  PvGuest guest(GetParam());
  for (int level = 1; level <= LevelCount(guest.mode); ++level) {
    const bool pae_root = guest.mode == PagingMode::kPae && level == 3;
    const Mfn table = guest.Frame(10);
    const Mfn target = guest.Frame(11);
    guest.host.memory().ZeroFrame(table);
    if (pae_root) guest.Put(table, 3, Pte(guest.Frame(12), 1));
    ASSERT_EQ(guest.Pin(table, level), XenErrno::kOk);
    const Pte entry(target, level == 1 ? kRw : pae_root ? 1 : 7);
    ASSERT_EQ(guest.Update(table, 1, entry), XenErrno::kOk);
    EXPECT_EQ(guest.Page(table).type_count, 1u);
    EXPECT_EQ(guest.Page(target).type_count, 1u);
    EXPECT_NE(guest.Update(table, 1, Pte(guest.root, kRw)), XenErrno::kOk);
    EXPECT_EQ(guest.Page(table).type_count, 1u);
    ASSERT_EQ(guest.Update(table, 1, Pte()), XenErrno::kOk);
    EXPECT_EQ(guest.Page(table).type_count, 1u);
    ASSERT_EQ(guest.Unpin(table), XenErrno::kOk);
    for (const uint64_t pfn : {10u, 11u, 12u})
      EXPECT_TRUE(Untouched(guest, pfn));
  }
}

// XSA-242, through the emulator: a table that is hooked once and pinned nowhere
// takes a store into the entry that maps it, under the same lock.
TEST(XsaTreeTest, Xsa242AnEmulatedStoreDropsNoReferenceOfItsTable) {
  PvGuest guest;
  guest.domain->direct().set_writable_pagetables(true);
  guest.Hook(guest.Frame(10), kXsaVa);
  const int slot = IndexOf(guest.mode, 1, kXsaVa);
  ASSERT_EQ(guest.Update(guest.Frame(10), slot, Pte(guest.Frame(10), kRo)),
            XenErrno::kOk);
  const VirtAddr where = kXsaVa + static_cast<uint64_t>(slot) * 8;
  const Access access = UserWrite(guest, where);
  MemoryOperand store{.kind = OperandKind::kStore, .value = 0};
  const TranslateResult result = guest.cpu().mmu.Translate(access);
  ASSERT_FALSE(result.ok());
  EXPECT_TRUE(guest.paging.EmulatePteWrite(guest.vcpu(), result.fault(), access,
                                           store));
  guest.Audit();
  EXPECT_EQ(guest.Page(10).type_count, 1u);
  EXPECT_EQ(guest.Page(10).ref_count, 2u);
}

// XSA-109: updates of the tables of another domain were not restricted enough;
// a domain with control of another one could make Xen go astray with them.
TEST_P(XsaTypeTest, Xsa109NobodyUpdatesTheTablesOfAnotherDomain) {
  for (const bool io : {false, true}) {
    PvOptions options = GetParam();
    options.io_privileged = io;
    PvGuest guest(options);
    for (const bool translated : {false, true}) {
      Domain* const other = guest.host
                                .CreateDomain({.mode = guest.mode,
                                               .memory_frames = 8,
                                               .translated = translated})
                                .value();
      const Mfn page = other->p2m().MfnOf(Pfn(1));
      const std::array requests = {MmuUpdate{AddressOf(page), kRw}};
      for (const DomainId named : {other->id(), kDomSelf}) {
        const MmuUpdateCall call{.requests = requests,
                                 .page_table_owner = named};
        EXPECT_NE(ErrnoOf(guest.Execute(call).status), XenErrno::kOk);
        for (const MmuextCommand command :
             {MmuextCommand::kPinL1, MmuextCommand::kPinL2,
              MmuextCommand::kClearPage, MmuextCommand::kNewBaseptr}) {
          EXPECT_NE(guest.Op({.command = command, .mfn = page}, named),
                    XenErrno::kOk);
        }
      }
      EXPECT_EQ(guest.host.memory().Read64(AddressOf(page)), 0u);
      EXPECT_EQ(guest.Page(page).ref_count, 1u);
      EXPECT_EQ(guest.Page(page).type_count, 0u);
    }
  }
}

// XSA-113: a machine-to-physical update could keep the reference that it took
// to the page it was about, and a page that is referred to is never freed.
TEST_P(XsaTypeTest, Xsa113AMachineToPhysicalUpdateKeepsNoReference) {
  PvGuest guest(GetParam());
  Domain* const other =
      guest.host.CreateDomain({.mode = guest.mode, .memory_frames = 8}).value();
  const Mfn foreign = other->p2m().MfnOf(Pfn(0));
  const auto update = [&](Mfn mfn, DomainId owner) {
    return guest.Update(mfn, 0, Pte(77), MmuUpdateCommand::kMachphys, owner);
  };
  EXPECT_EQ(update(guest.Frame(10), kDomSelf), XenErrno::kOk);
  EXPECT_EQ(update(guest.root, kDomSelf), XenErrno::kOk);
  EXPECT_EQ(update(foreign, kDomSelf), XenErrno::kEINVAL);
  EXPECT_EQ(update(foreign, other->id()), XenErrno::kEPERM);
  EXPECT_EQ(update(guest.Frame(10), kDomIo), XenErrno::kEINVAL);
  EXPECT_EQ(update(Mfn(guest.host.frames().size()), kDomSelf),
            XenErrno::kEINVAL);
  EXPECT_TRUE(Untouched(guest, 10));
  EXPECT_EQ(guest.Page(foreign).ref_count, 1u);
}

// XSA-214: a page kept its mark as checked descriptors when it changed hands,
// and its new owner loaded what nobody had looked at.
TEST_P(XsaTypeTest, Xsa214DescriptorsAreLookedAtAgainOnceThePageWasWritable) {
  PvGuest guest(GetParam());
  const std::array frames = {guest.Frame(10)};
  const auto load = [&] {
    return ErrnoOf(guest.Execute(SetGdtCall{.frames = frames}).status);
  };
  ASSERT_EQ(load(), XenErrno::kOk);
  const std::array gate = {
      MmuUpdate{guest.EntryOf(guest.Frame(10), 1), uint64_t{0x8e00} << 32}};
  EXPECT_NE(guest.Execute(MmuUpdateCall{.requests = gate}).done, 1u);
  ASSERT_EQ(ErrnoOf(guest.Execute(SetGdtCall{}).status), XenErrno::kOk);
  EXPECT_TRUE(Untouched(guest, 10));
  // An interrupt gate: present, of the system, type 14.
  guest.Pin(guest.Frame(11), 1);
  ASSERT_EQ(guest.Update(guest.Frame(11), 0, Pte(guest.Frame(10), kRw)),
            XenErrno::kOk);
  guest.host.memory().WriteEntry(AddressOf(guest.Frame(10)) + 8, 8,
                                 uint64_t{0x8e00} << 32);
  EXPECT_EQ(load(), XenErrno::kEINVAL);  // mapped writable
  ASSERT_EQ(guest.Update(guest.Frame(11), 0, Pte()), XenErrno::kOk);
  EXPECT_EQ(load(), XenErrno::kEINVAL);
  EXPECT_TRUE(Untouched(guest, 10));
}

}  // namespace
}  // namespace xmmu::xsa_type_test
