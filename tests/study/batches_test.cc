#include "study/batches.h"

#include <numeric>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::batches_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const UpdateWay kNative{"native", GuestOps::kStores};
const UpdateWay kEmulate{"trap-and-emulate", GuestOps::kStores};
const UpdateWay kUnhook{"writable-page-tables", GuestOps::kStores};

Batches Measure(const std::string& workload) {
  auto batches = MeasureBatches(
      {.mode = PagingMode::k2Level}, {kNative, kEmulate, kUnhook},
      [&](const SimulatorOptions&) { return MakeSyntheticWorkload(workload); });
  EXPECT_TRUE(batches.ok()) << batches.status();
  return *std::move(batches);
}

// Each page's fault is dealt with before the next.
TEST(BatchesTest, DemandFaultsAreBatchesOfOne) {
  const Batches batches = Measure("touch:pages=100");
  EXPECT_EQ(batches.rows[2].closed[1], 100u);
  EXPECT_EQ(batches.rows[2].updates, 100u);
  EXPECT_LT(batches.rows[1].cycles, batches.rows[2].cycles);
}

TEST(BatchesTest, AnMprotectIsOneBatchOfItsPages) {
  const Batches batches = Measure("mprotect:pages=100,rounds=1");
  const std::vector<uint64_t>& closed = batches.rows[2].closed;
  ASSERT_EQ(closed.size(), kBatchBuckets);
  // 65 to 128. Write access comes back with the faults, page by page.
  EXPECT_EQ(closed[8], 1u);
}

TEST(BatchesTest, OnlyAWayThatOpensTablesHasBatches) {
  const Batches batches = Measure("touch:pages=10");
  EXPECT_THAT(batches.rows[0].closed, IsEmpty());
  EXPECT_THAT(batches.rows[1].closed, IsEmpty());
  EXPECT_EQ(batches.rows[2].closed.size(), kBatchBuckets);
}

Batches Example() {
  Batches batches;
  batches.machine = "test";
  batches.mode = PagingMode::k2Level;
  batches.workload = "some, work";
  batches.rows = {{kNative, 1000, {}, 0},
                  {kEmulate, 2000, {}, 0},
                  {kUnhook, 3000, {1, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, 10}};
  return batches;
}

TEST(BatchesTest, TheTextSaysWhichWinsByHowMuch) {
  const std::string text =
      Render(BatchesDocument({Example()}), ReportFormat::kText);
  EXPECT_THAT(text, HasSubstr("closed  updates  0  1  2  3-4  5-8\n"));
  EXPECT_THAT(text, HasSubstr("     4       10  1  2  0    0    1\n"));
  EXPECT_THAT(text, HasSubstr("trap-and-emulate/stores       2,000     2.00"));
  EXPECT_THAT(text,
              HasSubstr("writable-page-tables/stores takes 1.500 times the "
                        "cycles of trap-and-emulate/stores, at 2.50 updates a "
                        "table opened\n"));
}

TEST(BatchesTest, CsvHasALineAWay) {
  const std::string text =
      Render(BatchesDocument({Example()}), ReportFormat::kCsv);
  EXPECT_THAT(text, HasSubstr("updates,closed_0,closed_1,closed_2,closed_4,"));
  EXPECT_THAT(text,
              HasSubstr("test,2,writable-page-tables,stores,3000,10,1,2,0,0,1,"
                        "0,0,0,0,0,0,0,0.000000,0.000000,0.000000,"
                        "0.000000,0.000000\n"));
  EXPECT_THAT(text, HasSubstr("test,2,native,stores,1000,0,0,"));
}

TEST(BatchesTest, JsonNamesTheBucketsByTheirMost) {
  const std::string text =
      Render(BatchesDocument({Example()}), ReportFormat::kJson);
  EXPECT_THAT(text, HasSubstr("\"8\": 1,"));
  EXPECT_THAT(text, HasSubstr("\"workload\": \"some, work\""));
}

}  // namespace
}  // namespace xmmu::batches_test
