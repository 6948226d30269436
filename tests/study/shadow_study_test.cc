#include "study/shadow_study.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::shadow_study_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

absl::StatusOr<ShadowStudy> Measure(PagingMode mode, int vcpus = 1) {
  SimulatorOptions base;
  base.mode = mode;
  base.vcpus = vcpus;
  base.guest_memory_bytes = uint64_t{64} << 20;
  const WorkloadFactory workload = [](const SimulatorOptions&) {
    return MakeSyntheticWorkload("fork:pages=40,cow=8");
  };
  return MeasureShadowStudy(base, {&workload, 1});
}

// Measured once: it takes a while.
const ShadowStudy& Study() {
  static const ShadowStudy study = *Measure(PagingMode::kPae);
  return study;
}

TEST(ShadowStudyTest, BareHardwareIsFirstAndEachStrategyIsThereOnce) {
  const ShadowStudy& study = Study();
  EXPECT_EQ(study.policies.front(), "native");
  for (const ShadowPair& pair : ShadowPairs()) {
    for (const std::string_view name : {pair.older, pair.newer}) {
      EXPECT_EQ(std::count(study.policies.begin(), study.policies.end(), name),
                1)
          << name;
    }
  }
  EXPECT_EQ(study.events.size(), study.policies.size());
  ASSERT_EQ(study.workloads.size(), 1u);
  ASSERT_EQ(study.workloads[0].rows.size(), study.policies.size());
  for (size_t i = 0; i < study.policies.size(); ++i) {
    EXPECT_EQ(study.workloads[0].rows[i].policy, study.policies[i]);
  }
}

TEST(ShadowStudyTest, ARatioIsOfTheCyclesAndOfThoseBeyondBareHardware) {
  const ShadowRatio ratio{"x", 100, 900, 300};
  EXPECT_DOUBLE_EQ(ratio.total(), 3);
  EXPECT_DOUBLE_EQ(ratio.beyond_native(), 4);
  EXPECT_DOUBLE_EQ((ShadowRatio{"x", 100, 900, 100}).beyond_native(), 0);
  EXPECT_DOUBLE_EQ((ShadowRatio{"x", 100, 90, 200}).beyond_native(), 0);
}

TEST(ShadowStudyTest, RatiosAreOfTheEventsThenOfTheWorkloads) {
  const ShadowStudy& study = Study();
  const ShadowPair& pair = ShadowPairs().back();
  const std::vector<ShadowRatio> ratios = RatiosOf(study, pair);
  ASSERT_EQ(ratios.size(), kGuestEventCount + 1);
  const auto column = [&](std::string_view name) {
    return static_cast<size_t>(
        std::find(study.policies.begin(), study.policies.end(), name) -
        study.policies.begin());
  };
  EXPECT_EQ(ratios[0].name, "refused-access");
  EXPECT_EQ(ratios[0].older, study.events[column(pair.older)][0].cycles());
  EXPECT_EQ(ratios[0].newer, study.events[column(pair.newer)][0].cycles());
  EXPECT_EQ(ratios.back().name, "fork:pages=40,cow=8");
  EXPECT_EQ(ratios.back().newer,
            study.workloads[0].rows[column(pair.newer)].cost.cycles.count());
}

TEST(ShadowStudyTest, TheTextHasTheAnswersInWords) {
  const std::string text =
      Render(ShadowStudyDocument({Study()}), ReportFormat::kText);
  EXPECT_THAT(text, HasSubstr("xeon-2003, pae, 1 vCPU: cycles an event"));
  EXPECT_THAT(text, HasSubstr("xi-shadow for xi-shadow-search:\n    4 times"));
  EXPECT_THAT(text, HasSubstr(" 1.01 (1.0"));
}

TEST(ShadowStudyTest, SeveralStudiesAreSummedUpByPair) {
  const auto summary_of = [](const std::string& text) {
    const size_t last = text.rfind("xi-shadow-search : xi-shadow");
    return text.substr(text.find('\n', last));
  };
  const std::string row = "\n  xeon-2003, pae, 1 vCPU  ";
  EXPECT_THAT(summary_of(Render(ShadowStudyDocument({Study(), Study()}),
                                ReportFormat::kText)),
              HasSubstr(row));
  EXPECT_THAT(
      summary_of(Render(ShadowStudyDocument({Study()}), ReportFormat::kText)),
      Not(HasSubstr(row)));
}

TEST(ShadowStudyTest, CsvHasALineForEachPolicyAndSubject) {
  const ShadowStudy& study = Study();
  const std::string text =
      Render(ShadowStudyDocument({study, study}), ReportFormat::kCsv);
  const auto lines = std::count(text.begin(), text.end(), '\n');
  EXPECT_EQ(static_cast<size_t>(lines),
            1 + 2 * study.policies.size() * (kGuestEventCount + 1));
  EXPECT_THAT(text, HasSubstr("\nxeon-2003,3,1,native,event,refused-access,"));
  EXPECT_THAT(text, HasSubstr(",workload,\"fork:pages=40,cow=8\",1,"));
}

TEST(ShadowStudyTest, JsonComponentsAddUpToTheCycles) {
  const auto json = nlohmann::json::parse(
      Render(ShadowStudyDocument({Study()}), ReportFormat::kJson));
  ASSERT_EQ(json.size(), 1u);
  for (const auto& policy : json[0]["policies"]) {
    for (const auto& cost : policy["costs"]) {
      uint64_t sum = 0;
      for (const auto& part : cost["cycles_by_component"]) {
        sum += part.get<uint64_t>();
      }
      EXPECT_EQ(sum, cost["cycles"].get<uint64_t>());
    }
  }
}

TEST(ShadowStudyTest, SeveralProcessorsAndOtherModesCanBeStudied) {
  EXPECT_TRUE(Measure(PagingMode::k2Level).ok());
  EXPECT_TRUE(Measure(PagingMode::k4Level, 2).ok());
}

}  // namespace
}  // namespace xmmu::shadow_study_test
