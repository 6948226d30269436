#include <array>

#include "policy/policy_world.h"
#include "xmmu/xen/errno.h"

// What pinning and trap-and-emulate have in common, and the one thing they do
// not.

namespace xmmu::direct_paging_test {
namespace {

constexpr uint64_t kReadOnly = pte::kPresent | pte::kUser;

struct Case {
  const char* policy;
  PagingMode mode;
};

class DirectPagingTest : public ::testing::TestWithParam<Case> {
 protected:
  DirectPagingTest() : world_(GetParam().policy, GetParam().mode) {}

  bool emulates() const {
    return std::string_view(GetParam().policy) == "trap-and-emulate";
  }
  bool ring3() const { return LevelCount(GetParam().mode) >= 4; }

  void SwitchOnStores() {
    ASSERT_TRUE(world_.policy()
                    .Hypercall(world_.vcpu(), VmAssistCall{.enable = true})
                    .status.ok());
  }
  // The kernel stores `entry` to the L1 slot of the data page.
  FaultOutcome Store(uint64_t entry) {
    MemoryOperand operand{
        .kind = OperandKind::kStore,
        .size = static_cast<uint8_t>(EntryBytes(GetParam().mode)),
        .value = entry};
    const Access access{world_.SlotVa(kDataPage), AccessKind::kWrite, ring3()};
    const TranslateResult result = world_.cpu().mmu.Translate(access);
    EXPECT_FALSE(result.ok());
    return world_.policy().HandlePageFault(world_.vcpu(), result.fault(),
                                           access, operand);
  }

  PolicyWorld world_;
};

TEST_P(DirectPagingTest, TheBootTablesAreTypedAndTheRootIsPinned) {
  const PageInfo& root =
      world_.host.frames()[world_.domain->p2m().MfnOf(Pfn(0))];
  EXPECT_EQ(root.type, TableType(LevelCount(GetParam().mode)));
  EXPECT_TRUE(root.pinned);
  EXPECT_TRUE(world_.policy().Audit().ok()) << world_.policy().Audit();
}

TEST_P(DirectPagingTest, AnEntryChangesByMmuUpdate) {
  const std::array request = {
      MmuUpdate{.entry = world_.SlotOf(kDataPage),
                .value = world_.MakeEntry(kDataPage, kReadOnly)}};
  const HypercallResult result = world_.policy().Hypercall(
      world_.vcpu(), MmuUpdateCall{.requests = request});
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(result.done, 1u);
  EXPECT_FALSE(Pte(world_.EntryOf(kDataPage)).writable());
}

TEST_P(DirectPagingTest, AFlushReachesTheVcpusItNamesAndNoOthers) {
  PolicyWorld world(GetParam().policy, GetParam().mode, /*vcpus=*/2);
  const VirtAddr va = kWorldBase + kDataPage * kPageSize;
  const auto held = [&](uint32_t id) {
    for (const TlbEntry& entry : world.cpu(id).mmu.TlbEntries()) {
      if (entry.va() == va) return true;
    }
    return false;
  };
  for (const CpuMask vcpus : {0b01u, 0b10u, 0b11u}) {
    for (const TlbFlush& flush : {TlbFlush::Page(va), TlbFlush::NonGlobal()}) {
      for (uint32_t id = 0; id < 2; ++id) {
        const Access access{va, AccessKind::kRead, ring3()};
        ASSERT_TRUE(world.cpu(id).mmu.Translate(access).ok());
      }
      world.policy().FlushTlb(world.vcpu(), vcpus, flush);
      EXPECT_EQ(held(0), (vcpus & 0b01) == 0) << vcpus;
      EXPECT_EQ(held(1), (vcpus & 0b10) == 0) << vcpus;
    }
  }
}

TEST_P(DirectPagingTest, AWritableMappingOfATableIsRefused) {
  const std::array request = {
      MmuUpdate{.entry = world_.SlotOf(kDataPage),
                .value = world_.MakeEntry(0, kReadOnly | pte::kWritable)}};
  const HypercallResult result = world_.policy().Hypercall(
      world_.vcpu(), MmuUpdateCall{.requests = request});
  EXPECT_FALSE(result.status.ok());
  EXPECT_EQ(result.done, 0u);
}

TEST_P(DirectPagingTest, StoresAreTakenOnlyByTrapAndEmulate) {
  SwitchOnStores();
  const FaultOutcome outcome = Store(world_.MakeEntry(kDataPage, kReadOnly));
  EXPECT_EQ(outcome.action,
            emulates() ? FaultAction::kEmulated : FaultAction::kReflect);
  EXPECT_EQ(Pte(world_.EntryOf(kDataPage)).writable(), !emulates());
  EXPECT_TRUE(world_.policy().Audit().ok()) << world_.policy().Audit();
}

TEST_P(DirectPagingTest, StoresAreTakenOnlyAfterVmAssist) {
  EXPECT_EQ(Store(world_.MakeEntry(kDataPage, kReadOnly)).action,
            FaultAction::kReflect);
}

TEST_P(DirectPagingTest, AStoreThatXenRefusesIsAFaultOfTheGuest) {
  SwitchOnStores();
  const FaultOutcome outcome =
      Store(world_.MakeEntry(0, kReadOnly | pte::kWritable));
  EXPECT_EQ(outcome.action, FaultAction::kReflect);
  EXPECT_TRUE(outcome.guest_fault.is_write());
  // The kernel is not told that it runs in ring 3.
  EXPECT_FALSE(outcome.guest_fault.is_user());
}

TEST_P(DirectPagingTest, AProgramsStoreToATableIsNeverEmulated) {
  SwitchOnStores();
  world_.vcpu().kernel_mode = false;
  const FaultOutcome outcome = Store(world_.MakeEntry(kDataPage, kReadOnly));
  EXPECT_EQ(outcome.action, FaultAction::kReflect);
  EXPECT_TRUE(outcome.guest_fault.is_user());
}

TEST_P(DirectPagingTest, ABounceCostsDeliveryBounceAndXensIret) {
  const PageFault fault{VirtAddr(0x1000), 0};
  MemoryOperand operand;
  CycleClock& clock = world_.cpu().clock;
  const auto before = clock.tallies();
  world_.policy().HandlePageFault(
      world_.vcpu(), fault, {fault.va, AccessKind::kRead, ring3()}, operand);
  const auto since = [&](CostEvent event) {
    return clock.tally(event) - before[static_cast<size_t>(event)];
  };
  EXPECT_EQ(since(CostEvent::kExceptionEntry), 1u);
  EXPECT_EQ(since(CostEvent::kBounce), 1u);
  EXPECT_EQ(since(CostEvent::kIret), 1u);
}

TEST_P(DirectPagingTest, NothingIsKeptBesideWhatXenKeepsOfEachFrame) {
  EXPECT_TRUE(world_.policy().has_hypervisor());
  EXPECT_EQ(world_.policy().BookkeepingBytes(), 0u);
}

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const char* policy : {"pinning", "trap-and-emulate"}) {
    for (PagingMode mode :
         {PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level}) {
      cases.push_back({policy, mode});
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(All, DirectPagingTest, ::testing::ValuesIn(AllCases()),
                         [](const testing::TestParamInfo<Case>& row) {
                           std::string name = row.param.policy;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name +
                                  std::to_string(LevelCount(row.param.mode));
                         });

}  // namespace
}  // namespace xmmu::direct_paging_test
