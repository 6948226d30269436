// A unit test outside the source tree that counts faults.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "xmmu/testing/matchers.h"
#include "xmmu/testing/test_guest.h"

TEST(ConsumerTest, AFreshBufferFaultsOncePerPage) {
  xmmu::testing::TestGuest guest({.policy = "native"});
  const xmmu::VirtAddr buffer = guest.Map(16);
  const xmmu::Cost cost = guest.Measure([&] { guest.Write(buffer, 16); });
  EXPECT_THAT(cost, xmmu::testing::PageFaults(16));
}
