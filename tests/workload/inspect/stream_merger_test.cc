#include "workload/inspect/stream_merger.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "workload/inspect/op_names.h"
#include "workload/inspect/ops_workload.h"
#include "workload/inspect/random_tasks.h"

namespace xmmu::stream_merger_test {
namespace {

// "1:fork 2:load 1:wait", in the order in which they come.
std::string OrderOf(const TaskOps& tasks, size_t batch = 3) {
  OpsWorkload workload(tasks, batch);
  StreamMerger merger(workload);
  std::string order;
  for (;;) {
    const auto piece = merger.Next();
    if (!piece.ok()) return order + std::string(piece.status().message());
    if (piece->ops.empty()) break;
    for (const GuestOp& op : piece->ops) {
      if (!order.empty()) order += " ";
      order += std::to_string(piece->task) + ":";
      order += OpKindName(op.kind);
    }
  }
  EXPECT_TRUE(workload.AllRead());
  return order;
}

TEST(StreamMergerTest, AParentGoesOnUntilItWaits) {
  const TaskOps tasks = {
      {1,
       {OfTask(GuestOpKind::kFork, 2), Load(0x1000),
        OfTask(GuestOpKind::kWait, 2), Store(0x1000), Exit()}},
      {2, {Load(0x1000), Exit()}}};
  for (const size_t batch : {size_t{1}, size_t{2}, size_t{3}, size_t{100}}) {
    EXPECT_EQ(OrderOf(tasks, batch),
              "1:fork 1:load 1:wait 2:load 2:exit 1:store 1:exit");
  }
}

TEST(StreamMergerTest, AVforkHoldsItsParentUpUntilTheChildExecs) {
  EXPECT_EQ(OrderOf({{1, {OfTask(GuestOpKind::kVfork, 2), Load(0), Exit()}},
                     {2, {Load(0), Op(GuestOpKind::kExec), Load(0), Exit()}}}),
            "1:vfork 2:load 2:exec 2:load 2:exit 1:load 1:exit");
}

TEST(StreamMergerTest, AYieldLetsTheNextOneRun) {
  EXPECT_EQ(OrderOf({{1,
                      {OfTask(GuestOpKind::kClone, 2), Op(GuestOpKind::kYield),
                       Load(0), Exit()}},
                     {2, {Load(0), Op(GuestOpKind::kYield), Exit()}}}),
            "1:clone 1:yield 2:load 2:yield 1:load 1:exit 2:exit");
}

TEST(StreamMergerTest, ATurnEndsAfterAHundredThousandAccesses) {
  std::vector<GuestOp> many(100'001, Load(0x1000));
  many.insert(many.begin(), OfTask(GuestOpKind::kFork, 2));
  many.push_back(Exit());
  OpsWorkload workload({{1, many}, {2, {Store(0x1000), Exit()}}}, 777);
  StreamMerger merger(workload);
  uint64_t before = 0;
  for (;;) {
    const auto piece = merger.Next();
    ASSERT_TRUE(piece.ok());
    if (piece->task == 2) break;
    before += piece->ops.size();
  }
  EXPECT_EQ(before, 1u + 100'000);
}

TEST(StreamMergerTest, AnAwaitedPointComesBeforeWhatAwaitsIt) {
  EXPECT_EQ(OrderOf({{1,
                      {OfTask(GuestOpKind::kClone, 2),
                       OfTask(GuestOpKind::kAwait, 2, 2), Load(0), Exit()}},
                     {2,
                      {Op(GuestOpKind::kPost), Load(0), Op(GuestOpKind::kPost),
                       Store(0), Exit()}}}),
            "1:clone 1:await 2:post 2:load 2:post 2:store 2:exit 1:load "
            "1:exit");
}

TEST(StreamMergerTest, TasksThatWaitForOneAnotherAreAnError) {
  EXPECT_EQ(OrderOf({{1,
                      {OfTask(GuestOpKind::kClone, 2),
                       OfTask(GuestOpKind::kAwait, 2, 1), Exit()}},
                     {2,
                      {OfTask(GuestOpKind::kAwait, 1, 1),
                       Op(GuestOpKind::kPost), Exit()}}}),
            "1:clone 1:await 2:awaita trace whose tasks wait for one another: "
            "task 1 awaits point 1 of task 2");
}

TEST(StreamMergerTest, ATaskThatIsStartedTwiceIsAnError) {
  EXPECT_EQ(OrderOf({{1,
                      {OfTask(GuestOpKind::kFork, 2),
                       OfTask(GuestOpKind::kFork, 2), Exit()}},
                     {2, {Exit()}}}),
            "1:forktask 2 is started twice");
}

TEST(StreamMergerTest, APieceHasAtMostWhatIsAskedForAndTheOrderIsTheSame) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const RandomTasks tasks(seed);
    const std::string whole = OrderOf(tasks.ops());
    OpsWorkload workload(tasks.ops());
    StreamMerger merger(workload);
    std::string order;
    for (uint64_t most = 1;; most = most % 5 + 1) {
      const auto piece = merger.Next(most);
      ASSERT_TRUE(piece.ok());
      if (piece->ops.empty()) break;
      const auto counted =
          std::count_if(piece->ops.begin(), piece->ops.end(),
                        [](const GuestOp& op) { return IsCounted(op.kind); });
      EXPECT_LE(static_cast<uint64_t>(counted), most);
      for (const GuestOp& op : piece->ops) {
        if (!order.empty()) order += " ";
        order += std::to_string(piece->task) + ":";
        order += OpKindName(op.kind);
      }
    }
    EXPECT_EQ(order, whole);
  }
}

}  // namespace
}  // namespace xmmu::stream_merger_test
