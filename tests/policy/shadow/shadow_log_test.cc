// The log of writes on shadows, page by page.

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "policy/shadow/shadow_world.h"
#include "xmmu/policy/policies.h"

namespace xmmu::shadow_log_test {
namespace {

using Param = std::tuple<PagingMode, std::string_view>;

class ShadowLogTest : public ::testing::TestWithParam<Param> {
 protected:
  void SetUp() override {
    ASSERT_EQ(world_.Start(), absl::OkStatus());
    log_ = *world_.policy->WriteLoggingOf(*world_.domain);
  }
  void StartLog() {
    ASSERT_EQ(log_->Start(world_.cpu()), absl::OkStatus());
    ASSERT_EQ(world_.policy->Audit(), absl::OkStatus());
  }
  std::vector<Pfn> Round() {
    const auto pages = log_->Fetch(world_.cpu(), DirtyFetch::kClean);
    EXPECT_EQ(world_.policy->Audit(), absl::OkStatus());
    return pages->Pfns();
  }
  // The log has `pages`, ascending, and no other page; but a strategy may write
  // more to the guest's tables than it must.
  void ExpectRound(const std::vector<Pfn>& pages) {
    std::vector<Pfn> marked = Round();
    std::erase_if(marked, [&](Pfn pfn) {
      const bool wanted =
          std::find(pages.begin(), pages.end(), pfn) != pages.end();
      return pfn.value() < kTables && !wanted;
    });
    EXPECT_EQ(marked, pages);
  }
  uint64_t Exits() { return world_.Count(Counter::kVmExits); }

  ShadowWorld world_{std::get<0>(GetParam()), 1, [](Host& host) {
                       return FindPolicy(std::get<1>(GetParam()))->make(host);
                     }};
  WriteLogging* log_ = nullptr;
  const VirtAddr page_ = kBase + 20 * kPageSize;
  // In a page that is large in the shadow as well.
  const VirtAddr in_large_ = kLarge + 600 * kPageSize;
};

TEST_P(ShadowLogTest, AStoreMarksItsPageInEachRoundAndALoadNone) {
  EXPECT_TRUE(world_.Store(page_, 1));
  StartLog();
  EXPECT_TRUE(world_.Load(page_));
  ExpectRound({});
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(world_.Store(page_, 2));
    EXPECT_TRUE(world_.Load(page_ + kPageSize));
    ExpectRound({Pfn(20)});
  }
}

TEST_P(ShadowLogTest, AStoreToALargePageMarksTheOneSmallPage) {
  EXPECT_TRUE(world_.Store(in_large_, 1));
  StartLog();
  EXPECT_TRUE(world_.Load(in_large_));
  ExpectRound({});
  EXPECT_TRUE(world_.Store(in_large_, 1));
  EXPECT_TRUE(world_.Load(in_large_ + kPageSize));
  ExpectRound({Pfn(600)});
  EXPECT_TRUE(world_.Store(in_large_ + kPageSize, 1));
  ExpectRound({Pfn(601)});
}

TEST_P(ShadowLogTest, ASecondStoreIsFree) {
  StartLog();
  EXPECT_TRUE(world_.Store(page_, 1));
  const uint64_t exits = Exits();
  EXPECT_TRUE(world_.Store(page_, 2));
  EXPECT_EQ(Exits(), exits);
}

TEST_P(ShadowLogTest, APageMarkedByOneMappingIsWritableByAnother) {
  StartLog();
  EXPECT_TRUE(world_.Store(page_, 1));
  const VirtAddr alias = kLarge + 20 * kPageSize;
  EXPECT_TRUE(world_.Load(alias));
  const uint64_t exits = Exits();
  EXPECT_TRUE(world_.Store(alias, 2));
  EXPECT_EQ(Exits(), exits);
  ExpectRound({Pfn(20)});
  EXPECT_TRUE(world_.Store(alias, 2));
  ExpectRound({Pfn(20)});
}

TEST_P(ShadowLogTest, AStoreToATableMarksIt) {
  EXPECT_TRUE(world_.Load(page_));
  StartLog();
  const VirtAddr entry = world_.Seen(world_.SlotFor(page_));
  EXPECT_TRUE(world_.Store(entry, world_.Entry(21)));
  ExpectRound({Pfn(world_.TableOf(page_))});
  // It may be out of sync, and is read-only all the same.
  EXPECT_TRUE(world_.Store(entry, world_.Entry(22)));
  ExpectRound({Pfn(world_.TableOf(page_))});
  world_.Flush(TlbFlush::NonGlobal());
  EXPECT_EQ(world_.FrameAt(page_), 22u);
}

TEST_P(ShadowLogTest, FlagsThatTheHypervisorSetsMarkTheTable) {
  world_.Poke(world_.SlotFor(page_),
              world_.Entry(20, pte::kPresent | pte::kUser | pte::kWritable));
  StartLog();
  EXPECT_TRUE(world_.Load(page_));
  ExpectRound({Pfn(world_.TableOf(page_))});
  EXPECT_TRUE(world_.Load(page_));
  ExpectRound({});
}

TEST_P(ShadowLogTest, WhenItIsOffNothingIsMarkedAndPagesMayBeLargeAgain) {
  StartLog();
  EXPECT_TRUE(world_.Load(in_large_));
  ASSERT_EQ(log_->Stop(world_.cpu()), absl::OkStatus());
  EXPECT_TRUE(world_.Store(in_large_, 1));
  EXPECT_EQ(world_.policy->Audit(), absl::OkStatus());
  EXPECT_EQ(world_.Count(Counter::kLogDirtyMarked), 0u);
  StartLog();
  EXPECT_TRUE(world_.Store(in_large_, 1));
  ExpectRound({Pfn(600)});
}

// Only of XI: the others drop their shadows.
class XiLogTest : public ShadowLogTest {};

TEST_P(XiLogTest, NoShadowIsThrownAway) {
  EXPECT_TRUE(world_.Store(page_, 1));
  StartLog();
  EXPECT_TRUE(world_.Store(page_, 1));
  Round();
  const uint64_t exits = Exits();
  EXPECT_TRUE(world_.Load(page_));
  EXPECT_EQ(Exits(), exits);
}

TEST_P(XiLogTest, ARoundWritesAnEntryForEachPageMarked) {
  StartLog();
  for (uint64_t i = 20; i < 30; ++i) {
    EXPECT_TRUE(world_.Store(kBase + i * kPageSize, 1));
  }
  const uint64_t before = world_.cpu().clock.tally(CostEvent::kXenPteWrite);
  Round();
  EXPECT_EQ(world_.cpu().clock.tally(CostEvent::kXenPteWrite) - before, 10u);
}

std::string TestName(const testing::TestParamInfo<Param>& info) {
  std::string name = "levels" +
                     std::to_string(LevelCount(std::get<0>(info.param))) + "_" +
                     std::string(std::get<1>(info.param));
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name;
}

// Rows of the table whose shadows hold what no processor could tell apart.
std::vector<std::string_view> ShadowPolicies() {
  std::vector<std::string_view> names;
  for (const PolicyEntry& entry : Policies()) {
    const bool shadow = entry.name.starts_with("xi-shadow") ||
                        entry.name.starts_with("shadow-");
    if (shadow) names.push_back(entry.name);
  }
  return names;
}

const auto kModes = ::testing::Values(PagingMode::k2Level, PagingMode::kPae,
                                      PagingMode::k4Level);

INSTANTIATE_TEST_SUITE_P(
    Modes, ShadowLogTest,
    ::testing::Combine(kModes, ::testing::ValuesIn(ShadowPolicies())),
    TestName);
INSTANTIATE_TEST_SUITE_P(
    Modes, XiLogTest,
    ::testing::Combine(kModes,
                       ::testing::Values("xi-shadow", "xi-shadow-search")),
    TestName);

}  // namespace
}  // namespace xmmu::shadow_log_test
