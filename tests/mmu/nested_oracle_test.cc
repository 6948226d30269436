// Two-dimensional translation against an independent naive model, over random
// tables of both dimensions. The model is written from the manuals (SDM Vol.
// 3A, "4-Level Paging"; Vol. 3C, "EPT Translation Mechanism", "EPT Violations";
// AMD APM Vol. 2, "Nested Paging"), caches nothing and shares no code, table or
// constant with the library. Guests of 2, PAE's 3 and 4 levels; no A/D flags of
// EPT.

#include <map>
#include <random>

#include "gtest/gtest.h"
#include "mmu/nested_fixture.h"

namespace xmmu::nested_oracle_test {
namespace {

using Bits = uint64_t;

// The outcome of an access.
struct Outcome {
  enum class Kind { kAddress, kPageFault, kViolation } kind = Kind::kAddress;
  Bits value = 0;  // machine address, error code or guest-physical address

  bool operator==(const Outcome&) const = default;
};

class NaiveModel {
 public:
  std::map<Bits, Bits> memory;  // 8-byte cells by machine address
  int levels = 4;
  bool amd = false;
  Bits cr3 = 0;
  Bits pdptes[4] = {};
  Bits nested_root = 0;

  Outcome Access(Bits va, bool write, bool fetch, bool user) {
    bool may_write = true, may_user = true, may_not_fetch = false;
    Bits table = cr3;
    Bits entry = 0, entry_gpa = 0;
    for (int level = levels; level >= 1; --level) {
      if (levels == 3 && level == 3 && !amd) {
        entry = pdptes[va >> 30 & 3];
        if ((entry & 1) == 0) return Fault(0, write, fetch, user);
        table = entry & 0xffffffffff000;
        continue;
      }
      const int width = levels == 2 ? 10 : 9;
      const int size = levels == 2 ? 4 : 8;
      Bits index = va >> (12 + (level - 1) * width);
      index %= levels == 3 && level == 3 ? 4 : Bits{1} << width;
      entry_gpa = table + index * static_cast<Bits>(size);
      Bits machine = 0;
      // A look at a table: AMD means to write, without flags EPT does not.
      if (!Nested(entry_gpa, true, amd, false, &machine)) {
        return {Outcome::Kind::kViolation, entry_gpa};
      }
      entry = Load(machine, size);
      if ((entry & 1) == 0) return Fault(0, write, fetch, user);
      const bool pdpte = levels == 3 && level == 3;
      if (pdpte) {
        table = entry & 0xffffffffff000;
        continue;
      }
      may_write = may_write && (entry & 2) != 0;
      may_user = may_user && (entry & 4) != 0;
      may_not_fetch = may_not_fetch || (levels > 2 && (entry >> 63) != 0);
      if (level == 1) break;
      // Accessed: a write of the entry, which the nested tables must allow.
      if (const auto stopped = Update(entry_gpa, machine, size, 0x20)) {
        return *stopped;
      }
      table = entry & 0xffffffffff000;
    }
    const bool allowed = (!user || may_user) && (!write || may_write) &&
                         (!fetch || !may_not_fetch);
    if (!allowed) return Fault(1, write, fetch, user);
    const Bits gpa = (entry & 0xffffffffff000) + va % 4096;
    Bits machine = 0;
    if (!Nested(gpa, !write && !fetch, write, fetch, &machine)) {
      return {Outcome::Kind::kViolation, gpa};
    }
    Bits at = 0;
    EXPECT_TRUE(Nested(entry_gpa, true, false, false, &at));
    const int size = levels == 2 ? 4 : 8;
    if (const auto stopped = Update(entry_gpa, at, size, write ? 0x60 : 0x20)) {
      return *stopped;
    }
    return {Outcome::Kind::kAddress, machine};
  }

 private:
  Outcome Fault(Bits present, bool write, bool fetch, bool user) const {
    Bits code = present;
    if (write) code += 2;
    if (user) code += 4;
    if (fetch && levels > 2) code += 16;
    return {Outcome::Kind::kPageFault, code};
  }

  Bits Load(Bits machine, int size) {
    const Bits cell = memory[machine / 8 * 8];
    if (size == 8) return cell;
    return machine % 8 == 0 ? cell % (Bits{1} << 32) : cell >> 32;
  }
  std::optional<Outcome> Update(Bits gpa, Bits machine, int size, Bits flags) {
    if ((Load(machine, size) & flags) == flags) return std::nullopt;
    Bits again = 0;
    if (!Nested(gpa, true, true, false, &again)) {
      return Outcome{Outcome::Kind::kViolation, gpa};
    }
    memory[machine / 8 * 8] |= flags << (size == 4 ? machine % 8 * 8 : 0);
    return std::nullopt;
  }

  bool Nested(Bits gpa, bool read, bool write, bool fetch, Bits* machine) {
    bool r = true, w = true, x = true;
    Bits table = nested_root;
    for (int level = 4; level >= 1; --level) {
      const int shift = 12 + 9 * (level - 1);
      Bits& entry = memory[table + (gpa >> shift) % 512 * 8];
      if (amd) {
        if ((entry & 1) == 0) return false;
        r = r && (entry & 4) != 0;
        w = w && (entry & 2) != 0 && (entry & 4) != 0;
        x = x && (entry >> 63) == 0 && (entry & 4) != 0;
      } else {
        if ((entry & 7) == 0) return false;
        r = r && (entry & 1) != 0;
        w = w && (entry & 2) != 0;
        x = x && (entry & 4) != 0;
        // An entry that is neither readable nor empty is a misconfiguration.
        if ((entry & 1) == 0) return false;
      }
      const bool leaf = level == 1 || (level < 4 && (entry & 0x80) != 0);
      if (!leaf) {
        if (amd) entry |= 0x20;
        table = entry & 0xffffffffff000;
        continue;
      }
      if ((read && !r) || (write && !w) || (fetch && !x)) return false;
      if (amd) entry |= write ? 0x60 : 0x20;
      const Bits size = Bits{1} << shift;
      *machine = (entry & 0xffffffffff000) / size * size + gpa % size;
      return true;
    }
    return false;
  }
};

struct Case {
  NestedMachine machine;
  NaiveModel model;

  explicit Case(const NestedShape& shape) : machine(shape) {}
};

class NestedOracleTest
    : public ::testing::TestWithParam<std::tuple<PagingMode, Vendor>> {};

INSTANTIATE_TEST_SUITE_P(
    Modes, NestedOracleTest,
    ::testing::Combine(::testing::Values(PagingMode::k2Level, PagingMode::kPae,
                                         PagingMode::k4Level),
                       ::testing::Values(Vendor::kIntel, Vendor::kAmd)));

constexpr VirtAddr kVa{0x40201000};

// Takes rights, presence and flags away here and there.
void Spoil(NestedMachine& m, std::mt19937_64& random) {
  const auto chance = [&](unsigned in) { return random() % in == 0; };
  const int levels = LevelCount(m.shape().guest);
  for (uint64_t page = 0; page < 4; ++page) {
    const VirtAddr va = kVa + page * kPageSize;
    for (int level = 1; level <= levels; ++level) {
      if (level == 3 && levels == 3) continue;
      if (level > 1 && page != 0) continue;
      const GuestAddr at = m.EntryAt(va, level);
      uint64_t entry = m.Load(at);
      for (const uint64_t flag :
           {pte::kWritable, pte::kUser, pte::kAccessed, pte::kDirty}) {
        if (chance(5)) entry &= ~flag;
      }
      if (levels > 2 && chance(6)) entry |= pte::kNoExecute;
      // Still a table for EntryAt: only leaves go missing.
      if (level == 1 && chance(8)) entry &= ~pte::kPresent;
      m.Store(at, entry);
    }
    const Gfn gfn(0x2340 + page);
    for (int level = 1; level <= 4; ++level) {
      if (level > 1 && (page != 0 || !chance(8))) continue;
      if (!chance(2)) continue;
      const uint64_t flags[] = {2, 4, uint64_t{1} << 63, 7};
      const uint64_t flag = flags[random() % 4];
      if (flag >> 63 != 0) {
        if (!m.ept()) m.SetNested(gfn, level, flag);
      } else if (level == 1 || flag == 2) {
        m.ClearNested(gfn, level, flag);
      }
    }
  }
  for (int level = 1; level <= levels; ++level) {
    if (chance(5)) m.ClearNested(m.TableOf(kVa, level), 1, 2);
    if (chance(25)) m.ClearNested(m.TableOf(kVa, level), 1, 7);
  }
}

// Copies all of the memory that the two may touch.
void CopyMemory(NestedMachine& m, NaiveModel& model) {
  const auto copy = [&](uint64_t first, uint64_t last) {
    for (uint64_t frame = first; frame < last; ++frame) {
      for (uint64_t offset = 0; offset < kPageSize; offset += 8) {
        const MachineAddr addr = AddressOf(Mfn(frame)) + offset;
        const uint64_t value = m.memory().Read64(addr);
        if (value != 0) model.memory[addr.value()] = value;
      }
    }
  };
  copy(0x400, 0x410);
  copy(NestedMachine::kOffset + 0x1000, NestedMachine::kOffset + 0x1010);
}

Outcome OutcomeOf(const TranslateResult& result) {
  if (result.ok()) return {Outcome::Kind::kAddress, result.addr().value()};
  const PageFault& fault = result.fault();
  if (fault.is_violation()) {
    return {Outcome::Kind::kViolation, fault.gpa.value()};
  }
  return {Outcome::Kind::kPageFault, fault.error_code};
}

TEST_P(NestedOracleTest, RandomTablesOfBothDimensions) {
  const auto [mode, vendor] = GetParam();
  std::mt19937_64 random(20261);
  int outcomes[3] = {};
  for (int i = 0; i < 1500; ++i) {
    Case c({.guest = mode,
            .vendor = vendor,
            .guest_psc = i % 2 != 0,
            .nested_psc = i % 3 != 0,
            .nested_tlb = static_cast<uint16_t>(i % 5 == 0 ? 0 : 8)});
    for (uint64_t page = 0; page < 4; ++page) {
      c.machine.Map(kVa + page * kPageSize, Gfn(0x2340 + page));
    }
    Spoil(c.machine, random);
    c.machine.Chill();
    CopyMemory(c.machine, c.model);
    c.model.levels = LevelCount(mode);
    c.model.amd = vendor == Vendor::kAmd;
    c.model.cr3 = AddressOf(c.machine.guest_root()).value();
    c.model.nested_root = c.machine.Controls(1).root.value();
    for (size_t p = 0; p < 4; ++p) {
      c.model.pdptes[p] = c.machine.mmu().pdpte_registers()[p];
    }
    for (int a = 0; a < 12; ++a) {
      const uint64_t r = random();
      const Access access{kVa + r % 4 * kPageSize + (r >> 8) % 512 * 8,
                          static_cast<AccessKind>((r >> 20) % 3),
                          (r >> 30) % 2 != 0};
      const Outcome expected = c.model.Access(
          access.va.value(), access.is_write(), access.is_fetch(), access.user);
      ASSERT_EQ(OutcomeOf(c.machine.mmu().Probe(access)).kind, expected.kind)
          << "case " << i << " access " << a;
      const Outcome got = OutcomeOf(c.machine.mmu().Translate(access));
      ASSERT_EQ(got.kind, expected.kind) << "case " << i << " access " << a;
      ASSERT_EQ(got.value, expected.value) << "case " << i << " access " << a;
      ++outcomes[static_cast<int>(got.kind)];
    }
    for (const auto& [addr, value] : c.model.memory) {
      ASSERT_EQ(c.machine.memory().Read64(MachineAddr(addr)), value)
          << std::hex << addr << " in case " << std::dec << i;
    }
  }
  for (const int count : outcomes) EXPECT_GT(count, 1000);
}

}  // namespace
}  // namespace xmmu::nested_oracle_test
