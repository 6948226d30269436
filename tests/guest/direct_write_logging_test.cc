// Live migration of paravirtual guests, beyond what migration_test.cc does with
// all: guests that are hostile, that share, or have hardly any shadows; and
// what it costs.

#include "xen/direct/direct_write_logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "guest/kernel_layout.h"
#include "guest/world.h"
#include "testing/conformance/destination.h"
#include "testing/conformance/hardware_view.h"
#include "testing/conformance/hostile_guests.h"
#include "testing/conformance/lockstep.h"
#include "xmmu/policy/policies.h"
#include "xmmu/xen/internal/direct_paging_state.h"

namespace xmmu::direct_write_logging_test {
namespace {

using conformance::ByteSource;
using conformance::Destination;
using conformance::FirstEscape;
using conformance::GuestScript;
using conformance::HostileGuests;
using conformance::Lockstep;
using conformance::RandomChoice;
using conformance::ScriptStep;

#ifdef ABSL_HAVE_ADDRESS_SANITIZER
constexpr uint64_t kSequences = 3;
#else
constexpr uint64_t kSequences = 12;
#endif

DirectWriteLogging& LogOf(conformance::World& world) {
  return static_cast<DirectWriteLogging&>(
      *world.policy().WriteLoggingOf(world.domain()).value());
}

class HostileWriteLoggingTest
    : public testing::TestWithParam<std::tuple<uint8_t, const char*, bool>> {};

TEST_P(HostileWriteLoggingTest, NoOperationIsMissedOrReachesWhatIsNotItsOwn) {
  const auto [kind, policy, shares] = GetParam();
  constexpr int kOperations = 400;
  HostileGuests::Progress all;
  for (uint64_t seed = 1; seed <= kSequences; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<uint8_t> bytes(size_t{40} * kOperations);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() >> 56);
    ByteSource source(bytes);
    HostileGuests guests(kind, policy, shares, LinearMap::kDefault,
                         /*logs=*/true);
    for (int i = 0; i < kOperations; ++i) {
      ASSERT_EQ(guests.Step(source), "") << "seed " << seed << " step " << i;
    }
    all += guests.progress();
  }
  EXPECT_GT(all.translated, all.operations / 100);
  EXPECT_GT(all.emulated, 0u);
  EXPECT_GT(all.changes, all.operations / 50);
  EXPECT_GT(all.log_rounds, all.operations / 100);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, HostileWriteLoggingTest,
    testing::Combine(testing::Range(uint8_t{0}, HostileGuests::kKinds),
                     testing::Values("trap-and-emulate", "writable-page-tables",
                                     "writable-page-tables-g0"),
                     testing::Bool()),
    [](const testing::TestParamInfo<HostileWriteLoggingTest::ParamType>& row) {
      std::string name = absl::StrCat(
          HostileGuests::KindName(std::get<0>(row.param)), "_",
          std::get<1>(row.param), std::get<2>(row.param) ? "_sharing" : "");
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

class FewShadowsTest : public ::testing::TestWithParam<Setting> {};

TEST_P(FewShadowsTest, TheGuestSeesBareHardwareAndNoPageIsMissed) {
  Lockstep lockstep(GetParam());
  conformance::World& world = lockstep.tested();
  DirectWriteLogging& log = LogOf(world);
  log.set_pool(log.FewestShadows());
  ASSERT_TRUE(log.Start(world.cpu()).ok());
  Destination destination(world.host(), world.domain());
  GuestScript script(GetParam().mode, RandomChoice(3));
  for (int i = 1; i <= 80; ++i) {
    const ScriptStep step = script.Next();
    ASSERT_EQ(lockstep.Perform(step, script.live(), i % 4 == 0), "") << i;
    ASSERT_EQ(destination.Missed(), "") << i;
    if (i % 16 != 0) continue;
    ASSERT_EQ(destination.Receive(*log.Fetch(world.cpu(), DirtyFetch::kClean)),
              "");
  }
  EXPECT_GT(world.cpu().counters[Counter::kShadowsRecycled], 10u);
}

std::vector<Setting> OneOfEachKind() {
  std::vector<Setting> settings;
  for (const std::string_view policy :
       {"pinning", "trap-and-emulate", "writable-page-tables"}) {
    for (const PagingMode mode :
         {PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level}) {
      for (const int vcpus : {1, 2}) {
        settings.push_back({.policy = policy,
                            .mode = mode,
                            .ops = policy == "pinning"
                                       ? GuestOps::kUpdateVaMapping
                                       : GuestOps::kStores,
                            .vcpus = vcpus});
      }
    }
  }
  // The processor's own root is an L3.
  settings.push_back({.policy = "trap-and-emulate",
                      .mode = PagingMode::kPae,
                      .linear_map = LinearMap::kPerTable});
  return settings;
}

INSTANTIATE_TEST_SUITE_P(Kinds, FewShadowsTest,
                         ::testing::ValuesIn(OneOfEachKind()),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

class DirectWriteLoggingTest : public ::testing::Test {
 protected:
  explicit DirectWriteLoggingTest(std::string_view policy = "trap-and-emulate")
      : world_({.policy = policy}), log_(LogOf(world_)) {
    EXPECT_TRUE(world_.kernel().CreateProcess(1).ok());
    Do(MapOp(8));
    for (uint64_t page = 0; page < 4; ++page) Do(StoreOp(page));
  }

  void Do(const GuestOp& op) { world_.Do(1, op); }
  Cpu& cpu() { return world_.cpu(); }
  uint64_t Count(Counter counter) { return cpu().counters[counter]; }
  // Faults that `op` takes, all of them Xen's.
  uint64_t FaultsOf(const GuestOp& op) {
    const Counters before = cpu().counters;
    Do(op);
    const Counters since = cpu().counters - before;
    EXPECT_EQ(since[Counter::kGuestFaults], 0u);
    return since[Counter::kFixedFaults];
  }
  // The guest's own entry of `level` for the region's first page.
  MachineAddr EntryOf(int level) {
    constexpr PagingMode kMode = PagingMode::k4Level;
    Mfn table = world_.domain().vcpu(0).guest_table;
    for (int i = 4;; --i) {
      const MachineAddr entry =
          EntryAddress(kMode, AddressOf(table), IndexOf(kMode, i, kRegion));
      if (i == level) return entry;
      table = Pte(world_.host().memory().Read64(entry)).frame();
    }
  }
  DirtyBitmap Clean() { return log_.Fetch(cpu(), DirtyFetch::kClean).value(); }

  World world_;
  DirectWriteLogging& log_;
};

TEST_F(DirectWriteLoggingTest,
       TheFirstStoreToAPageTakesOneFaultAndTheNextNone) {
  ASSERT_TRUE(log_.Start(cpu()).ok());
  EXPECT_EQ(FaultsOf(StoreOp(0)), 1u);
  EXPECT_EQ(FaultsOf(StoreOp(0)), 0u);
  EXPECT_EQ(FaultsOf(LoadOp(1)), 1u);
  EXPECT_EQ(FaultsOf(StoreOp(1)), 1u);
  EXPECT_EQ(FaultsOf(StoreOp(1)), 0u);
  EXPECT_EQ(Count(Counter::kVmExits), 0u);
}

TEST_F(DirectWriteLoggingTest, APageIsReportedOnceForEachRoundItIsWrittenIn) {
  ASSERT_TRUE(log_.Start(cpu()).ok());
  Do(StoreOp(0));
  // The page, and nothing of the tables: all flags were set before.
  EXPECT_EQ(Clean().count(), 1u);
  EXPECT_EQ(Clean().count(), 0u);
  EXPECT_EQ(FaultsOf(LoadOp(0)), 1u);
  EXPECT_EQ(Clean().count(), 0u);
  EXPECT_EQ(FaultsOf(StoreOp(0)), 1u);
  EXPECT_EQ(Clean().count(), 1u);
}

TEST_F(DirectWriteLoggingTest, ALoadOfAPageThatIsMarkedLetsItBeWritten) {
  ASSERT_TRUE(log_.Start(cpu()).ok());
  Do(StoreOp(1));
  const std::vector<Pfn> page = Clean().Pfns();
  ASSERT_EQ(page.size(), 1u);
  MarkDirty(cpu(), world_.domain(), page[0]);
  EXPECT_EQ(FaultsOf(LoadOp(1)), 1u);
  EXPECT_EQ(FaultsOf(StoreOp(1)), 0u);
}

TEST_F(DirectWriteLoggingTest, APeekLeavesWhatIsMarkedAndWritable) {
  ASSERT_TRUE(log_.Start(cpu()).ok());
  Do(StoreOp(0));
  EXPECT_EQ(log_.Fetch(cpu(), DirtyFetch::kPeek)->count(), 1u);
  EXPECT_EQ(FaultsOf(StoreOp(0)), 0u);
  EXPECT_EQ(Clean().count(), 1u);
}

TEST_F(DirectWriteLoggingTest, AStopGivesBackTheShadowsAndTheGuestsOwnTables) {
  const uint64_t frames = world_.host().xen_frames();
  const uint64_t cr3 = cpu().mmu.registers().cr3;
  ASSERT_TRUE(log_.Start(cpu()).ok());
  EXPECT_EQ(world_.host().xen_frames(),
            frames + DirectWriteLogging::DefaultPool(world_.domain()));
  EXPECT_NE(cpu().mmu.registers().cr3, cr3);
  ASSERT_TRUE(log_.Stop(cpu()).ok());
  EXPECT_EQ(world_.host().xen_frames(), frames);
  EXPECT_EQ(cpu().mmu.registers().cr3, cr3);
  EXPECT_EQ(FaultsOf(StoreOp(0)), 0u);
}

TEST_F(DirectWriteLoggingTest, TheReferencesOfDirectPagingAreWhatTheyWere) {
  std::vector<std::pair<uint64_t, uint64_t>> before;
  const Host& host = world_.host();
  const auto note = [&](std::vector<std::pair<uint64_t, uint64_t>>& counts) {
    for (Pfn pfn; pfn.value() < world_.domain().p2m().size(); ++pfn) {
      const PageInfo& page = host.frames()[world_.domain().p2m().MfnOf(pfn)];
      counts.emplace_back(page.ref_count, page.type_count);
    }
  };
  note(before);
  for (int i = 0; i < 2; ++i) {
    std::vector<std::pair<uint64_t, uint64_t>> after;
    ASSERT_TRUE(log_.Start(cpu()).ok());
    Do(StoreOp(0));
    Clean();
    note(after);
    EXPECT_EQ(after, before);
    ASSERT_TRUE(log_.Stop(cpu()).ok());
  }
}

// The other tests rely on this.
TEST_F(DirectWriteLoggingTest,
       TheDestinationNoticesATypeAndAPinThatItWasNotToldOf) {
  ASSERT_TRUE(log_.Start(cpu()).ok());
  const Destination destination(world_.host(), world_.domain());
  PageInfo& table = world_.host().frames()[FrameOf(EntryOf(1))];
  ASSERT_EQ(table.type, PageType::kL1);
  EXPECT_EQ(destination.Missed(), "");
  table.pinned = !table.pinned;
  EXPECT_THAT(destination.Missed(), testing::HasSubstr("another type or pin"));
  table.pinned = !table.pinned;
  table.type = PageType::kL2;
  EXPECT_THAT(destination.Missed(), testing::HasSubstr("another type or pin"));
  table.type = PageType::kL1;
  const uint32_t uses = std::exchange(table.type_count, 0);
  EXPECT_THAT(destination.Missed(), testing::HasSubstr("another type or pin"));
  table.type_count = uses;
  EXPECT_EQ(destination.Missed(), "");
}

TEST_F(DirectWriteLoggingTest,
       TheFirstThingDoneToATableMayBeToExchangeAnEntry) {
  ASSERT_TRUE(log_.Start(cpu()).ok());
  VcpuContext& vcpu = world_.domain().vcpu(0);
  if (!vcpu.kernel_mode) {
    world_.policy().SwitchMode(vcpu, ModeSwitch::kSyscall);
  }
  const MachineAddr entry = EntryOf(1);
  const Pfn table = world_.domain().p2m().PfnOf(FrameOf(entry));
  const VirtAddr va =
      LayoutOf(PagingMode::k4Level).DirectVa(table) + PageOffset(entry);
  const uint64_t value = world_.host().memory().Read64(entry);
  MemoryOperand operand{.kind = OperandKind::kXchg, .size = 8, .value = value};
  const Access access{va, AccessKind::kWrite, /*user=*/true};
  const TranslateResult result = cpu().mmu.Translate(access);
  ASSERT_FALSE(result.ok());
  const FaultOutcome outcome =
      world_.policy().HandlePageFault(vcpu, result.fault(), access, operand);
  EXPECT_EQ(outcome.action, FaultAction::kEmulated);
  EXPECT_EQ(operand.seen, value);
}

// Direct paging of today flushes before it comes to that.
TEST_F(DirectWriteLoggingTest,
       AShadowThatMayStillBeWalkedIsFlushedBeforeItIsUsedAnew) {
  ASSERT_TRUE(log_.Start(cpu()).ok());
  Do(StoreOp(0));
  Do(LoadOp(1));
  const MachineAddr hook = EntryOf(2);
  const Mfn table = FrameOf(EntryOf(1));
  const uint64_t flushes = Count(Counter::kTlbFlushes);
  EXPECT_EQ(FaultsOf(LoadOp(2)), 1u);
  EXPECT_EQ(Count(Counter::kTlbFlushes), flushes);
  log_.EntryWritten(cpu(), hook, Pte());
  log_.TableGone(table);
  EXPECT_EQ(FaultsOf(LoadOp(3)), 1u);
  EXPECT_EQ(Count(Counter::kTlbFlushes), flushes + 1);
}

class PtwrWriteLoggingTest : public DirectWriteLoggingTest {
 protected:
  PtwrWriteLoggingTest() : DirectWriteLoggingTest("writable-page-tables") {}
  uint64_t Opened() {
    return Count(Counter::kPtwrActive) + Count(Counter::kPtwrInactive);
  }
};

TEST_F(PtwrWriteLoggingTest, TablesAreOpenedOnlyWhileTheLogIsOff) {
  const uint64_t opened = Opened();
  EXPECT_GT(opened, 0u);
  ASSERT_TRUE(log_.Start(cpu()).ok());
  EXPECT_FALSE(world_.domain().direct().ptwr_in_use());
  const uint64_t emulated = Count(Counter::kPtwrEmulations);
  Do(StoreOp(4));
  EXPECT_EQ(Opened(), opened);
  EXPECT_GT(Count(Counter::kPtwrEmulations), emulated);
  ASSERT_TRUE(log_.Stop(cpu()).ok());
  Do(RangeOp(GuestOpKind::kProtect, 4, kMapRead));
  EXPECT_GT(Opened(), opened);
}

// Two domains that come to share what they read, the first being logged.
class SharingWriteLoggingTest : public ::testing::TestWithParam<bool> {};

TEST_P(SharingWriteLoggingTest, DomainsShareAndDivergeAsEver) {
  Host host(*FindMachine("skylake-2017"), {});
  const std::unique_ptr<Policy> policy = FindPolicy("pinning")->make(host);
  GuestOptions options = DefaultGuestOptions(
      policy->Abi(PagingMode::k4Level).value(), PagingMode::k4Level);
  options.share_file_pages = true;
  std::vector<std::unique_ptr<GuestKernel>> kernels;
  for (int i = 0; i < 2; ++i) {
    Domain& domain = **host.CreateDomain({.memory_frames = 8u << 8});
    kernels.push_back(*GuestKernel::Boot(host, *policy, domain, options));
    ASSERT_TRUE(kernels.back()->CreateProcess(1).ok());
  }
  WriteLogging& log = *policy->WriteLoggingOf(host.domain(0)).value();
  if (GetParam()) {
    ASSERT_TRUE(log.Start(host.cpu(0)).ok());
  }
  const Destination destination(host, host.domain(0));
  const auto all = [&](const GuestOp& op) {
    for (const auto& kernel : kernels) {
      ASSERT_TRUE(kernel->Perform(1, op).ok());
      if (!GetParam()) continue;
      ASSERT_EQ(destination.Missed(), "");
      ASSERT_EQ(policy->Audit(), absl::OkStatus());
      ASSERT_EQ(FirstEscape(host), "");
    }
  };
  all(MapOp(20, Backing::kFilePrivate));
  for (uint64_t page = 0; page < 20; ++page) all(LoadOp(page));
  for (uint64_t page = 0; page < 20; page += 2) all(StoreOp(page));
  EXPECT_GT(host.cpu(0).counters[Counter::kPagesMerged], 0u);
  EXPECT_EQ(kernels[0]->digest(), kernels[1]->digest());
  // The run without a log has computed the expected digest.
  static uint64_t expected = kernels[0]->digest();
  EXPECT_EQ(kernels[0]->digest(), expected);
}

INSTANTIATE_TEST_SUITE_P(OffAndOn, SharingWriteLoggingTest, testing::Bool());

}  // namespace
}  // namespace xmmu::direct_write_logging_test
