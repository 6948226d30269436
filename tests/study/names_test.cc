#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "study/batches.h"
#include "study/claims.h"
#include "study/crossover.h"
#include "study/shadow_claims.h"
#include "study/shadow_study.h"
#include "xmmu/report/report.h"
#include "xmmu/sim/compare.h"
#include "xmmu/workload/synthetic.h"

// Reports of workloads and machines with names of all kinds.

namespace xmmu::names_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// A quote, a comma, a byte that is no UTF-8, and what a terminal obeys.
constexpr std::string_view kOdd = "s\"h,\xff\x1b[31m";

class Named final : public Workload {
 public:
  explicit Named(std::unique_ptr<Workload> workload)
      : workload_(std::move(workload)) {}
  std::string name() const override { return std::string(kOdd); }
  TaskId first_task() const override { return workload_->first_task(); }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    return workload_->Next(task);
  }

 private:
  std::unique_ptr<Workload> workload_;
};

WorkloadFactory Odd() {
  return
      [](const SimulatorOptions&) -> absl::StatusOr<std::unique_ptr<Workload>> {
        return std::make_unique<Named>(*MakeSyntheticWorkload("touch:pages=3"));
      };
}

SimulatorOptions OnMachine(std::string_view name) {
  auto machine = std::make_shared<MachineModel>(*FindMachine("xeon-2003"));
  machine->name = machine->Keep(std::string(name));
  return {.custom_machine = machine, .guest_memory_bytes = uint64_t{64} << 20};
}

ComparisonOptions Comparing(const SimulatorOptions& base) {
  ComparisonOptions options;
  options.base = base;
  return options;
}

const ShadowStudy& Study() {
  static const WorkloadFactory workload = Odd();
  static const ShadowStudy study =
      *MeasureShadowStudy(OnMachine("mine"), {&workload, 1});
  return study;
}

void ExpectText(const std::string& text) {
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, Not(HasSubstr("\xff")));
}

// What JSON has for the name.
constexpr std::string_view kInJson = "s\"h,\uFFFD\x1b[31m";

TEST(NamesTest, CellsOfCsvAreQuotedWhereTheyMustBe) {
  EXPECT_EQ(CsvLine({"a", "", "b c"}), "a,,b c\n");
  EXPECT_EQ(CsvLine({"a,b", "say \"x\"", "c\nd", "e\r"}),
            "\"a,b\",\"say \"\"x\"\"\",\"c\nd\",\"e\r\"\n");
  EXPECT_EQ(CsvLine({"\xff"}), "\xff\n");
}

TEST(NamesTest, AComparisonBearsAnyName) {
  const auto comparison = Compare(Comparing(OnMachine("mine")), Odd());
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  ExpectText(FormatReport(*comparison, ReportFormat::kText));
  EXPECT_THAT(FormatReport(*comparison, ReportFormat::kText),
              HasSubstr("workload  s\"h,\\xff\\x1b[31m\n"));
  const auto json =
      nlohmann::json::parse(FormatReport(*comparison, ReportFormat::kJson));
  EXPECT_EQ(json["workload"]["name"], kInJson);
  EXPECT_EQ(json["machine"], "mine");
  const auto sensitivity = SweepComparison(*comparison, {.samples = 2});
  ASSERT_TRUE(sensitivity.ok());
  for (const ReportFormat format : AllReportFormats()) {
    EXPECT_NE(FormatSensitivity(*comparison, *sensitivity, format), "");
  }
}

TEST(NamesTest, AShadowStudyBearsAnyName) {
  ExpectText(Render(ShadowStudyDocument({Study()}), ReportFormat::kText));
  EXPECT_THAT(Render(ShadowStudyDocument({Study()}), ReportFormat::kCsv),
              AllOf(HasSubstr("\nmine,3,1,"),
                    HasSubstr(",workload,\"s\"\"h,\xff\x1b[31m\",1,")));
  const auto json = nlohmann::json::parse(
      Render(ShadowStudyDocument({Study()}), ReportFormat::kJson));
  EXPECT_EQ(json[0]["policies"][0]["costs"].back()["workload"], kInJson);
  EXPECT_EQ(json[0]["machine"], "mine");
}

TEST(NamesTest, ASweptShadowStudyBearsAnyName) {
  const auto sensitivity = SweepShadowStudy(Study(), {.samples = 2});
  ASSERT_TRUE(sensitivity.ok());
  ExpectText(FormatShadowSensitivityText(Study(), *sensitivity));
  const std::vector<SweptShadowStudy> all = {{&Study(), *sensitivity}};
  EXPECT_THAT(Render(ShadowSensitivityDocument(all), ReportFormat::kCsv),
              HasSubstr(",\"s\"\"h,\xff\x1b[31m\",faster,"));
  EXPECT_THAT(nlohmann::json::parse(
                  Render(ShadowSensitivityDocument(all), ReportFormat::kJson))
                  .dump(),
              HasSubstr("\uFFFD"));
}

TEST(NamesTest, CrossoversAndBatchesNameAMachineOfOnesOwn) {
  const std::vector<UpdateWay> ways = {{"pinning", GuestOps::kQueue}};
  const auto crossover = MeasureCrossover(OnMachine("mine"), ways);
  ASSERT_TRUE(crossover.ok()) << crossover.status();
  EXPECT_EQ(crossover->machine, "mine");
  EXPECT_THAT(Render(CrossoverDocument({*crossover}), ReportFormat::kText),
              HasSubstr("mine"));
  const auto batches = MeasureBatches(OnMachine("mine"), ways, Odd());
  ASSERT_TRUE(batches.ok()) << batches.status();
  EXPECT_EQ(batches->machine, "mine");
  ExpectText(Render(BatchesDocument({*batches}), ReportFormat::kText));
  EXPECT_EQ(nlohmann::json::parse(Render(BatchesDocument({*batches}),
                                         ReportFormat::kJson))[0]["workload"],
            kInJson);
}

TEST(NamesTest, VcpusWithoutATaskAreCountedInEachRow) {
  ComparisonOptions options = Comparing(OnMachine("mine"));
  options.base.vcpus = 4;
  options.base.domains = 2;
  const auto comparison = Compare(options, Odd());
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  for (const ReportRow& row : comparison->rows) EXPECT_EQ(row.idle_vcpus, 6);
  EXPECT_THAT(FormatReport(*comparison, ReportFormat::kText),
              HasSubstr("\n6 of 8 vCPUs idled in all rows: there was no task "
                        "for them to run\n"));
  const auto json =
      nlohmann::json::parse(FormatReport(*comparison, ReportFormat::kJson));
  EXPECT_EQ(json["rows"][0]["idle_vcpus"], 6);
}

TEST(NamesTest, AVcpuWithATaskHasNotIdled) {
  ComparisonOptions options = Comparing(OnMachine("mine"));
  options.base.vcpus = 2;
  const auto comparison = Compare(options, [](const SimulatorOptions&) {
    return MakeSyntheticWorkload("switch:processes=2,rounds=3");
  });
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  for (const ReportRow& row : comparison->rows) EXPECT_EQ(row.idle_vcpus, 0);
  EXPECT_THAT(FormatReport(*comparison, ReportFormat::kText),
              Not(HasSubstr("idled")));
}

TEST(NamesTest, RowsThatIdleDifferentlyAreNamed) {
  std::vector<ReportRow> rows(3);
  rows[0].vcpus = rows[1].vcpus = rows[2].vcpus = 4;
  rows[0].idle_vcpus = 2;
  rows[2].idle_vcpus = 3;
  EXPECT_EQ(IdleVcpuLines(rows, "> "),
            "> 2 of 4 vCPUs idled in row 1: there was no task for them to run\n"
            "> 3 of 4 vCPUs idled in row 3: there was no task for them to "
            "run\n");
}

}  // namespace
}  // namespace xmmu::names_test
