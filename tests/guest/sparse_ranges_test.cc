// Calls on ranges of which little is mapped: their work goes by the tables that
// there are, not by the size. One that went page by page, or table by table,
// over these ranges would not end.

#include "guest/world.h"

namespace xmmu::sparse_ranges_test {
namespace {

constexpr VirtAddr kFar{0x100000000000};
constexpr VirtAddr kElsewhere{0x400000000000};
constexpr uint64_t kTebibyte = uint64_t{1} << (40 - kPageShift);  // in pages

class SparseRangesTest : public ::testing::TestWithParam<Setting> {
 protected:
  // The cycles of all calls on `pages` pages, of which three have been touched.
  static uint64_t CyclesOf(uint64_t pages) {
    World world(GetParam());
    EXPECT_TRUE(world.kernel().CreateProcess(1).ok());
    const auto touch = [&](GuestOpKind kind, VirtAddr at) {
      for (const uint64_t page : {uint64_t{0}, uint64_t{5000}, pages - 1}) {
        world.Do(1, AccessOp(kind, page, at));
      }
    };
    constexpr uint8_t kReadWrite = kMapRead | kMapWrite;
    world.Do(1, MapOp(pages, Backing::kAnonymous, 0, kFar));
    world.Do(1, RangeOp(GuestOpKind::kProtect, pages, kReadWrite, kFar));
    touch(GuestOpKind::kStore, kFar);
    world.Do(1, RangeOp(GuestOpKind::kProtect, pages, kMapRead, kFar));
    world.Do(1, RangeOp(GuestOpKind::kProtect, pages, kReadWrite, kFar));
    world.Do(1, TaskOp(GuestOpKind::kFork, 2));
    world.Do(1, RangeOp(GuestOpKind::kDiscard, pages, 0, kFar));
    touch(GuestOpKind::kStore, kFar);
    world.Do(1, {.kind = GuestOpKind::kRemap,
                 .va = kFar,
                 .length = pages * kPageSize,
                 .target = kElsewhere,
                 .new_length = pages * kPageSize});
    const uint64_t faults = world.cpu().counters[Counter::kGuestFaults];
    touch(GuestOpKind::kLoad, kElsewhere);
    EXPECT_EQ(world.cpu().counters[Counter::kGuestFaults], faults);
    world.Do(1, RangeOp(GuestOpKind::kUnmap, pages, 0, kElsewhere));
    world.Do(2, TaskOp(GuestOpKind::kExit));
    world.Do(1, TaskOp(GuestOpKind::kExit));
    return world.cpu().clock.now().count();
  }
};

TEST_P(SparseRangesTest, CallsOnThemCostByWhatIsMapped) {
  const uint64_t one = CyclesOf(kTebibyte);
  const uint64_t many = CyclesOf(32 * kTebibyte);  // 2^45 bytes
  // 62 more entries of the root to look at, a few times each.
  EXPECT_LT(many, one + one / 2);
}

std::vector<Setting> FourLevelSettings() {
  std::vector<Setting> settings = AllSettings();
  std::erase_if(settings, [](const Setting& setting) {
    return setting.mode != PagingMode::k4Level;
  });
  return settings;
}

INSTANTIATE_TEST_SUITE_P(FourLevels, SparseRangesTest,
                         ::testing::ValuesIn(FourLevelSettings()),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

}  // namespace
}  // namespace xmmu::sparse_ranges_test
