#include "xmmu/sim/cost.h"

#include <gtest/gtest.h>

#include "xmmu/machine/machine_model.h"

namespace xmmu::cost_test {
namespace {

class CostTest : public ::testing::Test {
 protected:
  const MachineModel& model_ = *FindMachine("xeon-2003");
  Host host_{model_, HostOptions{.cpus = 2}};
};

TEST_F(CostTest, ANewHostHasCostNothing) {
  EXPECT_EQ(CostOf(host_), Cost());
  EXPECT_EQ(ToString(Cost()), "0 cycles");
}

TEST_F(CostTest, AddsUpOverCpus) {
  host_.cpu(0).clock.Charge(CostEvent::kInvlpg, 2);
  host_.cpu(1).clock.Charge(CostEvent::kInvlpg, 3);
  host_.cpu(1).counters.Add(Counter::kTlbPageFlushes, 3);
  const Cost cost = CostOf(host_);
  const uint64_t price = model_.cost(CostEvent::kInvlpg).value;
  EXPECT_EQ(cost.count(CostEvent::kInvlpg), 5u);
  EXPECT_EQ(cost.count(Counter::kTlbPageFlushes), 3u);
  EXPECT_EQ(cost.cycles, Cycles(5 * price));
  EXPECT_EQ(cost.component(Component::kTlbFlush), cost.cycles);
}

TEST_F(CostTest, ElapsedIsTheLatestClockWithItsIdleTime) {
  host_.cpu(0).clock.AdvanceTo(Cycles(1000));
  host_.cpu(1).clock.Charge(CostEvent::kAccess);
  EXPECT_EQ(CostOf(host_).elapsed, Cycles(1000));
  EXPECT_EQ(CostOf(host_).cycles,
            Cycles(model_.cost(CostEvent::kAccess).value));
}

TEST_F(CostTest, ADifferenceIsWhatCameBetween) {
  host_.cpu(0).clock.Charge(CostEvent::kInvlpg);
  const Cost before = CostOf(host_);
  host_.cpu(0).clock.Charge(CostEvent::kZeroPage, 4);
  host_.cpu(0).counters.Add(Counter::kDemandZero, 4);
  const Cost between = CostOf(host_) - before;
  EXPECT_EQ(between.count(CostEvent::kInvlpg), 0u);
  EXPECT_EQ(between.count(CostEvent::kZeroPage), 4u);
  EXPECT_EQ(between.count(Counter::kDemandZero), 4u);
  EXPECT_EQ(between.cycles, between.component(Component::kZero));
}

TEST_F(CostTest, WhatOverlapHidesIsKeptApart) {
  CycleClock& clock = host_.cpu(0).clock;
  clock.SetOverlap({.walkers = 1, .hidden_per_mille = 1000});
  clock.Charge(CostEvent::kAccess);
  const Cost before = CostOf(host_);
  clock.Charge(CostEvent::kWalkOverhead, 3);
  const Cost between = CostOf(host_) - before;
  const uint64_t price = model_.cost(CostEvent::kWalkOverhead).value;
  EXPECT_EQ(between.cycles, Cycles(3 * price));
  EXPECT_EQ(between.hidden, between.cycles);
  EXPECT_EQ(between.elapsed, Cycles(0));
}

// On a machine without VMX or SVM a VM exit is hypothetical, and on one without
// EPT or nested paging the reading of nested tables.
TEST(HypotheticalPartTest, IsWhatWasUsedAndIsNotThere) {
  Cost none;
  Cost exits;
  exits.tally[static_cast<size_t>(CostEvent::kVmExit)] = 1;
  Cost nested;
  nested.counters.Add(Counter::kNestedPteLoads);
  const MachineModel& p4 = *FindMachine("xeon-2003");
  EXPECT_EQ(HypotheticalPart(none, p4), "");
  EXPECT_EQ(HypotheticalPart(exits, p4), "VM extension");
  EXPECT_EQ(HypotheticalPart(nested, p4), "VM extension");
  const MachineModel& core2 = *FindMachine("core2-2006");
  EXPECT_EQ(HypotheticalPart(exits, core2), "");
  EXPECT_EQ(HypotheticalPart(nested, core2), "nested paging");
  const MachineModel& nehalem = *FindMachine("nehalem-2009");
  EXPECT_EQ(HypotheticalPart(nested, nehalem), "");
}

TEST_F(CostTest, TextNamesWhatIsNotZero) {
  Host host(model_, HostOptions());
  host.cpu(0).clock.Charge(CostEvent::kAccess, 7);
  host.cpu(0).counters.Add(Counter::kAccesses, 7);
  EXPECT_EQ(ToString(CostOf(host)), "7 cycles (execute 7); accesses 7");
}

}  // namespace
}  // namespace xmmu::cost_test
