// Process trees picked at random, as logs: under every strategy, in every mode
// and with every option the guest sees the same, and a tree with a record that
// cannot be is refused by its FILE:LINE.
//
//   XMMU_TREE_SEEDS=N  so many trees of each kind, instead of a moment's worth
//   XMMU_TREE_FIRST=N  the first seed
//   XMMU_TREE_KEEP=DIR where the logs are left, of the last tree

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "sim/tree_check.h"

namespace xmmu::process_trees_test {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

class ProcessTreesTest : public testing::Test {
 protected:
  ProcessTreesTest() {
    const char* const keep = std::getenv("XMMU_TREE_KEEP");
    keeps_ = keep != nullptr;
    const auto* const test =
        testing::UnitTest::GetInstance()->current_test_info();
    directory_ = keeps_ ? std::filesystem::path(keep)
                        : std::filesystem::path(testing::TempDir()) /
                              absl::StrCat("trees-", test->name());
  }
  ~ProcessTreesTest() override { Remove(); }

  // An empty directory.
  std::string Fresh() {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    return directory_;
  }
  void Remove() {
    if (!keeps_) std::filesystem::remove_all(directory_);
  }

  const uint64_t first_ = FromEnvironment("XMMU_TREE_FIRST", 1);
  const uint64_t count_ = FromEnvironment("XMMU_TREE_SEEDS", 20);

 private:
  bool keeps_ = false;
  std::filesystem::path directory_;
};

TEST_F(ProcessTreesTest, TheGuestSeesTheSameUnderEveryStrategy) {
  for (uint64_t seed = first_; seed < first_ + count_; ++seed) {
    Choices choices(seed);
    ASSERT_EQ(CheckTree(choices, Fresh()), "") << "XMMU_TREE_FIRST=" << seed;
  }
}

TEST_F(ProcessTreesTest, ARecordThatCannotBeIsRefusedByItsLine) {
  for (uint64_t seed = first_; seed < first_ + 10 * count_; ++seed) {
    Choices choices(seed);
    ASSERT_EQ(CheckImpossibleTree(choices, Fresh()), "")
        << "XMMU_TREE_FIRST=" << seed;
  }
}

TEST_F(ProcessTreesTest, CopiesAreWithinWhatTheTreeHasMapped) {
  for (uint64_t seed = first_; seed < first_ + 10 * count_; ++seed) {
    Choices choices(seed);
    ASSERT_EQ(CheckCopiesOfTree(choices, Fresh()), "")
        << "XMMU_TREE_FIRST=" << seed;
  }
}

}  // namespace
}  // namespace xmmu::process_trees_test
