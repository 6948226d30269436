// The ways to give a PAE guest's Xen a linear map, head to head: what runs,
// that the guest cannot tell, what each takes in page tables, and what
// rewriting a shared L2 does to the K8's flush filter.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "xmmu/sim/compare.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::linear_map_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<LinearMap> kThree = {LinearMap::kPerTable,
                                       LinearMap::kSharedL2, LinearMap::kNone};

ComparisonOptions Options(std::vector<LinearMap> linear_maps) {
  ComparisonOptions options;
  options.base.guest_memory_bytes = uint64_t{64} << 20;
  options.policies = {{"native", {}}, {"pinning", {}}};
  options.pins = {PinWhen::kLate};
  options.linear_maps = std::move(linear_maps);
  return options;
}

std::vector<LinearMap> MapsOf(const ComparisonPlan& plan) {
  std::vector<LinearMap> maps;
  for (const SimulatorOptions& row : plan.rows) maps.push_back(row.linear_map);
  return maps;
}

TEST(LinearMapPlanTest, EachIsARowOfAGuestThatHasAHypervisor) {
  const auto plan = PlanComparison(Options(kThree));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(MapsOf(*plan),
              ElementsAre(LinearMap::kDefault, LinearMap::kPerTable,
                          LinearMap::kSharedL2, LinearMap::kNone));
}

TEST(LinearMapPlanTest, WhatAGuestCannotHaveIsLeftOutOfSeveral) {
  ComparisonOptions options = Options(kThree);
  options.base.mode = PagingMode::k2Level;
  auto plan = PlanComparison(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->rows.size(), 3u);
  EXPECT_THAT(plan->left_out,
              ElementsAre("pinning: linear map shared-l2 is for PAE guests, "
                          "not for 2-level"));
  options.base.mode = PagingMode::kPae;
  options.base.vcpus = 2;
  plan = PlanComparison(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->left_out,
              ElementsAre("pinning: linear map shared-l2 serves one vCPU, not "
                          "2"));
}

TEST(LinearMapPlanTest, AndAnErrorAlone) {
  ComparisonOptions options = Options({LinearMap::kSharedL2});
  options.base.vcpus = 4;
  const absl::Status status = PlanComparison(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("serves one vCPU"));
  SimulatorOptions alone = options.base;
  alone.linear_map = LinearMap::kSharedL2;
  EXPECT_EQ(Simulator::Create(alone).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(LinearMapPlanTest, AFlushFilterTakesAMachineThatHasOne) {
  SimulatorOptions options;
  options.flush_filter = true;
  const absl::Status status = Simulator::Create(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "xeon-2003 has no TLB flush filter");
  options.machine = "opteron-2005";
  EXPECT_TRUE(Simulator::Create(options).ok());
}

// Digests are compared by Compare().
TEST(LinearMapCompareTest, TheGuestCannotTellThemApart) {
  for (const char* machine : {"xeon-2003", "opteron-2005"}) {
    for (const char* workload : {"fork:pages=40,cow=20", "mprotect:pages=20",
                                 "switch:rounds=20", "churn:rounds=5"}) {
      ComparisonOptions options = Options(kThree);
      options.policies.push_back({"trap-and-emulate", {}});
      options.policies.push_back({"writable-page-tables", {}});
      options.base.machine = machine;
      for (const bool filter : {false, true}) {
        if (filter && options.base.machine == "xeon-2003") continue;
        options.base.flush_filter = filter;
        const auto comparison = Compare(options, [&](const SimulatorOptions&) {
          return MakeSyntheticWorkload(workload);
        });
        ASSERT_TRUE(comparison.ok()) << comparison.status();
        EXPECT_EQ(comparison->rows.size(), 10u);
        EXPECT_EQ(comparison->options.flush_filter, filter);
        EXPECT_THAT(comparison->left_out, IsEmpty());
      }
    }
  }
}

TEST(LinearMapCompareTest, AKernelL2OfItsOwnIsAPageAnAddressSpace) {
  const auto comparison = Compare(Options(kThree), [](const SimulatorOptions&) {
    return MakeSyntheticWorkload("switch:processes=5,rounds=3");
  });
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  // Root, two L2s for stack and data or one, L1s: what there is beside the
  // kernel L2 is the same.
  const uint64_t per_table = comparison->rows[1].page_table_bytes_per_space;
  const uint64_t shared = comparison->rows[2].page_table_bytes_per_space;
  const uint64_t walks = comparison->rows[3].page_table_bytes_per_space;
  EXPECT_EQ(per_table - shared, kPageSize);
  EXPECT_EQ(walks, per_table);
  EXPECT_EQ(shared, comparison->rows[0].page_table_bytes_per_space);
}

// Two processes take turns, each with one fresh page a turn: no line of a table
// that is in the TLB changes but what Xen rewrites.
struct Storm {
  uint64_t flushed = 0;
  uint64_t filtered = 0;
};

Storm RunStorm(LinearMap linear_map, bool filter) {
  constexpr VirtAddr kRegion{0x10000000};
  constexpr uint64_t kTurns = 24;
  constexpr uint64_t kStride = 8 * kPageSize;  // a line of L1 a page
  SimulatorOptions options;
  options.machine = "opteron-2005";
  options.flush_filter = filter;
  options.linear_map = linear_map;
  options.guest_memory_bytes = uint64_t{64} << 20;
  auto simulator = Simulator::Create(options);
  EXPECT_TRUE(simulator.ok()) << simulator.status();
  GuestKernel& guest = (*simulator)->guest();
  EXPECT_TRUE(guest.CreateProcess(1).ok());
  const auto perform = [&](TaskId task, const GuestOp& op) {
    const absl::Status status = guest.Perform(task, op);
    EXPECT_TRUE(status.ok()) << status;
  };
  perform(1, {.kind = GuestOpKind::kMap,
              .rights = kMapRead | kMapWrite,
              .va = kRegion,
              .length = kTurns * kStride});
  perform(1, {.kind = GuestOpKind::kFork, .child = 2});
  Storm storm;
  for (uint64_t turn = 0; turn < kTurns; ++turn) {
    for (const TaskId task : {1u, 2u}) {
      const Cost before = (*simulator)->cost();
      perform(task, {.kind = GuestOpKind::kStore,
                     .va = kRegion + turn * kStride,
                     .length = 8});
      const Cost cost = (*simulator)->cost() - before;
      if (turn < 2) continue;  // their L1 tables are made
      EXPECT_EQ(cost.counters[Counter::kCr3Loads], 1u);
      EXPECT_EQ(cost.counters[Counter::kCallsToUpdateVaMapping], 1u);
      storm.flushed += cost.counters[Counter::kTlbFlushes];
      storm.filtered += cost.counters[Counter::kTlbFlushesFiltered];
    }
  }
  return storm;
}

TEST(FlushFilterStormTest, RewritingASharedL2FlushesAtEverySwitch) {
  const Storm storm = RunStorm(LinearMap::kSharedL2, /*filter=*/true);
  EXPECT_EQ(storm.filtered, 0u);
  EXPECT_EQ(storm.flushed, 44u);
}

// The filter flushes because there are more lines than it can watch.
TEST(FlushFilterStormTest, SlotsOfItsOwnInEachTableDoNot) {
  for (const LinearMap way : {LinearMap::kPerTable, LinearMap::kNone}) {
    const Storm storm = RunStorm(way, /*filter=*/true);
    EXPECT_GT(storm.filtered, 30u);
    EXPECT_EQ(storm.flushed, 44 - storm.filtered);
  }
}

TEST(FlushFilterStormTest, WithoutTheFilterAllDo) {
  for (const LinearMap way : kThree) {
    EXPECT_EQ(RunStorm(way, /*filter=*/false).flushed, 44u);
  }
}

}  // namespace
}  // namespace xmmu::linear_map_test
