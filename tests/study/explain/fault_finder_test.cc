#include "study/explain/fault_finder.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::fault_finder_test {
namespace {

using ::testing::HasSubstr;

WorkloadFactory Of(const std::string& spec) {
  return
      [spec](const SimulatorOptions&) { return MakeSyntheticWorkload(spec); };
}

SimulatorOptions Options() {
  return {.guest_memory_bytes = uint64_t{64} << 20, .policy = "native"};
}

// The number of the operation is the one before which one fault less has been
// handled, and behind which there is that fault; wherever pieces end.
TEST(FaultFinderTest, TheFaultIsInTheOperationFound) {
  for (const uint64_t fault :
       {1u, 2u, 100u, 8191u, 8192u, 8193u, 8194u, 9000u}) {
    const auto found = FindFault(Options(), Of("touch:pages=9000"), fault);
    ASSERT_TRUE(found.ok()) << found.status();
    auto guest = GuestAtOperation::Create(Options(), Of("touch:pages=9000"),
                                          found->number);
    ASSERT_TRUE(guest.ok());
    const auto faults = [&] {
      return guest->simulator().cost().count(Counter::kGuestFaults);
    };
    EXPECT_EQ(faults(), fault - 1);
    ASSERT_TRUE(guest->Act().ok());
    EXPECT_EQ(faults(), fault);
  }
}

TEST(FaultFinderTest, AFaultTooManyIsRefusedWithTheirNumber) {
  const auto last = FindFault(Options(), Of("touch:pages=20"), 20);
  EXPECT_TRUE(last.ok()) << last.status();
  const auto none = FindFault(Options(), Of("touch:pages=20"), 1000);
  EXPECT_THAT(none.status().message(), HasSubstr("the workload has 20 faults"));
}

TEST(FaultFinderTest, TheOperationIsNamedWithItsTask) {
  const auto found = FindFault(Options(), Of("fork:pages=10,cow=3"), 11);
  ASSERT_TRUE(found.ok());
  EXPECT_THAT(found->words, HasSubstr("store, "));
  EXPECT_THAT(found->words, HasSubstr(", of task "));
}

TEST(FaultFinderTest, WithoutAWorkloadThereIsNone) {
  EXPECT_THAT(FindFault(Options(), nullptr, 1).status().message(),
              HasSubstr("want a workload"));
}

}  // namespace
}  // namespace xmmu::fault_finder_test
