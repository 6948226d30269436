#include "xmmu/machine/machine_model.h"

#include "gtest/gtest.h"

namespace xmmu::machine_model_test {
namespace {

TEST(MachineModelTest, PresetsAreFoundByName) {
  EXPECT_EQ(FindMachine("xeon-2003")->name, "xeon-2003");
  EXPECT_EQ(FindMachine("skylake-2017")->name, "skylake-2017");
  EXPECT_EQ(FindMachine("opteron-2005")->name, "opteron-2005");
  EXPECT_EQ(FindMachine("xeon-2004"), nullptr);
}

TEST(MachineModelTest, DerivedFiguresOfTheP4AddUpToTheirSources) {
  const MachineModel& p4 = *FindMachine("xeon-2003");
  // InstLatx64 P4 F27: the TLB step of 56 cycles is the walk's overhead and two
  // loads from L2.
  EXPECT_EQ(p4.cost(CostEvent::kWalkOverhead).value +
                2 * p4.cost(CostEvent::kPteLoadL2).value,
            56u);
  // ASPLOS'06: 1093 cycles for a page fault and its return.
  EXPECT_NEAR(p4.cost(CostEvent::kExceptionEntry).value +
                  p4.cost(CostEvent::kIret).value,
              1093, 10);
  // SOSP'03: 0.34 us at 2.4 GHz for a bounce, an IRET included.
  EXPECT_NEAR(
      p4.cost(CostEvent::kBounce).value + p4.cost(CostEvent::kIret).value,
      0.34 * 2400, 10);
}

TEST(MachineModelTest, DerivedFiguresOfTheK8AddUpToTheirSources) {
  const MachineModel& k8 = *FindMachine("opteron-2005");
  // InstLatx64 K8 F5A: the step past the L2 TLB is the walk's overhead, which
  // has the look-up in that TLB in it, and one load from L2.
  EXPECT_EQ(k8.cost(CostEvent::kWalkOverhead).value +
                k8.cost(CostEvent::kPteLoadL2).value,
            25u);
}

TEST(MachineModelTest, PricesAreTheValues) {
  const MachineModel& machine = *FindMachine("skylake-2017");
  const PriceList prices = machine.prices();
  EXPECT_EQ(prices[static_cast<size_t>(CostEvent::kExceptionEntry)], 715u);
  EXPECT_EQ(prices[static_cast<size_t>(CostEvent::kIret)], 330u);
}

TEST(MarkTest, RememberedAndEstimatedCountAsEstimates) {
  EXPECT_FALSE(IsEstimate(Mark::kRead));
  EXPECT_FALSE(IsEstimate(Mark::kMeasured));
  EXPECT_FALSE(IsEstimate(Mark::kDerived));
  EXPECT_TRUE(IsEstimate(Mark::kRemembered));
  EXPECT_TRUE(IsEstimate(Mark::kEstimated));
}

}  // namespace
}  // namespace xmmu::machine_model_test
