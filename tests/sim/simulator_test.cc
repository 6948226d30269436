#include "xmmu/sim/simulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::simulator_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string ErrorOf(const SimulatorOptions& options) {
  const auto simulator = Simulator::Create(options);
  EXPECT_FALSE(simulator.ok());
  return std::string(simulator.status().message());
}

std::unique_ptr<Simulator> Make(const SimulatorOptions& options) {
  auto simulator = Simulator::Create(options);
  EXPECT_TRUE(simulator.ok()) << simulator.status();
  return *std::move(simulator);
}

ReportRow RunOn(Simulator& simulator, const std::string& spec) {
  const auto workload = MakeSyntheticWorkload(spec);
  EXPECT_TRUE(workload.ok()) << workload.status();
  absl::StatusOr<ReportRow> row = simulator.Run(**workload);
  EXPECT_TRUE(row.ok()) << row.status();
  return *std::move(row);
}

constexpr uint64_t k4MiB = uint64_t{4} << 20;

// A first workload by name, whatever it is.
std::string AnyWorkload() {
  return std::string(SyntheticWorkloads().front().name);
}

TEST(SimulatorTest, TheBootCostsNothing) {
  for (const PolicyEntry& policy : Policies()) {
    const auto simulator = Make({.policy = std::string(policy.name)});
    EXPECT_EQ(simulator->cost(), Cost()) << policy.name;
  }
}

TEST(SimulatorTest, AfterTheBootAllCpusHaveTheSameTime) {
  const auto simulator = Make({.vcpus = 4});
  for (uint32_t i = 0; i < 4; ++i) {
    EXPECT_EQ(simulator->host().cpu(i).clock.now(),
              simulator->host().cpu(0).clock.now());
  }
}

TEST(SimulatorTest, TheComponentsOfARunAddUpToItsCycles) {
  const auto simulator = Make({});
  const ReportRow row = RunOn(*simulator, AnyWorkload());
  Cycles sum;
  for (Cycles part : row.cost.by_component) sum += part;
  EXPECT_GT(row.cost.cycles, Cycles(0));
  EXPECT_EQ(sum, row.cost.cycles);
  EXPECT_EQ(row.cost, simulator->cost());
}

// Maps a file privately, reads and writes it.
class FileWorkload final : public Workload {
 public:
  std::string name() const override { return "file"; }
  TaskId first_task() const override { return 1; }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId) override {
    static constexpr VirtAddr kVa{0x10000000};
    static const std::vector<GuestOp> kOps = {
        {.kind = GuestOpKind::kMap,
         .rights = kMapRead | kMapWrite,
         .backing = Backing::kFilePrivate,
         .va = kVa,
         .length = 2 * kPageSize,
         .file = 7},
        {.kind = GuestOpKind::kLoad, .va = kVa, .length = 8},
        {.kind = GuestOpKind::kStore, .va = kVa + kPageSize, .length = 8},
        {.kind = GuestOpKind::kLoad, .va = kVa + kPageSize, .length = 8},
        {.kind = GuestOpKind::kExit}};
    return kOps;
  }
};

TEST(SimulatorTest, SharingFilePagesCostsHashingAndChangesNothingElse) {
  FileWorkload workload;
  const ReportRow plain = Make({})->Run(workload).value();
  const auto simulator = Make({.share_file_pages = true});
  const ReportRow sharing = simulator->Run(workload).value();
  EXPECT_EQ(sharing.guest_digest, plain.guest_digest);
  EXPECT_EQ(plain.cost.component(Component::kSharing), Cycles(0));
  const uint64_t price = simulator->machine().cost(CostEvent::kHashPage).value;
  EXPECT_EQ(sharing.cost.component(Component::kSharing), Cycles(2 * price));
  EXPECT_GT(sharing.cost.cycles, plain.cost.cycles);
}

TEST(SimulatorTest, FilePagesAreNotSharedOnBareHardware) {
  const auto simulator =
      Simulator::Create({.policy = "native", .share_file_pages = true});
  EXPECT_EQ(simulator.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(SimulatorTest, OneCpuIsNeverAheadOfItsWork) {
  const auto simulator = Make({.policy = "native"});
  const ReportRow row = RunOn(*simulator, AnyWorkload());
  EXPECT_EQ(row.cost.elapsed, row.cost.cycles);
}

TEST(SimulatorTest, OverlapHidesCyclesAndChangesNoneOfThem) {
  const auto serial = Make({});
  const ReportRow plain = RunOn(*serial, AnyWorkload());
  EXPECT_EQ(plain.cost.hidden, Cycles(0));
  for (const Overlap& overlap :
       {Overlap{.walkers = 2}, Overlap{.hidden_per_mille = 300},
        Overlap{.walkers = 16, .hidden_per_mille = 1000}}) {
    const auto simulator = Make({.overlap = overlap});
    const ReportRow row = RunOn(*simulator, AnyWorkload());
    EXPECT_GT(row.cost.hidden, Cycles(0));
    EXPECT_EQ(row.cost.tally, plain.cost.tally);
    EXPECT_EQ(row.cost.cycles, plain.cost.cycles);
    EXPECT_EQ(row.cost.elapsed, row.cost.cycles - row.cost.hidden);
    EXPECT_EQ(row.guest_digest, plain.guest_digest);
  }
}

TEST(SimulatorTest, OverlapHasARange) {
  for (const Overlap& overlap :
       {Overlap{.walkers = 0}, Overlap{.walkers = 17},
        Overlap{.hidden_per_mille = -1}, Overlap{.hidden_per_mille = 1001}}) {
    EXPECT_EQ(Simulator::Create({.overlap = overlap}).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(SimulatorTest, EveryRowSaysWhatItsCyclesRestOn) {
  const ReportRow row = RunOn(*Make({}), AnyWorkload());
  Cycles sum;
  for (const Cycles cycles : row.by_mark) sum += cycles;
  EXPECT_EQ(sum, row.cost.cycles);
}

TEST(SimulatorTest, BareHardwareManagesMemoryWithPageTablesAlone) {
  const ReportRow native = RunOn(*Make({.policy = "native"}), AnyWorkload());
  EXPECT_GT(native.page_table_bytes, 0u);
  EXPECT_EQ(native.memory_overhead_bytes, native.page_table_bytes);
}

TEST(SimulatorTest, WhateverStrategyXenHasItPaysForItsFrameTable) {
  for (const std::string_view policy :
       {"pinning", "writable-page-tables", "shadow-2005", "shadow-2006",
        "shadow-2008", "xi-shadow", "nested-paging"}) {
    const auto simulator = Make({.policy = std::string(policy)});
    const ReportRow row = RunOn(*simulator, AnyWorkload());
    const Host& host = simulator->host();
    const uint64_t others = row.page_table_bytes +
                            host.peak_xen_frames() * kPageSize +
                            simulator->policy().BookkeepingBytes();
    EXPECT_EQ(row.memory_overhead_bytes - others,
              host.frame_bookkeeping_bytes())
        << policy;
    EXPECT_GT(host.frame_bookkeeping_bytes(), 0u);
  }
}

TEST(SimulatorTest, FramesOfTheHypervisorCountAtTheirPeak) {
  const auto simulator = Make({.policy = "native"});
  const uint64_t before = simulator->Row().memory_overhead_bytes;
  const Mfn frame = simulator->host().AllocXenFrame();
  simulator->host().FreeXenFrame(frame);
  simulator->host().FreeXenFrame(simulator->host().AllocXenFrame());
  EXPECT_EQ(simulator->Row().memory_overhead_bytes, before + kPageSize);
}

TEST(SimulatorTest, TwoRunsAreEqualToTheLastFigure) {
  const ReportRow a = RunOn(*Make({.vcpus = 2}), AnyWorkload());
  const ReportRow b = RunOn(*Make({.vcpus = 2}), AnyWorkload());
  EXPECT_EQ(a.cost, b.cost);
  EXPECT_EQ(a.guest_digest, b.guest_digest);
  EXPECT_EQ(a.page_table_bytes, b.page_table_bytes);
}

TEST(SimulatorTest, SimulatorsOnManyThreadsDoNotDisturbEachOther) {
  const ReportRow alone = RunOn(*Make({}), AnyWorkload());
  std::array<ReportRow, 4> rows;
  std::vector<std::thread> threads;
  threads.reserve(rows.size());
  for (ReportRow& row : rows) {
    threads.emplace_back([&row] { row = RunOn(*Make({}), AnyWorkload()); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const ReportRow& row : rows) {
    EXPECT_EQ(row.cost, alone.cost);
    EXPECT_EQ(row.guest_digest, alone.guest_digest);
  }
}

TEST(SimulatorTest, AnUnknownMachineIsAnsweredWithTheKnownOnes) {
  EXPECT_THAT(ErrorOf({.machine = "abacus"}),
              AllOf(HasSubstr("abacus"), HasSubstr("xeon-2003, opteron-2005")));
}

TEST(SimulatorTest, AnUnknownPolicyIsAnsweredWithTheKnownOnes) {
  EXPECT_THAT(ErrorOf({.policy = "hope"}),
              AllOf(HasSubstr("hope"), HasSubstr("native, pinning")));
}

TEST(SimulatorTest, ANameThatIsNearlyOneIsAnsweredWithThatOne) {
  EXPECT_EQ(
      ErrorOf({.policy = "pining"})
          .find(
              "no policy 'pining', did you mean \"pinning\"? There are native"),
      0u);
  EXPECT_EQ(
      ErrorOf({.machine = "Zen3"})
          .find(
              "no machine 'Zen3', did you mean \"zen3-2020\"? There are xeon"),
      0u);
}

TEST(SimulatorTest, EachDomainRunsAWorkloadOfItsOwn) {
  const auto simulator = Make({.guest_memory_bytes = 64 << 20, .domains = 2});
  auto workload = MakeSyntheticWorkload(AnyWorkload());
  ASSERT_TRUE(workload.ok());
  const std::array one = {workload->get()};
  EXPECT_THAT(std::string(simulator->Run(one).status().message()),
              HasSubstr("1 workloads for 2 domains"));
  const std::array<Workload*, 2> half = {workload->get(), nullptr};
  EXPECT_THAT(std::string(simulator->Run(half).status().message()),
              HasSubstr("workload 1 is a null pointer"));
  EXPECT_EQ(simulator->cost().cycles, Cycles());
}

TEST(SimulatorTest, VcpusAreOneToSixtyFour) {
  EXPECT_THAT(ErrorOf({.vcpus = 0}), HasSubstr("1 to 64"));
  EXPECT_THAT(ErrorOf({.vcpus = 65}), HasSubstr("1 to 64"));
  EXPECT_TRUE(Simulator::Create({.vcpus = 64}).ok());
}

TEST(SimulatorTest, MemoryIsAMultipleOfFourMebibytes) {
  for (uint64_t bytes :
       {uint64_t{0}, kPageSize, k4MiB - kPageSize, k4MiB + 1}) {
    EXPECT_THAT(ErrorOf({.guest_memory_bytes = bytes}), HasSubstr("4 MiB"));
  }
}

TEST(SimulatorTest, TheLeastMemoryWillDoForAnyGuest) {
  for (const PolicyEntry& policy : Policies()) {
    for (PagingMode mode : kAllPagingModes) {
      SimulatorOptions options;
      options.mode = mode;
      options.vcpus = 64;
      options.guest_memory_bytes = k4MiB;
      options.policy = std::string(policy.name);
      const absl::Status status = Simulator::Create(options).status();
      EXPECT_TRUE(status.ok() || absl::IsUnimplemented(status)) << status;
    }
  }
}

TEST(SimulatorTest, GuestOptionsThatAreNotSetAreThoseOfTheTime) {
  const auto simulator =
      Make({.mode = PagingMode::k2Level, .pin = PinWhen::kNever});
  EXPECT_EQ(simulator->guest().options().ops, GuestOps::kQueue);
  EXPECT_EQ(simulator->guest().options().pin, PinWhen::kNever);
}

TEST(SimulatorTest, AMissingModeIsLentToTheMachine) {
  EXPECT_FALSE(HasMode(*FindMachine("xeon-2003"), PagingMode::k4Level));
  EXPECT_TRUE(HasMode(*FindMachine("xeon-2003"), PagingMode::kPae));
  EXPECT_FALSE(HasMode(*FindMachine("skylake-2017"), PagingMode::k5Level));
  const auto simulator =
      Make({.machine = "xeon-2003", .mode = PagingMode::k4Level});
  EXPECT_TRUE(simulator->machine().features.long_mode);
}

// A policy under another name.
class Renamed final : public Policy {
 public:
  Renamed(Host& host, std::string_view name)
      : name_(name), native_(FindPolicy("native")->make(host)) {}
  std::string_view name() const override { return name_; }
  absl::StatusOr<GuestAbi> Abi(PagingMode mode) const override {
    return native_->Abi(mode);
  }
  absl::Status StartVcpu(VcpuContext& vcpu, Gfn root, Gfn user) override {
    return native_->StartVcpu(vcpu, root, user);
  }
  absl::Status LoadCr3(VcpuContext& vcpu, Gfn root) override {
    return native_->LoadCr3(vcpu, root);
  }
  void FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                const TlbFlush& flush) override {
    native_->FlushTlb(vcpu, vcpus, flush);
  }
  void SwitchMode(VcpuContext& vcpu, ModeSwitch how) override {
    native_->SwitchMode(vcpu, how);
  }
  FaultOutcome HandlePageFault(VcpuContext& vcpu, const PageFault& fault,
                               const Access& access,
                               MemoryOperand& operand) override {
    return native_->HandlePageFault(vcpu, fault, access, operand);
  }

 private:
  std::string_view name_;
  std::unique_ptr<Policy> native_;
};

PolicyFactory Named(std::string_view name) {
  return [name](Host& host) { return std::make_unique<Renamed>(host, name); };
}

TEST(SimulatorTest, APolicyOfYourOwnRunsUnderItsName) {
  const auto own = Make({.custom_policy = Named("my-own")});
  const auto native = Make({.policy = "native"});
  const ReportRow row = RunOn(*own, AnyWorkload());
  EXPECT_EQ(row.policy, "my-own");
  EXPECT_EQ(row.cost, RunOn(*native, AnyWorkload()).cost);
}

TEST(SimulatorTest, APolicyNameThatWouldBreakAReportIsRefused) {
  EXPECT_THAT(ErrorOf({.custom_policy = Named("a,b")}), HasSubstr("'a,b'"));
  EXPECT_THAT(ErrorOf({.custom_policy = Named("")}), HasSubstr("policy name"));
}

TEST(SimulatorTest, AFactoryThatMakesNothingIsAnError) {
  EXPECT_THAT(ErrorOf({.custom_policy =
                           [](Host&) { return std::unique_ptr<Policy>(); }}),
              HasSubstr("no policy"));
}

// CR3 reaches no further.
TEST(SimulatorTest, ThirtyTwoBitDomainsFitIntoFourGib) {
  SimulatorOptions options;
  options.mode = PagingMode::kPae;
  options.domains = 7;
  EXPECT_TRUE(Simulator::Create(options).ok());
  options.domains = 8;  // 4 GiB, but for what Xen has below
  EXPECT_EQ(Simulator::Create(options).status().code(),
            absl::StatusCode::kInvalidArgument);
  options.mode = PagingMode::k4Level;
  options.machine = "skylake-2017";
  EXPECT_TRUE(Simulator::Create(options).ok());
}

}  // namespace
}  // namespace xmmu::simulator_test
