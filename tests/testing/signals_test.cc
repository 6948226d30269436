// Accesses that the guest's kernel refuses.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "testing/failures.h"
#include "xmmu/policy/policies.h"
#include "xmmu/testing/matchers.h"
#include "xmmu/testing/test_guest.h"

namespace xmmu::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(SignalTest, AnAccessThatGetsOneFailsTheTest) {
  const auto failure = [](uint64_t va, auto access) {
    return OneFailureOf([&] {
      TestGuest guest({.mode = PagingMode::k4Level, .policy = "native"});
      guest.Map(1);
      access(guest, VirtAddr(va));
    });
  };
  const auto read = [](TestGuest& guest, VirtAddr va) { guest.Read(va); };
  const auto write = [](TestGuest& guest, VirtAddr va) { guest.Write(va); };
  EXPECT_THAT(failure(0x10001000, write),
              HasSubstr("a store of process 1 at 0x10001000 gets a signal: "
                        "nothing is mapped at 0x10001000"));
  // The second page that an access lies in counts, too.
  EXPECT_THAT(failure(0x10000ffe, read),
              HasSubstr("a load of process 1 at 0x10000ffe gets a signal: "
                        "nothing is mapped at 0x10001000"));
  // The kernel's, and an address that is none.
  EXPECT_THAT(failure(0xffff888000000000, read), HasSubstr("gets a signal"));
  EXPECT_THAT(failure(0x8000000000000000, read), HasSubstr("gets a signal"));
}

TEST(SignalTest, TheRightsThatAreThereAreNamed) {
  TestGuest guest({.policy = "native"});
  const VirtAddr buffer = guest.Map(2);
  guest.Protect(buffer, 1, kMapRead);
  guest.Read(buffer);
  guest.Write(buffer + kPageSize);
  EXPECT_THAT(OneFailureOf([&] { guest.Write(buffer); }),
              HasSubstr("0x10000000 is mapped r--; ExpectSignal() takes"));
}

TEST(SignalTest, OneOnAnyCpuIsSeen) {
  for (const int starts : {0, 1, 2}) {
    TestGuest guest({.vcpus = 3, .policy = "native"});
    for (int i = 0; i < starts; ++i) guest.Start();
    EXPECT_THAT(OneFailureOf([&] { guest.Read(VirtAddr(0x1000)); }),
                HasSubstr("gets a signal"));
  }
}

TEST(SignalTest, NoRightsMeanASignalForReadsToo) {
  TestGuest guest({.policy = "native"});
  const VirtAddr buffer = guest.Map(1);
  guest.Protect(buffer, 1, 0);
  EXPECT_THAT(OneFailureOf([&] { guest.Read(buffer); }),
              HasSubstr("is mapped ---"));
}

TEST(SignalTest, OneThatIsExpectedIsCountedAndNoFailure) {
  for (const PolicyEntry& policy : Policies()) {
    SCOPED_TRACE(std::string(policy.name));
    TestGuest guest({.guest_memory_bytes = uint64_t{32} << 20,
                     .policy = std::string(policy.name)});
    const VirtAddr buffer = guest.Map(1);
    guest.Write(buffer);
    guest.Protect(buffer, 1, kMapRead);
    const Cost cost = guest.Measure(
        [&] { guest.ExpectSignal([&] { guest.Write(buffer); }); });
    EXPECT_THAT(cost, AllOf(Signals(1), GuestFaults(1),
                            CounterIs(Counter::kAccesses, 0)));
    guest.Read(buffer);
    EXPECT_TRUE(guest.ok());
  }
}

TEST(SignalTest, NeitherFewerNorMoreThanExpected) {
  const auto failure = [](uint64_t times, uint64_t pages) {
    TestGuest guest({.policy = "native"});
    const auto failures = FailuresOf([&] {
      guest.ExpectSignals(times, [&] { guest.Write(VirtAddr(0x1000), pages); });
    });
    return failures.empty() ? "" : failures[0].text;
  };
  EXPECT_EQ(failure(3, 3), "");
  EXPECT_THAT(failure(3, 2), HasSubstr("2 accesses got a signal, expected 3"));
  EXPECT_THAT(failure(3, 4), HasSubstr("at 0x4000 gets a signal"));
}

TEST(SignalTest, ThoseThatNeverCameAreMissedAtTheLineOfExpectSignal) {
  TestGuest guest({.policy = "native"});
  const VirtAddr buffer = guest.Map(1);
  const auto work = [&] { guest.Write(buffer); };
  const int line = __LINE__ + 1;
  const auto failures = FailuresOf([&] { guest.ExpectSignal(work); });
  ASSERT_THAT(failures, SizeIs(1));
  EXPECT_EQ(failures[0].line, line);
  EXPECT_THAT(failures[0].text, HasSubstr("0 accesses got a signal"));
}

TEST(SignalTest, OneIsExpectedOfTheInnermostWorkOnly) {
  TestGuest guest({.policy = "native"});
  const auto signal = [&] { guest.Read(VirtAddr(0x1000)); };
  guest.ExpectSignals(2, [&] {
    signal();
    guest.ExpectSignal(signal);
    signal();
  });
  EXPECT_TRUE(guest.ok());
}

TEST(SignalTest, OneOfTheKernelByHandIsFoundAsWell) {
  const GuestOp store{
      .kind = GuestOpKind::kStore, .va = VirtAddr(0x1000), .length = 4};
  TestGuest guest({.policy = "native"});
  EXPECT_THAT(OneFailureOf([&] {
                guest.Measure([&] {
                  EXPECT_TRUE(guest.kernel().Perform(guest.task(), store).ok());
                });
              }),
              HasSubstr("got a signal in the work measured"));
  TestGuest other({.policy = "native"});
  EXPECT_THAT(OneFailureOf([&] {
                EXPECT_TRUE(other.kernel().Perform(other.task(), store).ok());
                other.Syscall();
              }),
              HasSubstr("by what was done without this TestGuest"));
}

TEST(SignalTest, MeasureOfASimulatorWantsAsManyAsItIsTold) {
  TestGuest guest({.policy = "native"});
  const auto work = [](GuestKernel& kernel) {
    EXPECT_TRUE(kernel
                    .Perform(1, {.kind = GuestOpKind::kLoad,
                                 .va = VirtAddr(0x1000),
                                 .length = 4})
                    .ok());
  };
  EXPECT_THAT(MeasureWithSignals(guest.simulator(), 1, work), Signals(1));
  const int line = __LINE__ + 1;
  const auto failures = FailuresOf([&] { Measure(guest.simulator(), work); });
  ASSERT_THAT(failures, SizeIs(1));
  EXPECT_EQ(failures[0].line, line);
  EXPECT_THAT(failures[0].text, HasSubstr("1 accesses got a signal"));
}

}  // namespace
}  // namespace xmmu::testing
