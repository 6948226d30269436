// Prices that a preset derives from others follow them when those are set or
// given in a file.

#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xmmu/machine/machine_file.h"

namespace xmmu::price_rules_test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

// The preset, changed by the command line.
MachineModel With(const std::vector<std::string>& settings,
                  std::string_view preset = "xeon-2003") {
  MachineModel model = *FindMachine(preset);
  const absl::Status status = SetMachineValues(settings, model);
  EXPECT_TRUE(status.ok()) << status;
  return model;
}

TEST(PriceRulesTest, ADerivedPriceFollowsAndTheDescriptionSaysSo) {
  const MachineModel model = With({"locked_op=200"});
  EXPECT_EQ(model.cost(CostEvent::kXenPteCas),
            (CostConstant{200, 200, 200, Mark::kEstimated,
                          "assumed: locked_op, which was changed"}));
  EXPECT_THAT(std::string(model.description),
              EndsWith("; with locked_op=200, and so xen_pte_cas=200"));
  // Read for itself, from the same source though.
  EXPECT_EQ(model.cost(CostEvent::kGuestLockedOp),
            FindMachine("xeon-2003")->cost(CostEvent::kGuestLockedOp));
}

TEST(PriceRulesTest, OnlyWhatIsDerivedFollows) {
  const MachineModel& preset = *FindMachine("skylake-2017");
  const MachineModel model = With({"pte_load_l3=100"}, "skylake-2017");
  for (size_t i = 0; i < kCostEventCount; ++i) {
    const auto event = static_cast<CostEvent>(i);
    const bool changes =
        event == CostEvent::kPteLoadL3 || event == CostEvent::kDataL3;
    EXPECT_EQ(model.costs[i] != preset.costs[i], changes)
        << CostEventName(event);
  }
  EXPECT_EQ(model.cost(CostEvent::kDataL3).value, 96u);  // an L1 hit less
}

TEST(PriceRulesTest, ADerivedPriceThatIsSetItselfFollowsNothing) {
  for (const std::vector<std::string>& settings :
       {std::vector<std::string>{"locked_op=200", "xen_pte_cas=150"},
        {"xen_pte_cas=150", "locked_op=200"}}) {
    const MachineModel model = With(settings);
    EXPECT_EQ(model.cost(CostEvent::kXenPteCas).value, 150u);
    EXPECT_THAT(std::string(model.description), Not(HasSubstr("and so")));
  }
  // Nor when it was set before, be it to what it was.
  MachineModel model = With({"xen_pte_cas=124"});
  ASSERT_TRUE(
      SetMachineValues(std::vector<std::string>{"locked_op=200"}, model).ok());
  EXPECT_EQ(model.cost(CostEvent::kXenPteCas).value, 124u);
}

TEST(PriceRulesTest, WhatIsDerivedFromADerivedPriceFollowsToo) {
  const MachineModel model = With({"pte_load_l2=24"}, "skylake-2017");
  EXPECT_EQ(model.cost(CostEvent::kDataL2).value, 20u);
  EXPECT_EQ(model.cost(CostEvent::kDataL2Far).value, 20u);
  const MachineModel halfway =
      With({"pte_load_l2=24", "data_l2=7"}, "skylake-2017");
  EXPECT_EQ(halfway.cost(CostEvent::kDataL2Far).value, 7u);
}

TEST(PriceRulesTest, FormulasHaveFactorsAndRemaindersAndEndAtNothing) {
  const auto price = [](const std::string& setting, CostEvent event,
                        std::string_view preset) {
    return With({setting}, preset).cost(event).value;
  };
  EXPECT_EQ(price("snapshot_compare=3", CostEvent::kComparePage, "zen2-2019"),
            1536u);
  EXPECT_EQ(price("vm_exit=1999", CostEvent::kVmExitWork, "nehalem-2009"), 1u);
  EXPECT_EQ(price("vm_exit=2000", CostEvent::kVmExitWork, "nehalem-2009"), 0u);
  EXPECT_EQ(price("vm_exit=2001", CostEvent::kVmExitWork, "nehalem-2009"), 0u);
  EXPECT_EQ(price("dependent_load=400", CostEvent::kDataDram, "zen3-2020"), 0u);
  EXPECT_EQ(price("data_dram=500", CostEvent::kDataDramRowHit, "zen5-2024"),
            485u);
}

TEST(PriceRulesTest, ADerivedPriceFollowsABaseThatAFileChanges) {
  const auto model = ParseMachine(
      "base = \"skylake-2017\"\n[cost]\nmov_cr3 = 400\n"
      "[cost.locked_op]\nvalue = 30\nlow = 25\nhigh = 40\n"
      "mark = \"measured\"\nsource = \"my loop\"\n",
      "m.toml");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->cost(CostEvent::kXenPteCas),
            (CostConstant{30, 30, 30, Mark::kDerived,
                          "locked_op, which was changed"}));
  EXPECT_EQ(model->cost(CostEvent::kMovCr4),
            (CostConstant{400, 400, 400, Mark::kEstimated,
                          "assumed: mov_cr3, which was changed"}));
}

TEST(PriceRulesTest, AFileWithoutABaseStatesAllThereIsAndNothingFollows) {
  std::string text = MachineToml(*FindMachine("skylake-2017"));
  const std::string stated = "[cost.locked_op]\nvalue = 18";
  const size_t at = text.find(stated);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, stated.size(), "[cost.locked_op]\nvalue = 20");
  const auto model = ParseMachine(text, "m.toml");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->cost(CostEvent::kLockedOp).value, 20u);
  EXPECT_EQ(model->cost(CostEvent::kXenPteCas).value, 18u);
}

}  // namespace
}  // namespace xmmu::price_rules_test
