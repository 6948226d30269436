#include "xmmu/base/internal/sparse_array.h"

#include "gtest/gtest.h"

namespace xmmu::sparse_array_test {
namespace {

constexpr uint64_t kLast = (uint64_t{1} << 40) - 1;

TEST(SparseArrayTest, ValuesThatWereNotChangedAreDefaultAndTakeNothing) {
  const SparseArray<int> array;
  EXPECT_EQ(array.Get(0), 0);
  EXPECT_EQ(array.Get(kLast), 0);
  EXPECT_EQ(array.Find(5), nullptr);
  EXPECT_EQ(array.host_bytes(), 0u);
}

TEST(SparseArrayTest, KeepsValuesAtBothEnds) {
  SparseArray<uint64_t> array;
  array.At(0) = 1;
  array.At(kLast) = 2;
  EXPECT_EQ(array.Get(0), 1u);
  EXPECT_EQ(array.Get(kLast), 2u);
  EXPECT_EQ(array.Get(1), 0u);
  EXPECT_EQ(array.Get(kLast - 1), 0u);
}

TEST(SparseArrayTest, ReferencesStayWhereTheyAreAsTheArrayGrows) {
  SparseArray<uint64_t> array;
  uint64_t& first = array.At(7);
  for (uint64_t i = 0; i < 1000; ++i) array.At(i * 1'000'000) = i;
  first = 9;
  EXPECT_EQ(array.Get(7), 9u);
}

TEST(SparseArrayTest, ManyNeighboursTakeTheirOwnBytesAndLittleMore) {
  SparseArray<uint64_t> array;
  constexpr uint64_t kMany = uint64_t{1} << 20;
  for (uint64_t i = 0; i < kMany; ++i) array.At(i) = i;
  EXPECT_LT(array.host_bytes(), kMany * 8 + 65536);
}

}  // namespace
}  // namespace xmmu::sparse_array_test
