#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "study/shadow_claims.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::shadow_sensitivity_test {
namespace {

using ::testing::HasSubstr;

// Measured once: it takes a while.
const ShadowStudy& Study() {
  static const ShadowStudy study = [] {
    SimulatorOptions base;
    base.guest_memory_bytes = uint64_t{64} << 20;
    const WorkloadFactory workload = [](const SimulatorOptions&) {
      return MakeSyntheticWorkload("fork:pages=40,cow=8");
    };
    return *MeasureShadowStudy(base, {&workload, 1});
  }();
  return study;
}

const ShadowSensitivity& Sweep() {
  static const ShadowSensitivity sensitivity =
      *SweepShadowStudy(Study(), {.samples = 200});
  return sensitivity;
}

TEST(ShadowSensitivityTest, EveryClaimOfEveryPairAndSubjectIsJudged) {
  EXPECT_EQ(Sweep().verdicts.size(),
            ShadowPairs().size() * (kGuestEventCount + 1) * 3);
}

TEST(ShadowSensitivityTest, ClaimsAreTrueWhereTheRatiosSaySo) {
  size_t next = 0;
  for (const ShadowPair& pair : ShadowPairs()) {
    const auto tally = [&](std::string_view policy, size_t subject) {
      const auto index = static_cast<size_t>(
          std::find(Study().policies.begin(), Study().policies.end(), policy) -
          Study().policies.begin());
      return subject < kGuestEventCount
                 ? Study().events[index][subject].cost.cycles.count()
                 : Study().workloads[0].rows[index].cost.cycles.count();
    };
    for (size_t subject = 0; subject <= kGuestEventCount; ++subject) {
      const uint64_t native = tally("native", subject);
      const uint64_t older = tally(pair.older, subject);
      const uint64_t newer = tally(pair.newer, subject);
      EXPECT_EQ(Sweep().verdicts[next++].is_true, newer < older);
      EXPECT_EQ(Sweep().verdicts[next++].is_true, 4 * newer <= older);
      EXPECT_EQ(Sweep().verdicts[next++].is_true,
                4 * newer <= older + 3 * native);
    }
  }
}

TEST(ShadowSensitivityTest, SeveralVcpusAreRefused) {
  ShadowStudy study;
  study.vcpus = 2;
  EXPECT_EQ(SweepShadowStudy(study, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ShadowSensitivityTest, TheFormatsSayTheSame) {
  const ShadowVerdict& first = Sweep().verdicts.front();
  const std::string text = FormatShadowSensitivityText(Study(), Sweep());
  EXPECT_THAT(text, HasSubstr("answers to '4-times-beyond-native' that hold"));
  const auto json = nlohmann::json::parse(Render(
      ShadowSensitivityDocument({{&Study(), Sweep()}}), ReportFormat::kJson));
  EXPECT_EQ(json[0]["claims"].size(), Sweep().verdicts.size());
  EXPECT_EQ(json[0]["claims"][0]["true"], first.is_true);
  EXPECT_EQ(json[0]["claims"][0]["samples_against"],
            first.verdict.samples_against);
  EXPECT_THAT(
      Render(ShadowSensitivityDocument({{&Study(), Sweep()}}),
             ReportFormat::kCsv),
      HasSubstr("\nxeon-2003,3,shadow-2005,xi-shadow,refused-access,faster,"));
}

}  // namespace
}  // namespace xmmu::shadow_sensitivity_test
