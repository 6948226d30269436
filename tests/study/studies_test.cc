#include "xmmu/study/studies.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::studies_test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string ErrorOf(std::string_view study, const StudyRequest& request) {
  return std::string(FindStudy(study)->run(request).status().message());
}

TEST(StudiesTest, EachHasANameOfItsOwnAndAQuestion) {
  std::set<std::string_view> names;
  for (const Study& study : Studies()) {
    EXPECT_TRUE(names.insert(study.name).second) << study.name;
    EXPECT_TRUE(study.help.ends_with('?')) << study.name;
    EXPECT_EQ(FindStudy(study.name), &study);
  }
  EXPECT_EQ(FindStudy("none"), nullptr);
}

TEST(StudiesTest, AStudyGivesADocumentInEveryFormat) {
  StudyRequest request;
  request.bases = {{.mode = PagingMode::k2Level}};
  request.workloads = {[](const SimulatorOptions&) {
    return MakeSyntheticWorkload("fork:pages=3");
  }};
  const auto document = FindStudy("batches")->run(request);
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_THAT(Render(*document, ReportFormat::kText),
              StartsWith("xeon-2003, 2-level, fork:pages=3"));
  EXPECT_THAT(Render(*document, ReportFormat::kCsv),
              StartsWith("machine,levels,policy,guest_ops,cycles,updates,"));
  EXPECT_THAT(Render(*document, ReportFormat::kJson),
              HasSubstr("\"workload\": \"fork:pages=3"));
  EXPECT_THAT(Legend(*document), HasSubstr("writable-page-tables"));
}

TEST(StudiesTest, WhatIsMissingIsNamed) {
  EXPECT_EQ(ErrorOf("crossover", {}), "want a machine and mode at least");
  EXPECT_EQ(ErrorOf("shadows", {}), "want a machine and mode at least");
  EXPECT_EQ(ErrorOf("batches", {.bases = {{}}}), "want one workload");
  EXPECT_THAT(ErrorOf("published", {.tables = {"sosp04"}}),
              HasSubstr("no table 'sosp04', did you mean \"sosp03\"?"));
}

}  // namespace
}  // namespace xmmu::studies_test
