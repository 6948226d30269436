// Tests what each event on N pages takes, page by page: the cost table of a
// Linux 6.1 on Xen 4.17, and its formulas for touch, munmap, MADV_DONTNEED,
// copy-on-write and mprotect.

#include <algorithm>

#include "guest/pvops_world.h"

namespace xmmu::pvops_pages_test {
namespace {

struct Size {
  uint64_t pages;
  bool threads;
};

class PvopsPagesTest : public ::testing::TestWithParam<Size> {
 protected:
  uint64_t n() const { return GetParam().pages; }
  uint64_t k() const { return TablesOf(n()); }
  bool threads() const { return GetParam().threads; }

  // The first touch of a fresh region that sets `entries` entries.
  Issued FreshTouch(uint64_t faults) const {
    Issued issued{.faults = faults,
                  .mmu_updates = n() + k() + 2,
                  .updates = n() + k() + 3,
                  .mappings = 2,
                  .mapping_members = k(),
                  .pins = k()};
    issued.multicalls.assign(k(), 2);
    return issued;
  }
  // N entries set in tables that are there.
  Issued Set(uint64_t faults) const {
    return {.faults = faults, .mmu_updates = n(), .updates = n()};
  }
  // The tables of a region that goes.
  Issued TablesGone() const {
    Issued issued{.mmu_updates = k() + 2,
                  .updates = k() + 3,
                  .mappings = 2,
                  .mapping_members = k(),
                  .unpins = k()};
    issued.multicalls.assign(k(), 2);
    return issued;
  }
  Issued Touch(PvopsWorld& world, GuestOpKind kind, Backing backing) {
    world.Do(PvopsWorld::FarMap(n(), backing));
    return world.Take([&] { world.Access(kind, n()); });
  }
};

TEST_P(PvopsPagesTest, TouchingAFreshRegionIsOneUpdateAPageAndItsTables) {
  PvopsWorld world(threads());
  EXPECT_EQ(Touch(world, GuestOpKind::kStore, Backing::kAnonymous),
            FreshTouch(n()));
}

TEST_P(PvopsPagesTest, AStoreToAPrivateFilePageIsAsToAnAnonymousOne) {
  PvopsWorld world(threads());
  EXPECT_EQ(Touch(world, GuestOpKind::kStore, Backing::kFilePrivate),
            FreshTouch(n()));
}

TEST_P(PvopsPagesTest, AStoreToASharedFilePageIsAsToAnAnonymousOne) {
  PvopsWorld world(threads());
  EXPECT_EQ(Touch(world, GuestOpKind::kStore, Backing::kFileShared),
            FreshTouch(n()));
}

TEST_P(PvopsPagesTest, ReadingAFileFaultsOnceASixteenButSetsEachPageByItself) {
  for (Backing backing : {Backing::kFilePrivate, Backing::kFileShared}) {
    PvopsWorld world(threads());
    EXPECT_EQ(Touch(world, GuestOpKind::kLoad, backing),
              FreshTouch((n() + 15) / 16));
  }
}

TEST_P(PvopsPagesTest, TheZeroPageIsMappedByOneUpdateAndCopiedLikeAnyOther) {
  PvopsWorld world(threads());
  EXPECT_EQ(Touch(world, GuestOpKind::kLoad, Backing::kAnonymous),
            FreshTouch(n()));
  Issued copied = Set(n());
  copied.emulated = n();
  (threads() ? copied.multi_flushes : copied.page_flushes) = n();
  EXPECT_EQ(world.Take([&] { world.Access(GuestOpKind::kStore, n()); }),
            WithCalls(copied));
}

TEST_P(PvopsPagesTest, MunmapEmulatesEachClearAndFreesEachTable) {
  PvopsWorld world(threads());
  world.MapAndStore(n());
  Issued expected = TablesGone();
  expected.emulated = n();
  AddFlush(expected, n(), threads());
  EXPECT_EQ(world.Take(PvopsWorld::FarOp(GuestOpKind::kUnmap, n())),
            WithCalls(expected));
}

// There are N + 1 flushes for N up to 33; beyond that two for each table, but
// for a last one with few pages.
TEST_P(PvopsPagesTest, MunmapFlushesDirtySharedPagesBeforeTheirTablesGo) {
  PvopsWorld world(threads());
  world.MapAndStore(n(), Backing::kFileShared);
  Issued expected = TablesGone();
  expected.emulated = n();
  for (uint64_t left = n(); left > 0; left -= std::min<uint64_t>(left, 512)) {
    AddFlush(expected, std::min<uint64_t>(left, 512), threads());
  }
  AddFlush(expected, k(), threads());
  EXPECT_EQ(world.Take(PvopsWorld::FarOp(GuestOpKind::kUnmap, n())),
            WithCalls(expected));
  if (!threads() && n() <= 33) {
    EXPECT_EQ(expected.flushes(), n() + 1);
  }
  if (!threads() && n() % 512 == 0) {
    EXPECT_EQ(expected.flushes(), 2 * k());
  }
}

TEST_P(PvopsPagesTest, DontneedEmulatesEachClearAndKeepsTheTables) {
  PvopsWorld world(threads());
  world.MapAndStore(n());
  Issued expected{.emulated = n()};
  AddFlush(expected, n(), threads());
  EXPECT_EQ(world.Take(PvopsWorld::FarOp(GuestOpKind::kDiscard, n())),
            WithCalls(expected));
  // And the pages come back by one update each.
  EXPECT_EQ(world.Take([&] { world.Access(GuestOpKind::kStore, n()); }),
            Set(n()));
}

TEST_P(PvopsPagesTest, ACopyIsAnEmulatedClearAFlushAndAnUpdate) {
  PvopsWorld world(threads());
  world.MapAndStore(n());
  world.Do(TaskOp(GuestOpKind::kFork, 3));
  world.Do(world.actor(), LoadOp(0));  // refused; back from the child
  Issued expected = Set(n());
  expected.emulated = n();
  (threads() ? expected.multi_flushes : expected.page_flushes) = n();
  EXPECT_EQ(world.Take([&] { world.Access(GuestOpKind::kStore, n()); }),
            WithCalls(expected));
}

TEST_P(PvopsPagesTest, TheLastOwnerReusesAPageByOneUpdateWithoutAFlush) {
  PvopsWorld world(threads());
  world.MapAndStore(n());
  world.Do(TaskOp(GuestOpKind::kFork, 3));
  world.Do(3, TaskOp(GuestOpKind::kExit));
  world.Do(world.actor(), LoadOp(0));  // refused; back from the child
  EXPECT_EQ(world.Take([&] { world.Access(GuestOpKind::kStore, n()); }),
            Set(n()));
}

TEST_P(PvopsPagesTest, MprotectGoesInBatchesOf31WithinEachTable) {
  PvopsWorld world(threads());
  world.MapAndStore(n());
  Issued expected{.mmu_updates = TableBatches(n()), .updates = n()};
  AddFlush(expected, n(), threads());
  expected = WithCalls(expected);
  const auto protect = [&](uint8_t rights) {
    return world.Take(PvopsWorld::FarOp(GuestOpKind::kProtect, n(), rights));
  };
  EXPECT_EQ(protect(kMapRead), expected);
  EXPECT_EQ(protect(kMapRead | kMapWrite), expected);
  // The pages are the process's alone: it may write again at once.
  EXPECT_EQ(world.Take([&] { world.Access(GuestOpKind::kStore, n()); }),
            Issued());
  EXPECT_EQ(protect(0), expected);
}

std::vector<Size> Sizes() {
  std::vector<Size> sizes;
  for (bool threads : {false, true}) {
    for (uint64_t pages :
         {1u,  2u,  15u,  16u,  17u,  30u,  31u,  32u,   33u,   34u,   62u,
          63u, 64u, 511u, 512u, 513u, 545u, 546u, 1023u, 1024u, 1025u, 4096u}) {
      sizes.push_back({pages, threads});
    }
  }
  return sizes;
}

INSTANTIATE_TEST_SUITE_P(Sizes, PvopsPagesTest, ::testing::ValuesIn(Sizes()),
                         [](const testing::TestParamInfo<Size>& size) {
                           return absl::StrFormat("%dpages_%dvcpus",
                                                  size.param.pages,
                                                  size.param.threads ? 2 : 1);
                         });

TEST(PvopsBatchesTest, FourThousandPagesTakeTheMeasuredBatches) {
  EXPECT_EQ(TableBatches(4096), 136u);
  EXPECT_EQ(TableBatches(8192), 272u);
}

}  // namespace
}  // namespace xmmu::pvops_pages_test
