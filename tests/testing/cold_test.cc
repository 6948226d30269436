// What TestGuest::MakeCold() makes cold, and what not.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "xmmu/policy/policies.h"
#include "xmmu/testing/matchers.h"
#include "xmmu/testing/test_guest.h"

namespace xmmu::testing {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::IsEmpty;

// What a page that has been written to costs to read, right after MakeCold().
Cost ColdRead(const SimulatorOptions& options) {
  TestGuest guest(options);
  const VirtAddr buffer = guest.Map(2);
  guest.Write(buffer, 2);
  guest.MakeCold();
  return guest.Measure([&] { guest.Read(buffer); });
}

// In PAE paging the four PDPTEs are in registers, which are no cache.
TEST(ColdTest, TheNextAccessWalksFromTheRootThroughMemory) {
  struct Row {
    PagingMode mode;
    uint64_t loads;
  };
  for (const Row& row :
       {Row{PagingMode::k2Level, 2}, Row{PagingMode::kPae, 2},
        Row{PagingMode::k4Level, 4}, Row{PagingMode::k5Level, 5}}) {
    SCOPED_TRACE(std::string(PagingModeName(row.mode)));
    const Cost cost = ColdRead(
        {.machine = "skylake-2017", .mode = row.mode, .policy = "native"});
    EXPECT_THAT(cost, AllOf(Walks(1), CounterIs(Counter::kPscHits, 0),
                            CounterIs(Counter::kPteLoads, row.loads),
                            Charged(CostEvent::kPteLoadDram, row.loads)));
    EXPECT_THAT(cost, AllOf(CounterIs(Counter::kTlbL1Hits, 0),
                            CounterIs(Counter::kTlbL2Hits, 0), PageFaults(0)));
  }
}

TEST(ColdTest, ThePageBesideItIsWarmAgain) {
  TestGuest guest({.machine = "skylake-2017",
                   .mode = PagingMode::k4Level,
                   .policy = "native"});
  const VirtAddr buffer = guest.Map(2);
  guest.Write(buffer, 2);
  guest.MakeCold();
  guest.Read(buffer);
  const Cost cost = guest.Measure([&] { guest.Read(buffer + kPageSize); });
  EXPECT_THAT(cost, AllOf(Walks(1), CounterIs(Counter::kPscHits, 1),
                          Charged(CostEvent::kPteLoadDram, 0)));
}

TEST(ColdTest, NestedTablesAreCold) {
  const Cost cost = ColdRead({.machine = "skylake-2017",
                              .mode = PagingMode::k4Level,
                              .policy = "nested-paging-4k"});
  // Five addresses, the root's and those of three tables and the page, are
  // translated; each by its own leaf, if upper levels are shared.
  EXPECT_THAT(cost, AllOf(Walks(1), CounterIs(Counter::kPscHits, 0),
                          CounterIs(Counter::kNestedPteLoads, Ge(4u + 4)),
                          Charged(CostEvent::kPteLoadDram, Ge(4u + 4))));
}

TEST(ColdTest, DataIsCold) {
  const Cost cost = ColdRead({.machine = "skylake-2017",
                              .mode = PagingMode::k4Level,
                              .timing = MemoryTiming::kAllCaches,
                              .policy = "native"});
  EXPECT_THAT(cost, AllOf(Charged(CostEvent::kDataDram, 1),
                          Charged(CostEvent::kDataDramRowHit, 0)));
}

TEST(ColdTest, AllCpusAreCold) {
  TestGuest guest({.vcpus = 3, .policy = "native"});
  for (int i = 0; i < 3; ++i) {
    guest.Write(guest.Map(4), 4);
    guest.Start();
  }
  Host& host = guest.simulator().host();
  guest.MakeCold();
  for (uint32_t cpu = 0; cpu < 3; ++cpu) {
    EXPECT_THAT(host.cpu(cpu).mmu.TlbEntries(), IsEmpty());
    EXPECT_THAT(host.cpu(cpu).mmu.PagingStructureEntries(), IsEmpty());
  }
}

TEST(ColdTest, ChargesAndChangesNothingUnderAnyPolicy) {
  for (const PolicyEntry& policy : Policies()) {
    SCOPED_TRACE(std::string(policy.name));
    TestGuest guest({.guest_memory_bytes = uint64_t{32} << 20,
                     .policy = std::string(policy.name)});
    const VirtAddr buffer = guest.Map(8);
    guest.Write(buffer, 8);
    const Cost before = guest.simulator().cost();
    const uint64_t digest = guest.kernel().digest();
    guest.MakeCold();
    EXPECT_EQ(guest.simulator().cost(), before);
    EXPECT_EQ(guest.kernel().digest(), digest);
    EXPECT_TRUE(guest.simulator().policy().Audit().ok());
    // What is mapped is so still.
    EXPECT_THAT(guest.Measure([&] { guest.Read(buffer, 8); }), PageFaults(0));
    EXPECT_TRUE(guest.ok());
  }
}

TEST(ColdTest, TheFlushFilterKeepsWhatItKnows) {
  TestGuest guest(
      {.machine = "opteron-2005", .flush_filter = true, .policy = "native"});
  const VirtAddr buffer = guest.Map(1);
  guest.Write(buffer);
  guest.MakeCold();
  EXPECT_THAT(guest.Measure([&] { guest.Read(buffer); }), Walks(1));
  EXPECT_TRUE(guest.ok());
}

}  // namespace
}  // namespace xmmu::testing
