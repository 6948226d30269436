// The strategy nested-paging: what leaves the guest and what does not, and its
// P2M changing under it.

#include "guest/world.h"
#include "testing/conformance/nested_view.h"
#include "xmmu/xen/errno.h"
#include "xmmu/xen/nested_tables.h"

namespace xmmu::nested_paging_test {
namespace {

using conformance::NestedView;

constexpr TaskId kTask = 1;
constexpr uint64_t kPages = 24;

// A guest on a machine of one's choice.
struct Machine {
  Machine(std::string_view machine, std::string_view policy_name,
          PagingMode mode, int vcpus = 1)
      : host(*FindMachine(machine), {.cpus = vcpus}),
        policy(FindPolicy(policy_name)->make(host)) {
    const absl::StatusOr<GuestAbi> abi = policy->Abi(mode);
    domain = *host.CreateDomain({.mode = mode,
                                 .memory_frames = 32u << 8,
                                 .vcpus = vcpus,
                                 .translated = abi->translated});
    auto booted = GuestKernel::Boot(host, *policy, *domain,
                                    DefaultGuestOptions(*abi, mode));
    EXPECT_TRUE(booted.ok()) << booted.status();
    kernel = *std::move(booted);
    EXPECT_TRUE(kernel->CreateProcess(kTask).ok());
  }

  void RunProgram() {
    const auto perform = [&](TaskId task, const GuestOp& op) {
      ASSERT_TRUE(kernel->Perform(task, op).ok());
    };
    perform(kTask, MapOp(kPages));
    for (uint64_t page = 0; page < kPages; ++page)
      perform(kTask, StoreOp(page));
    perform(kTask, TaskOp(GuestOpKind::kFork, 2));
    for (uint64_t page = 0; page < kPages; ++page) perform(2, StoreOp(page));
    perform(2, RangeOp(GuestOpKind::kProtect, kPages / 2, kMapRead));
    perform(2, TaskOp(GuestOpKind::kExit));
    for (uint64_t page = 0; page < kPages; ++page) perform(kTask, LoadOp(page));
  }

  uint64_t Count(Counter counter) const {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < host.cpu_count(); ++i) {
      sum += host.cpu(i).counters[counter];
    }
    return sum;
  }
  std::string FirstEscape() { return NestedView(host).FirstEscape(); }
  VcpuContext& vcpu() { return domain->vcpu(0); }
  Cpu& cpu() { return host.cpu(0); }

  Host host;
  std::unique_ptr<Policy> policy;
  Domain* domain = nullptr;
  std::unique_ptr<GuestKernel> kernel;
};

class NestedPagingTest
    : public ::testing::TestWithParam<std::tuple<const char*, PagingMode>> {
 protected:
  const char* machine() const { return std::get<0>(GetParam()); }
  PagingMode mode() const { return std::get<1>(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(
    Machines, NestedPagingTest,
    ::testing::Combine(::testing::Values("skylake-2017", "opteron-2005",
                                         "xeon-2003"),
                       ::testing::ValuesIn(kAllPagingModes)));

TEST_P(NestedPagingTest, TheGuestSeesWhatItSeesOnBareHardware) {
  Machine native(machine(), "native", mode());
  native.RunProgram();
  for (const char* policy :
       {"nested-paging", "nested-paging-4k", "nested-paging-on-demand"}) {
    Machine nested(machine(), policy, mode());
    nested.RunProgram();
    EXPECT_EQ(nested.kernel->digest(), native.kernel->digest());
    EXPECT_EQ(nested.Count(Counter::kHardwareFaults),
              native.Count(Counter::kHardwareFaults));
    EXPECT_EQ(nested.Count(Counter::kGuestFaults),
              native.Count(Counter::kGuestFaults));
    EXPECT_EQ(nested.policy->Audit(), absl::OkStatus());
    EXPECT_EQ(nested.FirstEscape(), "");
  }
}

TEST_P(NestedPagingTest, NothingLeavesAGuestThatIsMapped) {
  Machine m(machine(), "nested-paging", mode());
  m.RunProgram();
  EXPECT_EQ(m.Count(Counter::kVmExits), 0u);
  EXPECT_EQ(m.Count(Counter::kNestedViolations), 0u);
  EXPECT_EQ(m.cpu().clock.tally(CostEvent::kVmExitWork), 0u);
}

TEST_P(NestedPagingTest, OnDemandEachPageTakesOneExit) {
  Machine m(machine(), "nested-paging-on-demand", mode());
  m.RunProgram();
  const uint64_t violations = m.Count(Counter::kNestedViolations);
  EXPECT_GT(violations, kPages);
  EXPECT_EQ(m.Count(Counter::kVmExits), violations);
  EXPECT_EQ(m.cpu().clock.tally(CostEvent::kNestedViolation), violations);
  // Again: all that the program needs is mapped.
  const uint64_t exits = m.Count(Counter::kVmExits);
  for (uint64_t page = 0; page < kPages; ++page) {
    ASSERT_TRUE(m.kernel->Perform(kTask, LoadOp(page)).ok());
  }
  EXPECT_EQ(m.Count(Counter::kVmExits), exits);
}

TEST_P(NestedPagingTest, FlushingAnotherVcpuExitsToSendAndToDeliver) {
  Machine m(machine(), "nested-paging", mode(), 3);
  m.policy->FlushTlb(m.vcpu(), MaskOf(0), TlbFlush::NonGlobal());
  EXPECT_EQ(m.Count(Counter::kVmExits), 0u);
  m.policy->FlushTlb(m.vcpu(), MaskOf(0) | MaskOf(1) | MaskOf(2),
                     TlbFlush::Page(kRegion));
  // The command, sent to both; the interrupt and its end.
  EXPECT_EQ(m.host.cpu(0).counters[Counter::kVmExits], 1u);
  EXPECT_EQ(m.host.cpu(1).counters[Counter::kVmExits], 2u);
  EXPECT_EQ(m.host.cpu(2).counters[Counter::kVmExits], 2u);
  EXPECT_EQ(m.host.cpu(1).counters[Counter::kIpis], 1u);
}

// A frame that the guest uses, given back while it is in every cache.
class BalloonTest : public NestedPagingTest {
 protected:
  // The page of the region's first page, once touched.
  Pfn PageOf(Machine& m) {
    const TranslateResult result =
        m.cpu().mmu.Probe({kRegion, AccessKind::kRead, true});
    EXPECT_TRUE(result.ok());
    return m.domain->p2m().PfnOf(FrameOf(result.addr()));
  }
};

INSTANTIATE_TEST_SUITE_P(
    Machines, BalloonTest,
    ::testing::Combine(::testing::Values("skylake-2017", "opteron-2005",
                                         "xeon-2003"),
                       ::testing::ValuesIn(kAllPagingModes)));

TEST_P(BalloonTest, AFrameGivenBackIsInNoTableAndNoCache) {
  Machine m(machine(), "nested-paging", mode(), 2);
  ASSERT_TRUE(m.kernel->Perform(kTask, MapOp(2)).ok());
  ASSERT_TRUE(m.kernel->Perform(kTask, StoreOp(0)).ok());
  const Pfn pfn = PageOf(m);
  const Mfn mfn = m.domain->p2m().MfnOf(pfn);
  const std::array frames = {Mfn(pfn.value())};
  const HypercallResult given =
      m.policy->Hypercall(m.vcpu(), DecreaseReservationCall{.frames = frames});
  EXPECT_EQ(given.done, 1u);
  EXPECT_EQ(m.host.free_frames(), 1u);
  EXPECT_EQ(m.domain->p2m().MfnOf(pfn), kInvalidMfn);
  EXPECT_EQ(m.policy->Audit(), absl::OkStatus());
  EXPECT_EQ(m.FirstEscape(), "");
  EXPECT_EQ(m.host.cpu(1).counters[Counter::kIpis], 1u);
  // The guest's own tables still name it: memory that is not there.
  EXPECT_FALSE(m.cpu().mmu.Translate({kRegion, AccessKind::kRead, true}).ok());
  // Another domain may have the frame now.
  Domain* const other = *m.host.CreateDomain({.memory_frames = 1024});
  other->p2m().Clear(Pfn(5));
  EXPECT_EQ(m.host.AllocFrame(*other, Pfn(5)), mfn);
  EXPECT_EQ(m.FirstEscape(), "");
}

TEST_P(BalloonTest, AForgottenFlushIsFoundOut) {
  Machine m(machine(), "nested-paging", mode());
  ASSERT_TRUE(m.kernel->Perform(kTask, MapOp(2)).ok());
  ASSERT_TRUE(m.kernel->Perform(kTask, StoreOp(0)).ok());
  const Pfn pfn = PageOf(m);
  const Mfn mfn = m.domain->p2m().MfnOf(pfn);
  // The entry and the frame go, what is cached stays.
  MachineAddr table = m.vcpu().vm.root;
  for (int level = 4; level > 2; --level) {
    const VirtAddr gpa(pfn.value() << kPageShift);
    table = AddressOf(Pte(m.host.memory().Read64(EntryAddress(
                              PagingMode::k4Level, table,
                              IndexOf(PagingMode::k4Level, level, gpa))))
                          .frame());
  }
  const VirtAddr gpa(pfn.value() << kPageShift);
  m.host.memory().Write64(EntryAddress(PagingMode::k4Level, table,
                                       IndexOf(PagingMode::k4Level, 2, gpa)),
                          0);
  m.host.FreeFrame(mfn);
  EXPECT_NE(m.FirstEscape(), "");
  m.host.FlushNested(m.cpu(), *m.domain);
  EXPECT_EQ(m.FirstEscape(), "");
}

TEST_P(BalloonTest, APageComesBackWithAnotherFrameOrTheSame) {
  for (const char* policy : {"nested-paging", "nested-paging-on-demand"}) {
    Machine m(machine(), policy, mode());
    ASSERT_TRUE(m.kernel->Perform(kTask, MapOp(2)).ok());
    ASSERT_TRUE(m.kernel->Perform(kTask, StoreOp(0)).ok());
    const Pfn pfn = PageOf(m);
    const std::array frames = {Mfn(pfn.value())};
    const std::array pfns = {pfn};
    const PopulatePhysmapCall populate{.pfns = pfns};
    // The page has a frame already.
    EXPECT_EQ(m.policy->Hypercall(m.vcpu(), populate).done, 0u);
    const DecreaseReservationCall decrease{.frames = frames};
    EXPECT_EQ(m.policy->Hypercall(m.vcpu(), decrease).done, 1u);
    EXPECT_EQ(m.policy->Hypercall(m.vcpu(), decrease).done, 0u);
    EXPECT_EQ(m.policy->Hypercall(m.vcpu(), populate).done, 1u);
    ASSERT_TRUE(m.kernel->Perform(kTask, LoadOp(0)).ok());
    EXPECT_EQ(m.policy->Audit(), absl::OkStatus());
    EXPECT_EQ(m.FirstEscape(), "");
  }
}

TEST_P(BalloonTest, AHoleReadsAsOnesAndTakesNoStores) {
  Machine m(machine(), "nested-paging", mode());
  ASSERT_TRUE(m.kernel->Perform(kTask, MapOp(2)).ok());
  ASSERT_TRUE(m.kernel->Perform(kTask, StoreOp(0)).ok());
  const std::array frames = {Mfn(PageOf(m).value())};
  EXPECT_EQ(
      m.policy->Hypercall(m.vcpu(), DecreaseReservationCall{.frames = frames})
          .done,
      1u);
  const Access access{kRegion, AccessKind::kRead, true};
  const TranslateResult result = m.cpu().mmu.Translate(access);
  ASSERT_FALSE(result.ok());
  MemoryOperand operand{.kind = OperandKind::kLoad, .size = 4};
  const FaultOutcome outcome =
      m.policy->HandlePageFault(m.vcpu(), result.fault(), access, operand);
  EXPECT_EQ(outcome.action, FaultAction::kEmulated);
  EXPECT_EQ(operand.seen, 0xffffffffu);
  EXPECT_FALSE(m.domain->crashed());
}

TEST_P(NestedPagingTest, OtherHypercallsAreForParavirtualGuests) {
  Machine m(machine(), "nested-paging", mode());
  const HypercallResult result = m.policy->Hypercall(m.vcpu(), VmAssistCall{});
  EXPECT_EQ(ErrnoOf(result.status), XenErrno::kENOSYS);
  EXPECT_EQ(m.Count(Counter::kVmExits), 1u);
}

// A MOV to CR3 reads a PAE guest's PDPTEs and writes nothing: the log has
// nothing to say of a guest that does no more.
TEST(NestedLogTest, LoadsOfPdptesMarkNoPage) {
  Machine m("skylake-2017", "nested-paging", PagingMode::kPae);
  m.RunProgram();
  ASSERT_TRUE(m.vcpu().vm.accessed_dirty);
  WriteLogging& log = **m.policy->WriteLoggingOf(*m.domain);
  ASSERT_EQ(log.Start(m.cpu()), absl::OkStatus());
  const Gfn root(m.vcpu().cr3 >> kPageShift);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(m.policy->LoadCr3(m.vcpu(), root), absl::OkStatus());
    EXPECT_EQ(log.Fetch(m.cpu(), DirtyFetch::kClean)->count(), 0u);
  }
  EXPECT_EQ(m.policy->Audit(), absl::OkStatus());
}

TEST(NestedTablesTest, TheLargestLeafThatTheExtentAllowsIsUsed) {
  Host host(*FindMachine("skylake-2017"), {});
  Domain* const domain =
      *host.CreateDomain({.memory_frames = 1024 + 3, .translated = true});
  CycleClock& clock = host.cpu(0).clock;
  NestedTables tables(host, *domain, 3);
  tables.MapAll(clock);
  EXPECT_EQ(tables.LeafLevelOf(Pfn(0)), 2);
  EXPECT_EQ(tables.LeafLevelOf(Pfn(1023)), 2);
  EXPECT_EQ(tables.LeafLevelOf(Pfn(1024)), 1);
  EXPECT_EQ(tables.LeafLevelOf(Pfn(1027)), 0);
  EXPECT_EQ(tables.Audit(/*complete=*/true), absl::OkStatus());
  EXPECT_TRUE(tables.Unmap(Pfn(7), clock));
  EXPECT_FALSE(tables.Unmap(Pfn(7), clock));
  EXPECT_EQ(tables.LeafLevelOf(Pfn(7)), 0);
  EXPECT_EQ(tables.LeafLevelOf(Pfn(8)), 1);
  EXPECT_EQ(tables.LeafLevelOf(Pfn(512)), 2);
  EXPECT_EQ(tables.Audit(/*complete=*/false), absl::OkStatus());
  EXPECT_FALSE(tables.Audit(/*complete=*/true).ok());
  domain->p2m().Clear(Pfn(9));
  EXPECT_FALSE(tables.Audit(/*complete=*/false).ok());
}

TEST(NestedTablesTest, AGibibyteInOneAlignedPieceIsOneLeaf) {
  Host host(*FindMachine("skylake-2017"), {});
  Domain* const domain =
      *host.CreateDomain({.memory_frames = 1, .translated = true});
  // The frames are like those of a domain whose extent begins at 1 GiB.
  for (uint64_t i = 0; i < 1u << 18; ++i) {
    domain->p2m().Set(Pfn(i), Mfn((1u << 18) + i));
  }
  NestedTables tables(host, *domain, 3);
  tables.MapAll(host.cpu(0).clock);
  EXPECT_EQ(tables.LeafLevelOf(Pfn(12345)), 3);
  EXPECT_TRUE(tables.Unmap(Pfn(12345), host.cpu(0).clock));
  EXPECT_EQ(tables.LeafLevelOf(Pfn(12344)), 1);
  EXPECT_EQ(tables.LeafLevelOf(Pfn(0)), 2);
  EXPECT_EQ(tables.Audit(/*complete=*/false), absl::OkStatus());
  NestedTables small(host, *domain, 1);
  small.Map(Pfn(12345), host.cpu(0).clock);
  EXPECT_EQ(small.LeafLevelOf(Pfn(12345)), 1);
}

}  // namespace
}  // namespace xmmu::nested_paging_test
