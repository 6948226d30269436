// Tests what the guest kernel's mm/ does in the same way under every
// hypervisor: moves of whole tables and of single pages, exec with arguments,
// mprotect and madvise over several tables, a vfork child's stores.

#include <array>

#include "guest/world.h"

namespace xmmu::recent_mm_test {
namespace {

// Aligned to an L1 in every mode.
constexpr VirtAddr kSource{0x20000000};
constexpr VirtAddr kTarget{0x60000000};
constexpr VirtAddr kStack{0x9ffe5000};
constexpr uint8_t kReadWrite = kMapRead | kMapWrite;

uint64_t TablePages(PagingMode mode) {
  return mode == PagingMode::k2Level ? 1024 : 512;
}

GuestOp MoveOp(VirtAddr from, uint64_t pages, VirtAddr to) {
  return {.kind = GuestOpKind::kRemap,
          .va = from,
          .length = pages * kPageSize,
          .target = to,
          .new_length = pages * kPageSize};
}

class Scenario {
 public:
  explicit Scenario(const Setting& setting)
      : world_(setting, /*memory_mib=*/48), table_(TablePages(setting.mode)) {}

  uint64_t Run() {
    EXPECT_TRUE(world_.kernel().CreateProcess(1).ok());
    Fill(Backing::kAnonymous);
    // A move of two tables and a half, and back in another phase.
    const uint64_t pages = table_ * 5 / 2;
    Do(MoveOp(kSource, pages, kTarget));
    Look(kTarget);
    Do(MoveOp(kTarget, pages, kSource + 3 * kPageSize));
    Look(kSource + 3 * kPageSize);
    Do(RangeOp(GuestOpKind::kProtect, pages, kMapRead, kSource));
    Do(RangeOp(GuestOpKind::kProtect, pages, kReadWrite, kSource));
    Look(kSource + 3 * kPageSize);
    Do(RangeOp(GuestOpKind::kDiscard, table_ + 7, 0, kSource));
    Look(kSource + 3 * kPageSize);
    Do(TaskOp(GuestOpKind::kVfork, 2));
    task_ = 2;
    Look(kSource + 3 * kPageSize);
    Do({.kind = GuestOpKind::kExec, .va = kStack, .length = 3 * kPageSize});
    for (uint64_t i : {0u, 1u, 2u, 3u}) {
      Do(AccessOp(GuestOpKind::kLoad, i, kStack));
      Do(AccessOp(GuestOpKind::kStore, i, kStack));
    }
    Fill(Backing::kFileShared);
    Do(MoveOp(kSource, table_, kTarget));
    Do(RangeOp(GuestOpKind::kUnmap, table_ * 3, 0, kSource));
    Do(TaskOp(GuestOpKind::kExit));
    task_ = 1;
    Look(kSource + 3 * kPageSize);
    Do(TaskOp(GuestOpKind::kExit));
    EXPECT_TRUE(world_.policy().Audit().ok()) << world_.policy().Audit();
    EXPECT_EQ(world_.FirstEscape(), "");
    return world_.kernel().digest();
  }

 private:
  void Do(const GuestOp& op) { world_.Do(task_, op); }
  // Three tables' worth, of which the edges and some more are there.
  void Fill(Backing backing) {
    Do(MapOp(table_ * 3, backing, kReadWrite, kSource));
    for (uint64_t page : Pages()) {
      Do(AccessOp(GuestOpKind::kStore, page, kSource));
    }
  }
  void Look(VirtAddr va) {
    for (uint64_t page : Pages()) {
      Do(AccessOp(GuestOpKind::kLoad, page, va));
      if (page % 2 == 0) Do(AccessOp(GuestOpKind::kStore, page, va));
    }
  }
  std::array<uint64_t, 8> Pages() const {
    return {0,          1,           table_ - 1,     table_,
            table_ + 1, table_ + 40, 2 * table_ - 1, 2 * table_};
  }

  World world_;
  const uint64_t table_;
  TaskId task_ = 1;
};

class RecentMmTest : public ::testing::TestWithParam<Setting> {};

TEST_P(RecentMmTest, IsTheSameWorldAsOnBareHardware) {
  Setting bare = GetParam();
  bare.policy = "native";
  bare.ops = GuestOps::kStores;
  EXPECT_EQ(Scenario(GetParam()).Run(), Scenario(bare).Run());
}

std::vector<Setting> Settings() {
  std::vector<Setting> settings = AllSettings();
  for (const Setting& setting : AllSettings(/*vcpus=*/2)) {
    settings.push_back(setting);
  }
  return settings;
}

INSTANTIATE_TEST_SUITE_P(Settings, RecentMmTest,
                         ::testing::ValuesIn(Settings()),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

}  // namespace
}  // namespace xmmu::recent_mm_test
