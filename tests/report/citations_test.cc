// What is cited of machines and of reports.

#include "xmmu/report/citations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "xmmu/machine/machine_file.h"
#include "xmmu/report/report.h"
#include "xmmu/sim/compare.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::citations_test {
namespace {

using Json = nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const CitedWork* Find(const Citations& citations, std::string_view key) {
  for (const CitedWork& cited : citations.works) {
    if (cited.work->key == key) return &cited;
  }
  return nullptr;
}

Citations Of(std::string_view machine, const CyclesByPrice* cycles = nullptr) {
  const MachineModel* const model = FindMachine(machine);
  return CitationsOf({&model, 1}, cycles);
}

std::string ReportOf(const ComparisonOptions& options, bool with_machine) {
  const auto comparison = Compare(options, [](const SimulatorOptions&) {
    return MakeSyntheticWorkload("touch:pages=20");
  });
  EXPECT_TRUE(comparison.ok()) << comparison.status();
  RunIdentity identity;
  if (with_machine) {
    identity.machine_file = MachineToml(*MachineOf(options.base));
  }
  return FormatReport(*comparison, ReportFormat::kJson, identity);
}

TEST(CitationsTest, AMachineHasTheWorksThatItNames) {
  const Citations xeon = Of("xeon-2003");
  ASSERT_NE(Find(xeon, "barham2003xen"), nullptr);
  EXPECT_THAT(Find(xeon, "barham2003xen")->values, Contains("cost.bounce"));
  EXPECT_EQ(Find(xeon, "belousov2018pcid"), nullptr);
  EXPECT_GT(xeon.own.values, 10u);
  EXPECT_THAT(xeon.unknown, IsEmpty());
  EXPECT_EQ(xeon.cycles, 0u);
  const Citations all = CitationsOf(Machines());
  EXPECT_EQ(all.machines.size(), Machines().size());
  EXPECT_GT(all.works.size(), xeon.works.size());
  EXPECT_THAT(all.unknown, IsEmpty());
}

// hypercall_int is said to be as syscall_int, which is SOSP'03's.
TEST(CitationsTest, APriceThatFollowsAnotherRestsOnItsWork) {
  const CyclesByPrice cycles = {{"hypercall_int", 100}, {"copy_in", 50}};
  const Citations xeon = Of("xeon-2003", &cycles);
  EXPECT_EQ(xeon.cycles, 150u);
  ASSERT_NE(Find(xeon, "barham2003xen"), nullptr);
  EXPECT_EQ(Find(xeon, "barham2003xen")->cycles, 100u);
  EXPECT_EQ(xeon.own.cycles, 50u);
}

TEST(CitationsTest, WhatCameToNothingIsLeftOut) {
  const CyclesByPrice cycles = {{"copy_in", 50}, {"bounce", 0}};
  const Citations xeon = Of("xeon-2003", &cycles);
  const CitedWork* const sosp = Find(xeon, "barham2003xen");
  ASSERT_NE(sosp, nullptr) << "the clock is the paper's";
  EXPECT_THAT(sosp->values, ElementsAre("clock"));
  EXPECT_EQ(Find(xeon, "adams2006comparison"), nullptr);
}

TEST(CitationsTest, AReportCitesWhatItsCyclesRestOn) {
  ComparisonOptions options;
  options.base.guest_memory_bytes = uint64_t{32} << 20;
  options.policies = {{"native", {}}, {"pinning", {}}};
  const std::string text = ReportOf(options, /*with_machine=*/true);
  const auto cited = CitationsOfReport("r.json", text);
  ASSERT_TRUE(cited.ok()) << cited.status();
  uint64_t cycles = 0;
  const Json report = Json::parse(text);
  for (const Json& row : report["rows"]) {
    uint64_t by_event = 0;
    for (const auto& each : row["cycles_by_event"].items()) {
      by_event += each.value().get<uint64_t>();
    }
    EXPECT_EQ(by_event, row["cycles"]);
    cycles += by_event;
  }
  EXPECT_EQ(cited->cycles, cycles);
  EXPECT_THAT(cited->machines, ElementsAre("xeon-2003"));
  EXPECT_GT(Find(*cited, "barham2003xen")->cycles, 0u);
  EXPECT_EQ(Find(*cited, "agesen2012software"), nullptr) << "nobody exits";
  // Without the file, the preset of that name is meant.
  const auto by_name =
      CitationsOfReport("r.json", ReportOf(options, /*with_machine=*/false));
  ASSERT_TRUE(by_name.ok()) << by_name.status();
  ASSERT_EQ(by_name->works.size(), cited->works.size());
  for (size_t i = 0; i < cited->works.size(); ++i) {
    EXPECT_EQ(by_name->works[i].work, cited->works[i].work);
    EXPECT_EQ(by_name->works[i].values, cited->works[i].values);
    EXPECT_EQ(by_name->works[i].cycles, cited->works[i].cycles);
  }
}

TEST(CitationsTest, SourcesOfAUsersOwnAreToBeCitedByHand) {
  auto machine = ParseMachine(
      "base = \"xeon-2003\"\nname = \"mine\"\n[cost.mov_cr3]\nvalue = 5\n"
      "low = 5\nhigh = 5\nmark = \"read\"\nsource = \"A. Body, 2020\"\n",
      "mine.toml");
  ASSERT_TRUE(machine.ok()) << machine.status();
  const MachineModel* const own = &*machine;
  const Citations citations = CitationsOf({&own, 1});
  EXPECT_THAT(citations.unknown, ElementsAre("A. Body, 2020"));
  EXPECT_THAT(Render(CitationDocument(citations), ReportFormat::kText),
              HasSubstr("% To be cited by hand: A. Body, 2020\n"));
}

TEST(CitationsTest, WhatIsNoReportIsRefused) {
  const auto message = [](std::string_view text) {
    return std::string(CitationsOfReport("x.json", text).status().message());
  };
  EXPECT_THAT(message("{\n]"), HasSubstr("x.json:2: "));
  EXPECT_THAT(message("{}"), HasSubstr("x.json: names no machine"));
  EXPECT_THAT(message("{\"machine\": \"abacus\"}"),
              HasSubstr("names no machine"));
  EXPECT_THAT(message("{\"machine_file\": \"[cost\"}"),
              HasSubstr("x.json: machine_file:1"));
}

TEST(CitationsTest, JsonHasEntriesAndTheVersion) {
  const Json json = Json::parse(
      Render(CitationDocument(Of("xeon-2003")), ReportFormat::kJson));
  EXPECT_EQ(json["xmmu"], Version());
  EXPECT_EQ(json["entries"][0]["key"], "xmmu");
  EXPECT_EQ(json["entries"][0]["version"], Version());
  for (const Json& entry : json["entries"]) {
    EXPECT_THAT(entry["title"].get<std::string>(), Not(HasSubstr("{")));
    EXPECT_THAT(entry["bibtex"].get<std::string>(),
                HasSubstr(absl::StrCat("{", entry["key"].get<std::string>())));
  }
}

}  // namespace
}  // namespace xmmu::citations_test
