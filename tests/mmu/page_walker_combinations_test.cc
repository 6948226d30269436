// The Mmu against the naive model (naive_mmu.h), exhaustively: at every level
// every combination of the bits that count, with every size of page, under
// every combination of the registers that count, for every kind of access at
// either CPL. What cannot interact is varied apart: rights, flags, reserved
// bits, keys. The CPU has no caches, so every access is a walk.

#include <array>
#include <vector>

#include "gtest/gtest.h"
#include "mmu/oracle_comparison.h"

namespace xmmu::oracle {
namespace {

constexpr Bits kXd = Bits{1} << 63;

bool IsSet(unsigned bits, int n) { return (bits >> n & 1) != 0; }

bool IsPdpteRegister(int levels, int level) {
  return levels == 3 && level == 3;
}

// Levels that can map a page.
std::vector<int> LeafLevels(int levels) {
  if (levels <= 3) return {1, 2};
  return {1, 2, 3};
}

// A path to a page of `leaf` level on which everything is allowed and all flags
// are set. The entries below a large page are there, too.
void LayPath(naive::State& state, int leaf) {
  for (int level = state.levels; level >= 1; --level) {
    Bits entry = 0x27;
    if (level > leaf || (level > 1 && level < leaf)) {
      entry |= TableOf(level - 1);
    } else {
      entry |=
          0x40 | (state.levels == 2 && level == 2 ? 0x40400000 : 0x40000000);
      if (level > 1) entry |= 0x80;
    }
    if (IsPdpteRegister(state.levels, level)) entry = TableOf(2) | 1;
    state.memory[Cell(state, level)] = entry;
  }
}

class CombinationsTest : public testing::TestWithParam<int> {
 protected:
  int levels() const { return GetParam(); }

  // Makes every access, each one cold; all but writes only if `reads`.
  void CompareAccesses(Comparison& comparison, const naive::State& state,
                       bool reads = true) {
    for (int access = 0; access < 8; ++access) {
      const auto kind = static_cast<Kind>(access / 2);
      if (!reads && kind != Kind::kWrite) continue;
      comparison.Begin(state);
      ASSERT_TRUE(comparison.Agree(kind, access % 2 != 0));
      ++compared_;
    }
  }

  void TearDown() override {
    RecordProperty("accesses_compared", std::to_string(compared_));
  }

  uint64_t compared_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Levels, CombinationsTest, testing::Values(2, 3, 4, 5));

// WP, SMEP, SMAP, AC and NXE.
void SetRightsRegisters(naive::State& state, unsigned bits) {
  state.wp = IsSet(bits, 0);
  state.smep = IsSet(bits, 1);
  state.smap = IsSet(bits, 2);
  state.ac = IsSet(bits, 3);
  state.nxe = IsSet(bits, 4);
}

// Gives the entries down to `leaf` the rights R/W, U/S and XD in turn out of
// `bits`. XD is set with NXE = 0 as well: it is reserved then.
void SetRights(naive::State& state, int leaf, unsigned bits) {
  for (int level = state.levels; level >= leaf; --level) {
    if (IsPdpteRegister(state.levels, level)) continue;
    Bits& entry = state.memory[Cell(state, level)];
    entry &= ~(Bits{6} | kXd);
    entry |= Bits{bits & 3} << 1;
    bits >>= 2;
    if (state.levels == 2) continue;
    if ((bits & 1) != 0) entry |= kXd;
    bits >>= 1;
  }
}

int RightsBits(int levels, int leaf) {
  const int entries = (levels == 3 ? 2 : levels) - leaf + 1;
  return entries * (levels == 2 ? 2 : 3);
}

TEST_P(CombinationsTest, RightsOfEveryLevelUnderAllRegisters) {
  const Kit kit = {.caches = false};
  Comparison comparison(levels(), kit);
  for (const int leaf : LeafLevels(levels())) {
    for (unsigned registers = 0; registers < 32; ++registers) {
      naive::State state = CaseOf(levels(), kit);
      SetRightsRegisters(state, registers);
      LayPath(state, leaf);
      const unsigned combinations = 1u << RightsBits(levels(), leaf);
      for (unsigned rights = 0; rights < combinations; ++rights) {
        SetRights(state, leaf, rights);
        Bits& entry = state.memory[Cell(state, leaf)];
        entry |= 0x40;
        CompareAccesses(comparison, state);
        // D counts only for a write.
        entry &= ~Bits{0x40};
        CompareAccesses(comparison, state, /*reads=*/false);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// P at one level or none, A at every level, D, G; the access may be refused by
// the leaf's rights.
TEST_P(CombinationsTest, PresentAccessedDirtyAndGlobalAtEveryLevel) {
  const Kit kit = {.caches = false};
  Comparison comparison(levels(), kit);
  for (const int leaf : LeafLevels(levels())) {
    for (int absent = levels() + 1; absent >= leaf; --absent) {
      for (unsigned bits = 0; bits < 1u << (levels() + 6); ++bits) {
        naive::State state = CaseOf(levels(), kit);
        state.wp = IsSet(bits, 0);
        state.nxe = IsSet(bits, 1);
        LayPath(state, leaf);
        for (int level = levels(); level >= 1; --level) {
          Bits& entry = state.memory[Cell(state, level)];
          if (level == absent) entry &= ~Bits{1};
          if (IsPdpteRegister(levels(), level)) continue;
          if (!IsSet(bits, 5 + level)) entry &= ~Bits{0x20};
          if (level != leaf) continue;
          if (!IsSet(bits, 2)) entry &= ~Bits{0x40};
          if (IsSet(bits, 3)) entry |= 0x100;
          if (!IsSet(bits, 4)) entry &= ~Bits{2};
          if (!IsSet(bits, 5)) entry &= ~Bits{4};
        }
        CompareAccesses(comparison, state);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Each bit of each entry turned over by itself, on each kind of CPU. Whether it
// is reserved, ignored or means something is for the model to say.
TEST_P(CombinationsTest, EveryBitOfEveryEntryOnEveryCpu) {
  const int width = levels() == 2 ? 32 : 64;
  for (unsigned cpu = 0; cpu < 16; ++cpu) {
    const Kit kit = {.maxphyaddr = std::array{36, 40, 46, 52}[cpu % 4],
                     .page1gb = IsSet(cpu, 2),
                     .amd = IsSet(cpu, 3),
                     .caches = false};
    Comparison comparison(levels(), kit);
    for (const int leaf : LeafLevels(levels())) {
      for (unsigned registers = 0; registers < 4; ++registers) {
        for (int level = levels(); level >= leaf; --level) {
          if (IsPdpteRegister(levels(), level)) continue;  // their own test
          for (int bit = 0; bit < width; ++bit) {
            naive::State state = CaseOf(levels(), kit);
            state.nxe = IsSet(registers, 0);
            state.pse = IsSet(registers, 1);
            LayPath(state, leaf);
            state.memory[Cell(state, level)] ^= Bits{1} << bit;
            CompareAccesses(comparison, state);
            // In an entry that is not present no other bit is looked at.
            state.memory[Cell(state, level)] &= ~Bits{1};
            CompareAccesses(comparison, state);
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

// Two reserved or absent entries on one path: the upper one decides.
TEST_P(CombinationsTest, TheFirstBadEntryFromTheRootDecides) {
  const Kit kit = {.caches = false};
  Comparison comparison(levels(), kit);
  const Bits reserved = levels() == 2 ? Bits{1} << 21 : Bits{1} << 50;
  const auto spoil = [&](Bits entry, unsigned how) {
    if (how == 1) return entry & ~Bits{1};
    if (how == 2) return entry | reserved;
    if (how == 3) return (entry | reserved) & ~Bits{1};
    return how == 4 ? entry & ~Bits{6} : entry;
  };
  for (const int leaf : LeafLevels(levels())) {
    for (int upper = levels(); upper > leaf; --upper) {
      for (int lower = upper - 1; lower >= leaf; --lower) {
        for (unsigned how = 0; how < 25; ++how) {
          naive::State state = CaseOf(levels(), kit);
          LayPath(state, leaf);
          Bits& first = state.memory[Cell(state, upper)];
          if (!IsPdpteRegister(levels(), upper)) first = spoil(first, how % 5);
          Bits& second = state.memory[Cell(state, lower)];
          second = spoil(second, how / 5);
          CompareAccesses(comparison, state);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

// The key of the page against both registers; the other keys say the opposite.
// 2-level paging and PAE have no keys, whatever the registers say.
TEST_P(CombinationsTest, KeysUnderBothRegistersForBothKindsOfPage) {
  const Kit kit = {.caches = false};
  Comparison comparison(levels(), kit);
  const unsigned keys = levels() >= 4 ? 16 : 1;
  for (const int leaf : LeafLevels(levels())) {
    for (unsigned key = 0; key < keys; ++key) {
      for (unsigned bits = 0; bits < 1u << 12; ++bits) {
        naive::State state = CaseOf(levels(), kit);
        state.pke = IsSet(bits, 0);
        state.pks = IsSet(bits, 1);
        state.wp = IsSet(bits, 2);
        state.smap = IsSet(bits, 3);
        state.ac = IsSet(bits, 4);
        state.smep = IsSet(bits, 5);
        const uint32_t others = ~(3u << (2 * key));
        const auto rights = [&](unsigned of_page) {
          return (~of_page * 0x55555555u & others) | of_page << (2 * key);
        };
        state.pkru = rights(bits >> 6 & 3);
        state.pkrs = rights(bits >> 8 & 3);
        LayPath(state, leaf);
        Bits& entry = state.memory[Cell(state, leaf)];
        entry |= Bits{key} << 59;
        if (IsSet(bits, 10)) entry &= ~Bits{2};
        if (IsSet(bits, 11)) entry &= ~Bits{4};
        CompareAccesses(comparison, state);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// U/S of an upper level makes a page a supervisor's, hence PKRS's.
TEST_P(CombinationsTest, UserOfAnyLevelChoosesTheKeyRegister) {
  const Kit kit = {.caches = false};
  Comparison comparison(levels(), kit);
  for (const int leaf : LeafLevels(levels())) {
    for (unsigned bits = 0; bits < 1u << (levels() + 4); ++bits) {
      naive::State state = CaseOf(levels(), kit);
      state.pke = true;
      state.pks = true;
      state.pkru = bits & 3;
      state.pkrs = bits >> 2 & 3;
      LayPath(state, leaf);
      for (int level = levels(); level >= leaf; --level) {
        if (IsPdpteRegister(levels(), level)) continue;
        if (!IsSet(bits, 3 + level)) {
          state.memory[Cell(state, level)] &= ~Bits{4};
        }
      }
      CompareAccesses(comparison, state);
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace xmmu::oracle
