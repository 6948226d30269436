// Calls of TestGuest that make no sense: each is one failure, with what would
// do.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>

#include "testing/failures.h"
#include "xmmu/testing/test_guest.h"

namespace xmmu::testing {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMinusOne = std::numeric_limits<uint64_t>::max();

// What `use` of a fresh guest fails with.
std::string Misuse(const std::function<void(TestGuest&)>& use) {
  return OneFailureOf([&] {
    TestGuest guest({.policy = "native"});
    use(guest);
  });
}

TEST(MisuseTest, MapWantsPagesThatThereIsRoomFor) {
  EXPECT_THAT(Misuse([](TestGuest& g) { g.Map(0); }),
              HasSubstr("Map: 0 pages: want at least 1"));
  EXPECT_THAT(Misuse([](TestGuest& g) { g.Map(kMinusOne); }),
              HasSubstr("Map: -1 pages"));
  EXPECT_THAT(Misuse([](TestGuest& g) { g.Map(1 << 20); }),
              HasSubstr("mmap: no program's memory in pae paging"));
  EXPECT_THAT(Misuse([](TestGuest& g) { g.Map(1, static_cast<Backing>(5)); }),
              HasSubstr("a backing 5"));
}

TEST(MisuseTest, UnmapAndProtectWantWholePagesThatAreMapped) {
  const VirtAddr none(0x20000000);
  EXPECT_THAT(Misuse([&](TestGuest& g) { g.Unmap(none, 1); }),
              HasSubstr("Unmap: 1 pages at 0x20000000: process 1 has nothing "
                        "mapped at 0x20000000"));
  EXPECT_THAT(Misuse([&](TestGuest& g) { g.Protect(none, 1, kMapRead); }),
              HasSubstr("Protect: 1 pages at 0x20000000: process 1 has"));
  EXPECT_THAT(Misuse([](TestGuest& g) { g.Unmap(g.Map(2), 3); }),
              HasSubstr("nothing mapped at 0x10002000"));
  EXPECT_THAT(Misuse([](TestGuest& g) { g.Unmap(g.Map(2), kMinusOne); }),
              HasSubstr("Unmap: -1 pages"));
  EXPECT_THAT(Misuse([](TestGuest& g) { g.Protect(g.Map(2), 0, kMapRead); }),
              HasSubstr("Protect: 0 pages at 0x10000000: want at least one"));
  EXPECT_THAT(Misuse([](TestGuest& g) { g.Unmap(g.Map(2) + 1, 1); }),
              HasSubstr("from the start of a page on"));
  EXPECT_THAT(Misuse([](TestGuest& g) { g.Protect(g.Map(2), 1, 8); }),
              HasSubstr("rights 0x8: want MapRights, at most 0x7"));
}

TEST(MisuseTest, ReadAndWriteWantPagesThatThereAre) {
  EXPECT_THAT(Misuse([](TestGuest& g) { g.Read(g.Map(1), 0); }),
              HasSubstr("a load of each of 0 pages at 0x10000000"));
  EXPECT_THAT(Misuse([](TestGuest& g) { g.Write(g.Map(1), kMinusOne); }),
              HasSubstr("a store of each of -1 pages at 0x10000000"));
  // To the end of the mapping, and not for ever.
  EXPECT_THAT(Misuse([](TestGuest& g) { g.Write(g.Map(1), 1ull << 40); }),
              HasSubstr("nothing is mapped at 0x10001000"));
}

TEST(MisuseTest, AProcessThatHasEndedDoesNothingMore) {
  const std::string ended = "process 1 has ended: Switch() or Start() first";
  EXPECT_THAT(Misuse([](TestGuest& g) {
                g.Exit();
                g.Syscall();
              }),
              HasSubstr(ended));
  EXPECT_THAT(Misuse([](TestGuest& g) {
                g.Exit();
                g.Exit();
              }),
              HasSubstr(ended));
  EXPECT_THAT(Misuse([](TestGuest& g) {
                g.Exit();
                g.Map(1);
              }),
              HasSubstr(ended));
  EXPECT_THAT(Misuse([](TestGuest& g) {
                g.Exit();
                g.Fork();
              }),
              HasSubstr(ended));
  EXPECT_THAT(Misuse([](TestGuest& g) {
                g.Perform({.kind = GuestOpKind::kVfork, .child = 2});
                g.Syscall();
              }),
              HasSubstr("task 1 waits for a child"));
}

TEST(MisuseTest, SwitchWantsAProcessThatLives) {
  EXPECT_THAT(Misuse([](TestGuest& g) { g.Switch(0); }),
              HasSubstr("Switch: there is no process 0, or no more"));
  EXPECT_THAT(Misuse([](TestGuest& g) { g.Switch(2); }),
              HasSubstr("Switch: there is no process 2, or no more"));
  EXPECT_THAT(Misuse([](TestGuest& g) {
                const TaskId child = g.Fork();
                g.Switch(child);
                g.Exit();
                g.Switch(child);
              }),
              HasSubstr("Switch: there is no process 2, or no more"));
}

TEST(MisuseTest, PerformWantsAnOperationThatThereIs) {
  const VirtAddr va(0x10000000);
  const auto perform = [](const GuestOp& op) {
    return Misuse([&](TestGuest& g) { g.Perform(op); });
  };
  EXPECT_THAT(perform({.kind = static_cast<GuestOpKind>(99)}),
              HasSubstr("operation: unknown operation"));
  EXPECT_THAT(perform({.kind = GuestOpKind::kLoad, .va = va}),
              HasSubstr("a load of 0 bytes: want 1 to 4096"));
  EXPECT_THAT(perform({.kind = GuestOpKind::kStore, .va = va, .length = 4097}),
              HasSubstr("a store of 4097 bytes: want 1 to 4096"));
  EXPECT_THAT(
      perform(
          {.kind = GuestOpKind::kLoad, .va = VirtAddr(kMinusOne), .length = 2}),
      HasSubstr("beyond all addresses"));
  EXPECT_THAT(perform({.kind = GuestOpKind::kFork}), HasSubstr("not 0"));
  EXPECT_THAT(perform({.kind = GuestOpKind::kFork, .child = 1}),
              HasSubstr("fork: task 1 is started twice"));
  EXPECT_THAT(perform({.kind = GuestOpKind::kUnmap}),
              HasSubstr("munmap: no program's memory"));
  EXPECT_THAT(perform({.kind = GuestOpKind::kRemap,
                       .va = va,
                       .length = kPageSize,
                       .target = va,
                       .new_length = kPageSize}),
              HasSubstr("at 0x10000000: nothing is mapped there"));
}

TEST(MisuseTest, AChildMadeByPerformKeepsItsNumber) {
  TestGuest guest({.policy = "native"});
  guest.Perform({.kind = GuestOpKind::kFork, .child = 2});
  EXPECT_EQ(guest.Fork(), 3u);
  guest.Switch(2);
  EXPECT_EQ(guest.Start(), 4u);
  EXPECT_TRUE(guest.ok());
}

TEST(MisuseTest, AGuestWithoutMemoryLeftSaysSo) {
  EXPECT_THAT(OneFailureOf([] {
                TestGuest guest({.guest_memory_bytes = uint64_t{16} << 20,
                                 .policy = "native"});
                guest.Write(guest.Map(8192), 8192);
              }),
              HasSubstr("store: "));
}

TEST(MisuseTest, WorkThatIsANullFunctionIsRefused) {
  const std::function<void()> none;
  void (*const pointer)() = nullptr;
  EXPECT_THAT(Misuse([&](TestGuest& g) { g.Measure(none); }),
              HasSubstr("Measure: there is no work"));
  EXPECT_THAT(Misuse([&](TestGuest& g) { g.Measure(pointer); }),
              HasSubstr("Measure: there is no work"));
  EXPECT_THAT(Misuse([&](TestGuest& g) { g.ExpectSignal(none); }),
              HasSubstr("ExpectSignal: there is no work"));
  EXPECT_THAT(Misuse([&](TestGuest& g) { Measure(g.simulator(), none); }),
              HasSubstr("Measure: there is no work"));
}

}  // namespace
}  // namespace xmmu::testing
