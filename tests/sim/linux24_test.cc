// Tests what Linux 2.4 did differently: fork copied all entries, and tables
// that were given up stayed tables.

#include <gtest/gtest.h>

#include "xmmu/sim/guest_driver.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::linux24_test {
namespace {

constexpr TaskId kChild = GuestDriver::kFirstTask + 1;

SimulatorOptions OptionsOf(std::string_view policy) {
  SimulatorOptions options;
  options.mode = PagingMode::k2Level;
  options.policy = std::string(policy);
  options.fork_copies_all = true;
  options.keeps_tables = true;
  if (policy == "pinning") {
    options.guest_ops = GuestOps::kLinux24;
    options.pin = PinWhen::kEarly;
  }
  return options;
}

// How many tables stay none of `tables` that are given up together.
uint64_t Freed(uint64_t tables) {
  auto guest = GuestDriver::Create(OptionsOf("pinning"));
  EXPECT_TRUE(guest.ok()) << guest.status();
  constexpr uint64_t kPagesOfTable = 1024;
  guest->Map(tables * kPagesOfTable);
  for (uint64_t i = 0; i < tables; ++i) guest->Write(1, i * kPagesOfTable);
  const Cost cost =
      guest->Measure([&] { guest->Unmap(tables * kPagesOfTable); });
  EXPECT_TRUE(guest->status().ok()) << guest->status();
  EXPECT_TRUE(guest->simulator().policy().Audit().ok());
  return cost.count(Counter::kUnpins);
}

TEST(Linux24Test, FiftyTablesAreKeptAndNotOneMore) {
  EXPECT_EQ(Freed(1), 0u);
  EXPECT_EQ(Freed(50), 0u);
  EXPECT_EQ(Freed(51), 1u);
  EXPECT_EQ(Freed(60), 10u);
}

TEST(Linux24Test, AKeptTableIsEmptyWhenItIsUsedAgain) {
  auto guest = GuestDriver::Create(OptionsOf("pinning"));
  ASSERT_TRUE(guest.ok()) << guest.status();
  guest->Map(8);
  guest->Write(8);
  guest->Unmap(8);
  guest->Map(8);
  const Cost again = guest->Measure([&] { guest->Write(8); });
  ASSERT_TRUE(guest->status().ok()) << guest->status();
  EXPECT_EQ(again.count(Counter::kDemandZero), 8u);
  EXPECT_EQ(again.count(Counter::kPins), 0u);
}

TEST(Linux24Test, TheGuestSeesTheSameWorldWithKeptTables) {
  for (const char* spec : {"fork:pages=300,cow=100", "churn:pages=40,rounds=5",
                           "switch:processes=4,rounds=20,pages=8"}) {
    std::vector<uint64_t> digests;
    for (const char* policy : {"native", "pinning"}) {
      for (const bool keeps : {false, true}) {
        SimulatorOptions options = OptionsOf(policy);
        options.keeps_tables = keeps;
        auto simulator = Simulator::Create(options);
        ASSERT_TRUE(simulator.ok()) << simulator.status();
        auto workload = MakeSyntheticWorkload(spec);
        const auto row = (*simulator)->Run(**workload);
        ASSERT_TRUE(row.ok()) << row.status();
        EXPECT_TRUE((*simulator)->policy().Audit().ok());
        digests.push_back(row->guest_digest);
      }
    }
    EXPECT_EQ(digests, std::vector<uint64_t>(4, digests.front())) << spec;
  }
}

TEST(Linux24Test, OnlyTwoLevelGuestsThatPinEarlyKeepTables) {
  const auto frees = [](PagingMode mode, PinWhen pin) {
    SimulatorOptions options = OptionsOf("pinning");
    options.mode = mode;
    options.pin = pin;
    auto guest = GuestDriver::Create(options);
    EXPECT_TRUE(guest.ok()) << guest.status();
    guest->Start(kChild);
    guest->Map(8);
    guest->Write(8);
    const Cost cost = guest->Measure([&] {
      guest->Perform({.kind = GuestOpKind::kExit});
      guest->Act(GuestDriver::kFirstTask);
      guest->Syscall();
    });
    EXPECT_TRUE(guest->status().ok()) << guest->status();
    return cost.count(Counter::kUnpins) > 0;
  };
  EXPECT_FALSE(frees(PagingMode::k2Level, PinWhen::kEarly));
  EXPECT_TRUE(frees(PagingMode::k2Level, PinWhen::kLate));
  EXPECT_TRUE(frees(PagingMode::kPae, PinWhen::kEarly));
}

// Faults of a child on what its parent has read or written to.
uint64_t FaultsOfChild(Backing backing, GuestOpKind kind, bool copies_all) {
  SimulatorOptions options = OptionsOf("native");
  options.fork_copies_all = copies_all;
  auto guest = GuestDriver::Create(options);
  EXPECT_TRUE(guest.ok()) << guest.status();
  guest->Map(8, backing);
  for (uint64_t i = 0; i < 8; ++i) {
    guest->Perform({.kind = kind,
                    .va = GuestDriver::kRegion + i * kPageSize,
                    .length = 4});
  }
  guest->Perform({.kind = GuestOpKind::kFork, .child = kChild});
  guest->Act(kChild);
  const Cost cost = guest->Measure([&] {
    if (kind == GuestOpKind::kLoad) guest->Read(8);
    if (kind == GuestOpKind::kStore) guest->Write(8);
  });
  EXPECT_TRUE(guest->status().ok()) << guest->status();
  return cost.count(Counter::kGuestFaults);
}

TEST(Linux24Test, ForkCopiesWhatFaultsWouldMakeAnew) {
  using enum GuestOpKind;
  EXPECT_EQ(FaultsOfChild(Backing::kFilePrivate, kLoad, true), 0u);
  EXPECT_EQ(FaultsOfChild(Backing::kFilePrivate, kLoad, false), 8u);
  // A shared file's pages stay writable.
  EXPECT_EQ(FaultsOfChild(Backing::kFileShared, kStore, true), 0u);
  EXPECT_EQ(FaultsOfChild(Backing::kFileShared, kStore, false), 8u);
  // Private ones are copied on write either way.
  EXPECT_EQ(FaultsOfChild(Backing::kAnonymous, kStore, true), 8u);
  EXPECT_EQ(FaultsOfChild(Backing::kAnonymous, kStore, false), 8u);
}

TEST(Linux24Test, AParentMayWriteToSharedPagesAfterAForkWithoutAFault) {
  auto guest = GuestDriver::Create(OptionsOf("native"));
  ASSERT_TRUE(guest.ok()) << guest.status();
  guest->Map(8, Backing::kFileShared);
  guest->Write(8);
  guest->Perform({.kind = GuestOpKind::kFork, .child = kChild});
  const Cost cost = guest->Measure([&] { guest->Write(8); });
  ASSERT_TRUE(guest->status().ok()) << guest->status();
  EXPECT_EQ(cost.count(Counter::kGuestFaults), 0u);
}

}  // namespace
}  // namespace xmmu::linux24_test
