// A unit test of the kind that users of xmmu write: run a piece of guest work,
// then say exactly what it may cost.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "xmmu/testing/matchers.h"
#include "xmmu/testing/test_guest.h"

namespace {

using ::testing::AllOf;
using xmmu::Cost;
using xmmu::GuestOps;
using xmmu::VirtAddr;
using xmmu::testing::CyclesBelow;
using xmmu::testing::Emulations;
using xmmu::testing::Hypercalls;
using xmmu::testing::PageFaults;
using xmmu::testing::TestGuest;

TEST(BufferTest, TouchingAFreshBufferFaultsOncePerPage) {
  TestGuest guest({.policy = "native"});
  const VirtAddr buffer = guest.Map(16);
  const Cost cost = guest.Measure([&] { guest.Write(buffer, 16); });
  EXPECT_THAT(cost, AllOf(PageFaults(16), Hypercalls(0), CyclesBelow(200'000)));
}

TEST(BufferTest, TouchingItAgainIsFree) {
  TestGuest guest({.policy = "native"});
  const VirtAddr buffer = guest.Map(16);
  guest.Write(buffer, 16);
  const Cost cost = guest.Measure([&] { guest.Write(buffer, 16); });
  EXPECT_THAT(cost, AllOf(PageFaults(0), CyclesBelow(1'000)));
}

TEST(BufferTest, UnderPinningEachFaultIsOneHypercallMore) {
  TestGuest guest({.policy = "pinning"});
  const VirtAddr buffer = guest.Map(16);
  guest.Write(buffer);  // the L1 table
  const Cost cost = guest.Measure([&] { guest.Write(buffer + 4096, 15); });
  EXPECT_THAT(cost, AllOf(PageFaults(15), Hypercalls(15), Emulations(0)));
}

// An entry of a PAE guest is 8 bytes, stored by two instructions, and each of
// them traps.
TEST(BufferTest, UnderTrapAndEmulateEachPaeEntryIsTwoEmulationsMore) {
  TestGuest guest(
      {.policy = "trap-and-emulate", .guest_ops = GuestOps::kStores});
  const VirtAddr buffer = guest.Map(16);
  guest.Write(buffer);
  const Cost cost = guest.Measure([&] { guest.Write(buffer + 4096, 15); });
  EXPECT_THAT(cost, AllOf(PageFaults(45), Hypercalls(0), Emulations(30)));
}

}  // namespace
