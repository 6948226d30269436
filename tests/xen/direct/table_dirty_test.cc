// A page of a paravirtual domain that is being logged is marked not only by
// stores: its type and its pin are sent with it. Also, some flushes are not due
// then.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "xen/direct/direct_write_logging.h"
#include "xen/direct/pv_fixture.h"

namespace xmmu::table_dirty_test {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

struct Row {
  const char* name;
  PvOptions options;
};

const Row kRows[] = {
    {"xen30", {.mode = PagingMode::k2Level, .machine = "xeon-2003"}},
    {"pae", {.mode = PagingMode::kPae}},
    {"pae_xen32",
     {.mode = PagingMode::kPae, .linear_map = LinearMap::kPerTable}},
    {"four_level", {.mode = PagingMode::k4Level}},
};

class TableDirtyTest : public ::testing::TestWithParam<Row> {
 protected:
  TableDirtyTest()
      : guest_(GetParam().options),
        log_(static_cast<DirectWriteLogging&>(
            guest_.paging.WriteLoggingOf(*guest_.domain))) {}

  void SetUp() override { ASSERT_TRUE(log_.Start(guest_.cpu()).ok()); }

  bool xen30() const { return guest_.mode == PagingMode::k2Level; }
  // The pages marked since it was last asked.
  std::vector<uint64_t> Marked() {
    std::vector<uint64_t> pfns;
    for (const Pfn pfn : log_.Fetch(guest_.cpu(), DirtyFetch::kClean)->Pfns()) {
      pfns.push_back(pfn.value());
    }
    EXPECT_EQ(log_.Audit(), absl::OkStatus());
    return pfns;
  }
  // The pages that 4.17 marks for a pin alone; 3.0.0 marks none.
  std::vector<uint64_t> MarkedBy417(uint64_t pfn) const {
    if (xen30()) return {};
    return {pfn};
  }
  Pte Entry(uint64_t pfn, uint64_t flags) const {
    return Pte(guest_.Frame(pfn), flags);
  }
  XenErrno Gdt(const std::vector<Mfn>& frames) {
    return ErrnoOf(guest_.Execute(SetGdtCall{.frames = frames}).status);
  }
  XenErrno Base(uint64_t pfn, MmuextCommand command) {
    return guest_.Op({.command = command, .mfn = guest_.Frame(pfn)});
  }
  // An empty root at `pfn`, with the kernel L2 behind it that a PAE one has;
  // what a first use marks.
  std::vector<uint64_t> MakeRoot(uint64_t pfn) {
    if (guest_.mode != PagingMode::kPae) return {pfn};
    guest_.Put(guest_.Frame(pfn), 3, Entry(pfn + 1, 1));
    return {pfn, pfn + 1};
  }
  uint64_t Count(Counter counter) { return guest_.cpu().counters[counter]; }
  // Returns how many flushes `call` takes.
  template <typename Call>
  uint64_t Flushes(Counter counter, Call call) {
    const uint64_t before = Count(counter);
    call();
    return Count(counter) - before;
  }

  PvGuest guest_;
  DirectWriteLogging& log_;
};

TEST_P(TableDirtyTest, AnUnusedTableIsMarkedByAPinAndByItsEnd) {
  ASSERT_EQ(guest_.Pin(guest_.Frame(9), 1), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(9));
  ASSERT_EQ(guest_.Unpin(guest_.Frame(9)), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(9));
}

TEST_P(TableDirtyTest, TheFirstUseOfATableMarksItAndTheLastAndNoneBetween) {
  ASSERT_EQ(guest_.Pin(guest_.Frame(8), 2), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(8));
  ASSERT_EQ(guest_.Update(guest_.Frame(8), 0, Entry(9, kRw)), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(8, 9));
  ASSERT_EQ(guest_.Update(guest_.Frame(8), 1, Entry(9, kRw)), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(8));
  ASSERT_EQ(guest_.Update(guest_.Frame(8), 1, Pte()), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(8));
  ASSERT_EQ(guest_.Update(guest_.Frame(8), 0, Pte()), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(8, 9));
}

TEST_P(TableDirtyTest, TheTablesBelowAreMarkedWithTheOneThatIsPinned) {
  guest_.Put(guest_.Frame(8), 0, Entry(9, kRw));
  guest_.Put(guest_.Frame(8), 5, Entry(11, kRw));
  ASSERT_EQ(guest_.Pin(guest_.Frame(8), 2), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(8, 9, 11));
  ASSERT_EQ(guest_.Unpin(guest_.Frame(8)), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(8, 9, 11));
}

TEST_P(TableDirtyTest, APinOfATableInUseMarksUnderXen417Alone) {
  ASSERT_EQ(guest_.Pin(guest_.Frame(8), 2), XenErrno::kOk);
  ASSERT_EQ(guest_.Update(guest_.Frame(8), 0, Entry(9, kRw)), XenErrno::kOk);
  Marked();
  ASSERT_EQ(guest_.Pin(guest_.Frame(9), 1), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAreArray(MarkedBy417(9)));
  ASSERT_NE(guest_.Pin(guest_.Frame(9), 1), XenErrno::kOk);
  EXPECT_THAT(Marked(), IsEmpty()) << "pinned already";
  ASSERT_EQ(guest_.Unpin(guest_.Frame(9)), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAreArray(MarkedBy417(9)));
  ASSERT_NE(guest_.Unpin(guest_.Frame(9)), XenErrno::kOk);
  EXPECT_THAT(Marked(), IsEmpty()) << "not pinned";
}

TEST_P(TableDirtyTest, ATableThatIsRefusedIsMarkedAllTheSame) {
  guest_.Put(guest_.Frame(9), 0, Entry(1000, kRw));  // the root, writable
  ASSERT_NE(guest_.Pin(guest_.Frame(9), 1), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(9));
  // As a second table below another: what had been taken is given back.
  guest_.Put(guest_.Frame(8), 0, Entry(11, kRw));
  guest_.Put(guest_.Frame(8), 1, Entry(9, kRw));
  ASSERT_NE(guest_.Pin(guest_.Frame(8), 2), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(8, 9, 11));
}

TEST_P(TableDirtyTest, WhatIsInUseAsSomethingElseIsNotMarked) {
  ASSERT_NE(guest_.Pin(guest_.Frame(1000), 1), XenErrno::kOk);
  EXPECT_THAT(Marked(), IsEmpty());
  ASSERT_EQ(guest_.Pin(guest_.Frame(9), 1), XenErrno::kOk);
  ASSERT_EQ(guest_.Update(guest_.Frame(9), 0, Entry(20, kRw)), XenErrno::kOk);
  Marked();
  ASSERT_NE(guest_.Pin(guest_.Frame(20), 1), XenErrno::kOk);
  EXPECT_THAT(Marked(), IsEmpty()) << "mapped writable";
}

TEST_P(TableDirtyTest, AMappingMarksTheTableAndNotThePage) {
  ASSERT_EQ(guest_.Pin(guest_.Frame(9), 1), XenErrno::kOk);
  Marked();
  ASSERT_EQ(guest_.Update(guest_.Frame(9), 0, Entry(20, kRw)), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(9));
  ASSERT_EQ(guest_.Update(guest_.Frame(9), 0, Pte()), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(9));
  ASSERT_EQ(guest_.Update(guest_.Frame(20), 0, Pte(0x1234)), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(20)) << "an mmu_update of an ordinary page";
}

TEST_P(TableDirtyTest, ARootIsMarkedWhenItsFirstUseIsToBeLoadedAndItsLastEnds) {
  const std::vector<uint64_t> root = MakeRoot(30);
  ASSERT_EQ(Base(30, MmuextCommand::kNewBaseptr), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAreArray(root));
  ASSERT_EQ(Base(30, MmuextCommand::kNewBaseptr), XenErrno::kOk);
  EXPECT_THAT(Marked(), IsEmpty()) << "is loaded already";
  ASSERT_EQ(Base(1000, MmuextCommand::kNewBaseptr), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAreArray(root)) << "1000 is pinned";
}

TEST_P(TableDirtyTest, AUserRootToo) {
  if (guest_.mode != PagingMode::k4Level) return;
  ASSERT_EQ(Base(30, MmuextCommand::kNewUserBaseptr), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(30));
  ASSERT_EQ(Base(31, MmuextCommand::kNewUserBaseptr), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(30, 31));
}

TEST_P(TableDirtyTest, AMachphysUpdateMarksThePageThatItNames) {
  const auto update = [&](Mfn frame, uint64_t pfn) {
    return guest_.Update(frame, 0, Pte(pfn), MmuUpdateCommand::kMachphys);
  };
  ASSERT_EQ(update(guest_.Frame(9), 9), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(9));
  ASSERT_EQ(update(guest_.Frame(9), 12), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(12));
  ASSERT_EQ(update(guest_.Frame(9), 1023), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(1023));
  ASSERT_EQ(update(guest_.Frame(9), 1024), XenErrno::kOk);
  EXPECT_THAT(Marked(), IsEmpty()) << "there is no such page";
  ASSERT_EQ(update(guest_.Frame(9), ~uint64_t{0}), XenErrno::kOk);
  EXPECT_THAT(Marked(), IsEmpty());
  ASSERT_NE(update(Mfn(1), 9), XenErrno::kOk);
  EXPECT_THAT(Marked(), IsEmpty()) << "a frame of another";
}

// The type is kept when the last use ends, and so is the validation.
TEST_P(TableDirtyTest, APageOfDescriptorsIsMarkedByItsFirstUseAlone) {
  ASSERT_EQ(Gdt({guest_.Frame(9)}), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(9));
  ASSERT_EQ(Gdt({}), XenErrno::kOk);
  EXPECT_THAT(Marked(), IsEmpty());
  ASSERT_EQ(Gdt({guest_.Frame(9)}), XenErrno::kOk);
  EXPECT_THAT(Marked(), IsEmpty());
  guest_.host.memory().Write64(AddressOf(guest_.Frame(10)),
                               0x0000'8c00'0000'0000);  // a gate
  ASSERT_NE(Gdt({guest_.Frame(10)}), XenErrno::kOk);
  EXPECT_THAT(Marked(), ElementsAre(10)) << "is refused";
}

TEST_P(TableDirtyTest, NothingIsMarkedOrChargedForItWhileTheLogIsOff) {
  ASSERT_TRUE(log_.Stop(guest_.cpu()).ok());
  const auto pin_and_unpin = [&] {
    ASSERT_EQ(guest_.Pin(guest_.Frame(9), 1), XenErrno::kOk);
    ASSERT_EQ(guest_.Unpin(guest_.Frame(9)), XenErrno::kOk);
  };
  const auto locked = [&] {
    const uint64_t before = guest_.clock().tally(CostEvent::kLockedOp);
    pin_and_unpin();
    return guest_.clock().tally(CostEvent::kLockedOp) - before;
  };
  const uint64_t off = locked();
  EXPECT_FALSE(guest_.domain->dirty_log().IsDirty(Pfn(9)));
  ASSERT_TRUE(log_.Start(guest_.cpu()).ok());
  // The lock of the log: for each type count and, from 4.17 on, each pin.
  EXPECT_EQ(locked() - off, xen30() ? 2u : 4u);
}

// Xen marks the table as a whole, and then fixes its entries without asking.
TEST_P(TableDirtyTest, ATableTakesTheLogsLockOnceHoweverManyEntriesAreFixed) {
  const auto locked = [&](int entries) {
    for (int slot = 0; slot < entries; ++slot) {
      guest_.Put(guest_.Frame(9), slot, Entry(20, 0x1));
    }
    const uint64_t before = guest_.clock().tally(CostEvent::kLockedOp);
    EXPECT_EQ(guest_.Pin(guest_.Frame(9), 1), XenErrno::kOk);
    const uint64_t taken = guest_.clock().tally(CostEvent::kLockedOp) - before;
    EXPECT_EQ(guest_.Unpin(guest_.Frame(9)), XenErrno::kOk);
    return taken;
  };
  const uint64_t one = locked(1);
  // Each further page takes a general reference, and nothing else.
  EXPECT_EQ(locked(9) - one, 8u);
}

// --- flushes.

TEST_P(TableDirtyTest, AChangeOfTypeOwesAFlushOnlyIfThePageCouldBeWritten) {
  const auto descriptors_to_table = [&](uint64_t pfn) {
    EXPECT_EQ(Gdt({guest_.Frame(pfn)}), XenErrno::kOk);
    EXPECT_EQ(Gdt({}), XenErrno::kOk);
    return Flushes(Counter::kTypeChangeFlushes, [&] {
      EXPECT_EQ(guest_.Pin(guest_.Frame(pfn), 1), XenErrno::kOk);
    });
  };
  ASSERT_EQ(guest_.Pin(guest_.Frame(9), 1), XenErrno::kOk);
  const auto writable_to_table = [&](uint64_t pfn) {
    EXPECT_EQ(guest_.Update(guest_.Frame(9), 0, Entry(pfn, kRw)),
              XenErrno::kOk);
    EXPECT_EQ(guest_.Update(guest_.Frame(9), 0, Pte()), XenErrno::kOk);
    return Flushes(Counter::kTypeChangeFlushes, [&] {
      EXPECT_EQ(guest_.Pin(guest_.Frame(pfn), 1), XenErrno::kOk);
    });
  };
  EXPECT_EQ(descriptors_to_table(40), xen30() ? 1u : 0u);
  EXPECT_EQ(writable_to_table(41), 1u);
  ASSERT_TRUE(log_.Stop(guest_.cpu()).ok());
  EXPECT_EQ(descriptors_to_table(42), 1u);
  EXPECT_EQ(writable_to_table(43), 1u);
}

// Xen 4.17, sh_remove_shadows; 3.0.0 flushes at the end of the call anyhow.
TEST_P(TableDirtyTest, ATableThatHadShadowsOwesAFlushWhenItIsNoneAnyMore) {
  constexpr VirtAddr kVa(0x400000);
  guest_.Hook(guest_.Frame(9), kVa);
  ASSERT_EQ(guest_.Update(guest_.Frame(9), 0, Entry(20, kRw)), XenErrno::kOk);
  Mfn l2 = guest_.root;
  for (int level = LevelCount(guest_.mode); level > 2; --level) {
    l2 = guest_.Get(l2, IndexOf(guest_.mode, level, kVa)).frame();
  }
  const int slot = IndexOf(guest_.mode, 2, kVa);
  const auto unhook = [&] {
    return Flushes(Counter::kTlbFlushes, [&] {
      ASSERT_EQ(guest_.Update(l2, slot, Pte()), XenErrno::kOk);
    });
  };
  EXPECT_EQ(unhook(), 1u);
  ASSERT_EQ(guest_.Update(l2, slot, Entry(9, kRw)), XenErrno::kOk);
  const Access access{kVa, AccessKind::kRead, /*user=*/true};
  const TranslateResult result = guest_.cpu().mmu.Translate(access);
  ASSERT_FALSE(result.ok());
  ASSERT_EQ(log_.HandleFault(guest_.vcpu(), result.fault(), access),
            std::nullopt);
  ASSERT_TRUE(guest_.cpu().mmu.Translate(access).ok());
  EXPECT_EQ(unhook(), xen30() ? 1u : 2u);
}

INSTANTIATE_TEST_SUITE_P(All, TableDirtyTest, ::testing::ValuesIn(kRows),
                         [](const testing::TestParamInfo<Row>& row) {
                           return std::string(row.param.name);
                         });

}  // namespace
}  // namespace xmmu::table_dirty_test
