// Walks that a clock's log is told of.

#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmu_fixture.h"
#include "xmmu/base/span_log.h"

namespace xmmu::told_walk_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr VirtAddr kPage(0x10000000);

// What the log says of one access: spans and steps with their arguments, those
// of an entry without its address and value.
std::vector<std::string> WordsOf(const SpanLog& log) {
  std::vector<std::string> words;
  for (const SpanRecord& record : log.records()) {
    if (record.kind != SpanKind::kBegin && record.kind != SpanKind::kStep) {
      continue;
    }
    std::string text = record.name;
    for (const SpanArg& arg : log.ArgsOf(record)) {
      if (arg.hex) continue;
      text += " ";
      text += arg.text != nullptr ? arg.text : std::to_string(arg.number);
    }
    words.push_back(text);
  }
  return words;
}

std::vector<std::string> Told(TestMachine& machine, const Access& access) {
  SpanLog log({.charges = true});
  machine.clock().set_span_log(&log, 0);
  static_cast<void>(machine.mmu().Translate(access));
  machine.clock().set_span_log(nullptr, 0);
  return WordsOf(log);
}

TEST(ToldWalkTest, AWalkSaysWhereItStartsAndWhatItLoadsAndSets) {
  TestMachine machine(PagingMode::k4Level);
  machine.Map(kPage, Mfn(0x500), kUserPage & ~(pte::kAccessed | pte::kDirty));
  machine.Map(kPage + kPageSize, Mfn(0x501), kUserPage & ~pte::kDirty);
  machine.ClearFlags(kPage, 3, pte::kAccessed);
  EXPECT_THAT(Told(machine, Read(kPage)),
              ElementsAre("page walk CR3", "entry 4", "entry 3 A", "entry 2",
                          "entry 1 A"));
  EXPECT_THAT(Told(machine, Read(kPage)), IsEmpty()) << "a hit";
  EXPECT_THAT(Told(machine, Write(kPage)),
              ElementsAre("page walk cached PDE", "entry 1 D"));
  EXPECT_THAT(Told(machine, Write(kPage + kPageSize)),
              ElementsAre("page walk cached PDE", "entry 1 D"));
}

TEST(ToldWalkTest, TheDeepestCachedEntryIsNamed) {
  TestMachine machine(PagingMode::k5Level);
  machine.Map(kPage, Mfn(0x500));
  machine.Map(kPage + (uint64_t{1} << 21), Mfn(0x501));
  machine.Map(kPage + (uint64_t{1} << 30), Mfn(0x502));
  machine.Map(kPage + (uint64_t{1} << 39), Mfn(0x503));
  static_cast<void>(machine.mmu().Translate(Read(kPage)));
  const auto start = [&](int shift) {
    return Told(machine, Read(kPage + (uint64_t{1} << shift)))[0];
  };
  EXPECT_EQ(start(21), "page walk cached PDPTE");
  EXPECT_EQ(start(30), "page walk cached PML4E");
  EXPECT_EQ(start(39), "page walk cached PML5E");
}

TEST(ToldWalkTest, APaeWalkStartsAtARegister) {
  TestMachine machine(PagingMode::kPae);
  machine.Map(kPage, Mfn(0x500));
  EXPECT_THAT(Told(machine, Read(kPage)),
              ElementsAre("page walk PDPTE register", "entry 2", "entry 1"));
}

TEST(ToldWalkTest, AWalkThatFaultsEndsWithTheEntryThatStopsIt) {
  TestMachine machine(PagingMode::k2Level);
  machine.Map(kPage, Mfn(0x500));
  EXPECT_THAT(Told(machine, Read(kPage + kPageSize)),
              ElementsAre("page walk CR3", "entry 2", "entry 1"));
  EXPECT_THAT(Told(machine, Read(kPage + (uint64_t{1} << 22))),
              ElementsAre("page walk CR3", "entry 2"));
}

// A program of accesses, flushes and changes; the one that is told of differs
// from the other in nothing.
void RunProgram(TestMachine& machine, uint32_t seed,
                std::vector<uint64_t>& answers) {
  std::mt19937 random(seed);
  const auto any = [&](uint32_t n) {
    return static_cast<uint32_t>(random() % n);
  };
  for (int i = 0; i < 3000; ++i) {
    const VirtAddr va = kPage + any(64) * kPageSize + any(3) * (1u << 22);
    const uint32_t what = any(16);
    if (what == 0) {
      machine.Map(va, Mfn(0x500 + any(100)),
                  any(2) == 0 ? kUserPage : kTableFlags & ~pte::kAccessed);
    } else if (what == 1) {
      machine.mmu().Invlpg(va);
    } else if (what == 2) {
      machine.mmu().FlushAll();
    } else {
      const TranslateResult result =
          machine.mmu().Translate(any(2) == 0 ? Read(va) : Write(va));
      answers.push_back(result.ok() ? result.addr().value()
                                    : ~uint64_t{result.fault().error_code});
    }
  }
}

TEST(ToldWalkTest, NothingDependsOnWhetherWalksAreTold) {
  for (const PagingMode mode : kAllPagingModes) {
    for (const Vendor vendor : {Vendor::kIntel, Vendor::kAmd}) {
      for (const bool caches : {false, true}) {
        MachineModel model = TestModel();
        model.features.vendor = vendor;
        TestMachine plain(mode, model, caches);
        TestMachine told(mode, model, caches);
        SpanLog log({.charges = true});
        told.clock().set_span_log(&log, 0);
        std::vector<uint64_t> plain_answers;
        std::vector<uint64_t> told_answers;
        RunProgram(plain, 7, plain_answers);
        RunProgram(told, 7, told_answers);
        EXPECT_EQ(plain_answers, told_answers);
        EXPECT_EQ(plain.clock().tallies(), told.clock().tallies());
        EXPECT_EQ(plain.clock().busy(), told.clock().busy());
        uint64_t cycles = 0;
        for (const SpanRecord& record : log.records()) {
          if (record.kind != SpanKind::kCharge) continue;
          cycles += record.value *
                    told.clock().price(static_cast<CostEvent>(record.event));
        }
        EXPECT_EQ(cycles, told.clock().busy().count());
      }
    }
  }
}

}  // namespace
}  // namespace xmmu::told_walk_test
