#include "xmmu/sim/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "xmmu/policy/policies.h"
#include "xmmu/report/report.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::compare_test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// "policy/ops/pin" of each row of the plan.
std::vector<std::string> RowsOf(const ComparisonPlan& plan) {
  std::vector<std::string> rows;
  for (const SimulatorOptions& row : plan.rows) {
    std::string text = row.policy;
    if (row.guest_ops) text += "/" + std::string(GuestOpsName(*row.guest_ops));
    if (row.pin) text += "/" + std::string(PinWhenName(*row.pin));
    rows.push_back(text);
  }
  return rows;
}

std::vector<std::string> PlannedRows(const ComparisonOptions& options) {
  const absl::StatusOr<ComparisonPlan> plan = PlanComparison(options);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.ok() ? RowsOf(*plan) : std::vector<std::string>();
}

absl::Status PlanError(const ComparisonOptions& options) {
  return PlanComparison(options).status();
}

WorkloadFactory Synthetic(std::string spec) {
  return
      [spec](const SimulatorOptions&) { return MakeSyntheticWorkload(spec); };
}

std::string AnyWorkload() {
  return std::string(SyntheticWorkloads().front().name);
}

TEST(PlanTest, TheDefaultComparesPinningWithAndWithoutPins) {
  EXPECT_THAT(PlannedRows({}),
              ElementsAre("native/stores", "pinning/update-va-mapping/late",
                          "pinning/update-va-mapping/never",
                          "trap-and-emulate/linux-2.6.18/late"));
}

TEST(PlanTest, TwoLevelGuestsAreOfAnotherTime) {
  ComparisonOptions options;
  options.base.mode = PagingMode::k2Level;
  options.policies = {{"pinning"}};
  EXPECT_THAT(PlannedRows(options),
              ElementsAre("pinning/queue/early", "pinning/queue/late",
                          "pinning/queue/never"));
}

TEST(PlanTest, BareHardwareHasOneRowWhateverTheGuestCouldDo) {
  ComparisonOptions options;
  options.policies = {{"native"}};
  options.guest_ops = {GuestOps::kQueue, GuestOps::kMulticall};
  options.pins = {PinWhen::kEarly, PinWhen::kNever};
  EXPECT_THAT(PlannedRows(options), ElementsAre("native/stores"));
}

TEST(PlanTest, OpsAndPinsMultiply) {
  ComparisonOptions options;
  options.policies = {{"pinning"}};
  options.guest_ops = {GuestOps::kQueue, GuestOps::kMulticall};
  options.pins = {PinWhen::kEarly, PinWhen::kNever};
  EXPECT_THAT(
      PlannedRows(options),
      ElementsAre("pinning/queue/early", "pinning/queue/never",
                  "pinning/multicall/early", "pinning/multicall/never"));
}

TEST(PlanTest, AnUnknownPolicyIsAnsweredWithTheKnownOnes) {
  ComparisonOptions options;
  options.policies = {{"hope"}};
  EXPECT_TRUE(absl::IsInvalidArgument(PlanError(options)));
  EXPECT_THAT(std::string(PlanError(options).message()),
              AllOf(HasSubstr("hope"), HasSubstr("native, pinning")));
}

TEST(PlanTest, TheOneWayAskedForMustWork) {
  ComparisonOptions options;
  options.policies = {{"native"}, {"pinning"}};
  options.guest_ops = {GuestOps::kStores};
  EXPECT_TRUE(absl::IsInvalidArgument(PlanError(options)));
  EXPECT_THAT(std::string(PlanError(options).message()),
              HasSubstr("pinning: guest-ops stores: "));
}

TEST(PlanTest, OfSeveralWaysThoseThatCannotBeAreLeftOut) {
  ComparisonOptions options;
  options.policies = {{"pinning"}};
  options.guest_ops = {GuestOps::kStores, GuestOps::kQueue};
  options.pins = {PinWhen::kLate};
  const absl::StatusOr<ComparisonPlan> plan = PlanComparison(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(RowsOf(*plan), ElementsAre("pinning/queue/late"));
  EXPECT_THAT(plan->left_out,
              ElementsAre(HasSubstr("pinning: guest-ops stores: ")));
}

TEST(PlanTest, AModeWithoutGuestsIsAnErrorUnlessToBeLeftOut) {
  ComparisonOptions options;
  options.base.mode = PagingMode::k5Level;
  options.base.machine = "skylake-2017";
  options.policies = {{"native"}, {"pinning"}};
  EXPECT_TRUE(absl::IsUnimplemented(PlanError(options)));
  EXPECT_THAT(std::string(PlanError(options).message()),
              HasSubstr("pinning: "));
  options.leave_out_unsupported = true;
  const absl::StatusOr<ComparisonPlan> plan = PlanComparison(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(RowsOf(*plan), ElementsAre("native/stores"));
  EXPECT_THAT(plan->left_out, ElementsAre(HasSubstr("pinning: ")));
}

TEST(PlanTest, NothingToRunIsAnError) {
  ComparisonOptions options;
  options.base.mode = PagingMode::k5Level;
  options.policies = {{"pinning"}};
  options.leave_out_unsupported = true;
  EXPECT_THAT(std::string(PlanError(options).message()),
              HasSubstr("no policy to run"));
}

TEST(CompareTest, DescribesWhatItsRowsShare) {
  ComparisonOptions options;
  options.base.machine = "xeon-2003";
  options.base.mode = PagingMode::k4Level;
  options.base.vcpus = 2;
  options.base.quantum_ops = 500;
  options.policies = {{"native"}};
  const auto comparison = Compare(options, Synthetic(AnyWorkload()));
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  EXPECT_EQ(comparison->version, Version());
  EXPECT_EQ(comparison->options.machine, "xeon-2003");
  EXPECT_TRUE(comparison->hypothetical);
  EXPECT_EQ(comparison->options.vcpus, 2);
  EXPECT_EQ(comparison->options.quantum_ops, 500u);
  EXPECT_THAT(comparison->workload, HasSubstr(AnyWorkload()));
  EXPECT_THAT(comparison->left_out, IsEmpty());
}

TEST(CompareTest, RowsSayWhatTheMachineHasNot) {
  ComparisonOptions options;
  options.base.machine = "core2-2006";
  options.policies = {{"native"}, {"shadow-2008"}, {"nested-paging"}};
  const auto comparison = Compare(options, Synthetic(AnyWorkload()));
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  EXPECT_EQ(comparison->rows[0].hypothetical, "");
  EXPECT_EQ(comparison->rows[1].hypothetical, "");
  EXPECT_EQ(comparison->rows[2].hypothetical, "nested paging");
}

// A machine of one's own is named, and its flush filter is as it is made.
TEST(CompareTest, AMachineOfOnesOwnWins) {
  MachineModel model = *FindMachine("opteron-2005");
  model.name = "mine";
  model.flush_filter.enabled = true;
  ComparisonOptions options;
  options.base.custom_machine = std::make_shared<MachineModel>(model);
  options.policies = {{"native"}};
  const auto comparison = Compare(options, Synthetic(AnyWorkload()));
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  EXPECT_EQ(comparison->options.machine, "mine");
  EXPECT_TRUE(comparison->options.flush_filter);
}

TEST(CompareTest, TheSameComparisonIsTheSameBytes) {
  std::array<std::string, 2> reports;
  for (std::string& report : reports) {
    ComparisonOptions options;
    options.base.vcpus = 4;
    const auto comparison = Compare(options, Synthetic(AnyWorkload()));
    ASSERT_TRUE(comparison.ok()) << comparison.status();
    for (ReportFormat format : AllReportFormats()) {
      report += FormatReport(*comparison, format);
    }
  }
  EXPECT_EQ(reports[0], reports[1]);
}

// Another workload each time that it is asked.
TEST(CompareTest, RowsThatSawDifferentThingsAreAnError) {
  ComparisonOptions options;
  options.policies = {{"native"}, {"pinning"}};
  options.pins = {PinWhen::kLate};
  size_t next = 0;
  const auto comparison = Compare(options, [&](const SimulatorOptions&) {
    return MakeSyntheticWorkload(SyntheticWorkloads()[next++].name);
  });
  ASSERT_FALSE(comparison.ok());
  EXPECT_TRUE(absl::IsInternal(comparison.status()));
  EXPECT_THAT(std::string(comparison.status().message()),
              AllOf(HasSubstr("under native"),
                    HasSubstr("under pinning/update-va-mapping/late")));
}

TEST(CompareTest, TheErrorOfAWorkloadIsPassedOnAsItIs) {
  const absl::Status error = absl::InvalidArgumentError("log:1: what is this");
  const auto comparison = Compare(
      {},
      [&](const SimulatorOptions&)
          -> absl::StatusOr<std::unique_ptr<Workload>> { return error; });
  EXPECT_EQ(comparison.status(), error);
}

TEST(CompareTest, AWorkloadThatIsNoneIsAnErrorAndNotTheEndOfTheProgram) {
  EXPECT_EQ(Compare({}, nullptr).status(),
            absl::InvalidArgumentError("no workload: its factory is null"));
  const auto none =
      [](const SimulatorOptions&) -> absl::StatusOr<std::unique_ptr<Workload>> {
    return std::unique_ptr<Workload>();
  };
  EXPECT_EQ(Compare({}, none).status(),
            absl::InvalidArgumentError("the factory made no workload"));
}

TEST(PlanTest, AMachineOfYourOwnThatCannotBeBuiltIsAnError) {
  auto machine = std::make_shared<MachineModel>(*FindMachine("xeon-2003"));
  machine->l1.ways = 0;
  ComparisonOptions options;
  options.base.custom_machine = machine;
  EXPECT_THAT(std::string(PlanError(options).message()),
              HasSubstr("do not divide into 0 ways"));
}

// Goes on with nothing.
class EmptyWorkload final : public Workload {
 public:
  std::string name() const override { return "empty"; }
  TaskId first_task() const override { return 1; }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId) override {
    return std::span<const GuestOp>();
  }
};

TEST(CompareTest, AWorkloadThatGoesOnWithNothingIsAnError) {
  const auto comparison = Compare(
      {},
      [](const SimulatorOptions&) -> absl::StatusOr<std::unique_ptr<Workload>> {
        return std::make_unique<EmptyWorkload>();
      });
  EXPECT_THAT(std::string(comparison.status().message()),
              HasSubstr("no next operation of task 1"));
}

// Maps a page where no process may have one.
class ImpossibleWorkload final : public Workload {
 public:
  std::string name() const override { return "impossible"; }
  TaskId first_task() const override { return 1; }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId) override {
    return std::span<const GuestOp>(ops_);
  }

 private:
  std::array<GuestOp, 2> ops_ = {{{.kind = GuestOpKind::kMap,
                                   .rights = kMapRead,
                                   .va = VirtAddr(uint64_t{1} << 62),
                                   .length = kPageSize},
                                  {.kind = GuestOpKind::kExit}}};
};

// Cannot be read.
class UnreadableWorkload final : public Workload {
 public:
  explicit UnreadableWorkload(absl::Status error) : error_(std::move(error)) {}

  std::string name() const override { return "unreadable"; }
  TaskId first_task() const override { return 1; }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId) override {
    return error_;
  }

 private:
  absl::Status error_;
};

TEST(CompareTest, WhatCannotBeReadIsNoMatterOfTheRow) {
  const absl::Status error = absl::InvalidArgumentError("log:9: what is this");
  const auto comparison =
      Compare({},
              [&](const SimulatorOptions&)
                  -> absl::StatusOr<std::unique_ptr<Workload>> {
                return std::make_unique<UnreadableWorkload>(error);
              });
  EXPECT_EQ(comparison.status(), error);
}

TEST(CompareTest, WhatTheGuestCannotDoNamesTheRow) {
  const auto comparison =
      Compare({},
              [&](const SimulatorOptions&)
                  -> absl::StatusOr<std::unique_ptr<Workload>> {
                return std::make_unique<ImpossibleWorkload>();
              });
  EXPECT_THAT(std::string(comparison.status().message()),
              ::testing::StartsWith("native: "));
}

TEST(PlanTest, SharingIsARowBesideEachParavirtualOne) {
  ComparisonOptions options;
  options.share_file_pages = true;
  const auto plan = PlanComparison(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  std::vector<bool> shares;
  for (const SimulatorOptions& row : plan->rows) {
    shares.push_back(row.share_file_pages);
  }
  EXPECT_THAT(shares,
              ElementsAre(false, false, true, false, true, false, true));
}

TEST(CompareTest, SeveralDomainsShareWhatOneAloneCannot) {
  ComparisonOptions options;
  options.policies = {{"native"}, {"pinning"}};
  options.pins = {PinWhen::kLate};
  options.share_file_pages = true;
  std::vector<uint64_t> digests;
  for (const int domains : {1, 3}) {
    options.base.domains = domains;
    const auto comparison =
        Compare(options, Synthetic("files:pages=40,writes=10"));
    ASSERT_TRUE(comparison.ok()) << comparison.status();
    digests.push_back(comparison->rows[0].guest_digest);
    const auto counted = [&](size_t row, Counter counter) {
      return comparison->rows[row].cost.counters[counter];
    };
    const auto others = static_cast<uint64_t>(domains - 1);
    EXPECT_EQ(counted(1, Counter::kPagesShared), 0u);
    EXPECT_EQ(counted(2, Counter::kPagesShared), 40u);
    EXPECT_EQ(counted(2, Counter::kPagesMerged), 40 * others);
    EXPECT_EQ(counted(2, Counter::kCowCopies), 10 * (others + 1));
  }
  EXPECT_NE(digests[0], digests[1]);
}

}  // namespace
}  // namespace xmmu::compare_test
