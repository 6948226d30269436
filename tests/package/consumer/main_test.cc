// Unit tests outside the source tree that count faults.

#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include "xmmu/testing/matchers.h"
#include "xmmu/testing/test_guest.h"

TEST(ConsumerTest, AFreshBufferFaultsOncePerPage) {
  xmmu::testing::TestGuest guest({.policy = "native"});
  const xmmu::VirtAddr buffer = guest.Map(16);
  const xmmu::Cost cost = guest.Measure([&] { guest.Write(buffer, 16); });
  EXPECT_THAT(cost, xmmu::testing::PageFaults(16));
}

TEST(ConsumerTest, AColdReadWalks) {
  xmmu::testing::TestGuest guest({.policy = "native"});
  const xmmu::VirtAddr buffer = guest.Map(1);
  guest.Write(buffer);
  guest.MakeCold();
  const xmmu::Cost cost = guest.Measure([&] { guest.Read(buffer); });
  EXPECT_THAT(cost, xmmu::testing::Walks(1));
}

TEST(ConsumerTest, AWrongNameFailsTheTest) {
  EXPECT_NONFATAL_FAILURE(xmmu::testing::TestGuest guest({.policy = "pining"}),
                          "did you mean \"pinning\"?");
}
