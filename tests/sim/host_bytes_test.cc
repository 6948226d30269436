// What a page that a program touches takes of the simulating computer, besides
// the 4 KiB of each simulated frame that holds a table.

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::host_bytes_test {
namespace {

constexpr uint64_t kPages = 65'536;

// Returns the bytes at the end of `workload` under `policy`.
double BytesOf(std::string_view policy, const std::string& workload) {
  SimulatorOptions options;
  options.machine = "skylake-2017";
  options.mode = PagingMode::k4Level;
  options.timing = MemoryTiming::kFlat;
  options.policy = std::string(policy);
  options.guest_memory_bytes = uint64_t{2} << 30;
  const auto simulator = Simulator::Create(options);
  EXPECT_TRUE(simulator.ok()) << simulator.status();
  if (!simulator.ok()) return 0;
  const auto made = MakeSyntheticWorkload(workload);
  const auto row = (*simulator)->Run(**made);
  EXPECT_TRUE(row.ok()) << row.status();
  if (!row.ok()) return 0;
  return static_cast<double>(row->host_bytes) -
         static_cast<double>((*simulator)->host().memory().word_bytes());
}

class HostBytesTest : public testing::TestWithParam<std::string_view> {};

// The difference leaves out what a boot takes.
TEST_P(HostBytesTest, APageTakesAtMostForty) {
  const double some = BytesOf(GetParam(), absl::StrCat("touch:pages=", kPages));
  const double more =
      BytesOf(GetParam(), absl::StrCat("touch:pages=", 3 * kPages));
  const double bytes = (more - some) / (2 * kPages);
  EXPECT_LE(bytes, 40) << bytes;
  RecordProperty("bytes", absl::StrCat(bytes));
}

// A page that a fork shares has an entry more in each process.
TEST_P(HostBytesTest, APageOfAForkTakesAtMostForty) {
  const auto fork = [](uint64_t pages) {
    return absl::StrCat("fork:pages=", pages);
  };
  const double bytes = (BytesOf(GetParam(), fork(2 * kPages)) -
                        BytesOf(GetParam(), fork(kPages))) /
                       kPages;
  EXPECT_LE(bytes, 40) << bytes;
  RecordProperty("bytes", absl::StrCat(bytes));
}

std::string NameOf(const testing::TestParamInfo<std::string_view>& row) {
  std::string name(row.param);
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

INSTANTIATE_TEST_SUITE_P(Policies, HostBytesTest,
                         testing::Values("native", "nested-paging", "pinning",
                                         "trap-and-emulate",
                                         "writable-page-tables", "xi-shadow",
                                         "shadow-2005", "shadow-2006",
                                         "shadow-2008"),
                         NameOf);

}  // namespace
}  // namespace xmmu::host_bytes_test
