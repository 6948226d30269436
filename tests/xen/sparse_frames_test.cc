// What the hypervisor keeps of frames, held against plain arrays, and its size
// for guests of many TiB.

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "xmmu/xen/domain.h"
#include "xmmu/xen/host.h"
#include "xmmu/xen/internal/frame_runs.h"
#include "xmmu/xen/internal/frame_table.h"
#include "xmmu/xen/nested_tables.h"

namespace xmmu::sparse_frames_test {
namespace {

constexpr uint64_t kTebibyte = uint64_t{1} << 28;  // in frames

PageInfo Owned(DomainId owner, uint32_t refs) {
  PageInfo page;
  page.owner = owner;
  page.ref_count = refs;
  return page;
}

// Some frames around the edges of what FrameTable makes at once.
constexpr uint64_t kFirst = 4000;
constexpr uint64_t kFrames = 400;

class FrameAccount {
 public:
  void Step(std::mt19937& dice) {
    const uint64_t first = kFirst + dice() % kFrames;
    const uint64_t count = 1 + dice() % (kFirst + kFrames - first);
    switch (dice() % 6) {
      case 0: {
        const PageInfo page = dice() % 4 == 0
                                  ? PageInfo()
                                  : Owned(static_cast<DomainId>(dice() % 3),
                                          static_cast<uint32_t>(dice() % 9));
        table_.SetRange(Mfn(first), count, page);
        for (uint64_t i = 0; i < count; ++i) plain_[first + i] = page;
        return;
      }
      case 1:
        table_[Mfn(first)].type_count += 3;
        plain_[first].type_count += 3;
        return;
      case 5: {
        const auto stamp = static_cast<uint32_t>(dice() % 3);
        table_.SetStamp(Mfn(first), stamp);
        plain_[first].tlbflush_timestamp = stamp;
        return;
      }
      case 2:
        table_.ForEachPiece(
            Mfn(first), count,
            [](Mfn, uint64_t, PageInfo& page) { ++page.ref_count; });
        for (uint64_t i = 0; i < count; ++i) ++plain_[first + i].ref_count;
        return;
      case 3: {
        const auto slot = static_cast<uint16_t>(dice() % 500);
        table_.SetSlots(Mfn(first), count, slot);
        for (uint64_t i = 0; i < count; ++i) {
          plain_[first + i].l2_slot = (slot + i) & kL2SlotMutable;
        }
        return;
      }
      default: {
        const auto few = [](const PageInfo& page) {
          return page.ref_count < 20;
        };
        bool all = true;
        for (uint64_t i = 0; i < count; ++i) all &= few(plain_[first + i]);
        EXPECT_EQ(table_.AllOf(Mfn(first), count, few), all);
      }
    }
  }
  void Check() {
    const FrameTable& view = table_;
    for (uint64_t i = kFirst - 1; i <= kFirst + kFrames; ++i) {
      EXPECT_EQ(view[Mfn(i)], plain_[i]) << i;
    }
  }

 private:
  FrameTable table_{uint64_t{1} << 20};
  std::map<uint64_t, PageInfo> plain_;
};

TEST(FrameTableTest, RangesAndSingleFramesAreWhatAPlainArrayWouldBe) {
  for (uint32_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 dice(seed);
    FrameAccount account;
    for (int i = 0; i < 120; ++i) account.Step(dice);
    account.Check();
  }
}

TEST(FrameTableTest, SixteenTebibytesOfLikeFramesAreOneRecord) {
  FrameTable table(64 * kTebibyte);
  table.SetRange(Mfn(4096), 16 * kTebibyte, Owned(1, 1));
  EXPECT_LE(table.host_bytes(), 100u);
  const FrameTable& view = table;
  EXPECT_EQ(view[Mfn(4096 + 16 * kTebibyte - 1)].owner, 1);
  EXPECT_EQ(view[Mfn(4096 + 16 * kTebibyte)], PageInfo());
  EXPECT_LE(table.host_bytes(), 100u);  // looking takes none
  table[Mfn(5000)].pinned = true;
  EXPECT_EQ(view[Mfn(5000)].owner, 1);
  EXPECT_FALSE(view[Mfn(5001)].pinned);
}

TEST(FrameTableTest, ThePieceFromAFrameEndsWhereItsNeighboursDiffer) {
  FrameTable table(kTebibyte);
  table.SetRange(Mfn(100), 50, Owned(1, 1));
  table[Mfn(120)].ref_count = 7;
  EXPECT_EQ(table.PieceFrom(Mfn(90), 1000).count, 10u);
  EXPECT_EQ(table.PieceFrom(Mfn(100), 1000).count, 20u);
  EXPECT_EQ(table.PieceFrom(Mfn(100), 5).count, 5u);
  EXPECT_TRUE(table.PieceFrom(Mfn(120), 1000).own);
  EXPECT_EQ(table.PieceFrom(Mfn(121), 1000).count, 29u);
  EXPECT_EQ(table.PieceFrom(Mfn(150), 1000).count, 1000u);
}

TEST(PackedMfnTest, HoldsEveryFrameNumberAndNone) {
  PackedMfn packed;
  EXPECT_EQ(Mfn(packed), kInvalidMfn);
  for (const uint64_t mfn : {uint64_t{0}, uint64_t{1} << 39,
                             (uint64_t{1} << 40) - 2, uint64_t{0x123456789a}}) {
    packed = Mfn(mfn);
    EXPECT_EQ(Mfn(packed), Mfn(mfn));
  }
  packed = kInvalidMfn;
  EXPECT_EQ(Mfn(packed), kInvalidMfn);
}

TEST(FrameRunsTest, TheFrameAddedLastComesFirst) {
  FrameRuns runs;
  std::vector<Mfn> plain;
  std::mt19937 dice(1);
  uint64_t next = 10;
  for (int i = 0; i < 2000; ++i) {
    if (dice() % 3 != 0 || plain.empty()) {
      next = dice() % 4 == 0 ? dice() % 1000 : next + 1;
      runs.Push(Mfn(next));
      plain.push_back(Mfn(next));
    } else {
      EXPECT_EQ(runs.Pop(), plain.back());
      plain.pop_back();
    }
    EXPECT_EQ(runs.size(), plain.size());
  }
  std::vector<Mfn> listed;
  for (const auto& [first, count] : runs.runs()) {
    for (uint64_t i = 0; i < count; ++i) listed.push_back(first + i);
  }
  EXPECT_EQ(listed, plain);
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(runs.At(i), plain[i]);
}

// A P2M beside a map of what leads where.
TEST(P2mTest, AfterAnyChangesItIsWhatAPlainMapWouldBe) {
  for (uint32_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 dice(seed);
    P2m p2m;
    p2m.SetAll(Mfn(5000), 100);
    std::map<uint64_t, uint64_t> plain;
    for (uint64_t i = 0; i < 100; ++i) plain[i] = 5000 + i;
    std::vector<uint64_t> free = {77, 78, 5100};
    for (int i = 0; i < 300; ++i) {
      const uint64_t pfn = dice() % 110;
      if (const auto it = plain.find(pfn); it != plain.end()) {
        free.push_back(it->second);
        p2m.Clear(Pfn(pfn));
        plain.erase(it);
      } else if (!free.empty()) {
        std::swap(free.back(), free[dice() % free.size()]);
        p2m.Set(Pfn(pfn), Mfn(free.back()));
        plain[pfn] = free.back();
        free.pop_back();
      }
    }
    EXPECT_EQ(p2m.populated(), plain.size());
    for (uint64_t pfn = 0; pfn < 112; ++pfn) {
      const auto it = plain.find(pfn);
      const bool there = it != plain.end();
      EXPECT_EQ(p2m.MfnOf(Pfn(pfn)), there ? Mfn(it->second) : kInvalidMfn);
      if (!there) continue;
      EXPECT_EQ(p2m.PfnOf(Mfn(it->second)), Pfn(pfn));
      uint64_t run = 1;
      while (plain.contains(pfn + run) &&
             plain[pfn + run] == it->second + run) {
        ++run;
      }
      EXPECT_EQ(p2m.RunFrom(Pfn(pfn), 1000), run);
      EXPECT_EQ(p2m.RunFrom(Pfn(pfn), 1), 1u);
    }
    for (const uint64_t mfn : free) {
      EXPECT_EQ(p2m.PfnOf(Mfn(mfn)), kInvalidPfn);
    }
  }
}

TEST(HostTest, AMachineGrowsWithItsDomainsAsFarAsAddressesReach) {
  Host host(*FindMachine("skylake-2017"), {});  // 46 bits: 64 TiB
  EXPECT_EQ(host.frames().size(), kTebibyte);
  ASSERT_TRUE(host.CreateDomain({.memory_frames = 16 * kTebibyte}).ok());
  EXPECT_EQ(host.frames().size(), 4096 + 16 * kTebibyte);
  EXPECT_LE(host.host_bytes(), 1000u);
  const absl::Status status =
      host.CreateDomain({.memory_frames = 48 * kTebibyte}).status();
  EXPECT_EQ(status.message(),
            "no room for a domain of 50331648 MiB: at most 50331632 MiB are "
            "left of what machine skylake-2017 can have, 67108864 MiB");
  EXPECT_TRUE(host.CreateDomain({.memory_frames = 48 * kTebibyte - 4096}).ok());
}

TEST(HostTest, ASizeThatIsAskedForIsKept) {
  Host host(*FindMachine("skylake-2017"), {.memory_frames = 8192});
  EXPECT_EQ(host.frames().size(), 8192u);
  EXPECT_FALSE(host.CreateDomain({.memory_frames = 4097}).ok());
  EXPECT_TRUE(host.CreateDomain({.memory_frames = 4096}).ok());
}

TEST(HostTest, ManyFramesOfXensAreThoseThatComeOneByOne) {
  for (const uint64_t before : {0u, 3839u, 3840u, 4000u}) {
    for (const uint64_t count : {1u, 513u, 1024u, 3000u}) {
      SCOPED_TRACE(before);
      Host at_once(*FindMachine("skylake-2017"), {});
      Host one_by_one(*FindMachine("skylake-2017"), {});
      for (Host* const host : {&at_once, &one_by_one}) {
        ASSERT_TRUE(host->CreateDomain({.memory_frames = 10}).ok());
        for (uint64_t i = 0; i < before; ++i) host->AllocXenFrame();
      }
      const std::optional<Mfn> first = at_once.AllocXenFrames(count);
      // The heap below the domains does not go on above them.
      EXPECT_EQ(first.has_value(), before >= 3840 || before + count <= 3840);
      if (!first.has_value()) continue;
      for (uint64_t i = 0; i < count; ++i) {
        ASSERT_EQ(one_by_one.AllocXenFrame(), *first + i);
      }
      EXPECT_EQ(at_once.xen_frames(), one_by_one.xen_frames());
      EXPECT_EQ(at_once.AllocXenFrame(), one_by_one.AllocXenFrame());
      at_once.FreeXenFrame(*first);
      EXPECT_EQ(at_once.AllocXenFrames(1), std::nullopt);  // not the next one
    }
  }
}

TEST(HostTest, APoolHasTheFramesThatComeOneByOne) {
  for (const uint64_t before : {3000u, 3840u, 4000u}) {
    SCOPED_TRACE(before);
    Host pooled(*FindMachine("skylake-2017"), {});
    Host one_by_one(*FindMachine("skylake-2017"), {});
    for (Host* const host : {&pooled, &one_by_one}) {
      for (uint64_t i = 0; i < before; ++i) host->AllocXenFrame();
      host->FreeXenFrame(Mfn(300));  // comes first
      host->FreeXenFrame(Mfn(310));
      ASSERT_TRUE(host->CreateDomain({.memory_frames = 10}).ok());
    }
    const FrameRuns pool = pooled.AllocXenPool(9000);
    ASSERT_EQ(pool.size(), 9000u);
    for (uint64_t i = 0; i < pool.size(); ++i) {
      ASSERT_EQ(pool.At(i), one_by_one.AllocXenFrame());
    }
    EXPECT_EQ(pooled.peak_xen_frames(), one_by_one.peak_xen_frames());
    pooled.FreeXenFrames(pool);
    EXPECT_EQ(pooled.xen_frames(), before - 2);
    EXPECT_EQ(pooled.AllocXenFrame(), pool.At(8999));
  }
}

// Nested tables made by rules beside those made page by page.
class NestedByRuleTest : public testing::TestWithParam<int> {};

TEST_P(NestedByRuleTest, TablesChargesAndCountsAreThoseOfSinglePages) {
  const int max_leaf = GetParam();
  const uint64_t frames = (uint64_t{2} << 18) + 512 * 5 + 7;  // 2 GiB and some
  Host by_rule(*FindMachine("skylake-2017"), {});
  Host by_page(*FindMachine("skylake-2017"), {});
  Domain& ruled =
      **by_rule.CreateDomain({.memory_frames = frames, .translated = true});
  Domain& paged =
      **by_page.CreateDomain({.memory_frames = frames, .translated = true});
  // The first 16 MiB of Xen's heap are used up, and one page was given back.
  for (int i = 0; i < 3900; ++i) {
    by_rule.AllocXenFrame();
    by_page.AllocXenFrame();
  }
  ruled.p2m().Clear(Pfn(700));
  paged.p2m().Clear(Pfn(700));
  NestedTables tables(by_rule, ruled, max_leaf);
  NestedTables single(by_page, paged, max_leaf);
  tables.MapAll(by_rule.cpu(0).clock);
  CycleClock& clock = by_page.cpu(0).clock;
  for (Pfn pfn; pfn.value() < frames;) {
    single.Map(pfn, clock);
    pfn += single.LeafLevelOf(pfn) == 2 ? 512 : 1;
  }
  EXPECT_EQ(tables.Audit(/*complete=*/true), absl::OkStatus());
  EXPECT_EQ(single.Audit(/*complete=*/true), absl::OkStatus());
  EXPECT_EQ(by_rule.cpu(0).clock.tallies(), clock.tallies());
  EXPECT_EQ(by_rule.xen_frames(), by_page.xen_frames());
  for (int level = 1; level <= 3; ++level) {
    EXPECT_EQ(tables.LeavesOf(level), single.LeavesOf(level));
  }
  const uint64_t end = by_page.AllocXenFrame().value();
  for (Mfn mfn(5000); mfn.value() < end; mfn += mfn == Mfn(5000) ? frames : 1) {
    ASSERT_TRUE(by_rule.memory().Read64(AddressOf(mfn) + 0xff8) ==
                    by_page.memory().Read64(AddressOf(mfn) + 0xff8) &&
                by_rule.memory().Read64(AddressOf(mfn)) ==
                    by_page.memory().Read64(AddressOf(mfn)))
        << mfn.value();
  }
  EXPECT_LT(by_rule.memory().host_bytes(), by_page.memory().host_bytes());
}

INSTANTIATE_TEST_SUITE_P(Leaves, NestedByRuleTest, testing::Values(1, 2, 3));

}  // namespace
}  // namespace xmmu::sparse_frames_test
