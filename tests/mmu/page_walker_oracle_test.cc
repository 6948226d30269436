// The Mmu against an independent naive model (naive_mmu.h): rights under all
// registers, and a great many random entries. Each case makes several accesses,
// so that later ones meet what earlier ones cached. All combinations of all
// levels, without caches: page_walker_combinations_test.cc.

#include <array>
#include <random>

#include "gtest/gtest.h"
#include "mmu/oracle_comparison.h"

namespace xmmu::oracle {
namespace {

class OracleTest : public testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(Levels, OracleTest, testing::Values(2, 3, 4, 5));

TEST_P(OracleTest, AllRightsUnderAllRegistersForAllAccesses) {
  const int levels = GetParam();
  const Kit kit;
  Comparison comparison(levels, kit);
  // 3 bits of rights at L2 and 3 at L1, D, 5 registers; 8 accesses each.
  for (unsigned bits = 0; bits < 1u << 12; ++bits) {
    naive::State state = CaseOf(levels, kit);
    state.wp = (bits & 1) != 0;
    state.smep = (bits & 2) != 0;
    state.smap = (bits & 4) != 0;
    state.ac = (bits & 8) != 0;
    state.nxe = (bits & 16) != 0;
    for (int level = levels; level >= 1; --level) {
      const unsigned rights = level <= 2 ? bits >> (2 + 3 * level) & 7 : 3;
      Bits entry = 0x21 | (level > 1 ? TableOf(level - 1) : 0x1a5000);
      if (levels == 3 && level == 3) {
        entry &= ~Bits{0x20};
      } else {
        entry |= Bits{rights & 3} << 1;
      }
      if (level == 1 && (bits >> 11 & 1) != 0) entry |= 0x40;
      if (levels > 2 && state.nxe && (rights & 4) != 0) {
        entry |= Bits{1} << 63;
      }
      state.memory[Cell(state, level)] = entry;
    }
    for (int access = 0; access < 8; ++access) {
      comparison.Begin(state);
      // Twice: cold, and against what the first time left cached.
      for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(
            comparison.Agree(static_cast<Kind>(access / 2), access % 2 != 0));
      }
    }
  }
}

// A random entry that is mostly, but not always, in order.
Bits RandomEntry(std::mt19937_64& random, const naive::State& state,
                 int level) {
  const auto chance = [&](unsigned in) { return random() % in == 0; };
  Bits entry = chance(12) ? 0 : 1;
  entry |= random() & 0x17e;   // RW US PWT PCD A D G
  if (!chance(3)) entry |= 6;  // mostly generous
  const bool pdpte = state.levels == 3 && level == 3;
  if (pdpte) entry &= 0x19;  // the load would fault otherwise
  if (level == 1 || (chance(4) && !pdpte)) entry |= random() & 0x80;
  const bool leaf = level == 1 || (entry & 0x80) != 0;
  if (!leaf || level == 1) {
    entry |= level > 1 ? TableOf(level - 1) : (random() % 0x1000) << 12;
  } else {
    const int hole = state.levels == 2 ? 22 : level == 3 ? 30 : 21;
    entry |= (random() % 4) << hole;
    if (chance(4)) entry |= random() & 0x1fe000;
  }
  if (state.levels == 2) return entry & 0xffffffff;
  if (pdpte) return entry;
  if (chance(6)) entry |= Bits{1} << (12 + random() % 52);
  if (state.levels >= 4) entry |= (random() & 15) << 59;
  if (chance(5)) entry |= Bits{1} << 63;
  return entry;
}

TEST_P(OracleTest, RandomTablesRegistersAndAccesses) {
  const int levels = GetParam();
  std::mt19937_64 random(20260 + static_cast<unsigned>(levels));
  int translated = 0;
  for (size_t machine = 0; machine < 16; ++machine) {
    const Kit kit = {.maxphyaddr = std::array{36, 40, 46, 52}[machine % 4],
                     .page1gb = machine % 3 != 0,
                     .amd = machine % 2 != 0};
    Comparison comparison(levels, kit);
    for (int i = 0; i < 4000; ++i) {
      naive::State state = CaseOf(levels, kit);
      const Bits r = random();
      state.wp = (r & 1) != 0;
      state.pse = (r & 6) != 0;
      state.smep = (r & 8) != 0;
      state.smap = (r & 16) != 0;
      state.ac = (r & 32) != 0;
      state.nxe = (r & 0xc0) != 0;
      state.pke = levels >= 4 && (r & 256) != 0;
      state.pks = levels >= 4 && (r & 512) != 0;
      const Bits sparse = random() & (random() >> 1);  // a quarter of the bits
      state.pkru = static_cast<uint32_t>(sparse);
      state.pkrs = static_cast<uint32_t>(sparse >> 32);
      for (int level = 1; level <= levels; ++level) {
        state.memory[Cell(state, level)] = RandomEntry(random, state, level);
      }
      comparison.Begin(state);
      for (int access = 0; access < 4; ++access) {
        const Bits a = random();
        ASSERT_TRUE(comparison.Agree(static_cast<Kind>(a % 4), (a & 4) != 0))
            << "case " << machine << "/" << i;
      }
      naive::State copy = state;
      translated += naive::Walk(copy, kVa.value(), Kind::kRead, false)
                        .Run()
                        .address.has_value();
    }
  }
  // The generator is of use only if a good part of its cases goes all the way.
  EXPECT_GT(translated, 16 * 4000 / 10);
}

}  // namespace
}  // namespace xmmu::oracle
