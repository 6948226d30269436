// What a replay keeps on the host does not grow with the length of the trace.

#include <malloc.h>

#include <filesystem>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/workload/packed_trace.h"
#include "xmmu/workload/trace.h"

namespace xmmu::long_replay_test {
namespace {

constexpr TaskId kTask = 1;
constexpr VirtAddr kRegion{0x10000000};
constexpr uint64_t kPages = 4096;
constexpr uint64_t kShort = 500'000;  // operations, more than two blocks

class LongReplayTest : public ::testing::Test {
 protected:
  // Packs a trace of ten times kShort accesses.
  void SetUp() override {
    auto writer = PackedTraceWriter::Create(
        path_, {.format_of_origin = "test", .first_task = kTask});
    ASSERT_TRUE(writer.ok());
    std::mt19937_64 random(1);
    std::vector<GuestOp> ops = {{.kind = GuestOpKind::kMap,
                                 .rights = kMapRead | kMapWrite,
                                 .va = kRegion,
                                 .length = kPages * kPageSize}};
    for (uint64_t page = 0; page < kPages; ++page) {
      ops.push_back(Access(GuestOpKind::kStore, page));
    }
    for (uint64_t i = 0; i < 10 * kShort; ++i) {
      const bool store = random() % 8 == 0;
      ops.push_back(Access(store ? GuestOpKind::kStore : GuestOpKind::kLoad,
                           random() % kPages));
      if (ops.size() < 4096) continue;
      ASSERT_TRUE((*writer)->Append(kTask, ops).ok());
      ops.clear();
    }
    ops.push_back({.kind = GuestOpKind::kExit});
    ASSERT_TRUE((*writer)->Append(kTask, ops).ok());
    ASSERT_TRUE((*writer)->Finish({}).ok());
  }
  void TearDown() override { std::filesystem::remove(path_); }

  static GuestOp Access(GuestOpKind kind, uint64_t page) {
    return {.kind = kind, .va = kRegion + page * kPageSize, .length = 8};
  }

  const std::string path_ = ::testing::TempDir() + "long-replay.xmmu";
};

TEST_F(LongReplayTest, TenTimesTheOperationsTakeNoMoreHostMemory) {
  SimulatorOptions options{.machine = "skylake-2017",
                           .mode = PagingMode::k4Level,
                           .policy = "native"};
  options.guest_memory_bytes = uint64_t{64} << 20;
  const auto simulator = Simulator::Create(options);
  ASSERT_TRUE(simulator.ok());
  const auto trace = OpenTrace({path_}, {});
  ASSERT_TRUE(trace.ok());
  GuestKernel& guest = (*simulator)->guest();
  ASSERT_TRUE(guest.Begin(**trace).ok());

  ASSERT_EQ(*guest.RunFor(**trace, kShort), kShort);
  const size_t held = mallinfo2().uordblks;
  const uint64_t simulated = (*simulator)->host().memory().host_bytes();
  ASSERT_EQ(*guest.RunFor(**trace, 9 * kShort), 9 * kShort);

  // A block that is decoded half is kept decompressed, 8 MiB at most.
  EXPECT_LE(mallinfo2().uordblks, held + (size_t{8} << 20));
  EXPECT_EQ((*simulator)->host().memory().host_bytes(), simulated);
}

}  // namespace
}  // namespace xmmu::long_replay_test
