// The Mmu against an independent naive model (naive_mmu.h): all combinations of
// rights, registers and accesses, and a great many random entries. Each case
// makes several accesses, so that later ones meet what earlier ones cached.

#include <array>
#include <optional>
#include <random>
#include <sstream>
#include <string>

#include "gtest/gtest.h"
#include "mmu/mmu_fixture.h"
#include "mmu/naive_mmu.h"

namespace xmmu {
namespace {

using naive::Bits;
using naive::Kind;

constexpr Bits kTables = 0x800000;  // one 4 KiB table a level
constexpr VirtAddr kVa{0x5a7c1123};

Bits TableOf(int level) { return kTables + Bits(level) * 0x1000; }

// Address of the entry of `level` (1 the leaf table) for kVa.
Bits Cell(const naive::State& state, int level) {
  const int entry_bytes = state.levels == 2 ? 4 : 8;
  const int index_bits = state.levels == 2 ? 10 : 9;
  Bits index = kVa.value() >> (12 + (level - 1) * index_bits);
  index %= Bits{1} << (state.levels == 3 && level == 3 ? 2 : index_bits);
  return TableOf(level) + index * Bits(entry_bytes);
}

ControlRegisters RegistersOf(const naive::State& s) {
  ControlRegisters registers;
  registers.cr0 = 0x80000001 | (s.wp ? Bits{1} << 16 : 0);
  registers.cr3 = s.cr3;
  registers.cr4 = (s.pse ? 1u << 4 : 0u) | (s.levels > 2 ? 1u << 5 : 0u) |
                  (s.levels == 5 ? 1u << 12 : 0u) | (s.smep ? 1u << 20 : 0u) |
                  (s.smap ? 1u << 21 : 0u) | (s.pke ? 1u << 22 : 0u) |
                  (s.pks ? 1u << 24 : 0u);
  registers.efer = (s.nxe ? 1u << 11 : 0u) | (s.levels >= 4 ? 0x500u : 0u);
  registers.pkru = s.pkru;
  registers.pkrs = s.pkrs;
  registers.ac = s.ac;
  return registers;
}

// One Mmu of each kind of CPU that a case can ask for.
class Comparison {
 public:
  Comparison(PagingMode mode, int maxphyaddr, bool page1gb, bool amd)
      : mode_(mode), model_(TestModel()) {
    model_.features.maxphyaddr = maxphyaddr;
    model_.features.pages_1g = page1gb;
    model_.features.vendor = amd ? Vendor::kAmd : Vendor::kIntel;
    clock_.emplace(model_.prices());
    mmu_.emplace(model_, memory_, nullptr, *clock_, counters_);
  }

  // Puts the case in place, cold.
  void Begin(const naive::State& state) {
    state_ = state;
    for (const auto& [address, value] : state.memory) {
      memory_.WriteEntry(MachineAddr(address), EntryBytes(mode_), value);
    }
    ASSERT_FALSE(mmu_->Reset(RegistersOf(state)).has_value());
  }

  // Makes one access on both sides.
  ::testing::AssertionResult Agree(Kind kind, bool user) {
    const naive::Outcome expected =
        naive::Walk(state_, kVa.value(), kind, user).Run();
    const Access access = {kVa, static_cast<AccessKind>(kind), user};
    const TranslateResult got = mmu_->Translate(access);
    if (got.ok() != expected.address.has_value()) {
      return ::testing::AssertionFailure()
             << "ok " << got.ok() << Describe(kind, user);
    }
    if (got.ok() && got.addr().value() != *expected.address) {
      return ::testing::AssertionFailure()
             << std::hex << got.addr().value() << " is not "
             << *expected.address << Describe(kind, user);
    }
    if (!got.ok() && got.fault().error_code != expected.error) {
      return ::testing::AssertionFailure()
             << std::hex << "error code " << got.fault().error_code
             << " is not " << expected.error << Describe(kind, user);
    }
    return SameMemory(kind, user);
  }

 private:
  ::testing::AssertionResult SameMemory(Kind kind, bool user) {
    for (const auto& [address, value] : state_.memory) {
      const Bits now =
          memory_.ReadEntry(MachineAddr(address), EntryBytes(mode_));
      if (now == value) continue;
      return ::testing::AssertionFailure()
             << std::hex << "entry at " << address << " is " << now << ", not "
             << value << Describe(kind, user);
    }
    return ::testing::AssertionSuccess();
  }

  std::string Describe(Kind kind, bool user) const {
    std::ostringstream out;
    out << "\nlevels " << state_.levels << " access " << int(kind) << " user "
        << user << " wp " << state_.wp << " pse " << state_.pse << " smep "
        << state_.smep << " smap " << state_.smap << " ac " << state_.ac
        << " nxe " << state_.nxe << std::hex;
    for (const auto& [address, value] : state_.memory) {
      out << "\n  " << address << ": " << value;
    }
    return out.str();
  }

  PagingMode mode_;
  MachineModel model_;
  PhysMemory memory_;
  Counters counters_;
  std::optional<CycleClock> clock_;
  std::optional<Mmu> mmu_;
  naive::State state_;
};

naive::State CaseOf(int levels) {
  naive::State state;
  state.levels = levels;
  state.cr3 = TableOf(levels);
  return state;
}

class OracleTest : public testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(Levels, OracleTest, testing::Values(2, 3, 4, 5));

TEST_P(OracleTest, AllRightsUnderAllRegistersForAllAccesses) {
  const int levels = GetParam();
  Comparison comparison(*PagingModeOfLevels(levels), 40, true, false);
  // 3 bits of rights at L2 and 3 at L1, D, 5 registers; 8 accesses each.
  for (unsigned bits = 0; bits < 1u << 12; ++bits) {
    naive::State state = CaseOf(levels);
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
    const int width = std::array{36, 40, 46, 52}[machine % 4];
    const bool page1gb = machine % 3 != 0;
    const bool amd = machine % 2 != 0;
    Comparison comparison(*PagingModeOfLevels(levels), width, page1gb, amd);
    for (int i = 0; i < 4000; ++i) {
      naive::State state = CaseOf(levels);
      state.maxphyaddr = width;
      state.page1gb = page1gb;
      state.amd = amd;
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
}  // namespace xmmu
