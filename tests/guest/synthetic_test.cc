#include "xmmu/guest/synthetic.h"

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
       "workload touch: no parameter 'page'; expected pages=1000"},
      {"touch:pages=many",
       "workload touch: 'pages=many': expected pages=NUMBER, 1 to 4294967296"},
      {"touch:pages=0",
       "workload touch: 'pages=0': expected pages=NUMBER, 1 to 4294967296"},
      {"switch:processes=32769",
       "workload switch: 'processes=32769': expected processes=NUMBER, 1 to "
       "32768"},
  };
  for (const auto& [spec, message] : kCases) {
    EXPECT_EQ(MakeSyntheticWorkload(spec).status(),
              absl::InvalidArgumentError(message));
  }
  EXPECT_TRUE(MakeSyntheticWorkload("fork:cow=0").ok());
}

}  // namespace
}  // namespace xmmu::synthetic_test
