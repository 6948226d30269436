// The measured grids of tests/golden/latency-grids, as far as they are small,
// and exact figures of every machine, so that no change of one goes unnoticed.
// With XMMU_WRITE_GOLDEN=1 in the environment golden_latencies.csv is written
// anew, and the diff is the thing to review.

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/base/config.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "study/grid/latency_grid.h"

namespace xmmu::latency_grid_golden_test {
namespace {

constexpr char kGrids[] =
    XMMU_SOURCE_DIR "/tests/golden/latency-grids/grids.csv";
constexpr char kLatencies[] =
    XMMU_SOURCE_DIR "/tests/study/grid/golden_latencies.csv";
// Larger ones take too long for a test that always runs.
constexpr uint64_t kLargest = 16 << 20;
constexpr uint64_t kLargestExact = 4 << 20;

std::string ContentOf(const char* path) {
  std::ifstream in(path);
  return std::string((std::istreambuf_iterator<char>(in)), {});
}

// Every other stride, each order.
std::string ExactLines() {
  std::string text = "machine,pattern,working_set_bytes,stride_bytes,cycles\n";
  for (const MachineModel* machine : Machines()) {
    for (const GridCell& cell : FullGrid(*machine)) {
      const bool even = (cell.stride_bytes & 0x5555555555555555) != 0;
      if (!even || cell.working_set_bytes > kLargestExact) continue;
      const ChaseResult result =
          RunLoadChase(*machine, {.order = cell.order,
                                  .working_set_bytes = cell.working_set_bytes,
                                  .stride_bytes = cell.stride_bytes})
              .value();
      absl::StrAppend(&text, cell.machine, ",",
                      std::string(ChaseOrderName(cell.order)), ",",
                      cell.working_set_bytes, ",", cell.stride_bytes, ",",
                      result.cycles.count(), "\n");
    }
  }
  return text;
}

TEST(LatencyGridGoldenTest, NoFigureHasChanged) {
  const std::string now = ExactLines();
  if (std::getenv("XMMU_WRITE_GOLDEN") != nullptr) {
    std::ofstream(kLatencies) << now;
  }
  EXPECT_EQ(ContentOf(kLatencies), now);
}

std::string NameOf(const RegionErrors& errors) {
  return absl::StrFormat("%s %d/%d", errors.machine,
                         static_cast<int>(errors.region.memory),
                         static_cast<int>(errors.region.tlb));
}

class MeasuredGridTest : public testing::Test {
 protected:
#ifdef ABSL_HAVE_ADDRESS_SANITIZER
  // Minutes, and the same code as of the test above.
  void SetUp() override { GTEST_SKIP(); }
#endif

  static const GridErrors& Errors() {
    static const GridErrors* const errors = [] {
      auto cells = ParseGridCells(kGrids, ContentOf(kGrids));
      EXPECT_TRUE(cells.ok()) << cells.status();
      std::erase_if(*cells, [](const GridCell& cell) {
        return cell.working_set_bytes > kLargest;
      });
      EXPECT_TRUE(SimulateGrid(*cells, {}, 1).ok());
      return new GridErrors(*CompareGrid(*cells, 0));
    }();
    return *errors;
  }
};

// A median of 1 cycle or 5 %, in DRAM 10 %, but where it is named here: memory
// level (0 is L1, 3 DRAM) / TLB level (0 is L1, 2 beyond). README.md says why.
TEST_F(MeasuredGridTest, MediansOfAllRegionsButThoseNamedAreReached) {
  std::vector<std::string> missed;
  for (const RegionErrors& region : Errors().regions) {
    if (!region.reached) missed.push_back(NameOf(region));
  }
  EXPECT_THAT(missed,
              testing::ElementsAre("p4-northwood-2.4 1/2", "k8-opteron-f5a 1/0",
                                   "core2-conroe 1/2", "zen2-castlepeak 2/1",
                                   "zen2-castlepeak 2/2"));
}

TEST_F(MeasuredGridTest, MediansInDramAreWithinTenPercentOnEveryMachine) {
  ASSERT_EQ(Errors().in_dram.size(), 5u);
  for (const RegionErrors& errors : Errors().in_dram) {
    EXPECT_LE(errors.median_percent, 10) << errors.machine;
  }
}

// Nine of ten at least, but on Zen 2, whose L3 loses lines long before it is
// full.
TEST_F(MeasuredGridTest, StepsAreWhereTheyWereMeasured) {
  ASSERT_EQ(Errors().steps.size(), 6u);
  for (const GridSteps& steps : Errors().steps) {
    const bool zen2 = steps.machine == "zen2-castlepeak";
    EXPECT_GE(static_cast<double>(steps.found),
              static_cast<double>(steps.measured) * (zen2 ? 0.5 : 0.85))
        << steps.machine;
  }
}

}  // namespace
}  // namespace xmmu::latency_grid_golden_test
