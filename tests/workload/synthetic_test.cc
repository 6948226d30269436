#include "xmmu/workload/synthetic.h"

#include <map>

#include "gtest/gtest.h"

namespace xmmu::synthetic_test {
namespace {

std::vector<GuestOp> AllOps(Workload& workload, TaskId task) {
  std::vector<GuestOp> ops;
  while (ops.empty() || ops.back().kind != GuestOpKind::kExit) {
    const auto batch = workload.Next(task);
    EXPECT_TRUE(batch.ok() && !batch->empty());
    ops.insert(ops.end(), batch->begin(), batch->end());
  }
  return ops;
}

size_t CountOf(const std::vector<GuestOp>& ops, GuestOpKind kind) {
  size_t count = 0;
  for (const GuestOp& op : ops) count += op.kind == kind ? 1 : 0;
  return count;
}

TEST(SyntheticTest, EveryWorkloadRunsWithItsDefaults) {
  for (const SyntheticWorkload& row : SyntheticWorkloads()) {
    auto workload = MakeSyntheticWorkload(row.name);
    ASSERT_TRUE(workload.ok()) << row.name;
    EXPECT_TRUE((*workload)->name().starts_with(row.name));
    EXPECT_FALSE(AllOps(**workload, (*workload)->first_task()).empty());
  }
}

TEST(SyntheticTest, TouchStoresOnceToEachPage) {
  auto workload = MakeSyntheticWorkload("touch:pages=3000");
  const std::vector<GuestOp> ops = AllOps(**workload, 1);
  EXPECT_EQ(CountOf(ops, GuestOpKind::kStore), 3000u);
  EXPECT_EQ(ops[3].va - ops[2].va, kPageSize);
}

TEST(SyntheticTest, TheRingForksAndAwaitsAllOthers) {
  auto workload = MakeSyntheticWorkload("switch:processes=5,rounds=7,pages=2");
  const std::vector<GuestOp> ops = AllOps(**workload, 1);
  EXPECT_EQ(CountOf(ops, GuestOpKind::kFork), 4u);
  EXPECT_EQ(CountOf(ops, GuestOpKind::kWait), 4u);
  EXPECT_EQ(CountOf(AllOps(**workload, 5), GuestOpKind::kStore), 14u);
}

TEST(SyntheticTest, FilesAreReadWholeAndWrittenToInPart) {
  auto workload = MakeSyntheticWorkload("files:pages=9,writes=4");
  const std::vector<GuestOp> ops = AllOps(**workload, 1);
  EXPECT_EQ(ops[0].backing, Backing::kFilePrivate);
  EXPECT_EQ(CountOf(ops, GuestOpKind::kLoad), 9u);
  EXPECT_EQ(CountOf(ops, GuestOpKind::kStore), 4u);
}

TEST(SyntheticTest, AWalkLoadsFromEachPageOnceARoundWhateverItsStride) {
  for (const uint64_t stride : {1u, 3u, 64u, 100u, 101u}) {
    auto workload = MakeSyntheticWorkload("walk:pages=100,rounds=2,stride=" +
                                          std::to_string(stride));
    std::map<VirtAddr, int> loads;
    std::vector<VirtAddr> order;
    for (const GuestOp& op : AllOps(**workload, 1)) {
      if (op.kind != GuestOpKind::kLoad) continue;
      ++loads[PageBase(op.va)];
      order.push_back(PageBase(op.va));
    }
    EXPECT_EQ(loads.size(), 100u) << stride;
    for (const auto& [page, count] : loads) EXPECT_EQ(count, 2) << stride;
    // A stride of all pages or more is a walk from each to the next.
    const uint64_t pages = stride < 100 ? stride : 1;
    EXPECT_EQ(order[1] - order[0], pages * kPageSize) << stride;
  }
}

TEST(SyntheticTest, AWalkAsksForLargePagesBeforeItsFirstStore) {
  const std::vector<GuestOp> plain =
      AllOps(**MakeSyntheticWorkload("walk:pages=600"), 1);
  EXPECT_EQ(CountOf(plain, GuestOpKind::kAdvise), 0u);
  const std::vector<GuestOp> huge =
      AllOps(**MakeSyntheticWorkload("walk:pages=600,huge=1"), 1);
  ASSERT_EQ(huge[1].kind, GuestOpKind::kAdvise);
  EXPECT_EQ(huge[1].advice, Advice::kHugePage);
  EXPECT_EQ(huge[1].length, 600 * kPageSize);
  EXPECT_EQ(huge[2].kind, GuestOpKind::kStore);
}

TEST(SyntheticTest, AWalkTakesTheLinesOfAPageInTurn) {
  std::vector<uint64_t> lines;
  for (const GuestOp& op :
       AllOps(**MakeSyntheticWorkload("walk:pages=130,rounds=1"), 1)) {
    if (op.kind == GuestOpKind::kLoad) lines.push_back(PageOffset(op.va) / 64);
  }
  ASSERT_EQ(lines.size(), 130u);
  for (size_t i = 0; i < lines.size(); ++i) EXPECT_EQ(lines[i], i % 64);
}

TEST(SyntheticTest, EachThreadHasPagesOfItsOwnBesideTheCommonOnes) {
  auto workload =
      MakeSyntheticWorkload("threads:threads=3,pages=5,shared=2,rounds=4");
  const std::vector<GuestOp> first = AllOps(**workload, 1);
  EXPECT_EQ(CountOf(first, GuestOpKind::kClone), 2u);
  EXPECT_EQ(CountOf(first, GuestOpKind::kWait), 2u);
  EXPECT_EQ(CountOf(first, GuestOpKind::kStore), 2u + 4 * 7);
  std::map<VirtAddr, int> maps;
  for (const TaskId task : {1u, 2u, 3u}) {
    auto again =
        MakeSyntheticWorkload("threads:threads=3,pages=5,shared=2,rounds=4");
    const std::vector<GuestOp> ops = AllOps(**again, task);
    EXPECT_EQ(CountOf(ops, GuestOpKind::kLoad), 4u * 2);
    for (const GuestOp& op : ops) {
      if (op.kind == GuestOpKind::kMap && op.length == 5 * kPageSize) {
        ++maps[op.va];
      }
    }
  }
  ASSERT_EQ(maps.size(), 3u);
  for (const auto& [va, times] : maps) EXPECT_EQ(times, 4) << va.value();
  EXPECT_EQ(std::next(maps.begin())->first - maps.begin()->first,
            5 * kPageSize);
}

TEST(SyntheticTest, ReadsFillEachPageOnceTheLastOneWhatIsLeft) {
  for (const uint64_t call : {1u, 3u, 10u, 11u}) {
    auto workload =
        MakeSyntheticWorkload("read:pages=10,call=" + std::to_string(call));
    uint64_t bytes = 0;
    uint64_t calls = 0;
    for (const GuestOp& op : AllOps(**workload, 1)) {
      if (op.kind != GuestOpKind::kCopyOut) continue;
      EXPECT_EQ(op.va, VirtAddr(0x10000000) + bytes);
      bytes += op.length;
      ++calls;
    }
    EXPECT_EQ(bytes, 10 * kPageSize) << call;
    EXPECT_EQ(calls, (10 + call - 1) / call) << call;
  }
}

TEST(SyntheticTest, ErrorsNameTheWordAndWhatWouldDo) {
  const std::map<std::string, std::string> kCases = {
      {"tuch",
       "no workload 'tuch'; expected touch, fork, mprotect, switch, "
       "churn, files, walk, threads, read"},
      {"touch:page=3",
       "workload touch: no parameter 'page', did you mean pages? expected "
       "pages=1000"},
      {"touch:pages=many",
       "workload touch: 'pages=many': expected pages=NUMBER, 1 to 4294967296"},
      {"touch:pages=0",
       "workload touch: 'pages=0': expected pages=NUMBER, 1 to 4294967296"},
      {"switch:processes=32769",
       "workload switch: 'processes=32769': expected processes=NUMBER, 1 to "
       "32768"},
      {"touch:pages=+5",
       "workload touch: 'pages=+5': expected pages=NUMBER, 1 to 4294967296"},
      {"touch:pages=5 ",
       "workload touch: 'pages=5 ': expected pages=NUMBER, 1 to 4294967296"},
      {"touch:pages=",
       "workload touch: 'pages=': expected pages=NUMBER, 1 to 4294967296"},
      {"touch:pages=4294967297",
       "workload touch: 'pages=4294967297': expected pages=NUMBER, 1 to "
       "4294967296"},
      {"touch:", "workload touch: no parameter ''; expected pages=1000"},
      {"touch:pages=1,",
       "workload touch: no parameter ''; expected pages=1000"},
      {"touch:pages=1,pages=2", "workload touch: 'pages' is given twice"},
      {"fork:pages=10,cow=11",
       "workload fork: 'cow=11' of pages=10: expected 0 to 10"},
      {"fork:cow=1001",
       "workload fork: 'cow=1001' of pages=1000: expected 0 to 1000"},
      {"walk:huge=2", "workload walk: 'huge=2': expected huge=NUMBER, 0 to 1"},
      {"files:writes=20,pages=10",
       "workload files: 'writes=20' of pages=10: expected 0 to 10"},
  };
  for (const auto& [spec, message] : kCases) {
    EXPECT_EQ(MakeSyntheticWorkload(spec).status(),
              absl::InvalidArgumentError(message));
  }
  for (const char* good :
       {"fork:cow=0", "fork:cow=10,pages=10", "files:pages=9,writes=9",
        "touch:pages=4294967296"}) {
    EXPECT_TRUE(MakeSyntheticWorkload(good).ok()) << good;
  }
}

}  // namespace
}  // namespace xmmu::synthetic_test
