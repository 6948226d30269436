#include "workload/inspect/trace_cut.h"

#include <map>
#include <optional>
#include <vector>

#include "gtest/gtest.h"
#include "workload/inspect/naive_replay.h"
#include "workload/inspect/op_names.h"
#include "workload/inspect/ops_workload.h"
#include "workload/inspect/random_tasks.h"

namespace xmmu::trace_cut_test {
namespace {

struct Piece {
  TaskOps ops;
  TaskId first = 0;
  uint64_t setup = 0;
  uint64_t operations = 0;
};

Piece Cut(const TaskOps& tasks, uint64_t from, std::optional<uint64_t> to) {
  OpsWorkload workload(tasks);
  Piece piece;
  const auto cut = TraceCut::Begin(workload, from);
  EXPECT_TRUE(cut.ok()) << cut.status();
  if (!cut.ok()) return piece;
  piece.first = (*cut)->first_task();
  piece.setup = (*cut)->setup_operations();
  const auto written =
      (*cut)->Write(to, [&](TaskId task, std::span<const GuestOp> ops) {
        std::vector<GuestOp>& all = piece.ops[task];
        all.insert(all.end(), ops.begin(), ops.end());
        return absl::OkStatus();
      });
  EXPECT_TRUE(written.ok()) << written.status();
  piece.operations = written.value_or(0);
  return piece;
}

uint64_t CountedOf(const TaskOps& tasks) {
  uint64_t count = 0;
  for (const auto& [task, ops] : tasks) {
    for (const GuestOp& op : ops) count += IsCounted(op.kind) ? 1 : 0;
  }
  return count;
}

uint64_t AccessesOf(const TaskOps& tasks) {
  uint64_t count = 0;
  for (const auto& [task, ops] : tasks) {
    for (const GuestOp& op : ops) {
      count += op.kind <= GuestOpKind::kModify ? 1 : 0;
    }
  }
  return count;
}

void ExpectReplays(const Piece& piece) {
  NaiveReplay replay(piece.ops, piece.first);
  replay.Run();
  EXPECT_TRUE(replay.AllEnded());
  EXPECT_TRUE(replay.bad().empty()) << replay.bad().front();
}

TEST(TraceCutTest, PiecesOfRandomTreesReplayWithoutTouchingWhatIsNotMapped) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    const RandomTasks tasks(seed);
    const uint64_t all = CountedOf(tasks.ops());
    ExpectReplays({tasks.ops(), tasks.ops().begin()->first, 0, 0});
    uint64_t accesses = 0;
    const uint64_t step = 1 + all / 9;
    for (uint64_t from = 0; from < all; from += step) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " from " << from);
      const Piece piece = Cut(tasks.ops(), from, from + step);
      EXPECT_EQ(piece.operations, std::min(step, all - from));
      accesses += AccessesOf(piece.ops);
      ExpectReplays(piece);
      ExpectReplays(Cut(tasks.ops(), from, std::nullopt));
      if (testing::Test::HasFailure()) return;
    }
    EXPECT_EQ(accesses, AccessesOf(tasks.ops()));
  }
}

TEST(TraceCutTest, ACutAtTheBeginningIsTheWhole) {
  const TaskOps tasks = {{1,
                          {MapOf(0x1000, 0x1000), OfTask(GuestOpKind::kFork, 2),
                           Load(0x1000), Exit()}},
                         {2, {Load(0x1000), Exit()}}};
  const Piece piece = Cut(tasks, 0, std::nullopt);
  EXPECT_EQ(piece.setup, 0u);
  EXPECT_EQ(piece.operations, 6u);
  EXPECT_EQ(piece.ops.at(1).size(), 4u);
  EXPECT_EQ(piece.ops.at(2).size(), 2u);
}

TEST(TraceCutTest, AMappingComesWithRightsFileLockAndAdvice) {
  GuestOp map = MapOf(0x4000, 0x4000, Backing::kFileShared);
  map.file = 7;
  map.file_offset = 0x10000;
  map.flags = kMapPopulate | kMapLocked | kMapZeroFilled;
  GuestOp protect = Op(GuestOpKind::kProtect, 0x5000, 0x1000);
  protect.rights = kMapRead;
  GuestOp advice = Op(GuestOpKind::kAdvise, 0x6000, 0x2000);
  advice.advice = Advice::kDontFork;
  const TaskOps tasks = {{1, {map, protect, advice, Load(0x4000), Exit()}}};
  const std::vector<GuestOp> ops = Cut(tasks, 3, 4).ops.at(1);
  ASSERT_EQ(ops.size(), 3u + 1 + 2);
  EXPECT_EQ(ops[0].va, VirtAddr(0x4000));
  EXPECT_EQ(ops[0].length, 0x1000u);
  EXPECT_EQ(ops[0].flags, kMapLocked | kMapZeroFilled);
  EXPECT_EQ(ops[0].file, 7u);
  EXPECT_EQ(ops[1].rights, kMapRead);
  EXPECT_EQ(ops[1].file_offset, 0x11000u);
  EXPECT_EQ(ops[2].file_offset, 0x12000u);
  EXPECT_EQ(ops[3].kind, GuestOpKind::kAdvise);
  EXPECT_EQ(ops[3].advice, Advice::kDontFork);
  EXPECT_EQ(ops[4].kind, GuestOpKind::kLoad);
  EXPECT_EQ(ops[5].kind, GuestOpKind::kExit);
}

TEST(TraceCutTest, SharedAnonymousMemoryStaysSharedBetweenRelatives) {
  const TaskOps tasks = {
      {1,
       {MapOf(0x1000, 0x2000, Backing::kSharedAnonymous),
        OfTask(GuestOpKind::kFork, 2), Op(GuestOpKind::kUnmap, 0x1000, 0x1000),
        OfTask(GuestOpKind::kWait, 2), Load(0x2000), Exit()}},
      {2, {Op(GuestOpKind::kYield), Load(0x1000), Exit()}}};
  const Piece piece = Cut(tasks, 4, std::nullopt);
  const GuestOp& of_parent = piece.ops.at(1)[1];
  const GuestOp& of_child = piece.ops.at(2)[0];
  EXPECT_NE(of_parent.file, 0u);
  EXPECT_EQ(of_parent.file, of_child.file);
  EXPECT_EQ(of_parent.va, VirtAddr(0x2000));
  EXPECT_EQ(of_parent.file_offset, 0x1000u);
  EXPECT_EQ(of_child.file_offset, 0u);
}

TEST(TraceCutTest, AChildThatNobodyWaitedForIsWaitedForInThePiece) {
  const TaskOps tasks = {
      {1,
       {OfTask(GuestOpKind::kFork, 2), OfTask(GuestOpKind::kFork, 3),
        Op(GuestOpKind::kYield), OfTask(GuestOpKind::kWait, 0),
        OfTask(GuestOpKind::kWait, 0), Exit()}},
      {2, {Exit()}},
      {3, {Op(GuestOpKind::kYield), Op(GuestOpKind::kSyscall), Exit()}}};
  // Task 2 has ended there, task 3 lives.
  const Piece piece = Cut(tasks, 5, std::nullopt);
  EXPECT_EQ(piece.ops.at(2).size(), 1u);
  EXPECT_EQ(piece.ops.at(1)[0].kind, GuestOpKind::kFork);
  EXPECT_EQ(piece.ops.at(1)[1].kind, GuestOpKind::kFork);
  ExpectReplays(piece);
}

TEST(TraceCutTest, WhatAnEndedProcessHasStartedIsNobodysChild) {
  const TaskOps tasks = {
      {1,
       {OfTask(GuestOpKind::kFork, 2), OfTask(GuestOpKind::kWait, 2),
        Op(GuestOpKind::kSyscall), OfTask(GuestOpKind::kWait, 0), Exit()}},
      {2, {OfTask(GuestOpKind::kFork, 3), Exit()}},
      {3,
       {Op(GuestOpKind::kYield), Op(GuestOpKind::kYield),
        Op(GuestOpKind::kYield), Op(GuestOpKind::kSyscall), Exit()}}};
  const Piece piece = Cut(tasks, 5, std::nullopt);
  ASSERT_TRUE(piece.ops.contains(3));
  EXPECT_FALSE(piece.ops.contains(2));
  EXPECT_NE(piece.first, 1u);
  EXPECT_EQ(piece.ops.at(piece.first).size(), 3u);
  ExpectReplays(piece);
}

TEST(TraceCutTest, PointsThatWerePassedBeforeAreNotAwaited) {
  const TaskOps tasks = {
      {1,
       {OfTask(GuestOpKind::kClone, 2), Op(GuestOpKind::kYield),
        OfTask(GuestOpKind::kAwait, 2, 1), Op(GuestOpKind::kYield),
        OfTask(GuestOpKind::kAwait, 2, 2), Op(GuestOpKind::kSyscall), Exit()}},
      {2,
       {Op(GuestOpKind::kPost), Op(GuestOpKind::kYield), Op(GuestOpKind::kPost),
        Op(GuestOpKind::kSyscall), Exit()}}};
  const Piece piece = Cut(tasks, 3, std::nullopt);
  uint64_t awaited = 0;
  for (const GuestOp& op : piece.ops.at(1)) {
    if (op.kind == GuestOpKind::kAwait) awaited += op.length;
  }
  EXPECT_EQ(awaited, 1u);
  ExpectReplays(piece);
}

TEST(TraceCutTest, TheChildOfAVforkStillHoldsItsParentUp) {
  const TaskOps tasks = {
      {1,
       {MapOf(0x1000, 0x1000), OfTask(GuestOpKind::kVfork, 2), Load(0x1000),
        Exit()}},
      {2,
       {Store(0x1000), OfTask(GuestOpKind::kFork, 3), Store(0x1000),
        Op(GuestOpKind::kExec), Exit()}},
      {3, {Load(0x1000), Exit()}}};
  const Piece piece = Cut(tasks, 4, std::nullopt);
  EXPECT_EQ(piece.ops.at(1)[1].kind, GuestOpKind::kVfork);
  EXPECT_EQ(piece.ops.at(2)[0].kind, GuestOpKind::kFork);
  EXPECT_EQ(piece.ops.at(3)[0].kind, GuestOpKind::kExec);
  ExpectReplays(piece);
}

TEST(TraceCutTest, APointBehindTheEndIsRefused) {
  OpsWorkload workload({{1, {Load(0x1000), Exit()}}});
  const auto cut = TraceCut::Begin(workload, 2);
  ASSERT_FALSE(cut.ok());
  EXPECT_EQ(cut.status().message(),
            "no operation 2: all tasks have ended before");
}

}  // namespace
}  // namespace xmmu::trace_cut_test
