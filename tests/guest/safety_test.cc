// The promise of direct paging: whatever guests ask for, and whatever they
// forget to flush, none of them ever reaches a frame that is not its own, nor
// writes to a page table or descriptor page in use; and no reference is lost or
// left over. A million random operations, looked at one by one.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/base/config.h"
#include "testing/conformance/hostile_guests.h"
#include "xmmu/policy/policies.h"

namespace xmmu::safety_test {
namespace {

using conformance::ByteSource;
using conformance::HostileGuests;
using conformance::RunHostileGuests;

#ifdef ABSL_HAVE_ADDRESS_SANITIZER
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// Guests lose more and more of what they could still break: begin anew.
constexpr int kOperationsASequence = 400;
constexpr uint64_t kSequences = kSanitized ? 125 : 640;

std::vector<uint8_t> RandomBytes(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> bytes(size_t{40} * kOperationsASequence);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() >> 56);
  return bytes;
}

class SafetyTest
    : public testing::TestWithParam<std::tuple<uint8_t, const char*, bool>> {};

TEST_P(SafetyTest, NoSequenceOfOperationsReachesATableOrAForeignFrame) {
  const auto [kind, policy, shares] = GetParam();
  const bool opens = HostileGuests::OpensTables(policy);
  const bool is_variant = !FindPolicy(policy)->variant_of.empty();
  const uint64_t sequences =
      kSequences / (shares ? 4 : 1) / (is_variant ? 4 : 1);
  HostileGuests::Progress all;
  for (uint64_t seed = 1; seed <= sequences; ++seed) {
    const std::vector<uint8_t> bytes = RandomBytes(seed);
    ByteSource source(bytes);
    HostileGuests guests(kind, policy, shares);
    for (int i = 0; i < kOperationsASequence; ++i) {
      ASSERT_FALSE(source.empty());
      ASSERT_EQ(guests.Step(source), "") << "seed " << seed << " step " << i;
    }
    all += guests.progress();
  }
  std::cout << HostileGuests::KindName(kind) << ", " << policy
            << ": seeds 1 to " << sequences << ", " << all.operations
            << " operations; " << all.accepted << " hypercalls accepted, "
            << all.refused << " refused; " << all.translated
            << " accesses performed, " << all.emulated << " of them emulated; "
            << all.changes << " changes of type; " << all.opened
            << " tables opened, " << all.crashes << " crashes; " << all.shared
            << " frames shared, " << all.merged << " pages merged, "
            << all.unshared << " shared frames freed\n";
  // The test means something only if many requests are accepted.
  EXPECT_EQ(all.operations, sequences * kOperationsASequence);
  EXPECT_GT(all.accepted, all.operations / 20);
  EXPECT_GT(all.translated, all.operations / 50);
  EXPECT_GT(all.emulated, all.operations / (opens ? 20000 : 2000));
  if (opens) {
    EXPECT_GT(all.opened, all.operations / 200);
  }
  EXPECT_GT(all.changes, all.operations / 50);
  if (shares) {
    EXPECT_GT(all.shared, all.operations / 1000);
    EXPECT_GT(all.merged, all.operations / 1000);
    EXPECT_GT(all.unshared, all.operations / 10000);
  }
}

std::string NameOf(const testing::TestParamInfo<SafetyTest::ParamType>& row) {
  std::string name =
      std::string(HostileGuests::KindName(std::get<0>(row.param))) + "_" +
      std::get<1>(row.param) + (std::get<2>(row.param) ? "_sharing" : "");
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; },
      '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, SafetyTest,
    testing::Combine(testing::Range(uint8_t{0}, HostileGuests::kKinds),
                     testing::Values("trap-and-emulate",
                                     "writable-page-tables"),
                     testing::Bool()),
    NameOf);

// The variants differ in how a table is opened.
INSTANTIATE_TEST_SUITE_P(
    Variants, SafetyTest,
    testing::Combine(testing::Range(uint8_t{0}, HostileGuests::kKinds),
                     testing::Values("writable-page-tables-g0",
                                     "writable-page-tables-g1",
                                     "writable-page-tables-g2"),
                     testing::Values(false)),
    NameOf);

// However Xen reaches the tables, no guest can.
struct LinearRow {
  const char* name;
  uint8_t kind;
  LinearMap linear_map;
};

class LinearMapSafetyTest
    : public testing::TestWithParam<std::tuple<LinearRow, const char*>> {};

TEST_P(LinearMapSafetyTest, NoSequenceOfOperationsEscapesByALinearMap) {
  const auto [row, policy] = GetParam();
  HostileGuests::Progress all;
  for (uint64_t seed = 1; seed <= kSequences / 16; ++seed) {
    const std::vector<uint8_t> bytes = RandomBytes(seed);
    ByteSource source(bytes);
    HostileGuests guests(row.kind, policy, /*shares=*/seed % 4 == 0,
                         row.linear_map);
    for (int i = 0; i < kOperationsASequence; ++i) {
      ASSERT_EQ(guests.Step(source), "") << "seed " << seed << " step " << i;
    }
    all += guests.progress();
  }
  EXPECT_GT(all.accepted, all.operations / 20);
  EXPECT_GT(all.translated, all.operations / 50);
  EXPECT_GT(all.changes, all.operations / 50);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, LinearMapSafetyTest,
    testing::Combine(
        testing::Values(LinearRow{"FourLevelPerTable", 0, LinearMap::kPerTable},
                        LinearRow{"FourLevelNone", 0, LinearMap::kNone},
                        LinearRow{"PaePerTable", 2, LinearMap::kPerTable},
                        LinearRow{"PaeSharedL2", 2, LinearMap::kSharedL2},
                        LinearRow{"PaeNone", 2, LinearMap::kNone},
                        LinearRow{"TwoLevelNone", 3, LinearMap::kNone}),
        testing::Values("trap-and-emulate", "writable-page-tables")),
    [](const testing::TestParamInfo<LinearMapSafetyTest::ParamType>& row) {
      std::string name = std::string(std::get<0>(row.param).name) + "_" +
                         std::get<1>(row.param);
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

// The corpus is what the fuzzer starts from, and what it has found.
TEST(FuzzCorpusTest, EverySeedIsClean) {
  const std::filesystem::path corpus =
      std::filesystem::path(XMMU_SOURCE_DIR) / "tests/fuzz/corpus";
  int seeds = 0;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::vector<uint8_t> bytes(text.begin(), text.end());
    EXPECT_EQ(RunHostileGuests(bytes), "") << entry.path();
    ++seeds;
  }
  EXPECT_GE(seeds, 20);
}

}  // namespace
}  // namespace xmmu::safety_test
