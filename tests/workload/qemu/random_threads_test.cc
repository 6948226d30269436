// Random recordings of threads, replayed in random orders: what keeps their
// recorded order keeps it in any interleaving.

#include "workload/qemu/random_threads.h"

#include "workload/qemu/random_replay.h"
#include "workload/qemu/spool_support.h"

namespace xmmu::random_threads_test {

using namespace spool_support;  // NOLINT: a test is written with its words

class RandomThreadsTest : public SpoolTest {};

TEST_F(RandomThreadsTest, NoInterleavingOfTheStreamsTouchesWhatIsNotMapped) {
  uint64_t awaits = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    for (const auto& entry : std::filesystem::directory_iterator(directory())) {
      std::filesystem::remove(entry.path());
    }
    Write("7.0.blocks", BlockWords().Block(kCode, {1}).Block(kCode + 1, {1}));
    std::vector<ThreadWords> files = RandomThreads(seed, Program(7)).Run(600);
    for (size_t i = 0; i < files.size(); ++i) {
      Write(absl::StrCat("7.0.", i), files[i]);
    }
    KeptOps streams;
    ASSERT_EQ(Convert(streams), "") << "seed " << seed;
    ASSERT_EQ(Count("accesses to what is not mapped, left out"), 0)
        << "seed " << seed;
    for (uint64_t order = 0; order < 10; ++order) {
      ASSERT_EQ(RandomReplay(streams, order).Run(), "")
          << "seed " << seed << ", order " << order;
    }
    for (const auto& [task, ops] : streams.by_task) {
      for (const GuestOp& op : ops) awaits += op.kind == GuestOpKind::kAwait;
    }
  }
  EXPECT_GT(awaits, 1000);
}

}  // namespace xmmu::random_threads_test
