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

TEST(SyntheticTest, ErrorsNameTheWordAndWhatWouldDo) {
  const std::map<std::string, std::string> kCases = {
      {"tuch",
       "no workload 'tuch'; expected touch, fork, mprotect, switch, "
       "churn, files"},
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
