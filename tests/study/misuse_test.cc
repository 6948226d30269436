#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "study/batches.h"
#include "study/claims.h"
#include "study/crossover.h"
#include "xmmu/policy/policies.h"
#include "xmmu/sim/compare.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/workload/synthetic.h"

// What a program hands to the library by mistake ends in a Status.

namespace xmmu::misuse_test {
namespace {

using ::testing::HasSubstr;

// Bare hardware whose page faults are answered by `answer`, always.
class Stubborn final : public Policy {
 public:
  Stubborn(Host& host, FaultAction answer)
      : bare_(FindPolicy("native")->make(host)), answer_(answer) {}
  std::string_view name() const override { return "stubborn"; }
  absl::StatusOr<GuestAbi> Abi(PagingMode mode) const override {
    return bare_->Abi(mode);
  }
  absl::Status StartVcpu(VcpuContext& vcpu, Gfn root, Gfn user_root) override {
    return bare_->StartVcpu(vcpu, root, user_root);
  }
  void SwitchMode(VcpuContext& vcpu, ModeSwitch how) override {
    bare_->SwitchMode(vcpu, how);
  }
  absl::Status LoadCr3(VcpuContext& vcpu, Gfn root) override {
    return bare_->LoadCr3(vcpu, root);
  }
  void FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                const TlbFlush& flush) override {
    bare_->FlushTlb(vcpu, vcpus, flush);
  }
  FaultOutcome HandlePageFault(VcpuContext&, const PageFault& fault,
                               const Access&, MemoryOperand&) override {
    return {answer_, fault};
  }

 private:
  std::unique_ptr<Policy> bare_;
  FaultAction answer_;
};

// Gives nothing after its first operation.
class Silent final : public Workload {
 public:
  explicit Silent(std::vector<GuestOp> ops) : ops_(std::move(ops)) {}
  std::string name() const override { return "silent"; }
  TaskId first_task() const override { return 7; }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId) override {
    static const std::vector<GuestOp> kNone;
    return std::exchange(given_, true) ? kNone : ops_;
  }

 private:
  std::vector<GuestOp> ops_;
  bool given_ = false;
};

SimulatorOptions Small() {
  return {.guest_memory_bytes = uint64_t{64} << 20, .policy = "native"};
}

ComparisonOptions Comparing(const SimulatorOptions& base) {
  ComparisonOptions options;
  options.base = base;
  return options;
}

std::string ErrorOf(Workload& workload, SimulatorOptions options = Small()) {
  auto simulator = Simulator::Create(options);
  EXPECT_TRUE(simulator.ok()) << simulator.status();
  return std::string((*simulator)->Run(workload).status().message());
}

WorkloadFactory Touch() {
  return [](const SimulatorOptions&) { return MakeSyntheticWorkload("touch"); };
}

TEST(MisuseTest, APolicyThatRetriesForEverEndsInAStatus) {
  for (const auto& [answer, says] :
       {std::pair(FaultAction::kRetry, "stubborn: a policy retries for ever"),
        std::pair(FaultAction::kEmulated, "")}) {
    SimulatorOptions options = Small();
    options.custom_policy = [action = answer](Host& host) {
      return std::make_unique<Stubborn>(host, action);
    };
    const auto workload = MakeSyntheticWorkload("fork:pages=5");
    EXPECT_THAT(ErrorOf(**workload, options), HasSubstr(says));
  }
}

TEST(MisuseTest, AWorkloadWithoutOperationsIsNamedWithItsTask) {
  Silent none({});
  EXPECT_EQ(
      ErrorOf(none),
      "the workload has no next operation of task 7: want one at least, and "
      "kExit for the last");
  for (const int rounds : {0, 2}) {
    SimulatorOptions options = Small();
    options.policy = "trap-and-emulate";
    options.migration.rounds = rounds;
    Silent after_one({{.kind = GuestOpKind::kSyscall}});
    EXPECT_THAT(ErrorOf(after_one, options),
                HasSubstr("has no next operation"));
  }
}

TEST(MisuseTest, AWorkloadThatIsNoneIsRefused) {
  const ComparisonOptions options = Comparing(Small());
  const auto error = [&](const WorkloadFactory& factory) {
    return std::string(Compare(options, factory).status().message());
  };
  EXPECT_THAT(error({}), HasSubstr("its factory is null"));
  EXPECT_THAT(error([](const SimulatorOptions&)
                        -> absl::StatusOr<std::unique_ptr<Workload>> {
                return std::unique_ptr<Workload>();
              }),
              HasSubstr("the factory made no workload"));
}

TEST(MisuseTest, EachDomainWantsAWorkload) {
  SimulatorOptions options = Small();
  options.domains = 2;
  auto simulator = Simulator::Create(options);
  const auto workload = MakeSyntheticWorkload("touch:pages=1");
  std::vector<Workload*> workloads = {workload->get()};
  EXPECT_EQ((*simulator)->Run(workloads).status().message(),
            "1 workloads for 2 domains: want one each");
  workloads.push_back(nullptr);
  EXPECT_THAT(std::string((*simulator)->Run(workloads).status().message()),
              HasSubstr("workload 1 is a null pointer"));
}

TEST(MisuseTest, AStudyOfNothingIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(MeasureCrossover(Small(), {}).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(MeasureBatches(Small(), {}, Touch()).status()));
  const UpdateWay unknown{"hope", GuestOps::kStores};
  EXPECT_THAT(
      std::string(MeasureCrossover(Small(), {unknown}).status().message()),
      HasSubstr("no policy 'hope'"));
}

TEST(MisuseTest, SamplesBeyondTheLimitAreRefused) {
  const auto comparison = Compare(Comparing(Small()), Touch());
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  EXPECT_TRUE(SweepComparison(*comparison, {.samples = 0}).ok());
  EXPECT_THAT(std::string(SweepComparison(*comparison,
                                          {.samples = kMaxSweepSamples + 1})
                              .status()
                              .message()),
              HasSubstr("100001 samples: want 0 to 100000"));
}

TEST(MisuseTest, APriceBesideItsBandIsChargedButNotSwept) {
  auto machine = std::make_shared<MachineModel>(*FindMachine("xeon-2003"));
  CostConstant& cost = machine->cost(CostEvent::kGuestFaultPath);
  cost.value = cost.high + 1;
  cost.mark = Mark::kEstimated;
  SimulatorOptions options = Small();
  options.custom_machine = machine;
  const auto comparison = Compare(Comparing(options), Touch());
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  EXPECT_THAT(std::string(SweepComparison(*comparison, {}).status().message()),
              HasSubstr("is not in the band of"));
}

}  // namespace
}  // namespace xmmu::misuse_test
