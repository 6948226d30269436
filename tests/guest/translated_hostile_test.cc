// Hostile guests (testing/conformance/translated_hostile.h) of every strategy
// that has translated ones. A new row of the table of policies is covered by
// being there.
//
// XMMU_HOSTILE_EVENTS=1000000 is that many events for each row and mode;
// XMMU_HOSTILE_JUDGE_EVERY=20 recounts and judges after each 20 of them and at
// the end of each sequence, which is most of the time.

#include "testing/conformance/translated_hostile.h"

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/config.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "xmmu/policy/policies.h"
#include "xmmu/policy/shadow_options.h"

namespace xmmu::translated_hostile_test {
namespace {

#ifdef ABSL_HAVE_ADDRESS_SANITIZER
constexpr int kEvents = 300;
#else
constexpr int kEvents = 2000;
#endif
// Guests lose more and more of what they could still break: begin anew.
constexpr int kEventsASequence = 100;

constexpr std::string_view kSmallest = "xi-shadow-smallest-pool";

int NumberFrom(const char* variable, int otherwise) {
  const char* const text = std::getenv(variable);
  int number = 0;
  const bool set =
      text != nullptr && absl::SimpleAtoi(text, &number) && number > 0;
  return set ? number : otherwise;
}

struct HostileSetting {
  std::string_view policy;
  PagingMode mode;
  std::string_view machine;
};

PolicyFactory FactoryOf(const HostileSetting& setting) {
  if (setting.policy != kSmallest) return FindPolicy(setting.policy)->make;
  const uint32_t fewest = LevelCount(setting.mode) >= 4 ? 5 : 2;
  return [fewest](Host& host) {
    return MakeXiShadow(host, {.pool = {.shadows = fewest}});
  };
}

class TranslatedHostileTest : public ::testing::TestWithParam<HostileSetting> {
};

TEST_P(TranslatedHostileTest, AnythingGoesAndNothingHappens) {
  const int events = NumberFrom("XMMU_HOSTILE_EVENTS", kEvents);
  const int sequences = (events + kEventsASequence - 1) / kEventsASequence;
  const int judge_every = NumberFrom("XMMU_HOSTILE_JUDGE_EVERY", 1);
  conformance::TranslatedHostile guests(GetParam().mode, GetParam().machine,
                                        FactoryOf(GetParam()));
  for (int seed = 1; seed <= sequences; ++seed) {
    ASSERT_EQ(
        guests.Run(static_cast<uint64_t>(seed), kEventsASequence, judge_every),
        "")
        << "seed " << seed;
  }
  const conformance::TranslatedHostile::Progress& progress = guests.progress();
  std::cout << GetParam().policy << ": seeds 1 to " << sequences << ", "
            << sequences * kEventsASequence << " events; " << progress.reached
            << " accesses performed, " << progress.compared << " compared; "
            << progress.given << " pages given back, " << progress.taken
            << " taken, " << progress.moved << " moved; " << progress.crashes
            << " crashes\n";
  // The test means something only if many accesses are performed.
  const auto all = static_cast<uint64_t>(sequences);
  EXPECT_GT(progress.reached, all);
  EXPECT_GT(progress.given, all / 2);
  EXPECT_GT(progress.taken, all / 4);
  EXPECT_GT(progress.moved, all / 4);
  EXPECT_GT(progress.compared, all);
}

std::vector<HostileSetting> Settings() {
  std::vector<HostileSetting> settings;
  Host host(*FindMachine("skylake-2017"), {});
  const auto add = [&](std::string_view name, Policy& policy) {
    for (const PagingMode mode : kAllPagingModes) {
      const absl::StatusOr<GuestAbi> abi = policy.Abi(mode);
      if (!abi.ok() || !abi->translated) continue;
      settings.push_back({name, mode, "skylake-2017"});
      // These machines have no tags, or AMD's nested tables.
      if (mode == PagingMode::kPae) {
        settings.push_back({name, mode, "xeon-2003"});
        settings.push_back({name, mode, "opteron-2005"});
      }
    }
  };
  for (const PolicyEntry& entry : Policies()) {
    const std::unique_ptr<Policy> policy = entry.make(host);
    add(entry.name, *policy);
  }
  const std::unique_ptr<Policy> smallest = MakeXiShadow(host, {});
  add(kSmallest, *smallest);
  return settings;
}

INSTANTIATE_TEST_SUITE_P(
    Rows, TranslatedHostileTest, ::testing::ValuesIn(Settings()),
    [](const ::testing::TestParamInfo<HostileSetting>& setting) {
      std::string name = absl::StrFormat("%s_%s_%s", setting.param.policy,
                                         PagingModeName(setting.param.mode),
                                         setting.param.machine);
      for (char& c : name) {
        if (c == '-' || c == '.') c = '_';
      }
      return name;
    });

}  // namespace
}  // namespace xmmu::translated_hostile_test
