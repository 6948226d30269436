// A JSON report says enough to be made again: options by the keys of RunFields,
// the machine as a file, the workload by its name.

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xmmu/machine/machine_file.h"
#include "xmmu/report/report.h"
#include "xmmu/sim/compare.h"
#include "xmmu/sim/run_fields.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::rerun_test {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::HasSubstr;
using ::testing::Not;

RunIdentity IdentityOf(const ComparisonOptions& options) {
  return {.command_line = {"xmmu", "compare", "it's"},
          .machine_file = MachineToml(*options.base.custom_machine),
          .trace_sha1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709"};
}

std::string ReportOf(const ComparisonOptions& options, std::string workload,
                     ReportFormat format) {
  const auto comparison = Compare(options, [&](const SimulatorOptions&) {
    return MakeSyntheticWorkload(workload);
  });
  if (!comparison.ok()) return std::string(comparison.status().message());
  return FormatReport(*comparison, format, IdentityOf(options));
}

// A machine that no table has, and options that are not the defaults.
ComparisonOptions Options() {
  auto machine = std::make_shared<MachineModel>(*FindMachine("skylake-2017"));
  machine->name = machine->Keep("mine");
  machine->cost(CostEvent::kExceptionEntry).value += 7;
  machine->cost(CostEvent::kExceptionEntry).high += 7;
  ComparisonOptions options;
  options.base.custom_machine = machine;
  options.base.mode = PagingMode::k4Level;
  options.base.guest_memory_bytes = uint64_t{128} << 20;
  options.base.vcpus = 2;
  options.base.overlap.hidden_per_mille = 125;
  options.base.migration.rounds = 1;
  options.policies = {{"native", {}}, {"xi-shadow", {}}};
  return options;
}

// The text that sets `field` to what the report has for it.
std::string SettingOf(const RunField& field, const Json& value) {
  if (field.key == "guest_memory_bytes") {
    return std::to_string(value.get<uint64_t>() >> 20);  // MiB
  }
  return value.is_string() ? value.get<std::string>() : value.dump();
}

ComparisonOptions OptionsFrom(const Json& report) {
  ComparisonOptions options;
  for (const RunField& field : RunFields()) {
    if (field.scope == RunScope::kEachRow || field.key == "machine") continue;
    std::string path = "/" + std::string(field.key);
    std::replace(path.begin(), path.end(), '.', '/');
    const Json::json_pointer pointer(path);
    if (!report.contains(pointer)) continue;
    EXPECT_TRUE(field.set(SettingOf(field, report[pointer]), options.base).ok())
        << field.key;
  }
  auto machine =
      ParseMachine(report["machine_file"].get<std::string>(), "report");
  EXPECT_TRUE(machine.ok()) << machine.status();
  machine->name = machine->Keep(report["machine"].get<std::string>());
  options.base.custom_machine =
      std::make_shared<const MachineModel>(*std::move(machine));
  options.policies.clear();
  for (const Json& row : report["rows"]) {
    options.policies.push_back({row["policy"].get<std::string>(), {}});
  }
  return options;
}

TEST(RerunTest, AReportIsMadeAgainFromItself) {
  const std::string first =
      ReportOf(Options(), "fork:pages=20", ReportFormat::kJson);
  const Json report = Json::parse(first);
  const std::string workload = report["workload"]["name"];
  EXPECT_EQ(ReportOf(OptionsFrom(report), workload, ReportFormat::kJson),
            first);
}

TEST(RerunTest, ARegionAndItsIntervalsAreMadeAgain) {
  ComparisonOptions options = Options();
  options.base.migration = {};
  options.base.region = {
      .skip = 3, .warmup = 5, .operations = 14, .interval = 9};
  const std::string first =
      ReportOf(options, "fork:pages=20", ReportFormat::kJson);
  EXPECT_EQ(ReportOf(OptionsFrom(Json::parse(first)), "fork:pages=20",
                     ReportFormat::kJson),
            first);
}

TEST(RerunTest, TheReportSaysWhatItWasMadeBy) {
  const std::string workload = "touch:pages=3";
  const Json report =
      Json::parse(ReportOf(Options(), workload, ReportFormat::kJson));
  EXPECT_EQ(report["schema"], kComparisonSchema);
  EXPECT_EQ(report["command_line"].dump(), R"(["xmmu","compare","it's"])");
  EXPECT_EQ(report["workload"]["trace_sha1"],
            "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  const std::string csv = ReportOf(Options(), workload, ReportFormat::kCsv);
  EXPECT_THAT(csv, HasSubstr(",trace_sha1,command_line"));
  EXPECT_THAT(csv, HasSubstr(",da39a3ee5e6b4b0d3255bfef95601890afd80709,xmmu "
                             "compare 'it'\\''s'"));
  EXPECT_THAT(csv, Not(HasSubstr("machine_file")));
}

TEST(RerunTest, WhatNobodyHandedInIsLeftOut) {
  Comparison comparison;
  const Json report =
      Json::parse(FormatReport(comparison, ReportFormat::kJson));
  for (const char* key : {"command_line", "machine_file"}) {
    EXPECT_FALSE(report.contains(key)) << key;
  }
  EXPECT_FALSE(report["workload"].contains("trace_sha1"));
}

}  // namespace
}  // namespace xmmu::rerun_test
