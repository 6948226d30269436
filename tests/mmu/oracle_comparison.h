#ifndef XMMU_TESTS_MMU_ORACLE_COMPARISON_H_
#define XMMU_TESTS_MMU_ORACLE_COMPARISON_H_

// Compares the Mmu with the naive model (naive_mmu.h) over one path of tables,
// with one table for each level.

#include <optional>
#include <sstream>
#include <string>

#include "gtest/gtest.h"
#include "mmu/mmu_fixture.h"
#include "mmu/naive_mmu.h"

namespace xmmu::oracle {

using naive::Bits;
using naive::Kind;

constexpr Bits kTables = 0x800000;  // one 4 KiB table a level
constexpr VirtAddr kVa{0x5a7c1123};

inline Bits TableOf(int level) { return kTables + Bits(level) * 0x1000; }

// Returns the address of the entry of `level` for kVa; level 1 is the leaf
// table.
inline Bits Cell(const naive::State& state, int level) {
  const int entry_bytes = state.levels == 2 ? 4 : 8;
  const int index_bits = state.levels == 2 ? 10 : 9;
  Bits index = kVa.value() >> (12 + (level - 1) * index_bits);
  index %= Bits{1} << (state.levels == 3 && level == 3 ? 2 : index_bits);
  return TableOf(level) + index * Bits(entry_bytes);
}

inline ControlRegisters RegistersOf(const naive::State& s) {
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

// The features of the CPU.
struct Kit {
  int maxphyaddr = 40;
  bool page1gb = true;
  bool amd = false;
  bool caches = true;  // TLBs and paging-structure caches
};

// Makes a naive state of so many levels for this CPU.
inline naive::State CaseOf(int levels, const Kit& kit) {
  naive::State state;
  state.levels = levels;
  state.cr3 = TableOf(levels);
  state.maxphyaddr = kit.maxphyaddr;
  state.page1gb = kit.page1gb;
  state.amd = kit.amd;
  return state;
}

class Comparison {
 public:
  Comparison(int levels, const Kit& kit)
      : mode_(*PagingModeOfLevels(levels)),
        caches_(kit.caches),
        model_(TestModel()) {
    model_.features.maxphyaddr = kit.maxphyaddr;
    model_.features.pages_1g = kit.page1gb;
    model_.features.vendor = kit.amd ? Vendor::kAmd : Vendor::kIntel;
    if (!caches_) {
      model_.tlb = {};
      model_.psc = {};
    }
    clock_.emplace(model_.prices());
    mmu_.emplace(model_, memory_, nullptr, *clock_, counters_);
  }

  // Puts the case in place, cold.
  void Begin(const naive::State& state) {
    state_ = state;
    for (const auto& [address, value] : state.memory) {
      memory_.WriteEntry(MachineAddr(address), EntryBytes(mode_), value);
    }
    const ControlRegisters registers = RegistersOf(state);
    // A machine without caches is always cold, but for PAE's PDPTE registers.
    if (!caches_ && state.levels != 3 && registers == mmu_->registers()) return;
    ASSERT_FALSE(mmu_->Reset(registers).has_value());
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
        << " nxe " << state_.nxe << " pke " << state_.pke << " pks "
        << state_.pks << " maxphyaddr " << state_.maxphyaddr << " page1gb "
        << state_.page1gb << " amd " << state_.amd << std::hex << " pkru "
        << state_.pkru << " pkrs " << state_.pkrs;
    for (const auto& [address, value] : state_.memory) {
      out << "\n  " << address << ": " << value;
    }
    return out.str();
  }

  PagingMode mode_;
  bool caches_;
  MachineModel model_;
  PhysMemory memory_;
  Counters counters_;
  std::optional<CycleClock> clock_;
  std::optional<Mmu> mmu_;
  naive::State state_;
};

}  // namespace xmmu::oracle

#endif  // XMMU_TESTS_MMU_ORACLE_COMPARISON_H_
