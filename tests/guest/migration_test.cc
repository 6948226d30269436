// Live migration under every strategy that can log writes: while random
// programs run in lockstep with bare hardware, logging is switched on and off,
// and the log fetched, at random points. The guest sees none of it, and a copy
// of its memory that gets the pages reported, and no others, never lacks one.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/config.h"
#include "guest/world.h"
#include "testing/conformance/destination.h"
#include "testing/conformance/lockstep.h"

namespace xmmu::migration_test {
namespace {

using conformance::Choice;
using conformance::Destination;
using conformance::GuestScript;
using conformance::Lockstep;
using conformance::RandomChoice;
using conformance::ScriptStep;

#ifdef ABSL_HAVE_ADDRESS_SANITIZER
constexpr int kCheckEvery = 40;  // steps; the checks take most of the time
#else
constexpr int kCheckEvery = 10;
#endif

class Migration {
 public:
  Migration(conformance::World& world, WriteLogging& log, Choice choice)
      : world_(world), log_(log), choice_(std::move(choice)) {}

  // May do something; "" or what is wrong.
  std::string Act() {
    if (destination_ == nullptr) return choice_(8) == 0 ? Start() : "";
    switch (choice_(32)) {
      case 0:
        return Stop();
      case 1:
      case 2:
      case 3:
      case 4:
        return Round(DirtyFetch::kClean);
      case 5:
        return Round(DirtyFetch::kPeek);
      default:
        return "";
    }
  }

  // The last round, with the guest at rest. A copy is whole by then.
  std::string Finish() {
    return destination_ == nullptr ? "" : Round(DirtyFetch::kClean);
  }

  int rounds() const { return rounds_; }
  uint64_t reported() const { return reported_; }
  uint64_t changed() const { return changed_; }

 private:
  Cpu& AnyCpu() {
    return world_.cpu(static_cast<uint32_t>(
        choice_(static_cast<uint64_t>(world_.host().cpu_count()))));
  }
  std::string Start() {
    const absl::Status status = log_.Start(AnyCpu());
    if (!status.ok()) return status.ToString();
    destination_ =
        std::make_unique<Destination>(world_.host(), world_.domain());
    return "";
  }
  std::string Round(DirtyFetch how) {
    const absl::StatusOr<DirtyBitmap> pages = log_.Fetch(AnyCpu(), how);
    if (!pages.ok()) return pages.status().ToString();
    ++rounds_;
    const uint64_t reported = destination_->reported();
    const uint64_t changed = destination_->changed();
    const std::string wrong = destination_->Receive(*pages);
    reported_ += destination_->reported() - reported;
    changed_ += destination_->changed() - changed;
    return wrong;
  }
  std::string Stop() {
    const std::string wrong = Round(DirtyFetch::kPeek);
    if (!wrong.empty()) return wrong;
    destination_ = nullptr;
    const absl::Status status = log_.Stop(AnyCpu());
    return status.ok() ? "" : status.ToString();
  }

  conformance::World& world_;
  WriteLogging& log_;
  Choice choice_;
  std::unique_ptr<Destination> destination_;  // while logging
  int rounds_ = 0;
  uint64_t reported_ = 0;
  uint64_t changed_ = 0;
};

class MigrationTest : public ::testing::TestWithParam<Setting> {};

TEST_P(MigrationTest, NoPageIsMissedAndTheGuestSeesBareHardware) {
  const uint64_t seeds = GetParam().vcpus == 1 ? 2 : 1;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    Lockstep lockstep(GetParam());
    conformance::World& world = lockstep.tested();
    const absl::StatusOr<WriteLogging*> log =
        world.policy().WriteLoggingOf(world.domain());
    ASSERT_TRUE(log.ok()) << log.status();
    Migration migration(world, **log, RandomChoice(seed + 100));
    GuestScript script = ScriptOf(GetParam(), RandomChoice(seed));
    for (int i = 1; i <= 150; ++i) {
      const ScriptStep step = script.Next();
      std::string wrong = migration.Act();
      if (wrong.empty()) {
        wrong = lockstep.Perform(step, script.live(), i % kCheckEvery == 0);
      }
      ASSERT_EQ(wrong, "") << "seed " << seed << ", step " << i;
    }
    EXPECT_EQ(migration.Finish(), "") << "seed " << seed;
    EXPECT_GT(migration.rounds(), 5);
    EXPECT_GT(migration.changed(), 0u);
    RecordProperty("pages_reported", std::to_string(migration.reported()));
    RecordProperty("pages_changed", std::to_string(migration.changed()));
  }
}

// Whether there is something to test.
bool CanLog(const Setting& setting) {
  World world(setting);
  return world.policy().WriteLoggingOf(world.domain()).ok();
}

std::vector<Setting> SettingsThatLog() {
  std::vector<Setting> settings;
  std::map<std::pair<std::string_view, PagingMode>, bool> known;
  for (const int vcpus : {1, 2, 4}) {
    std::vector<Setting> all = AllSettings(vcpus);
    for (const std::string_view policy : kSmallestPools) {
      for (const PagingMode mode :
           {PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level}) {
        all.push_back(
            WithFactory({.policy = policy, .mode = mode, .vcpus = vcpus}));
      }
    }
    for (const Setting& setting : all) {
      const auto [it, is_new] =
          known.try_emplace({setting.policy, setting.mode});
      if (is_new) it->second = CanLog(setting);
      if (it->second) settings.push_back(setting);
    }
  }
  return settings;
}

// A write to a large page marks no more of it than its strategy's log does.
std::vector<Setting> SettingsThatLogLargePages() {
  std::vector<Setting> settings;
  for (const Setting& setting : LargePageSettings()) {
    World world(setting);
    const bool large = world.kernel().abi().large_pages;
    if (large && CanLog(setting)) settings.push_back(setting);
  }
  return settings;
}

INSTANTIATE_TEST_SUITE_P(LargePages, MigrationTest,
                         ::testing::ValuesIn(SettingsThatLogLargePages()),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

INSTANTIATE_TEST_SUITE_P(Settings, MigrationTest,
                         ::testing::ValuesIn(SettingsThatLog()),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

TEST(NativeMigrationTest, BareHardwareHasNobodyToLogWrites) {
  World world({.policy = "native"});
  EXPECT_TRUE(absl::IsUnimplemented(
      world.policy().WriteLoggingOf(world.domain()).status()));
}

}  // namespace
}  // namespace xmmu::migration_test
