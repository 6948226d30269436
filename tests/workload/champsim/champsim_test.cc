// ChampSim traces: both layouts, what they become, what is no trace.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "workload/champsim/champsim_record.h"
#include "workload/drmemtrace/trace_builder.h"

namespace xmmu {
namespace champsim_test {
namespace {

void Put(std::string* record, size_t at, uint64_t value, size_t bytes = 8) {
  for (size_t i = 0; i < bytes; ++i) {
    (*record)[at + i] = static_cast<char>(value >> (8 * i) & 0xff);
  }
}

std::string Standard(uint64_t ip, std::vector<uint64_t> loads = {},
                     std::vector<uint64_t> stores = {}) {
  std::string record(64, '\0');
  Put(&record, 0, ip);
  Put(&record, 8, 1, 1);   // a branch
  Put(&record, 10, 6, 1);  // the stack pointer
  for (size_t i = 0; i < stores.size(); ++i)
    Put(&record, 16 + 8 * i, stores[i]);
  for (size_t i = 0; i < loads.size(); ++i) Put(&record, 32 + 8 * i, loads[i]);
  return record;
}

std::string CloudSuite(uint64_t ip, uint64_t load, uint64_t store,
                       uint16_t space) {
  std::string record(96, '\0');
  Put(&record, 0, ip);
  Put(&record, 10, 0x1a19, 2);
  Put(&record, 24, store);
  Put(&record, 56 + 24, load);  // the last of the four
  Put(&record, 88, space, 2);
  return record;
}

class ChampsimTest : public DrmemtraceTest {
 protected:
  // The accesses of a task, "F401000+4 L...".
  static std::string Accesses(const Stream& stream) {
    std::string text;
    for (const GuestOp& op : stream.ops) {
      if (op.kind > GuestOpKind::kModify) continue;
      absl::StrAppend(&text, std::string(1, "FLSM"[static_cast<int>(op.kind)]),
                      absl::Hex(op.va.value()), "+", op.length, " ");
    }
    return text;
  }
};

TEST_F(ChampsimTest, RecordsBecomeAFetchLoadsAndStores) {
  const std::string trace =
      Standard(0x401000, {0, 0x7000000, 0, 0x7000100}, {0, 0x7000200}) +
      Standard(0x401007, {0x7000300}, {0x7000400, 0x7000300}) +
      Standard(0x401016) +               // 15 bytes on: the longest instruction
      Standard(0x401026) +               // 16: it is not told, so 4
      Standard(0x401ffe) +               // 4 clipped to the page's 2
      Standard(0x402800, {0x7000ffd}) +  // 3 bytes are left of the page
      Standard(0x402fff) +               // a crossing that is real
      Standard(0x403004);
  const auto read = ReadAll({File("t", trace)});
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(Accesses(read->at(1)),
            "F401000+7 L7000000+8 L7000100+8 S7000200+8 "
            "F401007+15 M7000300+8 S7000400+8 F401016+4 F401026+4 F401ffe+2 "
            "F402800+4 L7000ffd+3 F402fff+5 F403004+4 ");
  EXPECT_EQ(facts_.format, "champsim");
  EXPECT_TRUE(Lacks("the format has no sizes"));
  EXPECT_TRUE(Lacks("no system calls, and no mappings"));
}

TEST_F(ChampsimTest, RepeatedInstructionsAreFetchedOnce) {
  const std::string trace =
      Standard(0x401000, {0x7000000}) + Standard(0x401000, {0x7000008}) +
      Standard(0x401000, {0x7000010}) + Standard(0x401002) +
      Standard(0x401002) + Standard(0x401004);  // no memory: a loop of one
  const auto read = ReadAll({File("t", trace)});
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->at(1).Count(GuestOpKind::kFetch), 4u);
  EXPECT_EQ(read->at(1).Count(GuestOpKind::kLoad), 3u);
  EXPECT_EQ(Count("repeated instructions"), 2u);
}

TEST_F(ChampsimTest, EveryContainerHoldsTheSame) {
  std::string trace;
  for (uint64_t i = 0; i < 5000; ++i) {
    trace += Standard(0x401000 + 4 * (i % 100), {0x7000000 + 64 * i});
  }
  for (const std::string& held :
       {trace, Compressed(trace, "gzip"), Compressed(trace, "xz"),
        Compressed(trace, "bzip2"), Compressed(trace, "zstd")}) {
    const auto read = ReadAll({File("t", held)});
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(Count("records"), 5000u);
  }
}

TEST_F(ChampsimTest, TheLayoutIsToldByContent) {
  std::string standard;
  std::string cloud_suite;
  for (uint64_t i = 0; i < 1000; ++i) {
    standard += Standard(0x401000 + 4 * i, {0x7000000 + 8 * i});
    cloud_suite += CloudSuite(0x401000 + 4 * i, 0x7000000 + 8 * i, 0, 1);
    EXPECT_EQ(LayoutOf(standard), ChampsimLayout::kStandard) << i;
    EXPECT_EQ(LayoutOf(cloud_suite), ChampsimLayout::kCloudSuite) << i;
  }
  EXPECT_EQ(LayoutOf(""), ChampsimLayout::kNone);
  EXPECT_EQ(LayoutOf(std::string(6400, '\0')), ChampsimLayout::kNone);
}

// A wrong record ends the file's right to either layout.
TEST_F(ChampsimTest, EachFieldThatIsCheckedTellsTheLayout) {
  for (const size_t at : {8u, 9u, 18u, 23u, 90u, 95u}) {
    std::string trace = CloudSuite(0x401000, 0x7000000, 0, 1) +
                        CloudSuite(0x401004, 0x7000008, 0, 1);
    ASSERT_EQ(LayoutOf(trace), ChampsimLayout::kCloudSuite);
    trace[96 + at] = 2;
    EXPECT_NE(LayoutOf(trace), ChampsimLayout::kCloudSuite) << at;
  }
}

TEST_F(ChampsimTest, AddressSpacesAndFilesAreTasks) {
  const uint64_t kKernel = 0xffffffff80001000;
  const std::string zero = CloudSuite(0x401000, 0x7000000, 0, 0x101) +
                           CloudSuite(0x501000, 0x7000000, 0, 0x102) +
                           CloudSuite(kKernel, kKernel, 0x7000000, 0x101);
  const std::string one = CloudSuite(0x601000, 0, 0x7000000, 0x101);
  const auto read = ReadAll({File("zero", zero), File("one", one)});
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), 3u);
  EXPECT_EQ(Accesses(read->at(1)), "F401000+4 L7000000+8 S7000000+8 ");
  EXPECT_EQ(Accesses(read->at(2)), "F501000+4 L7000000+8 ");
  EXPECT_EQ(Accesses(read->at(257)), "F601000+4 S7000000+8 ");
  EXPECT_EQ(read->at(1).Count(GuestOpKind::kVfork), 2u);
  EXPECT_EQ(read->at(2).ops[0].kind, GuestOpKind::kExec);
  EXPECT_EQ(Count("kernel accesses left out"), 2u);
}

TEST_F(ChampsimTest, APartialLastRecordIsLeftOutAndCounted) {
  const std::string trace = Standard(0x401000) + Standard(0x401004);
  for (const size_t more : {1u, 63u}) {
    const auto read =
        ReadAll({File("t", trace + Standard(0x401008).substr(0, more))});
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->at(1).Count(GuestOpKind::kFetch), 2u);
    EXPECT_EQ(Count("records cut off"), 1u);
    EXPECT_TRUE(Lacks("a record that is cut off"));
  }
}

TEST_F(ChampsimTest, DamageFurtherDownIsAnErrorOfItsOffset) {
  std::string trace;
  for (uint64_t i = 0; i < 2000; ++i) trace += Standard(0x401000 + 4 * i);
  trace += Standard(0);
  EXPECT_EQ(ErrorOf({File("t", trace)}),
            "t:128000: no record of ChampSim, expected the address of an "
            "instruction and two flags");
}

TEST_F(ChampsimTest, LowPagesOfConvertersAreMapped) {
  const auto read = ReadAll({File("t", Standard(0x401000, {0x1000, 0xfff}))});
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(Accesses(read->at(1)), "F401000+4 L1000+8 ");
  EXPECT_EQ(Count("accesses outside of user space left out"), 1u);
}

TEST_F(ChampsimTest, OtherFilesAreNone) {
  for (const std::string& other :
       {std::string("some text\n"), std::string(640, 'x'),
        std::string(640, '\0'), std::string(640, '\x01'),
        Standard(0x1234000000401000)}) {
    EXPECT_NE(ErrorOf({File("t", other)}).find("no trace of a known format"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace champsim_test
}  // namespace xmmu
