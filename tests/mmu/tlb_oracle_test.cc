// The TLB beside a model of it that has no hints, bitmaps or partial compares:
// plain arrays looked through from end to end.

#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xmmu/mmu/internal/tlb.h"

namespace xmmu::tlb_oracle_test {
namespace {

class NaiveTlb {
 public:
  explicit NaiveTlb(const TlbGeometry& geometry)
      : unified_l2_(geometry.unified_l2),
        levels_{Level(geometry.instruction_l1), Level(geometry.data_l1),
                unified_l2_ ? Level() : Level(geometry.instruction_l2),
                Level(geometry.data_l2)} {}

  std::vector<TlbEntry> FindL1(TlbSide side, VirtAddr va, uint16_t pcid) {
    return levels_[static_cast<size_t>(side)].Find(va, pcid, ++now_);
  }
  std::vector<TlbEntry> FindL2(TlbSide side, VirtAddr va, uint16_t pcid) {
    return L2(side).Find(va, pcid, ++now_);
  }
  void Refill(TlbSide side, const TlbEntry& entry) {
    levels_[static_cast<size_t>(side)].Fill(entry, ++now_);
  }
  void Fill(TlbSide side, const TlbEntry& entry) {
    Refill(side, entry);
    L2(side).Fill(entry, now_);
  }
  template <typename Predicate>
  void DropIf(Predicate predicate) {
    for (Level& level : levels_) {
      for (Array& array : level.arrays) {
        for (Way& way : array.ways) {
          if (way.used != 0 && predicate(way.entry)) way.used = 0;
        }
      }
    }
  }
  std::vector<TlbEntry> Entries() const {
    std::vector<TlbEntry> entries;
    for (const Level& level : levels_) {
      for (const Array& array : level.arrays) {
        for (const Way& way : array.ways) {
          if (way.used != 0) entries.push_back(way.entry);
        }
      }
    }
    return entries;
  }

  static bool Serves(const TlbEntry& entry, VirtAddr va, uint16_t pcid) {
    return va.value() >> entry.page_shift == entry.vpn &&
           (entry.global || entry.pcid == pcid);
  }

 private:
  struct Way {
    uint64_t used = 0;  // 0: free
    TlbEntry entry;
  };
  struct Array {
    size_t associativity = 0;
    uint8_t sizes = 0;
    std::vector<Way> ways;
  };
  struct Level {
    Level() = default;
    explicit Level(const std::array<TlbArrayGeometry, 3>& geometry) {
      for (const TlbArrayGeometry& shape : geometry) {
        Array array;
        array.associativity = shape.ways == 0 ? shape.entries : shape.ways;
        array.sizes = shape.page_sizes;
        array.ways.resize(shape.entries);
        arrays.push_back(array);
      }
    }
    // Returns the entries that serve the access; a single one is marked as
    // used.
    std::vector<TlbEntry> Find(VirtAddr va, uint16_t pcid, uint64_t now) {
      std::vector<Way*> hits;
      for (Array& array : arrays) {
        for (Way& way : array.ways) {
          if (way.used != 0 && Serves(way.entry, va, pcid)) {
            hits.push_back(&way);
          }
        }
      }
      std::vector<TlbEntry> entries;
      for (const Way* hit : hits) entries.push_back(hit->entry);
      if (hits.size() == 1) hits[0]->used = now;
      return entries;
    }
    void Fill(const TlbEntry& entry, uint64_t now) {
      const int bit = entry.page_shift == 12   ? kTlb4K
                      : entry.page_shift == 30 ? kTlb1G
                                               : kTlbLarge;
      for (Array& array : arrays) {
        if (array.ways.empty() || (array.sizes & bit) == 0) continue;
        const size_t sets = array.ways.size() / array.associativity;
        Way* const set = &array.ways[entry.vpn % sets * array.associativity];
        Way* victim = set;
        for (Way* way = set; way != set + array.associativity; ++way) {
          if (way->used < victim->used) victim = way;
        }
        *victim = {now, entry};
        return;
      }
    }
    std::vector<Array> arrays;
  };

  Level& L2(TlbSide side) {
    return levels_[unified_l2_ ? 3 : 2 + static_cast<size_t>(side)];
  }

  bool unified_l2_;
  std::array<Level, 4> levels_;
  uint64_t now_ = 0;
};

// Does the same random things to both and compares all they hold.
class TlbOracle {
 public:
  TlbOracle(const TlbGeometry& geometry, uint64_t pages, uint32_t seed)
      : tlb_(geometry), naive_(geometry), pages_(pages), random_(seed) {}

  void Step() {
    const uint64_t dice = Below(1000);
    if (dice < 960) return Access();
    const uint16_t pcid = Pcid();
    const VirtAddr va = Va();
    const bool globals = Below(2) == 0;
    if (dice < 990) {
      tlb_.DropPage(va, pcid, globals);
      naive_.DropIf([&](const TlbEntry& entry) {
        return NaiveTlb::Serves(entry, va, pcid) && (globals || !entry.global);
      });
    } else if (dice < 996) {
      tlb_.DropPcid(pcid, globals);
      naive_.DropIf([&](const TlbEntry& entry) {
        return entry.pcid == pcid && (globals || !entry.global);
      });
    } else if (dice < 999) {
      tlb_.DropNonGlobal();
      naive_.DropIf([](const TlbEntry& entry) { return !entry.global; });
    } else {
      tlb_.DropAll();
      naive_.DropIf([](const TlbEntry&) { return true; });
    }
  }

  void ExpectEqual() {
    const std::vector<TlbEntry> entries = tlb_.Entries();
    ASSERT_EQ(entries, naive_.Entries());
    ASSERT_EQ(entries.size(), tlb_.size());
  }

 private:
  uint64_t Below(uint64_t end) { return random_() % end; }
  uint16_t Pcid() { return static_cast<uint16_t>(Below(3)); }
  VirtAddr Va() {
    return VirtAddr(Below(8) << 30 | Below(pages_) << kPageShift);
  }

  // Makes an access as the Mmu does it: L1, then L2, then a walk.
  void Access() {
    const TlbSide side = Below(4) == 0 ? TlbSide::kInstruction : TlbSide::kData;
    const VirtAddr va = Va();
    const uint16_t pcid = Pcid();
    const std::vector<TlbEntry> l1 = naive_.FindL1(side, va, pcid);
    if (!Agree(tlb_.FindL1(side, va, pcid), l1)) return;
    if (!l1.empty()) return;
    const std::vector<TlbEntry> l2 = naive_.FindL2(side, va, pcid);
    const TlbSlot* const found = tlb_.FindL2(side, va, pcid);
    if (!Agree(found, l2)) return;
    if (!l2.empty()) {
      tlb_.Refill(side, va, TlbSlot(*found));
      naive_.Refill(side, l2[0]);
      return;
    }
    const TlbEntry entry = Walk(va, pcid);
    tlb_.Fill(side, va, entry);
    naive_.Fill(side, entry);
  }

  bool Agree(const TlbSlot* found, const std::vector<TlbEntry>& hits) {
    EXPECT_EQ(found == nullptr, hits.empty());
    if (found == nullptr || hits.empty()) return found == nullptr;
    EXPECT_EQ(found->ToEntry(), hits[0]);
    return found->ToEntry() == hits[0];
  }

  // The page size and whether it is global are the address's own, so that no
  // two entries serve an access.
  TlbEntry Walk(VirtAddr va, uint16_t pcid) {
    const bool huge = (va.value() >> 30) % 4 == 3;
    const bool large = (va.value() >> 21) % 4 == 1;
    const int shift = huge ? 30 : large ? 21 : 12;
    TlbEntry entry;
    entry.page_shift = static_cast<uint8_t>(shift);
    entry.vpn = va.value() >> shift;
    entry.base = MachineAddr(Below(1u << 20) << shift);
    entry.pcid = pcid;
    entry.rights = static_cast<uint8_t>(Below(256));
    entry.global = entry.vpn % 5 == 0;
    return entry;
  }

  Tlb tlb_;
  NaiveTlb naive_;
  uint64_t pages_;
  std::mt19937 random_;
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

TEST(TlbOracleTest, RandomUseLeavesWhatThePlainModelHolds) {
  uint32_t seed = 1;
  for (const TlbGeometry& geometry : {Skylake(), Odd(), FullyAssociative()}) {
    for (const uint64_t pages : {20u, 600u, 3000u}) {
      TlbOracle oracle(geometry, pages, seed++);
      for (int i = 0; i < 20000; ++i) {
        oracle.Step();
        if (i % 16 == 0) oracle.ExpectEqual();
        if (testing::Test::HasFailure()) FAIL() << "step " << i;
      }
    }
  }
}

}  // namespace
}  // namespace xmmu::tlb_oracle_test
