// The paging-structure caches beside a model of them that is written from the
// words of their header: entries with the time of their last use, looked
// through from end to end.

#include <optional>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "xmmu/mmu/internal/paging_structure_cache.h"

namespace xmmu::paging_structure_oracle_test {
namespace {

using Entry = PagingStructureEntry;

class NaiveCache {
 public:
  NaiveCache(const PagingStructureCacheGeometry& geometry, PagingMode mode)
      : mode_(mode) {
    for (size_t level = 2; level <= 5; ++level) {
      const PagingStructureCacheArray& shape = geometry.level[level];
      arrays_[level].ways = shape.ways == 0 ? shape.entries : shape.ways;
      arrays_[level].slots.resize(shape.entries);
    }
  }

  void SetVm(VmTag tag) { vm_ = tag; }
  std::optional<Entry> Lookup(VirtAddr va, uint16_t pcid) {
    for (int level = 2; level <= 5; ++level) {
      if (Slot* const slot = Find(level, va, pcid)) {
        slot->last_use = ++now_;
        return slot->entry;
      }
    }
    return std::nullopt;
  }
  void Fill(int level, VirtAddr va, uint16_t pcid, MachineAddr table,
            uint8_t rights, Gfn guest_table) {
    Array& array = arrays_[static_cast<size_t>(level)];
    if (array.slots.empty()) return;
    Slot* victim = Find(level, va, pcid);
    if (victim == nullptr) {
      const uint64_t sets = array.slots.size() / array.ways;
      Slot* const set =
          &array.slots[va.value() / BytesOf(level) % sets * array.ways];
      victim = set;
      for (Slot* slot = set; slot != set + array.ways; ++slot) {
        if (slot->last_use < victim->last_use) victim = slot;
      }
    }
    *victim = {++now_,
               {level, Base(level, va), pcid, table, rights, vm_, guest_table}};
  }
  template <typename Predicate>
  void DropIf(Predicate predicate) {
    for (Array& array : arrays_) {
      for (Slot& slot : array.slots) {
        if (slot.last_use != 0 && predicate(slot.entry)) slot = Slot();
      }
    }
  }
  void DropAddress(VirtAddr va, uint16_t pcid) {
    DropIf([&](const Entry& entry) {
      return entry.va == Base(entry.level, va) && entry.pcid == pcid &&
             entry.tag.vpid == vm_.vpid;
    });
  }
  std::vector<Entry> Entries() const {
    std::vector<Entry> entries;
    for (const Array& array : arrays_) {
      for (const Slot& slot : array.slots) {
        if (slot.last_use != 0) entries.push_back(slot.entry);
      }
    }
    return entries;
  }

 private:
  struct Slot {
    uint64_t last_use = 0;  // 0: free
    Entry entry;
  };
  struct Array {
    size_t ways = 0;
    std::vector<Slot> slots;
  };

  uint64_t BytesOf(int level) const {
    return uint64_t{1} << LevelShift(mode_, level);
  }
  VirtAddr Base(int level, VirtAddr va) const {
    return VirtAddr(va.value() / BytesOf(level) * BytesOf(level));
  }
  Slot* Find(int level, VirtAddr va, uint16_t pcid) {
    for (Slot& slot : arrays_[static_cast<size_t>(level)].slots) {
      if (slot.last_use != 0 && slot.entry.va == Base(level, va) &&
          slot.entry.pcid == pcid && slot.entry.tag == vm_) {
        return &slot;
      }
    }
    return nullptr;
  }

  PagingMode mode_;
  std::array<Array, 6> arrays_;
  VmTag vm_;
  uint64_t now_ = 0;
};

// Does the same random things to both and compares all they hold.
class CacheOracle {
 public:
  CacheOracle(const PagingStructureCacheGeometry& geometry, PagingMode mode,
              uint32_t seed)
      : mode_(mode), cache_(geometry), naive_(geometry, mode), random_(seed) {
    cache_.SetMode(mode);
  }

  void Step() {
    const uint64_t dice = Below(1000);
    const uint16_t pcid = Pcid();
    const VirtAddr va = Va();
    if (dice < 850) return Walk(va, pcid);
    if (dice < 900) return Fill(static_cast<int>(2 + Below(4)), va, pcid);
    if (dice < 950) {
      cache_.DropAddress(va, pcid);
      naive_.DropAddress(va, pcid);
    } else if (dice < 980) {
      vm_ = {static_cast<uint16_t>(Below(3) * 16),
             static_cast<uint8_t>(Below(2))};
      cache_.SetVm(vm_);
      naive_.SetVm(vm_);
    } else if (dice < 995) {
      cache_.DropPcid(pcid);
      naive_.DropIf([&](const Entry& entry) {
        return entry.pcid == pcid && entry.tag.vpid == vm_.vpid;
      });
    } else if (dice < 998) {
      const auto below = [&](const Entry& entry) { return entry.va < va; };
      cache_.DropIf(below);
      naive_.DropIf(below);
    } else {
      cache_.DropAll();
      naive_.DropIf(
          [&](const Entry& entry) { return entry.tag.vpid == vm_.vpid; });
    }
  }

  void ExpectEqual() { ASSERT_EQ(cache_.Entries(), naive_.Entries()); }

 private:
  uint64_t Below(uint64_t end) { return random_() % end; }
  uint16_t Pcid() { return static_cast<uint16_t>(Below(3) * 0x7ff); }
  // Regions of all levels that are near each other and that are far apart,
  // among them such as differ where PCIDs do.
  VirtAddr Va() {
    uint64_t va = Below(12) << LevelShift(mode_, 2) |
                  Below(3) << LevelShift(mode_, 3) | Below(1u << 12);
    if (LevelCount(mode_) >= 4) {
      va |= Below(3) << LevelShift(mode_, 4) | Below(2) << 47;
      va |= (Below(2) * 0x7ff) << (20 + LevelShift(mode_, 2));
    }
    return VirtAddr(va);
  }

  // Looks an address up and fills what lies below the hit, as a walk does.
  void Walk(VirtAddr va, uint16_t pcid) {
    const Entry* const found = cache_.Lookup(va, pcid);
    const std::optional<Entry> wanted = naive_.Lookup(va, pcid);
    ASSERT_EQ(found != nullptr, wanted.has_value());
    if (found != nullptr) {
      ASSERT_EQ(*found, *wanted);
    }
    const int from = found == nullptr ? 5 : found->level - 1;
    for (int level = from; level >= static_cast<int>(2 + Below(2)); --level) {
      Fill(level, va, pcid, /*missed=*/true);
    }
  }

  void Fill(int level, VirtAddr va, uint16_t pcid, bool missed = false) {
    const MachineAddr table(Below(1000) << kPageShift);
    const auto rights = static_cast<uint8_t>(Below(8));
    const Gfn guest_table(Below(1000));
    if (missed) {
      cache_.FillMissed(level, va, pcid, table, rights, guest_table);
    } else {
      cache_.Fill(level, va, pcid, table, rights, guest_table);
    }
    naive_.Fill(level, va, pcid, table, rights, guest_table);
  }

  PagingMode mode_;
  PagingStructureCache cache_;
  NaiveCache naive_;
  VmTag vm_;
  std::mt19937 random_;
};

PagingStructureCacheGeometry Shape(
    std::vector<PagingStructureCacheArray> arrays) {
  PagingStructureCacheGeometry geometry;
  for (size_t i = 0; i < arrays.size(); ++i) geometry.level[2 + i] = arrays[i];
  return geometry;
}

TEST(PagingStructureOracleTest, RandomUseLeavesWhatThePlainModelHolds) {
  uint32_t seed = 1;
  const PagingStructureCacheGeometry shapes[] = {
      Shape({{32, 4}, {4, 0}, {4, 0}, {2, 0}}),
      Shape({{64, 0}, {32, 0}, {32, 0}}),
      Shape({{15, 5}, {}, {12, 4}, {1, 1}}),
      Shape({{140, 0}, {3, 1}, {2, 2}}),
      Shape({{24, 0}, {}, {}, {}}),
  };
  for (const PagingStructureCacheGeometry& shape : shapes) {
    for (const PagingMode mode : {PagingMode::k2Level, PagingMode::kPae,
                                  PagingMode::k4Level, PagingMode::k5Level}) {
      SCOPED_TRACE(testing::Message() << "seed " << seed);
      CacheOracle oracle(shape, mode, seed++);
      for (int i = 0; i < 5000; ++i) {
        oracle.Step();
        if (i % 8 == 0) oracle.ExpectEqual();
        if (testing::Test::HasFailure()) FAIL() << "step " << i;
      }
    }
  }
}

}  // namespace
}  // namespace xmmu::paging_structure_oracle_test
