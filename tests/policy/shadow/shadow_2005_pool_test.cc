#include <vector>

#include "policy/shadow/shadow_world.h"

// How shadow-2005 finds the writable mappings of a frame that becomes a table,
// its pool, several vCPUs.

namespace xmmu::shadow_2005_pool_test {
namespace {

class Shadow2005SearchTest : public ::testing::Test {
 protected:
  // Entries read when each of `frames` becomes an L1 table, beyond those for
  // frames that are mapped nowhere. Frame 35 is mapped in an L1 of its own,
  // whose shadow is older; the others in that of kBase, by their number.
  static std::vector<uint64_t> Reads(WritableSearch search,
                                     const std::vector<uint64_t>& frames) {
    std::vector<uint64_t> reads = AllReads(search, frames);
    std::vector<uint64_t> unmapped;
    for (const uint64_t pfn : frames) unmapped.push_back(pfn + 700);
    const std::vector<uint64_t> base =
        AllReads(WritableSearch::kBackPointer, unmapped);
    for (size_t i = 0; i < reads.size(); ++i) reads[i] -= base[i];
    return reads;
  }

 private:
  static std::vector<uint64_t> AllReads(WritableSearch search,
                                        const std::vector<uint64_t>& frames) {
    ShadowWorld world = MakeWorld(PagingMode::k4Level, {.search = search});
    constexpr uint64_t kSpan = 512 * kPageSize;
    const VirtAddr older = kUpper + 20 * kSpan;
    world.Poke(world.SlotFor(older), world.Entry(50));
    world.Poke(world.SlotFor(older + kPageSize), world.Entry(35));
    world.Poke(world.SlotFor(kBase + 35 * kPageSize), world.Entry(51));
    for (size_t i = 0; i < frames.size(); ++i) {
      const VirtAddr va = kUpper + i * kSpan;
      world.Poke(world.SlotFor(va, 2), world.Entry(frames[i]));
      world.Poke(world.SlotIn(frames[i], 1, va), world.Entry(52));
    }
    EXPECT_EQ(world.Start(), absl::OkStatus());
    EXPECT_TRUE(world.Load(older));
    EXPECT_TRUE(world.Load(kBase));
    std::vector<uint64_t> reads;
    for (size_t i = 0; i < frames.size(); ++i) {
      const auto tally = [&] {
        return world.cpu()
            .clock.tallies()[static_cast<size_t>(CostEvent::kXenPteRead)];
      };
      const uint64_t before = tally();
      EXPECT_TRUE(world.Load(kUpper + i * kSpan));
      reads.push_back(tally() - before);
    }
    return reads;
  }
};

TEST_F(Shadow2005SearchTest, ByTheBackPointerItTakesOneLook) {
  EXPECT_EQ(Reads(WritableSearch::kBackPointer, {33, 35}),
            (std::vector<uint64_t>{1, 1}));
}

// The older two L1 shadows, and those made meanwhile.
TEST_F(Shadow2005SearchTest, WithoutHelpAllL1ShadowsAreReadToTheEnd) {
  EXPECT_EQ(Reads(WritableSearch::kAll, {33, 34}),
            (std::vector<uint64_t>{3 * 512, 4 * 512}));
}

// The hash; where frames of the group were found before; the first look there.
TEST_F(Shadow2005SearchTest, APredictionIsMadeByTheFirstSearch) {
  EXPECT_EQ(Reads(WritableSearch::kPrediction, {33, 34}),
            (std::vector<uint64_t>{1 + 513 + 1, 1 + 1}));
}

TEST_F(Shadow2005SearchTest, APredictionThatFailsIsHalved) {
  constexpr uint64_t kMiss = 1 + 513 + 3;
  EXPECT_EQ(Reads(WritableSearch::kPrediction, {33, 34, 35, 36}),
            (std::vector<uint64_t>{1 + 513 + 1, 2, kMiss, 2}));
  EXPECT_EQ(Reads(WritableSearch::kPrediction, {33, 35, 36}),
            (std::vector<uint64_t>{1 + 513 + 1, kMiss, 1 + 513 + 1}));
}

TEST(Shadow2005PoolTest, TooSmallAPoolIsRefused) {
  ShadowWorld world = MakeWorld(PagingMode::k4Level, {.pool = {.shadows = 3}});
  const absl::Status status = world.Start();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("a pool of 3 shadows; expected 4 or more"),
            std::string::npos)
      << status;
  ShadowWorld enough = MakeWorld(PagingMode::k4Level, {.pool = {.shadows = 4}});
  EXPECT_EQ(enough.Start(), absl::OkStatus());
}

// Snapshots are taken and given back.
TEST(Shadow2005PoolTest, OnlySnapshotsAreTakenFromTheHeap) {
  ShadowWorld world = MakeWorld(PagingMode::kPae);
  ASSERT_EQ(world.Start(), absl::OkStatus());
  // 5 % of 1024 frames, and one frame of L3 entries.
  EXPECT_EQ(world.host.xen_frames(), 51u + 1);
  EXPECT_TRUE(world.Load(kBase));
  EXPECT_TRUE(world.Store(world.Seen(world.SlotFor(kBase)), 0));
  EXPECT_EQ(world.host.xen_frames(), 51u + 2);
  world.Flush(TlbFlush::NonGlobal());
  EXPECT_EQ(world.host.xen_frames(), 51u + 1);
}

TEST(Shadow2005PoolTest, ATableTornDownWhileOpenGivesItsSnapshotBack) {
  ShadowWorld world = MakeWorld(PagingMode::kPae, {.pool = {.shadows = 2}});
  ASSERT_EQ(world.Start(), absl::OkStatus());
  EXPECT_TRUE(world.Load(kBase));
  EXPECT_TRUE(world.Store(world.Seen(world.SlotFor(kBase)), world.Entry(9)));
  const uint64_t frames = world.host.xen_frames();
  EXPECT_TRUE(world.Load(kLarge));
  EXPECT_EQ(world.host.xen_frames(), frames - 1);
  EXPECT_EQ(world.FrameAt(kBase), 9u);
}

TEST(Shadow2005AuditTest, ItFindsAReferenceThatNobodyCounted) {
  ShadowWorld world = MakeWorld(PagingMode::k4Level);
  ASSERT_EQ(world.Start(), absl::OkStatus());
  EXPECT_TRUE(world.Load(kBase));
  const WalkResult walk = world.cpu().mmu.ProbeWalk({kBase});
  // Left out of the shadow, which is harmless but for the count.
  world.host.memory().Write64(walk.entries.back().addr, 0);
  const absl::Status status = world.policy->Audit();
  EXPECT_NE(status.message().find("references"), std::string::npos) << status;
}

class Shadow2005SmpTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(world_.Start(), absl::OkStatus()); }
  ShadowWorld world_ = MakeWorld(PagingMode::k4Level, {}, 2);
  const VirtAddr page_ = kBase + 20 * kPageSize;
  const VirtAddr entry_ = world_.Seen(world_.SlotFor(page_));
};

TEST_F(Shadow2005SmpTest, AProtectedTableIsInNoOtherProcessorsTlb) {
  EXPECT_TRUE(world_.Load(page_, 0));
  EXPECT_TRUE(world_.Store(entry_, world_.Entry(21), 1));  // vCPU 1 opens it
  const uint64_t ipis = world_.Count(Counter::kIpis, 1);
  EXPECT_EQ(world_.LoadCr3(world_.root, 0), absl::OkStatus());
  EXPECT_EQ(world_.Count(Counter::kIpis, 1), ipis + 1);
  const uint64_t opened = world_.Count(Counter::kShadowOpened, 1);
  EXPECT_TRUE(world_.Store(entry_, world_.Entry(22), 1));
  EXPECT_EQ(world_.Count(Counter::kShadowOpened, 1), opened + 1);
}

// The list is the domain's: whoever faults first has all to do.
TEST_F(Shadow2005SmpTest, AnotherVcpusFaultSyncsWhatOneOpened) {
  const VirtAddr none = kBase + (kMapped + 1) * kPageSize;
  EXPECT_TRUE(world_.Load(page_, 0));
  EXPECT_TRUE(
      world_.Store(world_.Seen(world_.SlotFor(none)), world_.Entry(33), 1));
  EXPECT_EQ(world_.FrameAt(none, 0), 33u);
  EXPECT_EQ(world_.Count(Counter::kShadowResyncs, 0), 1u);
}

// Translate, internal: a paravirtual guest of 32 bits.
class Shadow2005InternalTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(world_.Start(), absl::OkStatus()); }
  uint64_t Tally(CostEvent event) {
    return world_.cpu().clock.tallies()[static_cast<size_t>(event)];
  }
  ShadowWorld world_ = MakeWorld(PagingMode::kPae, {.internal = true}, 2);
};

TEST_F(Shadow2005InternalTest, NothingOfItExits) {
  EXPECT_TRUE(world_.Load(kBase));
  EXPECT_TRUE(world_.Store(world_.Seen(world_.SlotFor(kBase)), 0));
  world_.Flush(TlbFlush::Page(kBase), 3);
  EXPECT_FALSE(world_.Load(kBase));
  EXPECT_EQ(world_.LoadCr3(world_.root), absl::OkStatus());
  for (const uint32_t id : {0u, 1u}) {
    EXPECT_EQ(world_.Count(Counter::kVmExits, id), 0u);
  }
  EXPECT_EQ(Tally(CostEvent::kVmExit), 0u);
}

TEST_F(Shadow2005InternalTest, ItsOwnFaultsAreBouncedAndOthersAreNot) {
  EXPECT_TRUE(world_.Load(kBase));
  EXPECT_EQ(Tally(CostEvent::kExceptionEntry), 1u);
  EXPECT_EQ(Tally(CostEvent::kIret), 1u);
  EXPECT_EQ(Tally(CostEvent::kBounce), 0u);
  EXPECT_FALSE(world_.Load(kBase + (kMapped + 1) * kPageSize));
  EXPECT_EQ(Tally(CostEvent::kBounce), 1u);
}

TEST_F(Shadow2005InternalTest, AFlushOfSeveralVcpusIsOneHypercall) {
  world_.Flush(TlbFlush::NonGlobal(), 3);
  EXPECT_EQ(world_.Count(Counter::kHypercalls, 0), 1u);
  EXPECT_EQ(world_.Count(Counter::kHypercalls, 1), 0u);
  EXPECT_EQ(world_.Count(Counter::kIpis, 1), 1u);
}

TEST_F(Shadow2005InternalTest, ItsTablesAreReadThroughTheLinearMap) {
  EXPECT_TRUE(world_.Load(kBase));
  EXPECT_EQ(Tally(CostEvent::kTempMap), 0u);
}

TEST_F(Shadow2005InternalTest, EachL2ShadowHasAnHl2) {
  const uint64_t before = world_.host.xen_frames();
  EXPECT_TRUE(world_.Load(kBase));
  EXPECT_EQ(world_.host.xen_frames(), before + 1);
  EXPECT_TRUE(world_.Load(kLarge));  // another L2
  EXPECT_EQ(world_.host.xen_frames(), before + 2);
}

TEST(Shadow2005InternalAbiTest, A32BitGuestSharesItsKernelL2) {
  Host host(*FindMachine("skylake-2017"), {});
  const auto policy = MakeShadow2005(host, {.internal = true});
  EXPECT_FALSE(policy->Abi(PagingMode::kPae)->private_pae_kernel_l2);
  EXPECT_FALSE(policy->Abi(PagingMode::kPae)->large_pages);
  EXPECT_TRUE(absl::IsUnimplemented(policy->Abi(PagingMode::k4Level).status()));
}

}  // namespace
}  // namespace xmmu::shadow_2005_pool_test
