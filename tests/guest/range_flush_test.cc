// A flush of several pages: one interrupt for each other processor, and an
// INVLPG for each page there (Linux since 3.16: flush_tlb_mm_range,
// flush_tlb_func).

#include <cstdint>
#include <string_view>

#include "guest/world.h"

namespace xmmu::range_flush_test {
namespace {

struct Counted {
  uint64_t ipis = 0;
  uint64_t page_flushes = 0;
  uint64_t flushes = 0;
};

// What a discard of `pages` pages, all of them in memory, takes on four vCPUs
// on each of which a thread has the tables loaded.
Counted DiscardOf(const Setting& setting, uint64_t pages) {
  World world(setting);
  EXPECT_TRUE(world.kernel().CreateProcess(1).ok());
  world.Do(1, MapOp(pages));
  for (uint64_t page = 0; page < pages; ++page) world.Do(1, StoreOp(page));
  for (TaskId thread = 2; thread <= 4; ++thread) {
    world.Do(1, TaskOp(GuestOpKind::kClone, thread));
    world.Do(thread, LoadOp(0));
  }
  const auto sum = [&](Counter counter) {
    uint64_t all = 0;
    for (uint32_t id = 0; id < 4; ++id) all += world.cpu(id).counters[counter];
    return all;
  };
  const Counted before{sum(Counter::kIpis), sum(Counter::kTlbPageFlushes),
                       sum(Counter::kTlbFlushes)};
  world.Do(1, RangeOp(GuestOpKind::kDiscard, pages));
  EXPECT_EQ(world.FirstEscape(), "");
  return {sum(Counter::kIpis) - before.ipis,
          sum(Counter::kTlbPageFlushes) - before.page_flushes,
          sum(Counter::kTlbFlushes) - before.flushes};
}

Setting On(std::string_view policy) {
  return {.policy = policy, .mode = PagingMode::k4Level, .vcpus = 4};
}

TEST(RangeFlushTest, OneInterruptAProcessorWhateverTheNumberOfPages) {
  for (const char* policy :
       {"native", "nested-paging", "xi-shadow", "shadow-2008"}) {
    EXPECT_EQ(DiscardOf(On(policy), 1).ipis, 3u) << policy;
    EXPECT_EQ(DiscardOf(On(policy), 32).ipis, 3u) << policy;
    EXPECT_EQ(DiscardOf(On(policy), 40).ipis, 3u) << policy;
  }
}

TEST(RangeFlushTest, EachProcessorFlushesEachPageUpToTheCeiling) {
  for (const char* policy : {"native", "nested-paging"}) {
    EXPECT_EQ(DiscardOf(On(policy), 33).page_flushes, 4 * 33u) << policy;
    EXPECT_EQ(DiscardOf(On(policy), 33).flushes, 0u) << policy;
    EXPECT_EQ(DiscardOf(On(policy), 34).page_flushes, 0u) << policy;
    EXPECT_EQ(DiscardOf(On(policy), 34).flushes, 4u) << policy;
  }
}

}  // namespace
}  // namespace xmmu::range_flush_test
