// A packed trace that is decoded ahead by a thread gives what one gives that is
// decoded as it is read: operations, pieces, errors and their places.

#include "workload/packed/read_ahead.h"

#include <random>

#include "workload/packed/packed_support.h"

namespace xmmu::read_ahead_test {
namespace {

constexpr TaskId kTasks = 3;
// Of each task: more than the thread keeps, and than a block has.
constexpr size_t kOps = 300'000;

class ReadAheadTest : public PackedTest {
 protected:
  using Reader = std::unique_ptr<PackedTraceReader>;

  void SetUp() override {
    std::mt19937_64 random(1);
    for (TaskId task = 1; task <= kTasks; ++task) {
      std::vector<GuestOp>& ops = streams_[task];
      if (task < kTasks) {
        ops.push_back({.kind = GuestOpKind::kFork, .child = task + 1});
      }
      while (ops.size() < kOps) {
        ops.push_back({.kind = GuestOpKind::kLoad,
                       .va = VirtAddr(random() % (uint64_t{1} << 30)),
                       .length = 8});
      }
      ops.push_back({.kind = GuestOpKind::kExit});
    }
    ASSERT_EQ(Pack(streams_, 1), absl::OkStatus());
  }

  Reader Open() const { return *PackedTraceReader::Open(path_); }
  Reader OpenAhead() const { return ReadAhead(Open()); }

  // Reads both in turns of the same random lengths until each task has ended
  // or failed, and expects the same of both.
  static void ExpectSame(PackedTraceReader& ahead, PackedTraceReader& plain) {
    std::mt19937 random(2);
    std::vector<TaskId> live = {1, 2, 3};
    while (!live.empty()) {
      const size_t chosen = random() % live.size();
      for (uint64_t left = random() % 300; left > 0; --left) {
        if (ExpectSameNext(ahead, plain, live[chosen])) continue;
        live.erase(live.begin() + static_cast<std::ptrdiff_t>(chosen));
        break;
      }
    }
  }

  // Returns whether the task goes on.
  static bool ExpectSameNext(PackedTraceReader& ahead, PackedTraceReader& plain,
                             TaskId task) {
    const auto expected = plain.Next(task);
    const auto got = ahead.Next(task);
    EXPECT_EQ(got.status(), expected.status());
    EXPECT_EQ(ahead.OffsetOf(task), plain.OffsetOf(task));
    if (!got.ok() || !expected.ok()) return false;
    EXPECT_EQ(got->size(), expected->size());
    if (got->size() != expected->size() || got->empty()) return false;
    for (size_t i = 0; i < got->size(); ++i) {
      EXPECT_EQ(FieldsOf((*got)[i]), FieldsOf((*expected)[i]));
    }
    return !::testing::Test::HasFailure();
  }

  Streams streams_;
};

TEST_F(ReadAheadTest, GivesTheSamePiecesWhateverTheTurnsOfTasks) {
  const Reader plain = Open();
  const Reader ahead = OpenAhead();
  ExpectSame(*ahead, *plain);
}

TEST_F(ReadAheadTest, GivesTheSameErrorsAtTheSamePlaces) {
  const std::string whole = Contents(path_);
  std::mt19937_64 random(3);
  for (int i = 0; i < 4; ++i) {
    std::string bytes = whole;
    // The last third has the index, without which nothing is read.
    const size_t at = 1000 + random() % (bytes.size() * 2 / 3);
    bytes[at] = static_cast<char>(bytes[at] ^ 0x55);
    Write(bytes);
    const Reader plain = Open();
    const Reader ahead = OpenAhead();
    ExpectSame(*ahead, *plain);
  }
}

TEST_F(ReadAheadTest, ATaskGoesOnFromWhereItIsSought) {
  const Reader plain = Open();
  const Reader ahead = OpenAhead();
  std::mt19937_64 random(4);
  for (int i = 0; i < 10; ++i) {
    const uint64_t number = random() % kOps;
    ASSERT_TRUE(plain->Seek(2, number).ok());
    ASSERT_TRUE(ahead->Seek(2, number).ok());
    for (int piece = 0; piece < 40; ++piece) {
      if (!ExpectSameNext(*ahead, *plain, 2)) break;
    }
  }
}

TEST_F(ReadAheadTest, MayBeLeftAtAnyTime) {
  for (int pieces = 0; pieces < 200; pieces += 7) {
    const Reader ahead = OpenAhead();
    for (int i = 0; i < pieces; ++i) ASSERT_TRUE(ahead->Next(1).ok());
  }
}

TEST_F(ReadAheadTest, ATraceThatReadsAheadIsTheSameTrace) {
  const auto plain = OpenTrace({path_}, {});
  const auto ahead = OpenTrace({path_}, {.reads_ahead = true});
  ASSERT_TRUE(plain.ok() && ahead.ok());
  EXPECT_TRUE(SameStreams(*AllStreams(**ahead), *AllStreams(**plain)));
}

}  // namespace
}  // namespace xmmu::read_ahead_test
