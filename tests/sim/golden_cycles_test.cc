// Exact figures of each built-in workload under each default row, so that no
// change of a figure goes unnoticed. The numbers are in golden_cycles.txt; with
// XMMU_WRITE_GOLDEN=1 in the environment the test writes that file anew, and
// the diff is the thing to review.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "xmmu/sim/compare.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::golden_cycles_test {
namespace {

constexpr char kPath[] = XMMU_SOURCE_DIR "/tests/sim/golden_cycles.txt";

std::string LinesOf(PagingMode mode, int vcpus,
                    const SyntheticWorkload& workload,
                    ComparisonOptions options = {}) {
  options.base.machine = LevelCount(mode) >= 4 ? "skylake-2017" : "xeon-2003";
  options.base.mode = mode;
  options.base.vcpus = vcpus;
  const auto comparison = Compare(options, [&](const SimulatorOptions&) {
    return MakeSyntheticWorkload(workload.name);
  });
  if (!comparison.ok()) return comparison.status().ToString() + "\n";
  std::string text;
  for (const ReportRow& row : comparison->rows) {
    absl::StrAppend(&text, std::string(PagingModeName(mode)), " ", vcpus, " ",
                    std::string(workload.name), " ", RowLabel(row), " ",
                    row.cost.cycles.count(), " ", row.cost.elapsed.count(),
                    "\n");
  }
  return text;
}

// Each workload in each mode that Xen had paravirtual guests of.
std::string LinesOfAll(const std::vector<int>& vcpus,
                       const ComparisonOptions& options) {
  std::string text;
  for (PagingMode mode :
       {PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level}) {
    for (const SyntheticWorkload& workload : SyntheticWorkloads()) {
      for (int count : vcpus) text += LinesOf(mode, count, workload, options);
    }
  }
  return text;
}

std::string AllLines() {
  ComparisonOptions opening;
  opening.policies = {{"writable-page-tables", {}}};
  // These rows have many plain stores, which the Linux of the time avoided.
  ComparisonOptions storing;
  storing.policies = {{"trap-and-emulate", {}}, {"writable-page-tables", {}}};
  storing.guest_ops = {GuestOps::kStores};
  ComparisonOptions variants = storing;
  variants.policies = {{"trap-and-emulate-next", {}},
                       {"writable-page-tables-g2", {}},
                       {"writable-page-tables-g0", {}}};
  ComparisonOptions shadows;
  shadows.policies = {{"xi-shadow", {}},
                      {"shadow-2005", {}},
                      {"shadow-2006", {}},
                      {"shadow-2008", {}}};
  ComparisonOptions nested;
  nested.policies = {{"nested-paging", {}}, {"nested-paging-on-demand", {}}};
  return absl::StrCat(
      "# mode vcpus workload row cycles elapsed; see golden_cycles_test.cc\n",
      LinesOfAll({1, 4}, {}), LinesOfAll({1, 4}, opening),
      LinesOfAll({1, 4}, storing), LinesOfAll({1}, variants),
      LinesOfAll({1, 4}, shadows), LinesOfAll({1, 4}, nested));
}

TEST(GoldenCyclesTest, NoFigureHasChanged) {
  const std::string now = AllLines();
  if (std::getenv("XMMU_WRITE_GOLDEN") != nullptr) {
    std::ofstream(kPath) << now;
  }
  std::ifstream file(kPath);
  std::stringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(golden.str(), now);
}

}  // namespace
}  // namespace xmmu::golden_cycles_test
