#ifndef XMMU_TESTS_MMU_NAIVE_MMU_H_
#define XMMU_TESTS_MMU_NAIVE_MMU_H_

// A second model of paging for comparison: one function a paging mode, written
// sentence by sentence from the SDM ("32-Bit Paging", "PAE Paging", "4-Level
// Paging and 5-Level Paging", "Access Rights", "Page-Fault Exceptions"). It
// caches nothing, is not optimised, and shares no code, table or constant with
// the library.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace xmmu::naive {

using Bits = uint64_t;

inline bool Bit(Bits value, int n) { return (value >> n & 1) != 0; }
// Returns bits high:low of the value, where they are.
constexpr Bits Field(Bits value, int high, int low) {
  if (high < low) return 0;
  return value << (63 - high) >> (63 - high) >> low << low;
}
static_assert(Field(0xabcd, 11, 4) == 0xbc0);
static_assert(Field(~Bits{0}, 63, 0) == ~Bits{0});

// The few cells of memory that are not zero, by address.
class Memory {
 public:
  Bits& operator[](Bits address) {
    for (auto& cell : *this) {
      if (cell.first == address) return cell.second;
    }
    cells_.at(used_) = {address, 0};
    return cells_[used_++].second;
  }
  std::pair<Bits, Bits>* begin() { return cells_.data(); }
  std::pair<Bits, Bits>* end() { return cells_.data() + used_; }
  const std::pair<Bits, Bits>* begin() const { return cells_.data(); }
  const std::pair<Bits, Bits>* end() const { return cells_.data() + used_; }

 private:
  std::array<std::pair<Bits, Bits>, 24> cells_;
  size_t used_ = 0;
};

struct State {
  int levels = 4;  // 2, 3 (PAE), 4 or 5
  int maxphyaddr = 40;
  bool page1gb = true;
  bool amd = false;
  bool wp = true, pse = true, smep = false, smap = false, pke = false;
  bool pks = false, nxe = true, ac = false;
  uint32_t pkru = 0, pkrs = 0;
  Bits cr3 = 0;
  Memory memory;  // entries by address
};

enum class Kind { kRead, kWrite, kFetch, kDescriptor };

struct Outcome {
  std::optional<Bits> address;  // nullopt: page fault
  uint32_t error = 0;
};

class Walk {
 public:
  Walk(State& state, Bits va, Kind kind, bool cpl3)
      : s_(state),
        va_(va),
        kind_(kind),
        user_(cpl3 && kind != Kind::kDescriptor) {}

  Outcome Run() {
    if (s_.levels == 2) return Walk32();
    if (s_.levels == 3) return WalkPae();
    return Walk64();
  }

 private:
  struct Used {
    Bits address;
    Bits value;
  };

  // Every entry so far, root first, but for PAE's PDPTE, which has no rights.
  std::array<Used, 5> path_;
  size_t steps_ = 0;
  State& s_;
  Bits va_;
  Kind kind_;
  bool user_;

  Bits Read(Bits address) {
    path_.at(steps_) = {address, s_.memory[address]};
    return path_[steps_++].value;
  }
  const Used& Last() const { return path_.at(steps_ - 1); }
  // Sets A in the last entry, as the path goes on below it.
  void MarkAccessed() { s_.memory[Last().address] |= 0x20; }

  uint32_t CommonError() const {
    uint32_t error = 0;
    if (kind_ == Kind::kWrite) error += 2;
    if (user_) error += 4;
    const bool nx_paging = s_.levels > 2 && s_.nxe;
    if (kind_ == Kind::kFetch && (s_.smep || nx_paging)) error += 16;
    return error;
  }
  Outcome NotPresent() const { return {std::nullopt, CommonError()}; }
  Outcome Reserved() const { return {std::nullopt, CommonError() + 1 + 8}; }

  Outcome Walk32() {
    const Bits pde =
        Read(Field(s_.cr3, 31, 12) + Field(va_, 31, 22) / 0x100000);
    if (!Bit(pde, 0)) return NotPresent();
    if (s_.pse && Bit(pde, 7)) {
      const int m = s_.maxphyaddr < 40 ? s_.maxphyaddr : 40;
      if (Field(pde, 21, m - 19) != 0) return Reserved();
      const Bits high = Field(pde, 20, 13) << 19;
      return Leaf(Field(pde, 31, 22) + high + Field(va_, 21, 0));
    }
    MarkAccessed();
    const Bits pte = Read(Field(pde, 31, 12) + Field(va_, 21, 12) / 0x400);
    if (!Bit(pte, 0)) return NotPresent();
    return Leaf(Field(pte, 31, 12) + Field(va_, 11, 0));
  }

  bool BadPaeBits(Bits entry) const {
    if (Field(entry, 62, s_.maxphyaddr) != 0) return true;
    return Bit(entry, 63) && !s_.nxe;
  }

  Outcome WalkPae() {
    const Bits pdpte =
        s_.memory[Field(s_.cr3, 31, 5) + Field(va_, 31, 30) / 0x8000000];
    if (!Bit(pdpte, 0)) return NotPresent();
    const Bits pde = Read(Field(pdpte, 51, 12) + Field(va_, 29, 21) / 0x40000);
    if (!Bit(pde, 0)) return NotPresent();
    if (BadPaeBits(pde)) return Reserved();
    if (Bit(pde, 7)) {
      if (Field(pde, 20, 13) != 0) return Reserved();
      return Leaf(Field(pde, 51, 21) + Field(va_, 20, 0));
    }
    MarkAccessed();
    const Bits pte = Read(Field(pde, 51, 12) + Field(va_, 20, 12) / 0x200);
    if (!Bit(pte, 0)) return NotPresent();
    if (BadPaeBits(pte)) return Reserved();
    return Leaf(Field(pte, 51, 12) + Field(va_, 11, 0));
  }

  bool BadLongBits(Bits entry) const {
    if (Field(entry, 51, s_.maxphyaddr) != 0) return true;
    return Bit(entry, 63) && !s_.nxe;
  }

  Outcome Walk64() {
    Bits table = Field(s_.cr3, 51, 12);
    for (int top = s_.levels == 5 ? 5 : 4; top >= 4; --top) {
      const int low = top == 5 ? 48 : 39;
      const Bits entry = Read(table + (va_ >> low) % 512 * 8);
      if (!Bit(entry, 0)) return NotPresent();
      if (BadLongBits(entry) || Bit(entry, 7)) return Reserved();
      if (s_.amd && Bit(entry, 8)) return Reserved();
      MarkAccessed();
      table = Field(entry, 51, 12);
    }
    const Bits pdpte = Read(table + (va_ >> 30) % 512 * 8);
    if (!Bit(pdpte, 0)) return NotPresent();
    if (BadLongBits(pdpte)) return Reserved();
    if (Bit(pdpte, 7)) {
      if (!s_.page1gb || Field(pdpte, 29, 13) != 0) return Reserved();
      return Leaf(Field(pdpte, 51, 30) + Field(va_, 29, 0));
    }
    MarkAccessed();
    const Bits pde = Read(Field(pdpte, 51, 12) + (va_ >> 21) % 512 * 8);
    if (!Bit(pde, 0)) return NotPresent();
    if (BadLongBits(pde)) return Reserved();
    if (Bit(pde, 7)) {
      if (Field(pde, 20, 13) != 0) return Reserved();
      return Leaf(Field(pde, 51, 21) + Field(va_, 20, 0));
    }
    MarkAccessed();
    const Bits pte = Read(Field(pde, 51, 12) + (va_ >> 12) % 512 * 8);
    if (!Bit(pte, 0)) return NotPresent();
    if (BadLongBits(pte)) return Reserved();
    return Leaf(Field(pte, 51, 12) + Field(va_, 11, 0));
  }

  bool RightsAllow(bool writable, bool user_page, bool xd) const {
    const bool fetch = kind_ == Kind::kFetch;
    const bool write = kind_ == Kind::kWrite;
    if (user_ && !user_page) return false;
    if (fetch && xd) return false;
    if (user_) return !write || writable;
    if (fetch) return !(user_page && s_.smep);
    if (user_page && s_.smap) {
      if (kind_ == Kind::kDescriptor) return false;
      if (!s_.ac) return false;
    }
    return !write || writable || !s_.wp;
  }

  bool KeyAllows(bool user_page, Bits leaf) const {
    if (s_.levels < 4 || kind_ == Kind::kFetch) return true;
    const int key = static_cast<int>(leaf >> 59 & 15);
    const bool write = kind_ == Kind::kWrite;
    if (user_page && s_.pke) {
      if (Bit(s_.pkru, 2 * key)) return false;
      if (write && Bit(s_.pkru, 2 * key + 1)) return !user_ && !s_.wp;
    }
    if (!user_page && s_.pks && !user_) {
      if (Bit(s_.pkrs, 2 * key)) return false;
      if (write && Bit(s_.pkrs, 2 * key + 1)) return !s_.wp;
    }
    return true;
  }

  Outcome Leaf(Bits address) {
    bool writable = true;
    bool user_page = true;
    bool xd = false;
    for (size_t i = 0; i < steps_; ++i) {
      const Used& used = path_[i];
      writable = writable && Bit(used.value, 1);
      user_page = user_page && Bit(used.value, 2);
      xd = xd || (s_.levels > 2 && s_.nxe && Bit(used.value, 63));
    }
    const bool rights = RightsAllow(writable, user_page, xd);
    const bool key = KeyAllows(user_page, Last().value);
    if (!rights || !key) {
      return {std::nullopt, CommonError() + 1 + (key ? 0 : 32)};
    }
    Bits& leaf = s_.memory[Last().address];
    leaf |= 0x20;
    if (kind_ == Kind::kWrite) leaf |= 0x40;
    return {address, 0};
  }
};

}  // namespace xmmu::naive

#endif  // XMMU_TESTS_MMU_NAIVE_MMU_H_
