#include <map>
#include <random>
#include <set>

#include "absl/base/config.h"
#include "guest/world.h"

// Random guests: the same operations under every setting, compared by what the
// guest saw, by the policy's own audit and by what the hardware would allow.

namespace xmmu {
namespace {

constexpr uint64_t kPages = 48;
constexpr int kOperations = 400;
#ifdef ABSL_HAVE_ADDRESS_SANITIZER
constexpr int kCheckEvery = 20;  // operations; the checks take most of the time
#else
constexpr int kCheckEvery = 1;
#endif

// Generates operations that any kernel accepts, from a seed alone.
class Script {
 public:
  explicit Script(uint64_t seed) : random_(seed) {}

  struct Step {
    TaskId task;
    GuestOp op;
  };

  Step Next() {
    auto it = live_.begin();
    std::advance(it, Pick(live_.size()));
    const TaskId task = *it;
    const uint64_t page = Pick(kPages);
    const uint64_t pages = 1 + Pick(kPages - page);
    const VirtAddr va = kRegion + page * kPageSize;
    switch (Pick(20)) {
      case 0:
        return {task, MapOp(pages, kBackings[Pick(5)], Rights(), va)};
      case 1:
        return {task, RangeOp(GuestOpKind::kUnmap, pages, 0, va)};
      case 2:
        return {task, RangeOp(GuestOpKind::kProtect, pages, Rights(), va)};
      case 3:
        return {task, RangeOp(GuestOpKind::kDiscard, pages, 0, va)};
      case 4:
        if (live_.size() < 5) {
          live_.insert(++last_);
          return {task, TaskOp(GuestOpKind::kFork, last_)};
        }
        return {task, TaskOp(GuestOpKind::kSyscall)};
      case 5:
        if (live_.size() > 1) {
          live_.erase(task);
          return {task, TaskOp(GuestOpKind::kExit)};
        }
        return {task, TaskOp(GuestOpKind::kExec)};
      default:
        return {task, AccessOp(kAccesses[Pick(4)], page)};
    }
  }

  const std::set<TaskId>& live() const { return live_; }

 private:
  static constexpr Backing kBackings[] = {
      Backing::kAnonymous, Backing::kStack, Backing::kFilePrivate,
      Backing::kFileShared, Backing::kSharedAnonymous};
  static constexpr GuestOpKind kAccesses[] = {
      GuestOpKind::kLoad, GuestOpKind::kStore, GuestOpKind::kStore,
      GuestOpKind::kFetch};

  // std::uniform_int_distribution differs between libraries.
  uint64_t Pick(uint64_t below) { return random_() % below; }
  uint8_t Rights() { return static_cast<uint8_t>(Pick(8)); }

  std::mt19937_64 random_;
  std::set<TaskId> live_ = {1};
  TaskId last_ = 1;
};

struct Outcome {
  uint64_t digest;
  uint64_t tables_left;
};

Outcome RunScript(const Setting& setting, uint64_t seed, bool check) {
  World world(setting);
  const uint64_t boot_tables = world.kernel().page_table_frames();
  EXPECT_TRUE(world.kernel().CreateProcess(1).ok());
  Script script(seed);
  for (int i = 0; i < kOperations; ++i) {
    const Script::Step step = script.Next();
    const absl::Status status = world.kernel().Perform(step.task, step.op);
    EXPECT_TRUE(status.ok()) << status << " at operation " << i;
    if (!status.ok()) break;
    if (!check || i % kCheckEvery != 0) continue;
    EXPECT_EQ(world.FirstEscape(), "") << "at operation " << i;
    const absl::Status audit = world.policy().Audit();
    EXPECT_TRUE(audit.ok()) << audit << " at operation " << i;
  }
  for (TaskId task : script.live()) {
    EXPECT_TRUE(world.kernel().Perform(task, TaskOp(GuestOpKind::kExit)).ok());
  }
  return {world.kernel().digest(),
          world.kernel().page_table_frames() - boot_tables};
}

class RandomGuestTest : public ::testing::TestWithParam<Setting> {};

TEST_P(RandomGuestTest, SeesTheSameWorldAsOnBareHardwareAndNeverEscapes) {
  Setting bare = GetParam();
  bare.policy = "native";
  bare.ops = GuestOps::kStores;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const Outcome expected = RunScript(bare, seed, /*check=*/false);
    const Outcome got = RunScript(GetParam(), seed, /*check=*/true);
    EXPECT_EQ(got.digest, expected.digest);
  }
}

// The dying address space may stay loaded until a vCPU's next switch: its
// roots, and a private kernel L2.
TEST_P(RandomGuestTest, FreesEveryTableButTheLastRoots) {
  EXPECT_LE(RunScript(GetParam(), 4, /*check=*/false).tables_left,
            2u * static_cast<uint64_t>(GetParam().vcpus));
}

// What one vCPU has open, another meets.
std::vector<Setting> SmpSettings() {
  std::vector<Setting> settings;
  for (const Setting& setting : AllSettings(/*vcpus=*/4)) {
    if (setting.policy == std::string_view("writable-page-tables")) {
      settings.push_back(setting);
    }
  }
  return settings;
}

INSTANTIATE_TEST_SUITE_P(Smp, RandomGuestTest,
                         ::testing::ValuesIn(SmpSettings()),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

INSTANTIATE_TEST_SUITE_P(Settings, RandomGuestTest,
                         ::testing::ValuesIn(AllSettings()),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

}  // namespace
}  // namespace xmmu
