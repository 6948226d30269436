#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "study/batches.h"
#include "study/crossover.h"
#include "study/shadow_study.h"
#include "xmmu/machine/machine_file.h"
#include "xmmu/sim/compare.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/workload/synthetic.h"

// A machine that a program has built by hand meets the checks of a file.

namespace xmmu::machine_check_test {
namespace {

using ::testing::HasSubstr;

struct Fault {
  std::function<void(MachineModel&)> make;
  std::string says;
};

std::vector<Fault> Faults() {
  return {
      {[](MachineModel& m) { m.flush_filter = {.lines = 32}; },
       "flush_filter: address_spaces 0: want 1 to 4096"},
      {[](MachineModel& m) { m.flush_filter.enabled = true; },
       "flush_filter: enabled, but of 0 lines"},
      {[](MachineModel& m) { m.tlb.data_l1[0].ways = 7; },
       "tlb.data_l1.1: 64 entries do not divide into 7 ways"},
      {[](MachineModel& m) {
         m.tlb.data_l2[1] = {8192, 0, kTlb4K, {}};
       },
       "tlb.data_l2.2: want at most 4096 ways"},
      {[](MachineModel& m) { m.tlb.data_l1[0].page_sizes = 8; },
       "tlb.data_l1.1: page_sizes 8: want TlbPageSizes"},
      {[](MachineModel& m) { m.tlb.data_l1[0].page_sizes = 0; },
       "tlb.data_l1.1: 64 entries for pages of no size"},
      {[](MachineModel& m) {
         m.tlb.data_l1[1] = m.tlb.data_l1[2] = {65535, 5, kTlb1G, {}};
       },
       "tlb: want at most 65535 TLB entries in all"},
      {[](MachineModel& m) {
         m.psc.level[2] = {10, 4, {}};
       },
       "psc.pde: 10 entries do not divide into 4 ways"},
      {[](MachineModel& m) {
         m.nested.psc.level[4] = {10, 4, {}};
       },
       "nested.pml4e: 10 entries do not divide into 4 ways"},
      {[](MachineModel& m) { m.l1.ways = 0; }, "do not divide into 0 ways"},
      {[](MachineModel& m) { m.l2.line_bytes = 0; },
       "cache.l2: lines of 0 bytes"},
      {[](MachineModel& m) {
         m.l3 = {.bytes = 4096, .ways = 1, .line_bytes = 48};
       },
       "cache.l3: lines of 48 bytes"},
      {[](MachineModel& m) { m.l3 = {.bytes = uint64_t{1} << 33, .ways = 8}; },
       "cache.l3: bytes 8589934592: want a whole number from 0 to 4294967296"},
      {[](MachineModel& m) { m.l3 = {.bytes = ~uint64_t{0}, .ways = 1}; },
       "cache.l3: bytes -1: want"},
      {[](MachineModel& m) { m.features.maxphyaddr = 0; },
       "maxphyaddr: bits 0: want a whole number from 32 to 52"},
      {[](MachineModel& m) { m.features.maxphyaddr = 64; }, "bits 64"},
      {[](MachineModel& m) { m.clock_ghz = 0; }, "clock: ghz 0: want"},
      {[](MachineModel& m) { m.l1_prefetcher.max_stride = 64; },
       "prefetcher.l1: max_stride 64: want a whole number from 0 to 63"},
      {[](MachineModel& m) {
         m.dram.row_bytes = 8192;
         m.dram.banks = 0;
       },
       "dram: banks 0"},
  };
}

SimulatorOptions With(const MachineModel& machine) {
  SimulatorOptions options;
  options.custom_machine = std::make_shared<MachineModel>(machine);
  options.guest_memory_bytes = uint64_t{64} << 20;
  return options;
}

TEST(MachineCheckTest, EveryPresetPasses) {
  for (const MachineModel* machine : Machines()) {
    EXPECT_TRUE(CheckMachine(*machine).ok()) << CheckMachine(*machine);
  }
}

TEST(MachineCheckTest, AFaultIsNamedByItsKeyWithWhatIsWanted) {
  for (const Fault& fault : Faults()) {
    MachineModel machine = *FindMachine("xeon-2003");
    fault.make(machine);
    const absl::Status status = CheckMachine(machine);
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    EXPECT_THAT(std::string(status.message()), HasSubstr(fault.says));
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("machine xeon-2003: "));
  }
}

TEST(MachineCheckTest, NothingRunsOnAMachineWithAFault) {
  const UpdateWay way{"pinning", GuestOps::kQueue};
  const WorkloadFactory workload = [](const SimulatorOptions&) {
    return MakeSyntheticWorkload("touch");
  };
  for (const Fault& fault : Faults()) {
    MachineModel machine = *FindMachine("xeon-2003");
    fault.make(machine);
    const SimulatorOptions options = With(machine);
    const std::string says = fault.says;
    ComparisonOptions comparison;
    comparison.base = options;
    for (const absl::Status& status :
         {Simulator::Create(options).status(), MachineOf(options).status(),
          PlanComparison(comparison).status(),
          Compare(comparison, workload).status(),
          MeasureCrossover(options, {way}).status(),
          MeasureBatches(options, {way}, workload).status(),
          MeasureShadowStudy(options, {&workload, 1}).status()}) {
      EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr(says));
    }
  }
}

// A CPU without TLBs, walk caches and caches is slow, not wrong; the lines of a
// level that is not there are of no size, either.
TEST(MachineCheckTest, WhatAMachineDoesNotHaveIsNoFault) {
  MachineModel machine = *FindMachine("xeon-2003");
  machine.tlb = {};
  machine.psc = {};
  machine.nested.psc = {};
  machine.nested.tlb_entries = 0;
  machine.l1 = machine.l2 = machine.l3 = {.line_bytes = 0};
  machine.l1_prefetcher = machine.l2_prefetcher = {};
  machine.dram = {};
  for (const char* policy : {"native", "pinning", "nested-paging"}) {
    SimulatorOptions options = With(machine);
    options.policy = policy;
    options.timing = MemoryTiming::kAllCaches;
    auto simulator = Simulator::Create(options);
    ASSERT_TRUE(simulator.ok()) << simulator.status();
    const auto workload = MakeSyntheticWorkload("touch:pages=20");
    EXPECT_TRUE((*simulator)->Run(**workload).ok());
  }
}

TEST(MachineCheckTest, CachesThatNoMemoryHoldsAreRefusedBeforeTheyAreMade) {
  MachineModel machine = *FindMachine("skylake-2017");
  machine.l2 = {.bytes = uint64_t{1} << 32, .ways = 16};
  SimulatorOptions options = With(machine);
  options.vcpus = 3;
  const absl::Status status = Simulator::Create(options).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("want at most 134217728"));
}

}  // namespace
}  // namespace xmmu::machine_check_test
