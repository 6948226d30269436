// Every strategy of the table gives the guest the same world: each with every
// way its guests have of writing and pinning page tables, in each paging mode,
// on 1, 2 and 4 vCPUs, in lockstep with bare hardware. A new row of the table
// is covered by being there.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <vector>

#include "absl/base/config.h"
#include "fuzz/conformance_input.h"
#include "guest/world.h"
#include "testing/conformance/lockstep.h"

namespace xmmu::conformance_test {
namespace {

using conformance::GuestScript;
using conformance::LockstepRun;
using conformance::RandomChoice;
using conformance::RunLockstep;
using conformance::RunSharedSpace;
using conformance::ScriptStep;

#ifdef ABSL_HAVE_ADDRESS_SANITIZER
constexpr int kCheckEvery = 20;  // steps; the checks take most of the time
constexpr uint64_t kSeeds = 1;
#else
constexpr int kCheckEvery = 1;
constexpr uint64_t kSeeds = 2;
#endif

class ConformanceTest : public ::testing::TestWithParam<Setting> {};

TEST_P(ConformanceTest, TheGuestSeesBareHardware) {
  const int steps = GetParam().vcpus == 1 ? 250 : 120;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const LockstepRun run =
        RunLockstep(GetParam(), RandomChoice(seed), steps, kCheckEvery);
    EXPECT_EQ(run.wrong, "") << "seed " << seed;
    EXPECT_GT(run.pages_compared, 0u);
  }
}

// Runs the lockstep with one address space that all vCPUs have loaded.
TEST_P(ConformanceTest, NoVcpuKeepsWhatAnotherOneHasTakenAway) {
  if (GetParam().vcpus == 1) return;
  const LockstepRun run =
      RunSharedSpace(GetParam(), RandomChoice(5), /*steps=*/60, kCheckEvery);
  EXPECT_EQ(run.wrong, "");
  EXPECT_GT(run.pages_compared, 0u);
}

// A dying address space may stay loaded until a vCPU's next switch: its roots,
// and a private kernel L2.
TEST_P(ConformanceTest, EveryTableButTheLastRootsIsFreed) {
  World world(GetParam());
  const uint64_t boot_tables = world.kernel().page_table_frames();
  ASSERT_TRUE(world.kernel().CreateProcess(1).ok());
  GuestScript script = ScriptOf(GetParam(), RandomChoice(4));
  for (int i = 0; i < 300; ++i) {
    const ScriptStep step = script.Next();
    world.Do(step.task, step.op);
  }
  std::set<TaskId> live = script.live();
  for (; !live.empty(); live.erase(std::prev(live.end()))) {
    world.Do(*live.rbegin(), TaskOp(GuestOpKind::kExit));
  }
  EXPECT_LE(world.kernel().page_table_frames() - boot_tables,
            2u * static_cast<uint64_t>(GetParam().vcpus));
}

// What happens to large pages in the scripts that the suites of this file run.
TEST(LargePageScriptTest, PagesAreMadeReadSharedSplitMovedAndGivenUp) {
  for (const PagingMode mode : kAllPagingModes) {
    const Setting setting{.mode = mode, .thp = Thp::kAlways};
    World world(setting, conformance::ScriptMib(setting));
    ASSERT_TRUE(world.kernel().CreateProcess(1).ok());
    GuestScript script = ScriptOf(setting, RandomChoice(1));
    for (int i = 0; i < 2000; ++i) {
      const ScriptStep step = script.Next();
      world.Do(step.task, step.op);
    }
    const Counters& counters = world.cpu().counters;
    EXPECT_GT(counters[Counter::kThpFaultAlloc], 40u) << PagingModeName(mode);
    EXPECT_GT(counters[Counter::kThpZeroPage], 20u) << PagingModeName(mode);
    EXPECT_GT(counters[Counter::kThpSplitPmd], 20u) << PagingModeName(mode);
    EXPECT_GT(counters[Counter::kForks], 20u) << PagingModeName(mode);
    EXPECT_EQ(counters[Counter::kThpFaultFallback], 0u) << PagingModeName(mode);
  }
}

// A range that begins within what one large entry maps, and ends with a large
// page: the flush goes from page to page, not from the range's first address.
TEST(LargePageScriptTest, AnUnalignedRangeIsFlushedToItsLastLargePage) {
  const Setting setting{
      .mode = PagingMode::k4Level, .vcpus = 2, .thp = Thp::kAlways};
  EXPECT_EQ(RunLockstep(setting, RandomChoice(88618), 40, 1).wrong, "");
}

// Programs that the fuzzer has found worth keeping.
TEST(ConformanceCorpusTest, TheFuzzersProgramsSeeBareHardware) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(
           XMMU_SOURCE_DIR "/tests/fuzz/corpus_conformance")) {
    files.push_back(entry.path());
  }
  EXPECT_GE(files.size(), 30u);
  for (const std::filesystem::path& file : files) {
    std::ifstream stream(file, std::ios::binary);
    const std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(stream),
                                     std::istreambuf_iterator<char>()};
    EXPECT_EQ(RunConformanceInput(bytes, kCheckEvery), "") << file;
  }
}

std::vector<Setting> SettingsOn(const std::vector<int>& vcpus) {
  std::vector<Setting> settings;
  for (const int count : vcpus) {
    for (const Setting& setting : AllSettings(count)) {
      if (setting.policy != "native") settings.push_back(setting);
    }
  }
  return settings;
}

std::vector<Setting> WithLargePages(const std::vector<int>& vcpus) {
  std::vector<Setting> settings;
  for (const int count : vcpus) {
    for (const Setting& setting : LargePageSettings(count)) {
      if (setting.policy != "native") settings.push_back(setting);
    }
  }
  return settings;
}

std::vector<Setting> SmallestPools() {
  std::vector<Setting> settings;
  for (const std::string_view policy : kSmallestPools) {
    for (const PagingMode mode :
         {PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level}) {
      for (const int vcpus : {1, 2, 4}) {
        settings.push_back(
            WithFactory({.policy = policy, .mode = mode, .vcpus = vcpus}));
      }
    }
  }
  return settings;
}

// Each path is torn down for the next.
INSTANTIATE_TEST_SUITE_P(SmallestPools, ConformanceTest,
                         ::testing::ValuesIn(SmallestPools()),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

INSTANTIATE_TEST_SUITE_P(LargePages, ConformanceTest,
                         ::testing::ValuesIn(WithLargePages({1, 2})),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

INSTANTIATE_TEST_SUITE_P(Settings, ConformanceTest,
                         ::testing::ValuesIn(SettingsOn({1, 2, 4})),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

}  // namespace
}  // namespace xmmu::conformance_test
