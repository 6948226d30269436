#include "study/grid/latency_grid.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xmmu::latency_grid_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kHead[] =
    "machine,pattern,working_set_bytes,stride_bytes,cycles_per_load\n";

double LoadLatency(const char* machine, ChaseOrder order, uint64_t bytes,
                   uint64_t stride) {
  return RunLoadChase(*FindMachine(machine), {.order = order,
                                              .working_set_bytes = bytes,
                                              .stride_bytes = stride})
      .value()
      .cycles_per_load();
}

std::string ParseError(const std::string& lines) {
  return std::string(
      ParseGridCells("file.csv", kHead + lines).status().message());
}

TEST(LoadChaseTest, WhatL1AndItsTlbHoldTakesAnL1HitALoad) {
  for (const MachineModel* machine : Machines()) {
    EXPECT_EQ(LoadLatency(machine->name.data(), ChaseOrder::kRandom, 4096, 64),
              machine->cost(CostEvent::kDependentLoad).value)
        << machine->name;
  }
}

// 65 pages in order are one too many for 64 entries in sets of four.
TEST(LoadChaseTest, AMissOfTheL1TlbAddsAnL2TlbHit) {
  const double within =
      LoadLatency("skylake-2017", ChaseOrder::kLinear, 64 * 4096, 4096);
  const double beyond =
      LoadLatency("skylake-2017", ChaseOrder::kLinear, 128 * 4096, 4096);
  EXPECT_EQ(within, 14);
  EXPECT_EQ(beyond, 14 + 9);
}

TEST(LoadChaseTest, AMissOfAllTlbsAddsAWalk) {
  const MachineModel& p4 = *FindMachine("xeon-2003");
  const ChaseResult result = RunLoadChase(p4, {.order = ChaseOrder::kLinear,
                                               .working_set_bytes = 4 << 20,
                                               .stride_bytes = 4096})
                                 .value();
  const auto tally = [&](CostEvent event) {
    return result.tally[static_cast<size_t>(event)];
  };
  EXPECT_EQ(tally(CostEvent::kWalkOverhead), result.loads);
  EXPECT_EQ(tally(CostEvent::kPteLoadL1), 0u);
  EXPECT_EQ(tally(CostEvent::kPteLoadL2) + tally(CostEvent::kPteLoadDram),
            2 * result.loads);
}

// A window of 256 pages keeps its translations in an L2 TLB of 512 entries, all
// of 1024 pages do not.
TEST(LoadChaseTest, RandomOrdersAreRandomEverywhereOrInWindows) {
  const double everywhere =
      LoadLatency("nehalem-2009", ChaseOrder::kRandom, 4 << 20, 64);
  const double in_windows =
      LoadLatency("nehalem-2009", ChaseOrder::kPageRandom, 4 << 20, 64);
  EXPECT_GT(everywhere, in_windows + 4);
}

TEST(LoadChaseTest, WhatCannotBeChasedIsRefused) {
  const MachineModel& p4 = *FindMachine("xeon-2003");
  const auto error = [](const MachineModel& machine, uint64_t bytes,
                        uint64_t stride) {
    return std::string(RunLoadChase(machine, {.working_set_bytes = bytes,
                                              .stride_bytes = stride})
                           .status()
                           .message());
  };
  EXPECT_THAT(error(p4, 4096, 0), HasSubstr("want a multiple of 8"));
  EXPECT_THAT(error(p4, 4096, 12), HasSubstr("want a multiple of 8"));
  EXPECT_THAT(error(p4, 127, 64), HasSubstr("want two strides to"));
  EXPECT_THAT(error(p4, kMaxChaseBytes + 1, 64), HasSubstr("want two strides"));
  EXPECT_EQ(error(p4, 128, 64), "");
  MachineModel broken = p4;
  broken.l2.ways = 0;
  EXPECT_THAT(error(broken, 4096, 64), HasSubstr("do not divide into 0 ways"));
  broken.l2 = broken.l3 = {};
  EXPECT_EQ(error(broken, 4096, 64), "");
}

TEST(LoadChaseTest, SeedsDifferInOrderAndFramesAlone) {
  const MachineModel& machine = *FindMachine("nehalem-2009");
  ChaseOptions options{.order = ChaseOrder::kRandom,
                       .working_set_bytes = 8 << 20,
                       .stride_bytes = 512};
  const ChaseResult one = RunLoadChase(machine, options).value();
  EXPECT_EQ(RunLoadChase(machine, options)->cycles, one.cycles);
  options.seed = 2;
  const ChaseResult two = RunLoadChase(machine, options).value();
  EXPECT_EQ(two.loads, one.loads);
  EXPECT_NE(two.cycles, one.cycles);
  EXPECT_NEAR(two.cycles_per_load(), one.cycles_per_load(), 3);
}

TEST(LoadChaseTest, AnotherClockLeavesDramAsFastAsItWasInTime) {
  const MachineModel p4 = AtClock(*FindMachine("xeon-2003"), 1.6);
  // 71 cycles of 373 are the core's, the rest are two thirds of what they were.
  EXPECT_EQ(p4.cost(CostEvent::kPteLoadDram).value, 272u);
  EXPECT_EQ(p4.cost(CostEvent::kDataL2).value,
            FindMachine("xeon-2003")->cost(CostEvent::kDataL2).value);
  const MachineModel same = AtClock(*FindMachine("xeon-2003"), 2.4);
  EXPECT_EQ(same, *FindMachine("xeon-2003"));
}

TEST(LatencyGridTest, NamesOfMeasuredMachinesStandForTheirCore) {
  EXPECT_EQ(MachineOfGrid("k8-opteron-f5a", {})->name, "opteron-2005");
  EXPECT_EQ(MachineOfGrid("westmere-gulftown", {})->name, "westmere-2010");
  EXPECT_EQ(MachineOfGrid("zen3-vermeer", {})->clock_ghz,
            FindMachine("zen3-2020")->clock_ghz);
  EXPECT_EQ(MachineOfGrid("p4-willamette-1.6", {})->clock_ghz, 1.6);
  EXPECT_EQ(MachineOfGrid("p4-willamette-1.6", 2.0)->clock_ghz, 2.0);
  EXPECT_EQ(MachineOfGrid("xeon-gallatin-3.06", {})->name, "xeon-2003");
  EXPECT_THAT(std::string(MachineOfGrid("vax-11", {}).status().message()),
              HasSubstr("zen5-"));
}

TEST(LatencyGridTest, CellsAreReadWithAndWithoutMeasuredFigures) {
  const auto cells = ParseGridCells("f", std::string(kHead) +
                                             "p4-x,random,4096,64,2.5\r\n"
                                             "zen2-2019,linear,8192,128\n");
  ASSERT_TRUE(cells.ok());
  ASSERT_EQ(cells->size(), 2u);
  EXPECT_EQ((*cells)[0].order, ChaseOrder::kRandom);
  EXPECT_EQ((*cells)[0].measured, 2.5);
  EXPECT_EQ((*cells)[1].stride_bytes, 128u);
  EXPECT_FALSE((*cells)[1].measured.has_value());
}

TEST(LatencyGridTest, BadCellsAreNamedByFileAndLine) {
  const std::string good = "p4-x,linear,4096,64,2\n";
  EXPECT_THAT(ParseError(good + "vax-11,linear,4096,64,2\n"),
              HasSubstr("file.csv:3: machine \"vax-11\": want one of"));
  EXPECT_EQ(ParseError("p4-x,zigzag,4096,64,2\n"),
            "file.csv:2: pattern \"zigzag\": want one of linear, random, "
            "page-random");
  EXPECT_THAT(ParseError("p4-x,linear,4096,63,2\n"),
              HasSubstr(":2: stride_bytes \"63\": want a multiple of 8"));
  EXPECT_THAT(ParseError("p4-x,linear,64,64,2\n"),
              HasSubstr(":2: working_set_bytes \"64\": want two strides"));
  EXPECT_THAT(ParseError("p4-x,linear,1e9,64,2\n"),
              HasSubstr(":2: working_set_bytes"));
  EXPECT_THAT(ParseError("p4-x,linear,4096,64,fast\n"),
              HasSubstr(":2: cycles_per_load \"fast\": want a number"));
  EXPECT_THAT(ParseError("p4-x,linear,4096,64,nan\n"),
              HasSubstr(":2: cycles_per_load \"nan\": want a number"));
  EXPECT_THAT(ParseError("p4-x,linear\n"), HasSubstr(":2: want machine,"));
  EXPECT_THAT(ParseError(""), HasSubstr("no cells"));
  EXPECT_THAT(std::string(ParseGridCells("f", "a,b\n").status().message()),
              HasSubstr("f:1: want the header machine,"));
  EXPECT_THAT(ParseError("p4-x-99.9,linear,4096,64,2\n"),
              HasSubstr(":2: clock of 99.9 GHz"));
}

TEST(LatencyGridTest, APrintedGridIsReadAgain) {
  std::vector<GridCell> cells = {{.machine = "p4-x",
                                  .order = ChaseOrder::kPageRandom,
                                  .working_set_bytes = 4096,
                                  .stride_bytes = 64}};
  ASSERT_TRUE(SimulateGrid(cells, {}, 1).ok());
  EXPECT_EQ(Render(GridDocument(cells), ReportFormat::kCsv),
            std::string(kHead) + "p4-x,page-random,4096,64,2.0\n");
  const auto again =
      ParseGridCells("f", Render(GridDocument(cells), ReportFormat::kCsv));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ((*again)[0].measured, 2.0);
}

TEST(LatencyGridTest, RegionsFollowPagesAndLinesOfTheSetsInReach) {
  const MachineModel& machine = *FindMachine("skylake-2017");
  const auto region = [&](uint64_t bytes, uint64_t stride) {
    return RegionOf(machine, {.machine = "",
                              .order = ChaseOrder::kLinear,
                              .working_set_bytes = bytes,
                              .stride_bytes = stride});
  };
  constexpr auto kL1Tlb = TlbReach::kL1;
  EXPECT_EQ(region(32 << 10, 64), (GridRegion{kL1Tlb, MemoryLevel::kL1}));
  EXPECT_EQ(region(33 << 10, 64), (GridRegion{kL1Tlb, MemoryLevel::kL2}));
  EXPECT_EQ(region(256 << 10, 64), (GridRegion{kL1Tlb, MemoryLevel::kL2}));
  EXPECT_EQ(region(512 << 10, 64),
            (GridRegion{TlbReach::kL2, MemoryLevel::kL2}));
  // Eight lines of eight ways in one set, and one more.
  EXPECT_EQ(region(8 * 16384, 16384), (GridRegion{kL1Tlb, MemoryLevel::kL1}));
  EXPECT_EQ(region(9 * 16384, 16384), (GridRegion{kL1Tlb, MemoryLevel::kL2}));
  EXPECT_EQ(region(8 << 20, 4096),
            (GridRegion{TlbReach::kBeyond, MemoryLevel::kL3}));
  EXPECT_EQ(region(64 << 20, 64),
            (GridRegion{TlbReach::kBeyond, MemoryLevel::kDram}));
}

TEST(LatencyGridTest, ErrorsAreSummedUpByRegionAndStepsAreLookedFor) {
  const auto cell = [](uint64_t bytes, double measured, double simulated) {
    return GridCell{.machine = "p4-x",
                    .order = ChaseOrder::kLinear,
                    .working_set_bytes = bytes,
                    .stride_bytes = 64,
                    .measured = measured,
                    .simulated = simulated};
  };
  GridCell before = cell(4096, 2, 2);
  GridCell after = cell(16384, 18, 11);
  before.stride_bytes = after.stride_bytes = 128;
  const std::vector<GridCell> cells = {before,
                                       after,
                                       cell(2048, 2, 2),
                                       cell(4096, 2, 3),
                                       cell(8192, 2, 9),
                                       cell(16384, 18, 10),
                                       cell(32768, 18, 40)};
  const auto errors = CompareGrid(cells, 2);
  ASSERT_TRUE(errors.ok());
  ASSERT_EQ(errors->regions.size(), 2u);
  EXPECT_EQ(errors->regions[0].cells, 4u);
  EXPECT_EQ(errors->regions[0].median_cycles, 0.5);
  EXPECT_TRUE(errors->regions[0].reached);
  EXPECT_EQ(errors->regions[1].median_cycles, 8);
  EXPECT_FALSE(errors->regions[1].reached);
  ASSERT_EQ(errors->steps.size(), 1u);
  EXPECT_EQ(errors->steps[0].measured, 2u);
  EXPECT_EQ(errors->steps[0].found, 1u);
  EXPECT_EQ(errors->steps[0].simulated, 3u);
  EXPECT_EQ(errors->steps[0].invented, 2u);
  ASSERT_EQ(errors->missing.size(), 1u);
  EXPECT_EQ(errors->missing[0].to.working_set_bytes, 16384u);
  ASSERT_EQ(errors->worst.size(), 2u);
  EXPECT_EQ(errors->worst[0].cell.simulated, 9);
  EXPECT_FALSE(CompareGrid({{GridCell{.machine = "p4-x"}}}, 2).ok());
}

}  // namespace
}  // namespace xmmu::latency_grid_test
