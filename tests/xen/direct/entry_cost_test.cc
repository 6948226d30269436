// The exact number of operations that an update of one entry costs: the atomic
// counts of mod_l1_entry, and those that each way of asking for it adds.

#include <gtest/gtest.h>

#include "xen/direct/pv_fixture.h"

namespace xmmu::entry_cost_test {
namespace {

struct Case {
  const char* name;
  // Flags of the entry before and after; 0 is none at all.
  uint64_t before;
  uint64_t after;
  bool same_frame;
  // References and types of the page mapped.
  uint64_t locked;
};

constexpr std::array kCases = {
    Case{"flags only", kRw, kRw | 0x200, true, 0},
    Case{"none to read-only", 0, kRo, true, 1},
    Case{"none to writable", 0, kRw, true, 2},
    Case{"writable to read-only, same frame", kRw, kRo, true, 3},
    Case{"read-only to writable, same frame", kRo, kRw, true, 3},
    Case{"writable to writable, another frame", kRw, kRw, false, 4},
    Case{"writable to none", kRw, 0, true, 2},
    Case{"read-only to none", kRo, 0, true, 1},
};

struct Tally {
  uint64_t reads;
  uint64_t writes;
  uint64_t locked;
  uint64_t maps;
  uint64_t copies;
};

Tally Now(PvGuest& guest) {
  CycleClock& clock = guest.clock();
  return {clock.tally(CostEvent::kXenPteRead),
          clock.tally(CostEvent::kXenPteCas), clock.tally(CostEvent::kLockedOp),
          clock.tally(CostEvent::kTempMap), clock.tally(CostEvent::kCopyIn)};
}

Tally Since(PvGuest& guest, const Tally& before) {
  const Tally now = Now(guest);
  return {now.reads - before.reads, now.writes - before.writes,
          now.locked - before.locked, now.maps - before.maps,
          now.copies - before.copies};
}

Pte Entry(PvGuest& guest, uint64_t flags, uint64_t pfn) {
  return flags == 0 ? Pte() : Pte(guest.Frame(pfn), flags);
}

constexpr VirtAddr kVa{0x400000};

// The guest with an L1 that maps kVa, and the case's old entry in it.
void Prepare(PvGuest& guest, const Case& c) {
  guest.Hook(guest.Frame(10), kVa);
  ASSERT_EQ(guest.Update(guest.Frame(10), 0, Entry(guest, c.before, 20)),
            XenErrno::kOk);
}

class EntryCostTest : public testing::TestWithParam<Case> {};

TEST_P(EntryCostTest, MmuUpdateAddsFourLockedOperationsOnTheTable) {
  const Case c = GetParam();
  PvGuest guest;
  Prepare(guest, c);
  const Tally before = Now(guest);
  const uint64_t pfn = c.same_frame ? 20 : 21;
  ASSERT_EQ(guest.Update(guest.Frame(10), 0, Entry(guest, c.after, pfn)),
            XenErrno::kOk);
  const Tally cost = Since(guest, before);
  EXPECT_EQ(cost.reads, 1u);
  EXPECT_EQ(cost.writes, 1u);
  EXPECT_EQ(cost.locked, c.locked + 4);
  EXPECT_EQ(cost.maps, 1u);
  EXPECT_EQ(cost.copies, 1u);
}

TEST_P(EntryCostTest, UpdateVaMappingOf417SavesOnlyTheCopyOfTheRequest) {
  const Case c = GetParam();
  PvGuest guest;
  Prepare(guest, c);
  const Tally before = Now(guest);
  const uint64_t pfn = c.same_frame ? 20 : 21;
  ASSERT_EQ(guest.UpdateVa(kVa, Entry(guest, c.after, pfn)), XenErrno::kOk);
  const Tally cost = Since(guest, before);
  EXPECT_EQ(cost.reads, 2u);  // the L2 entry in the linear map, the L1 entry
  EXPECT_EQ(cost.writes, 1u);
  EXPECT_EQ(cost.locked, c.locked + 4);
  EXPECT_EQ(cost.maps, 1u);
  EXPECT_EQ(cost.copies, 0u);
}

TEST_P(EntryCostTest, UpdateVaMappingOf30TakesNoReferenceOnTheTable) {
  const Case c = GetParam();
  PvGuest guest({.mode = PagingMode::k2Level, .machine = "xeon-2003"});
  Prepare(guest, c);
  const uint64_t pfn = c.same_frame ? 20 : 21;
  const Tally before = Now(guest);
  ASSERT_EQ(guest.UpdateVa(kVa, Entry(guest, c.after, pfn)), XenErrno::kOk);
  const Tally by_va = Since(guest, before);
  constexpr uint64_t kBigLock = 1;
  EXPECT_EQ(by_va.reads, 1u);
  EXPECT_EQ(by_va.writes, 1u);
  EXPECT_EQ(by_va.locked, c.locked + kBigLock);
  EXPECT_EQ(by_va.maps, 0u);
  EXPECT_EQ(by_va.copies, 0u);

  PvGuest other({.mode = PagingMode::k2Level, .machine = "xeon-2003"});
  Prepare(other, c);
  const Tally start = Now(other);
  ASSERT_EQ(other.Update(other.Frame(10), 0, Entry(other, c.after, pfn)),
            XenErrno::kOk);
  const Tally by_request = Since(other, start);
  EXPECT_EQ(by_request.locked, c.locked + kBigLock + 4);
  EXPECT_EQ(by_request.maps, 1u);
  EXPECT_EQ(by_request.copies, 1u);
}

INSTANTIATE_TEST_SUITE_P(Rows, EntryCostTest, testing::ValuesIn(kCases),
                         [](const testing::TestParamInfo<Case>& row) {
                           std::string name = row.param.name;
                           std::erase_if(name, [](unsigned char c) {
                             return std::isalnum(c) == 0;
                           });
                           return name;
                         });

TEST(EntryCostTest, RequestsForOneTableMapItOnce) {
  PvGuest guest;
  ASSERT_EQ(guest.Pin(guest.Frame(10), 1), XenErrno::kOk);
  ASSERT_EQ(guest.Pin(guest.Frame(11), 1), XenErrno::kOk);
  const Pte page(guest.Frame(20), kRo);
  const std::array requests = {
      MmuUpdate{guest.EntryOf(guest.Frame(10), 0), page.raw()},
      MmuUpdate{guest.EntryOf(guest.Frame(10), 1), page.raw()},
      MmuUpdate{guest.EntryOf(guest.Frame(11), 0), page.raw()}};
  const Tally before = Now(guest);
  ASSERT_EQ(guest.Execute(MmuUpdateCall{.requests = requests}).done, 3u);
  EXPECT_EQ(Since(guest, before).maps, 2u);
}

TEST(EntryCostTest, ARingCrossingACallAndACopyARequest) {
  PvGuest guest;
  ASSERT_EQ(guest.Pin(guest.Frame(10), 1), XenErrno::kOk);
  CycleClock& clock = guest.clock();
  const uint64_t crossings = clock.tally(CostEvent::kHypercallSyscall);
  const uint64_t work = clock.tally(CostEvent::kHypercallWork);
  const std::array requests = {MmuUpdate{guest.EntryOf(guest.Frame(10), 0), 0},
                               MmuUpdate{guest.EntryOf(guest.Frame(10), 1), 0}};
  const std::array<Subcall, 2> calls = {MmuUpdateCall{.requests = requests},
                                        VmAssistCall{}};
  const HypercallResult result = guest.Execute(MulticallCall{calls});
  EXPECT_EQ(result.done, 2u);
  EXPECT_EQ(clock.tally(CostEvent::kHypercallSyscall), crossings + 1);
  EXPECT_EQ(clock.tally(CostEvent::kHypercallWork), work + 2);
  EXPECT_EQ(clock.tally(CostEvent::kMulticallEntry), 2u);
  EXPECT_EQ(clock.tally(CostEvent::kHypercallInt), 0u);
}

TEST(EntryCostTest, ThirtyTwoBitGuestsCrossByInterrupt) {
  for (const PagingMode mode : {PagingMode::k2Level, PagingMode::kPae}) {
    PvGuest guest({.mode = mode, .machine = "xeon-2003"});
    ASSERT_EQ(guest.Pin(guest.Frame(10), 1), XenErrno::kOk);
    EXPECT_EQ(guest.clock().tally(CostEvent::kHypercallInt), 1u);
    EXPECT_EQ(guest.clock().tally(CostEvent::kHypercallSyscall), 0u);
  }
}

TEST(EntryCostTest, ValidationScansEachEntryOnceAndOnlyWhenItMust) {
  PvGuest guest;
  CycleClock& clock = guest.clock();
  const uint64_t start = clock.tally(CostEvent::kValidatePte);
  ASSERT_EQ(guest.Pin(guest.Frame(10), 1), XenErrno::kOk);
  EXPECT_EQ(clock.tally(CostEvent::kValidatePte) - start, 512u);
  ASSERT_EQ(guest.Pin(guest.Frame(11), 2), XenErrno::kOk);
  EXPECT_EQ(clock.tally(CostEvent::kValidatePte) - start, 1024u);
  // A table that is validated already is counted, not scanned.
  ASSERT_EQ(guest.Update(guest.Frame(11), 0, Pte(guest.Frame(10), 7)),
            XenErrno::kOk);
  EXPECT_EQ(clock.tally(CostEvent::kValidatePte) - start, 1024u);
  ASSERT_EQ(guest.Unpin(guest.Frame(10)), XenErrno::kOk);
  EXPECT_EQ(clock.tally(CostEvent::kValidatePte) - start, 1024u);
  ASSERT_EQ(guest.Unpin(guest.Frame(11)), XenErrno::kOk);
  EXPECT_EQ(clock.tally(CostEvent::kValidatePte) - start, 2048u);
}

TEST(EntryCostTest, XensOwnSlotsAreNotScanned) {
  PvGuest guest({.mode = PagingMode::k2Level, .machine = "xeon-2003"});
  EXPECT_EQ(guest.clock().tally(CostEvent::kValidatePte), 1008u);
  PvGuest wide;
  EXPECT_EQ(wide.clock().tally(CostEvent::kValidatePte), 496u);
}

}  // namespace
}  // namespace xmmu::entry_cost_test
