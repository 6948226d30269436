// Unit tests outside the source tree that count faults, and hold a policy to
// bare hardware.

#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include "xmmu/policy/policies.h"
#include "xmmu/testing/conformance.h"
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

TEST(ConsumerTest, APolicyGivesTheGuestBareHardware) {
  const absl::Status status =
      xmmu::testing::Conformance(xmmu::FindPolicy("nested-paging")->make,
                                 {.seeds = {1}, .events = 20, .vcpus = {1}});
  EXPECT_TRUE(status.ok()) << status;
}

TEST(ConsumerTest, AWrongNameFailsTheTest) {
  EXPECT_NONFATAL_FAILURE(xmmu::testing::TestGuest guest({.policy = "pining"}),
                          "did you mean \"pinning\"?");
}
