#include "xmmu/xen/shadow/guest_walk.h"

#include <random>

#include "gtest/gtest.h"

// The hypervisor's walk of a translated guest's tables against the processor's
// own walk of the same tables where guest frames are machine frames.

namespace xmmu::guest_walk_test {
namespace {

constexpr uint64_t kFrames = 64;
// Where the tables of the random trees are, one a level.
constexpr uint64_t kTables = 8;

class GuestWalkTest : public ::testing::TestWithParam<PagingMode> {
 protected:
  GuestWalkTest()
      : host_(*FindMachine("skylake-2017"), {}),
        domain_(*host_
                     .CreateDomain({.mode = GetParam(),
                                    .memory_frames = 1024,
                                    .translated = true})
                     .value()) {}

  PagingMode mode() const { return GetParam(); }
  int levels() const { return LevelCount(mode()); }
  Cpu& cpu() { return host_.cpu(0); }

  MachineAddr At(Gfn table, int index) const {
    return EntryAddress(mode(), AddressOf(domain_.MfnOf(table)), index);
  }
  // Where that entry is in the memory whose guest frames are machine frames.
  MachineAddr IdentityAt(Gfn table, int index) const {
    return EntryAddress(mode(), AddressOf(Mfn(table.value())), index);
  }
  void Write(Gfn table, int index, uint64_t raw) {
    const int bytes = EntryBytes(mode());
    host_.memory().WriteEntry(At(table, index), bytes, raw);
    identity_.WriteEntry(IdentityAt(table, index), bytes, raw);
  }

  // Registers as a guest kernel has them, its root in frame kTables.
  PagingContext Paging(bool wp) const {
    const CpuFeatures& features = host_.model().features;
    ControlRegisters registers = KernelControlRegisters(mode(), features);
    registers.cr3 = kTables << kPageShift;
    if (!wp) registers.cr0 &= ~cr0::kWp;
    PagingContext context(registers, features);
    for (size_t i = 0; i < context.pdpte.size(); ++i) {
      context.pdpte[i] =
          identity_.ReadEntry(IdentityAt(Gfn(kTables), static_cast<int>(i)), 8);
    }
    return context;
  }

  Host host_;
  Domain& domain_;
  PhysMemory identity_;
};

constexpr VirtAddr kVa{0x12345678};

class RandomTree {
 public:
  explicit RandomTree(uint64_t seed) : random_(seed) {}
  bool Chance(unsigned in) { return random_() % in == 0; }

  // Returns a random entry of `level`, most often a valid one.
  uint64_t Entry(PagingMode mode, int level) {
    uint64_t raw = Chance(12) ? 0 : 1;
    const bool pdpte = mode == PagingMode::kPae && level == 3;
    if (!pdpte) raw |= random_() % 64 << 1;  // RW to D, at random
    if (!pdpte && level > 1 && Chance(4)) raw |= pte::kPageSize;
    if (Chance(3)) raw |= pte::kGlobal;
    if (pdpte) raw &= ~pte::kGlobal;
    const bool wide = mode != PagingMode::k2Level;
    if (wide && !pdpte && Chance(6)) raw |= pte::kNoExecute;
    // A PDPTE with reserved bits would never have got into its register.
    if (!pdpte && Chance(30)) raw |= uint64_t{1} << (wide ? 51 : 21);
    const uint64_t table =
        kTables + static_cast<uint64_t>(levels(mode) - level);
    // Tables one below the other; pages anywhere, large ones aligned or not.
    const uint64_t frame = (raw & pte::kPageSize) != 0 || level == 1
                               ? random_() % kFrames << (Chance(2) ? 9 : 0)
                               : table + 1;
    return raw | frame << kPageShift;
  }
  Access NextAccess() {
    static constexpr AccessKind kKinds[] = {
        AccessKind::kRead, AccessKind::kWrite, AccessKind::kExecute};
    return {kVa + random_() % 8, kKinds[random_() % 3], Chance(2)};
  }

 private:
  static int levels(PagingMode mode) { return LevelCount(mode); }
  std::mt19937_64 random_;
};

TEST_P(GuestWalkTest, FindsWhatTheProcessorWould) {
  CycleClock clock(host_.model().prices());
  Counters counters;
  PageWalker walker(identity_, nullptr, clock, counters);
  int allowed = 0;
  for (uint64_t seed = 1; seed <= 20'000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomTree tree(seed);
    for (int level = levels(); level >= 1; --level) {
      const Gfn table(kTables + static_cast<uint64_t>(levels() - level));
      Write(table, IndexOf(mode(), level, kVa), tree.Entry(mode(), level));
    }
    const PagingContext paging = Paging(!tree.Chance(4));
    const Access access = tree.NextAccess();
    WalkResult expected;
    const WalkResult probe = walker.Probe(paging, access);
    walker.Walk(paging, access, paging.StartAtRoot(), expected);
    GuestWalk walk = WalkGuest(host_, domain_, cpu(), paging, access);
    ASSERT_EQ(walk.ok, probe.ok);
    ASSERT_EQ(walk.entries.size(), probe.entries.size());
    if (!walk.ok) {
      ASSERT_EQ(walk.error_code, probe.error_code);
      continue;
    }
    ++allowed;
    SetAccessedAndDirty(host_, cpu(), mode(), access, walk);
    const TlbEntry& page = expected.translation;
    const uint64_t within =
        access.va.value() & ((uint64_t{1} << page.page_shift) - 1);
    ASSERT_EQ(walk.gfn.value(), (page.base.value() + within) >> kPageShift);
    ASSERT_EQ(walk.rights, page.rights);
    ASSERT_EQ(walk.global, page.global);
    for (const GuestWalkEntry& used : walk.entries) {
      const int index = IndexOf(mode(), used.level, access.va);
      ASSERT_EQ(host_.memory().ReadEntry(used.addr, EntryBytes(mode())),
                identity_.ReadEntry(IdentityAt(used.table, index),
                                    EntryBytes(mode())));
    }
  }
  EXPECT_GT(allowed, 1000);
}

TEST_P(GuestWalkTest, ATableInNoFrameOfTheDomainsIsAsIfNotPresent) {
  const Gfn root(kTables);
  const int top = mode() == PagingMode::kPae ? 3 : levels();
  const uint64_t flags = top == 3 && mode() == PagingMode::kPae ? 1 : 7;
  Write(root, IndexOf(mode(), top, kVa), 5000 << kPageShift | flags);
  const GuestWalk walk = WalkGuest(host_, domain_, cpu(), Paging(true),
                                   {kVa, AccessKind::kRead, false});
  EXPECT_FALSE(walk.ok);
  EXPECT_EQ(walk.error_code, 0u);
}

TEST_P(GuestWalkTest, ChargesAMappingAndAReadAnEntry) {
  const CostTally before = cpu().clock.tallies();
  const GuestWalk walk = WalkGuest(host_, domain_, cpu(), Paging(true),
                                   {kVa, AccessKind::kRead, false});
  const auto since = [&](CostEvent event) {
    return cpu().clock.tally(event) - before[static_cast<size_t>(event)];
  };
  EXPECT_EQ(since(CostEvent::kTempMap), walk.entries.size());
  EXPECT_EQ(since(CostEvent::kXenPteRead), walk.entries.size());
}

INSTANTIATE_TEST_SUITE_P(Modes, GuestWalkTest,
                         ::testing::ValuesIn(kAllPagingModes),
                         [](const testing::TestParamInfo<PagingMode>& mode) {
                           return std::to_string(LevelCount(mode.param)) +
                                  "levels";
                         });

}  // namespace
}  // namespace xmmu::guest_walk_test
