#include "workload/inspect/reuse_distances.h"

#include <algorithm>
#include <list>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "workload/inspect/ops_workload.h"
#include "workload/inspect/page_reach.h"

namespace xmmu::reuse_distances_test {
namespace {

// A fully associative LRU cache, as a list.
class LruCache {
 public:
  explicit LruCache(size_t entries) : entries_(entries) {}

  void Touch(uint64_t page) {
    const auto found = std::find(pages_.begin(), pages_.end(), page);
    if (found == pages_.end()) {
      ++misses_;
      if (pages_.size() == entries_) pages_.pop_back();
    } else {
      pages_.erase(found);
    }
    pages_.push_front(page);
  }
  uint64_t misses() const { return misses_; }

 private:
  size_t entries_;
  std::list<uint64_t> pages_;
  uint64_t misses_ = 0;
};

// Touches of few pages and of many, in runs, in circles and at random.
std::vector<uint64_t> RandomPages(uint64_t seed, size_t count) {
  std::mt19937_64 random(seed);
  std::vector<uint64_t> pages;
  const uint64_t all = 1 + random() % 3000;
  while (pages.size() < count) {
    const uint64_t first = random() % all;
    const uint64_t length = 1 + random() % 40;
    const uint64_t kind = random() % 3;
    for (uint64_t i = 0; i < length; ++i) {
      pages.push_back(kind == 0   ? first
                      : kind == 1 ? (first + i) % all
                                  : random() % all);
    }
  }
  return pages;
}

TEST(ReuseDistancesTest, MissesAreThoseOfAnLruCacheOfAnySize) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const std::vector<uint64_t> pages = RandomPages(seed, 4000);
    ReuseDistances distances;
    for (const uint64_t page : pages) distances.Touch({0, page});
    EXPECT_EQ(distances.touches(), pages.size());
    for (const size_t entries :
         {1u, 2u, 7u, 8u, 9u, 10u, 64u, 500u, 2999u, 4000u}) {
      LruCache cache(entries);
      for (const uint64_t page : pages) cache.Touch(page);
      EXPECT_EQ(distances.MissesOf(entries), cache.misses())
          << entries << " entries";
    }
  }
}

TEST(ReuseDistancesTest, ManyTouchesOfFewPagesNeedNoMoreRoomThanTheFirst) {
  ReuseDistances distances;
  constexpr uint64_t kPages = 100;
  constexpr uint64_t kRounds = 1000;
  for (uint64_t i = 0; i < kPages * kRounds; ++i) {
    distances.Touch({0, i % kPages});
  }
  EXPECT_EQ(distances.pages(), kPages);
  EXPECT_EQ(distances.MissesOf(kPages), kPages);
  EXPECT_EQ(distances.MissesOf(kPages - 1), kPages * kRounds);
}

TEST(ReuseDistancesTest, NothingIsTouched) {
  const ReuseDistances distances;
  EXPECT_EQ(distances.touches(), 0u);
  EXPECT_EQ(distances.MissesOf(1), 0u);
}

TEST(ReuseDistancesTest, ThePageOfOneNumberIsAnotherInAnotherAddressSpace) {
  ReuseDistances distances;
  distances.Touch({0, 5});
  distances.Touch({1, 5});
  distances.Touch({0, 5});
  EXPECT_EQ(distances.pages(), 2u);
  EXPECT_EQ(distances.MissesOf(1), 3u);
  EXPECT_EQ(distances.MissesOf(2), 2u);
}

TaskOps ForkedTasks() {
  return {{1,
           {Load(0x1000), OfTask(GuestOpKind::kFork, 2),
            OfTask(GuestOpKind::kClone, 3), Store(0x1ffc),
            OfTask(GuestOpKind::kWait, 2), Op(GuestOpKind::kFetch, 0x1000, 4),
            Exit()}},
          {2,
           {Load(0x1000), Op(GuestOpKind::kExec), Load(0x1000),
            Op(GuestOpKind::kCopyOut, 0x200000, 3 * kPageSize), Exit()}},
          {3, {Load(0x1000), Exit()}}};
}

uint64_t PagesOf(const ReachOptions& options) {
  OpsWorkload workload(ForkedTasks());
  PageReach reach;
  EXPECT_TRUE(MeasureReach(workload, options, reach).ok());
  EXPECT_TRUE(workload.AllRead());
  return reach.small.pages();
}

TEST(PageReachTest, AForkAndAnExecBeginOtherPagesAndAThreadDoesNot) {
  // Pages 1 and 2 of the parent and its thread, page 1 of the child and of what
  // it execs, three pages that the kernel writes.
  EXPECT_EQ(PagesOf({}), 2u + 1 + 1 + 3);
  EXPECT_EQ(PagesOf({.process = 1}), 2u);
  EXPECT_EQ(PagesOf({.process = 2}), 5u);
  EXPECT_EQ(PagesOf({.of = ReachOf::kFetches}), 1u);
  EXPECT_EQ(PagesOf({.of = ReachOf::kData, .process = 1}), 2u);
}

TEST(PageReachTest, AnAccessAcrossABorderTouchesTwoPages) {
  OpsWorkload workload({{1, {Store(0x1fffff, 2), Exit()}}});
  PageReach reach;
  ASSERT_TRUE(MeasureReach(workload, {}, reach).ok());
  EXPECT_EQ(reach.small.touches(), 2u);
  EXPECT_EQ(reach.large.pages(), 2u);
}

TEST(PageReachTest, AProcessThatIsNotThereIsSaid) {
  OpsWorkload workload(ForkedTasks());
  PageReach reach;
  EXPECT_EQ(MeasureReach(workload, {.process = 3}, reach).message(),
            "no process begins with task 3; want one that trace info names");
}

}  // namespace
}  // namespace xmmu::reuse_distances_test
