// The TLB beside NaiveTlb: random sequences of accesses, fills, invalidations
// of every kind and switches of guests, over the presets' kind of geometry and
// over random ones. Each failure prints the seed that repeats it.

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mmu/tlb_search.h"
#include "naive_tlb.h"
#include "xmmu/mmu/internal/tlb.h"

namespace xmmu::tlb_oracle_test {
namespace {

// What random things are done.
struct Habits {
  uint64_t pages = 600;    // a range of addresses reaches so many
  bool vms = false;        // guests with tags, nested roots, fractured pages
  bool ambiguous = false;  // several entries may serve an access
  int large_shift = 21;    // the size of large pages
  // Pages of 4 KiB alone have a search of their own.
  bool large_pages = true;
  uint64_t drops_in_1000 = 40;
  // Stamps of use are renumbered whenever so many more have been given than
  // there are entries.
  uint32_t spare_stamps = 1000000;
};

uint32_t EntriesOf(const TlbGeometry& geometry) {
  uint32_t entries = 0;
  for (const auto* const level :
       {&geometry.instruction_l1, &geometry.data_l1, &geometry.instruction_l2,
        &geometry.data_l2}) {
    for (const TlbArrayGeometry& array : *level) entries += array.entries;
  }
  return entries;
}

// Does the same random things to both and compares all they hold.
class TlbOracle {
 public:
  TlbOracle(const TlbGeometry& geometry, const Habits& habits, uint32_t seed)
      : tlb_(geometry, EntriesOf(geometry) + 1 + habits.spare_stamps),
        naive_(geometry),
        habits_(habits),
        random_(seed) {
    SetLargeShift(habits.large_shift);
  }

  void Step() {
    if (Below(1000) >= habits_.drops_in_1000) return Access();
    const uint64_t kinds = habits_.vms ? 16 : 10;
    const uint64_t kind = Below(kinds);
    if (kind < 6) return DropPage();
    if (kind < 10) return DropMany();
    DropOfVms();
  }

  uint64_t quick_refills() const { return quick_refills_; }

  void ExpectEqual() {
    const std::vector<TlbEntry> entries = tlb_.Entries();
    ASSERT_EQ(entries, naive_.Entries());
    ASSERT_EQ(entries.size(), tlb_.size());
  }

 private:
  uint64_t Below(uint64_t end) { return random_() % end; }
  bool Once(uint64_t in) { return Below(in) == 0; }
  uint16_t Pcid() {
    constexpr std::array<uint16_t, 3> kPcids = {0, 1, 0xfff};
    return kPcids[Below(3)];
  }
  VmTag Vm() {
    constexpr std::array<VmTag, 5> kVms = {
        {{0, 0}, {1, 0}, {1, 1}, {1, 2}, {0xffff, 1}}};
    return kVms[Below(5)];
  }
  // Both halves of 4-level addresses, and some that need 5 levels.
  VirtAddr Va() {
    constexpr std::array<uint64_t, 4> kRanges = {
        0, 0x7fff00000000, 0xffffffff80000000, 0xff11000000000000};
    return VirtAddr((kRanges[Below(4)] + (Below(4) << 30)) |
                    Below(habits_.pages) << kPageShift | Below(4096));
  }
  void SetLargeShift(int shift) {
    tlb_.SetLargeShift(shift);
    naive_.SetLargeShift(shift);
  }

  // Makes an access as the Mmu does it: hint, L1, L2, then a walk.
  void Access() {
    const TlbSide side = Once(4) ? TlbSide::kInstruction : TlbSide::kData;
    const VirtAddr va = Va();
    const uint16_t pcid = Pcid();
    if (FoundByHint(side, va, pcid)) return;
    if (Once(2) && RefilledQuickly(side, va, pcid)) return;
    const std::optional<TlbEntry> l1 = naive_.FindL1(side, va, pcid);
    Tlb::Probe probe(va, pcid);
    if (!Agree(tlb_.FindL1(side, probe), l1) || l1.has_value()) return;
    const std::optional<TlbEntry> l2 = naive_.FindL2(side, va, pcid);
    const size_t found = tlb_.FindL2(side, probe);
    if (!Agree(found, l2)) return;
    if (l2.has_value()) {
      tlb_.Refill(side, found, probe);
      return naive_.Refill(side, *l2);
    }
    const TlbEntry entry = Walk(va, pcid);
    if (side == TlbSide::kInstruction && Once(8)) {
      tlb_.FillExecuteOnly(va, entry);
      return naive_.FillExecuteOnly(entry);
    }
    tlb_.Fill(side, va, entry);
    naive_.Fill(side, entry);
  }

  // A hint may name an entry or not; if several serve, it may name any.
  bool FoundByHint(TlbSide side, VirtAddr va, uint16_t pcid) {
    const size_t serving = naive_.CountL1(side, va, pcid);
    if (serving > 1) return false;
    const size_t index = tlb_.Guess(side, va);
    const TlbSlot& slot = tlb_.slot(index);
    const bool matches = slot.Matches(TlbSlot::Key(va, pcid));
    EXPECT_LE(matches, serving == 1);
    if (!matches || serving == 0) return false;
    Agree(index, naive_.FindL1(side, va, pcid));
    tlb_.Touch(index);
    return true;
  }

  // Where it does not say that another search must tell, the levels agree.
  bool RefilledQuickly(TlbSide side, VirtAddr va, uint16_t pcid) {
    const bool serves = !Once(8);
    TlbSlot slot;
    const Tlb::Quick quick = tlb_.RefillQuickly(
        side, va, pcid, slot, [serves](const TlbSlot&) { return serves; });
    if (quick == Tlb::Quick::kOther) return false;
    EXPECT_FALSE(naive_.FindL1(side, va, pcid).has_value());
    const std::optional<TlbEntry> l2 = naive_.FindL2(side, va, pcid);
    EXPECT_EQ(quick == Tlb::Quick::kRefilled, l2.has_value());
    if (quick == Tlb::Quick::kMissed || !l2.has_value()) return false;
    EXPECT_TRUE(serves);
    EXPECT_EQ(slot.Translate(l2->va()), l2->base);
    EXPECT_EQ(slot.rights(), l2->rights);
    naive_.Refill(side, *l2);
    ++quick_refills_;
    return true;
  }

  bool Agree(size_t found, const std::optional<TlbEntry>& expected) {
    EXPECT_EQ(found != 0, expected.has_value());
    if (found == 0 || !expected.has_value()) {
      return found == 0 && !expected.has_value();
    }
    EXPECT_EQ(tlb_.EntryOf(found), *expected);
    return tlb_.EntryOf(found) == *expected;
  }

  // The page size and whether it is global are the address's own, so that no
  // two entries serve an access, unless the habits want that.
  TlbEntry Walk(VirtAddr va, uint16_t pcid) {
    const bool other = habits_.ambiguous && Once(4);
    const bool huge = other ? Once(4) : (va.value() >> 30) % 4 == 3;
    const bool large = other ? Once(2) : (va.value() >> 21) % 4 == 1;
    const int shift = !habits_.large_pages ? kPageShift
                      : huge               ? 30
                      : large              ? habits_.large_shift
                                           : kPageShift;
    TlbEntry entry;
    entry.page_shift = static_cast<uint8_t>(shift);
    entry.vpn = va.value() >> shift;
    entry.base = MachineAddr(Below(uint64_t{1} << (52 - shift)) << shift);
    entry.pcid = pcid;
    entry.rights = static_cast<uint8_t>(Below(256));
    entry.global = other ? Once(2) : entry.vpn % 5 == 0;
    const bool piece = habits_.vms && shift == kPageShift && entry.vpn % 7 == 0;
    if (piece) entry.guest_shift = 21;
    return entry;
  }

  // Whether an invalidation of the page of `va` drops an entry in any PCID.
  static bool IsOfPage(const TlbEntry& entry, VirtAddr va) {
    const int shift = std::max(entry.page_shift, entry.guest_shift);
    return va.value() >> shift == entry.va().value() >> shift;
  }

  void DropPage() {
    const uint16_t pcid = Pcid();
    const VirtAddr va = Va();
    const uint16_t vpid = naive_.vm().vpid;
    if (Once(4)) {
      tlb_.DropEntry(va, pcid);
      return naive_.DropIf([=](const TlbEntry& entry) {
        return entry.vm.vpid == vpid && NaiveTlb::Matches(entry, va, pcid);
      });
    }
    const bool globals = Once(2);
    tlb_.DropPage(va, pcid, globals);
    naive_.DropIf([=](const TlbEntry& entry) {
      if (entry.vm.vpid != vpid || (entry.global && !globals)) return false;
      return IsOfPage(entry, va) && (entry.global || entry.pcid == pcid);
    });
  }

  void DropMany() {
    const uint16_t vpid = naive_.vm().vpid;
    const uint64_t kind = Below(20);
    const bool globals = Once(2);
    if (kind < 14) {
      const uint16_t pcid = Pcid();
      tlb_.DropPcid(pcid, globals);
      naive_.DropIf([=](const TlbEntry& entry) {
        return entry.vm.vpid == vpid && entry.pcid == pcid &&
               (globals || !entry.global);
      });
    } else if (kind < 18) {
      tlb_.DropNonGlobal();
      naive_.DropIf([=](const TlbEntry& entry) {
        return entry.vm.vpid == vpid && !entry.global;
      });
    } else {
      tlb_.DropAll();
      naive_.DropIf(
          [=](const TlbEntry& entry) { return entry.vm.vpid == vpid; });
    }
  }

  void DropOfVms() {
    const VmTag vm = Vm();
    const bool globals = Once(2);
    const VirtAddr va = Va();
    switch (Below(9)) {
      case 0:
        tlb_.DropVpid(vm.vpid, globals);
        return naive_.DropIf([=](const TlbEntry& entry) {
          return entry.vm.vpid == vm.vpid && (globals || !entry.global);
        });
      case 1:
        tlb_.DropVpidPage(vm.vpid, va);
        return naive_.DropIf([=](const TlbEntry& entry) {
          return entry.vm.vpid == vm.vpid && IsOfPage(entry, va);
        });
      case 2:
        tlb_.DropRoot(vm.root);
        return naive_.DropIf(
            [=](const TlbEntry& entry) { return entry.vm.root == vm.root; });
      case 3:
        if (!Once(4)) return;
        tlb_.DropTagged();
        return naive_.DropIf(
            [](const TlbEntry& entry) { return entry.vm.vpid != 0; });
      case 4:
        if (!Once(4)) return;
        tlb_.DropAllVms();
        return naive_.DropIf([](const TlbEntry&) { return true; });
      case 5:
        if (!Once(8)) return;
        habits_.large_shift = habits_.large_shift == 21 ? 22 : 21;
        return SetLargeShift(habits_.large_shift);
      default:
        tlb_.SetVm(vm);
        return naive_.SetVm(vm);
    }
  }

  Tlb tlb_;
  NaiveTlb naive_;
  Habits habits_;
  std::mt19937 random_;
  uint64_t quick_refills_ = 0;
};

constexpr uint8_t kAllSizes = kTlb4K | kTlbLarge | kTlb1G;

TlbGeometry Skylake() {
  TlbGeometry geometry;
  geometry.instruction_l1 = {{{64, 8, kTlb4K}, {8, 0, kTlbLarge}, {}}};
  geometry.data_l1 = {{{64, 4, kTlb4K}, {32, 4, kTlbLarge}, {4, 4, kTlb1G}}};
  geometry.data_l2 = {{{1536, 12, kTlb4K | kTlbLarge}, {16, 4, kTlb1G}, {}}};
  return geometry;
}

// Ways on both sides of what is compared at once, sets that are no 2^n.
TlbGeometry Odd() {
  TlbGeometry geometry;
  geometry.unified_l2 = false;
  geometry.instruction_l1 = {{{3, 1, kTlb4K}, {5, 5, kTlbLarge}, {}}};
  geometry.data_l1 = {{{27, 9, kTlb4K | kTlb1G}, {1, 0, kTlbLarge}, {}}};
  geometry.instruction_l2 = {{{48, 16, kTlb4K}, {}, {}}};
  geometry.data_l2 = {{{119, 17, kTlb4K}, {24, 8, kTlbLarge}, {}}};
  return geometry;
}

TlbGeometry FullyAssociative() {
  TlbGeometry geometry;
  geometry.instruction_l1 = {{{64, 0, kAllSizes}, {}, {}}};
  geometry.data_l1 = {{{65, 0, kAllSizes}, {}, {}}};
  return geometry;
}

// The most ways that an array may have.
TlbGeometry WidestSets() {
  TlbGeometry geometry;
  geometry.data_l1 = {{{130, 0, kAllSizes}, {}, {}}};
  geometry.instruction_l1 = {{{127, 0, kAllSizes}, {}, {}}};
  geometry.data_l2 = {{{8192, 4096, kTlb4K | kTlbLarge}, {}, {}}};
  return geometry;
}

TlbArrayGeometry RandomArray(std::mt19937& random) {
  if (random() % 4 == 0) return {};
  TlbArrayGeometry array;
  const uint64_t ways = 1 + random() % (random() % 4 == 0 ? 80 : 13);
  const uint64_t sets =
      random() % 2 == 0 ? 1u << random() % 6 : 1 + random() % 33;
  array.entries = static_cast<uint16_t>(ways * sets);
  array.ways = static_cast<uint16_t>(sets == 1 && random() % 2 == 0 ? 0 : ways);
  array.page_sizes = static_cast<uint8_t>(1 + random() % 7);
  return array;
}

TlbGeometry RandomGeometry(std::mt19937& random) {
  TlbGeometry geometry;
  geometry.unified_l2 = random() % 2 == 0;
  for (auto* const level : {&geometry.instruction_l1, &geometry.data_l1,
                            &geometry.instruction_l2, &geometry.data_l2}) {
    for (TlbArrayGeometry& array : *level) array = RandomArray(random);
  }
  return geometry;
}

void RunSteps(TlbOracle& oracle, int steps) {
  for (int i = 0; i < steps; ++i) {
    oracle.Step();
    if (i % 16 == 0) oracle.ExpectEqual();
    if (testing::Test::HasFailure()) FAIL() << "step " << i;
  }
}

TEST(TlbOracleTest, QuickRefillsServePagesOf4KiBOfNoGuest) {
  for (const bool large_pages : {true, false}) {
    for (const bool vms : {true, false}) {
      TlbOracle oracle(Skylake(),
                       {.pages = 40,
                        .vms = vms,
                        .large_pages = large_pages,
                        .drops_in_1000 = 1},
                       41);
      RunSteps(oracle, 20000);
      if (large_pages || vms) continue;
      EXPECT_GT(oracle.quick_refills(), 100u);
    }
  }
}

TEST(TlbOracleTest, RandomUseLeavesWhatThePlainModelHolds) {
  uint32_t seed = 1;
  for (const TlbGeometry& geometry :
       {Skylake(), Odd(), FullyAssociative(), WidestSets()}) {
    for (const uint64_t pages : {20u, 600u, 3000u}) {
      for (const bool large_pages : {true, false}) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        TlbOracle oracle(geometry, {.pages = pages, .large_pages = large_pages},
                         seed++);
        RunSteps(oracle, geometry.data_l2[0].ways < 100 ? 10000 : 2000);
        if (testing::Test::HasFailure()) return;
      }
    }
  }
}

TEST(TlbOracleTest, RandomUseOfRandomGeometriesLeavesWhatThePlainModelHolds) {
  for (uint32_t seed = 100; seed < 220; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const TlbGeometry geometry = RandomGeometry(random);
    Habits habits;
    habits.pages = std::vector<uint64_t>{20, 200, 1500}[random() % 3];
    habits.vms = random() % 2 == 0;
    habits.ambiguous = random() % 2 == 0;
    habits.large_shift = random() % 4 == 0 ? 22 : 21;
    habits.large_pages = random() % 2 == 0;
    habits.drops_in_1000 = std::vector<uint64_t>{3, 40, 200}[random() % 3];
    habits.spare_stamps = std::vector<uint32_t>{1, 17, 5000}[random() % 3];
    TlbOracle oracle(geometry, habits, seed);
    RunSteps(oracle, 2000);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace xmmu::tlb_oracle_test
