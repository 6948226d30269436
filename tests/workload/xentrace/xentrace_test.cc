// xentrace files made record by record.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "workload/lackey/trace_support.h"
#include "workload/xentrace/xentrace_counts.h"
#include "workload/xentrace/xentrace_merger.h"
#include "workload/xentrace/xentrace_reader.h"

namespace xmmu {
namespace xentrace_test {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Words(const std::vector<uint32_t>& words) {
  std::string bytes;
  for (const uint32_t word : words) {
    for (int shift = 0; shift < 32; shift += 8) {
      bytes.push_back(static_cast<char>(word >> shift));
    }
  }
  return bytes;
}
std::string Record(uint32_t event, std::vector<uint32_t> payload) {
  payload.insert(payload.begin(), event | static_cast<uint32_t>(payload.size())
                                              << 28);
  return Words(payload);
}
std::string Timed(uint32_t event, uint64_t tsc, std::vector<uint32_t> payload) {
  const auto size = static_cast<uint32_t>(payload.size());
  payload.insert(payload.begin(), {event | size << 28 | uint32_t{1} << 31,
                                   static_cast<uint32_t>(tsc),
                                   static_cast<uint32_t>(tsc >> 32)});
  return Words(payload);
}
std::string Window(uint32_t cpu, const std::string& records) {
  return Words({0x2001f003, cpu, static_cast<uint32_t>(records.size())}) +
         records;
}
// A hypercall with one argument of 32 bits, or with none.
std::string Call(uint64_t tsc, uint32_t number, uint32_t count,
                 uint32_t event = 0x20100d) {
  return Timed(event, tsc, {number | 1 << 20, count});
}
std::string Member(uint64_t tsc, uint32_t number) {
  return Timed(0x20200e, tsc, {number});
}

class XentraceTest : public TraceTest {
 protected:
  XentraceSummary Read(const std::string& file, TscWindow window = {}) const {
    const auto summary = SummarizeXentrace(Write("x", file), window);
    EXPECT_TRUE(summary.ok()) << summary.status();
    return summary.ok() ? *summary : XentraceSummary{};
  }
  // The times and events that a merger gives.
  std::vector<std::string> Merged(const std::string& file) const {
    std::vector<std::string> all;
    auto merger = XentraceMerger::Open(Write("x", file));
    EXPECT_TRUE(merger.ok()) << merger.status();
    for (;;) {
      const auto record = merger->Next();
      EXPECT_TRUE(record.ok()) << record.status();
      if (!record.ok() || !record->has_value()) return all;
      all.push_back(absl::StrCat((*record)->cpu, ":", (*record)->tsc, ":",
                                 absl::Hex((*record)->event)));
    }
  }
  std::string ErrorOf(const std::string& file) const {
    const auto summary = SummarizeXentrace(Write("x", file), {});
    const std::string message(summary.status().message());
    return message.substr(std::min(message.size(), Path("x").size()));
  }
};

TEST_F(XentraceTest, ARecordWithoutATimeHasThatOfTheOneBefore) {
  auto reader = XentraceReader::Open(Write(
      "x", Window(0, Timed(0x201104, uint64_t{7} << 32 | 5, {1, 2, 3, 4, 6})) +
               Window(1, Record(0x82114, {0, 9, 8})) +
               Window(0, Record(0x82114, {0, 9, 8}))));
  ASSERT_TRUE(reader.ok()) << reader.status();
  const auto fault = **reader->Next();
  EXPECT_EQ(fault.event, 0x201104);
  EXPECT_EQ(fault.tsc, uint64_t{7} << 32 | 5);
  EXPECT_EQ(fault.words, 5);
  EXPECT_EQ(fault.Wide(2), uint64_t{4} << 32 | 3);
  EXPECT_EQ((*reader->Next())->tsc, 0);
  const auto flush = **reader->Next();
  EXPECT_EQ(flush.tsc, uint64_t{7} << 32 | 5);
  EXPECT_FALSE(flush.timed);
  EXPECT_FALSE(reader->Next()->has_value());
  EXPECT_FALSE(reader->truncated());
}

TEST_F(XentraceTest, CpusAreMergedByTime) {
  EXPECT_THAT(
      Merged(Window(2, Timed(0x81001, 10, {}) + Timed(0x81001, 30, {})) +
             Window(0, Timed(0x81001, 20, {}) + Record(0x82013, {})) +
             Window(2, Timed(0x81001, 40, {})) +
             Window(0, Timed(0x81001, 30, {}))),
      ElementsAre("2:10:81001", "0:20:81001", "0:20:82013", "0:30:81001",
                  "2:30:81001", "2:40:81001"));
}

TEST_F(XentraceTest, HypercallsAreCountedByNumberAndContinuationsApart) {
  const XentraceSummary summary =
      Read(Window(0, Call(1, 1, 3) + Call(2, 1, 2 | uint32_t{1} << 31) +
                         Call(3, 26, 2) + Timed(0x20100d, 4, {23})));
  const auto& update = summary.counts.call(1);
  EXPECT_EQ(update.records, 2);
  EXPECT_EQ(update.continuations, 1);
  EXPECT_EQ(update.operations, 3);
  EXPECT_EQ(summary.counts.call(26).operations, 2);
  EXPECT_EQ(summary.counts.call(23).records, 1);
  EXPECT_EQ(HypercallName(23), "iret");
}

// A multicall that is cut short enters again with the rest, without a flag.
TEST_F(XentraceTest, MulticallsAreWholeOrCutShort) {
  const XentraceSummary summary = Read(Window(
      0, Call(1, 13, 3) + Member(2, 14) + Call(3, 13, 2) + Member(4, 14) +
             Call(5, 26, 1, 0x20200e) + Call(6, 13, 1) + Member(7, 14)));
  EXPECT_EQ(summary.counts.multicalls_whole(), 2);
  EXPECT_EQ(summary.counts.multicalls_cut(), 1);
  EXPECT_EQ(summary.counts.call(14).members, 3);
  EXPECT_EQ(summary.counts.call(26).members, 1);
  EXPECT_EQ(summary.counts.call(26).member_operations, 1);
  EXPECT_EQ(summary.counts.call(13).records, 3);
}

TEST_F(XentraceTest, AWindowOfTimesHasBothItsEnds) {
  const std::string file =
      Window(0, Timed(0x201104, 9, {}) + Timed(0x201104, 10, {}) +
                    Timed(0x20110b, 20, {}) + Timed(0x20110b, 21, {}));
  const XentraceSummary summary = Read(file, {.first = 10, .last = 20});
  EXPECT_EQ(summary.counts.records(), 2);
  EXPECT_EQ(summary.counts.events_named("PV_PAGE_FAULT"), 1);
  EXPECT_EQ(summary.counts.events_named("PV_PTWR_EMULATION"), 1);
  EXPECT_EQ(summary.counts.seen().first, 10);
  EXPECT_EQ(summary.counts.seen().last, 20);
}

TEST_F(XentraceTest, ExitsAreCountedByReason) {
  const XentraceSummary summary = Read(
      Window(0, Timed(0x81102, 1, {48, 1, 2}) + Timed(0x81002, 2, {48, 1}) +
                    Timed(0x81103, 3, {0x400, 1, 2}) + Timed(0x81001, 4, {})));
  EXPECT_EQ(summary.counts.exits().at(48), 2);
  EXPECT_EQ(summary.counts.exits().count(0x400), 0);
  EXPECT_EQ(summary.counts.svm_exits().at(0x400), 1);
}

TEST_F(XentraceTest, CpusHaveWindowsTimesAndLosses) {
  const XentraceSummary summary =
      Read(Window(0, Timed(0x1f001, 20, {7, 0, 0, 0}) + Timed(0x81001, 30, {}) +
                         Record(0x82013, {})) +
           Window(3, "") + Window(0, Timed(0x81001, 29, {})) +
           Window(1, Record(0x82013, {})));
  EXPECT_THAT(summary.windows_by_cpu,
              ElementsAre(testing::Pair(0, 2), testing::Pair(1, 1),
                          testing::Pair(3, 1)));
  const auto& cpus = summary.counts.cpus();
  EXPECT_EQ(cpus.size(), 2);
  EXPECT_EQ(cpus.at(0).records, 4);
  EXPECT_EQ(cpus.at(0).lost, 7);
  EXPECT_EQ(cpus.at(0).seen.first, 20);
  EXPECT_EQ(cpus.at(0).seen.last, 30);
  EXPECT_EQ(cpus.at(0).went_back, 1);
  EXPECT_EQ(cpus.at(1).lost, 0);
  EXPECT_GT(cpus.at(1).seen.first, cpus.at(1).seen.last);
  EXPECT_EQ(summary.bytes, 4 * 12 + 28 + 12 + 4 + 12 + 4);
}

TEST_F(XentraceTest, RecordsAreCountedByTheirWords) {
  const XentraceSummary summary =
      Read(Window(0, Call(1, 1, 3) + Call(2, 1, 2) + Timed(0x20100d, 4, {23})));
  EXPECT_THAT(summary.counts.words_of(0x20100d),
              ElementsAre(0, 1, 2, 0, 0, 0, 0, 0));
  EXPECT_THAT(summary.counts.words_of(0x81001),
              ElementsAre(0, 0, 0, 0, 0, 0, 0, 0));
}

TEST_F(XentraceTest, NamesOfEvents) {
  EXPECT_EQ(XentraceEventName(0x201104), "PV_PAGE_FAULT");
  EXPECT_EQ(XentraceEventName(0x201004), "PV_PAGE_FAULT");
  EXPECT_EQ(XentraceEventName(0x021321), "RUNSTATE_CHANGE");
  EXPECT_EQ(XentraceEventName(0x021011), "RUNSTATE_CHANGE");
  EXPECT_EQ(XentraceEventName(0x021002), "CONTINUE_RUNNING");
  EXPECT_EQ(XentraceEventName(0x40f208), "SHADOW_EMULATE");
  EXPECT_EQ(XentraceEventName(0x082216), "HVM_IOPORT_WRITE");
  EXPECT_EQ(XentraceEventName(0x081502), "HVM_VMEXIT nested");
  EXPECT_EQ(XentraceEventName(0x999999), "");
}

TEST_F(XentraceTest, AFileThatIsCutOffEndsThere) {
  const std::string whole =
      Window(0, Timed(0x81001, 10, {}) + Timed(0x81001, 30, {}));
  for (size_t size = whole.size() - 1; size >= 12 + 12; --size) {
    const XentraceSummary summary = Read(whole.substr(0, size));
    EXPECT_TRUE(summary.truncated) << size;
    EXPECT_EQ(summary.counts.records(), 1) << size;
  }
  EXPECT_TRUE(Read(whole + std::string(5, '\1')).truncated);
}

TEST_F(XentraceTest, DamageIsNamedByItsOffset) {
  EXPECT_THAT(ErrorOf("hello"), HasSubstr(":0: does not begin"));
  EXPECT_THAT(ErrorOf(Window(0, Timed(0x81001, 1, {})) + Words({1, 2, 3})),
              HasSubstr(":24: the word 0x1, expected 0x2001f003"));
  EXPECT_THAT(ErrorOf(Window(4096, "")), HasSubstr(":0: a window of CPU 4096"));
  EXPECT_THAT(ErrorOf(Words({0x2001f003, 0, 6, 1, 2})),
              HasSubstr("whole words"));
  EXPECT_THAT(
      ErrorOf(Words({0x2001f003, 0, 8, 0x81001 | uint32_t{1} << 31, 1, 0})),
      HasSubstr(":12: a record of 12 bytes in a window with 8 left"));
}

}  // namespace xentrace_test
}  // namespace xmmu
