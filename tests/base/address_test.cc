#include "xmmu/base/address.h"

#include <type_traits>

#include "absl/container/flat_hash_set.h"
#include "gtest/gtest.h"

namespace xmmu::address_test {
namespace {

TEST(AddressTest, KindsOfNumbersDoNotMix) {
  static_assert(!std::is_convertible_v<uint64_t, Mfn>);
  static_assert(!std::is_convertible_v<Mfn, Gfn>);
  static_assert(!std::is_convertible_v<VirtAddr, MachineAddr>);
  static_assert(!std::is_constructible_v<Pfn, Mfn>);
}

TEST(AddressTest, FrameAndAddressAreInverse) {
  EXPECT_EQ(AddressOf(Mfn(0x123)), MachineAddr(0x123000));
  EXPECT_EQ(FrameOf(MachineAddr(0x123fff)), Mfn(0x123));
  EXPECT_EQ(FrameOf(MachineAddr(0x124000)), Mfn(0x124));
}

TEST(AddressTest, OffsetAndBaseSplitAnAddress) {
  const VirtAddr va(0xffff800012345678);
  EXPECT_EQ(PageOffset(va), 0x678u);
  EXPECT_EQ(PageBase(va), VirtAddr(0xffff800012345000));
  EXPECT_EQ(PageBase(va) + PageOffset(va), va);
}

TEST(AddressTest, DifferenceOfTwoIsADistance) {
  EXPECT_EQ(VirtAddr(0x3000) - VirtAddr(0x1000), 0x2000u);
  EXPECT_EQ(Mfn(7) + 3, Mfn(10));
  EXPECT_EQ(Mfn(7) - 3, Mfn(4));
}

TEST(AddressTest, HashesByValue) {
  absl::flat_hash_set<Mfn> frames = {Mfn(1), Mfn(2), Mfn(1)};
  EXPECT_EQ(frames.size(), 2u);
}

}  // namespace
}  // namespace xmmu::address_test
