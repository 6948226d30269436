#include "xmmu/mmu/internal/tlb.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/base/optimization.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

constexpr int kShift1G = 30;

constexpr uint64_t kOnes = 0x0101010101010101;
// A set of so few ways is searched without the bytes.
constexpr size_t kFewWays = 4;

constexpr size_t kBytesAtOnce = sizeof(uint64_t);
// MarkEqualBytes() counts ways from the low end of a word.
static_assert(std::endian::native == std::endian::little);

// Returns a word with the top bit of each byte of `bytes` set that equals
// `byte`. Above the lowest such byte, bytes that differ in their last bit may
// be marked too, so the caller compares again.
uint64_t MarkEqualBytes(const uint8_t* bytes, uint8_t byte) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  const uint64_t differ = word ^ (byte * kOnes);
  return (differ - kOnes) & ~differ & (kOnes << 7);
}

}  // namespace

void TlbSlot::Assign(const TlbEntry& entry) {
  mask = MaskOf(entry);
  tag = Key(entry.va(), entry.pcid) & mask;
  delta = entry.base.value() - entry.va().value();
  pcid = entry.pcid;
  page_shift = entry.page_shift;
  rights = entry.rights;
  vpid = entry.vm.vpid;
  root = entry.vm.root;
  guest_shift = entry.guest_shift;
}

TlbEntry TlbSlot::ToEntry() const {
  TlbEntry entry;
  const uint64_t va = tag & ~kPageOffsetMask;
  entry.vpn = va >> page_shift;
  entry.base = MachineAddr(va + delta);
  entry.pcid = pcid;
  entry.page_shift = page_shift;
  entry.rights = rights;
  entry.global = global();
  entry.guest_shift = guest_shift;
  entry.vm = {vpid, root};
  return entry;
}

Tlb::Tlb(const TlbGeometry& geometry) : unified_l2_(geometry.unified_l2) {
  MakeLevel(geometry.instruction_l1, levels_[0]);
  MakeLevel(geometry.data_l1, levels_[1]);
  if (!unified_l2_) MakeLevel(geometry.instruction_l2, levels_[2]);
  MakeLevel(geometry.data_l2, levels_[3]);
  XMMU_CHECK(slots_.size() <= size_t{1} << 16);  // hints are 16 bits
  last_use_.resize(slots_.size());
  bytes_.resize(slots_.size() + kBytesAtOnce);  // searches read on
}

// Appends the arrays of a level to slots_. The first array that holds a page
// size is its home.
void Tlb::MakeLevel(const std::array<TlbArrayGeometry, 3>& geometry,
                    Level& level) {
  for (const TlbArrayGeometry& array : geometry) {
    if (array.entries == 0) continue;
    Home home;
    home.first = static_cast<uint32_t>(slots_.size());
    home.ways = array.ways == 0 ? array.entries : array.ways;
    XMMU_CHECK(array.entries % home.ways == 0);
    XMMU_CHECK(home.ways <= 1u << kWayBits);
    home.sets = array.entries / home.ways;
    home.power_of_two = std::has_single_bit(home.sets);
    home.byte_shift = static_cast<uint8_t>(std::bit_width(home.sets - 1));
    home.words = (array.entries + 63u) / 64;
    slots_.resize(slots_.size() + array.entries);
    for (size_t size = 0; size < kSizeClasses; ++size) {
      const bool holds = (array.page_sizes >> size & 1) != 0;
      if (!holds || level.homes[size].sets != 0) continue;
      level.homes[size] = home;
      for (uint32_t& bits : level.homes[size].bits) {
        bits = static_cast<uint32_t>(held_.size());
        held_.resize(held_.size() + home.words);
      }
    }
  }
}

size_t Tlb::SizeClass(int page_shift) {
  if (page_shift == kPageShift) return 0;
  return page_shift == kShift1G ? 2 : 1;
}

size_t Tlb::SetOf(const Home& home, uint64_t vpn) {
  // A division is slow on the host, and nearly all TLBs have 2^n sets.
  const uint64_t set =
      home.power_of_two ? vpn & (home.sets - 1) : vpn % home.sets;
  return home.first + set * home.ways;
}

template <typename Visit>
void Tlb::VisitMatches(const Home& home, uint64_t vpn, uint64_t key,
                       Visit visit) {
  const size_t set = SetOf(home, vpn);
  if (home.ways <= kFewWays) {
    for (size_t way = 0; way < home.ways; ++way) {
      TlbSlot& slot = slots_[set + way];
      if (slot.Matches(key) && visit(slot)) return;
    }
    return;
  }
  const uint8_t byte = ByteOf(home, vpn);
  for (size_t way = 0; way < home.ways; way += kBytesAtOnce) {
    uint64_t marks = MarkEqualBytes(&bytes_[set + way], byte);
    for (; marks != 0; marks &= marks - 1) {
      const size_t at = way + static_cast<size_t>(std::countr_zero(marks)) / 8;
      if (at >= home.ways) return;
      TlbSlot& slot = slots_[set + at];
      if (slot.Matches(key) && visit(slot)) return;
    }
  }
}

inline TlbSlot* Tlb::FindInLevel(Level& level, VirtAddr va, uint16_t pcid) {
  const uint64_t key = TlbSlot::Key(va, pcid);
  TlbSlot* found = nullptr;
  size_t found_set = 0;
  for (uint32_t sizes = level.held_sizes; sizes != 0; sizes &= sizes - 1) {
    const auto size = static_cast<size_t>(std::countr_zero(sizes));
    const Home& home = level.homes[size];
    const uint64_t vpn = va.value() >> shifts_[size];
    // Smaller pages are found first; in a set of two sizes its order decides.
    const size_t set = SetOf(home, vpn);
    if (found != nullptr && set != found_set) continue;
    VisitMatches(home, vpn, key, [&](TlbSlot& slot) {
      if (!slot.BelongsTo(vm_)) return false;
      if (found == nullptr || &slot < found) found = &slot;
      return true;
    });
    found_set = set;
  }
  if (found != nullptr) Touch(*found);
  return found;
}

TlbSlot* Tlb::FindL1(TlbSide side, VirtAddr va, uint16_t pcid) {
  TlbSlot* const found = FindInLevel(L1(side), va, pcid);
  if (found != nullptr) SetHint(side, va, *found);
  return found;
}

TlbSlot* Tlb::FindL2(TlbSide side, VirtAddr va, uint16_t pcid) {
  return FindInLevel(L2(side), va, pcid);
}

void Tlb::SetHint(TlbSide side, VirtAddr va, const TlbSlot& slot) {
  hints_[static_cast<size_t>(side)][HintIndex(va)] =
      static_cast<uint16_t>(IndexOf(slot));
}

// A free way was never used, so it is the oldest. With the way in the low bits
// of a stamp the smallest value names the way, and four searches at once do not
// wait for one another.
inline size_t Tlb::OldestOf(size_t set, uint32_t ways) const {
  if (ways == 1) return set;
  const uint64_t* const stamps = &last_use_[set];
  const auto stamp = [&](uint32_t way) {
    return stamps[way] << kWayBits | way;
  };
  std::array<uint64_t, 4> oldest;
  oldest.fill(~uint64_t{0});
  uint32_t way = 0;
  for (; way + 4 <= ways; way += 4) {
    for (uint32_t i = 0; i < 4; ++i) {
      oldest[i] = std::min(oldest[i], stamp(way + i));
    }
  }
  for (; way < ways; ++way) oldest[0] = std::min(oldest[0], stamp(way));
  const uint64_t first =
      std::min(std::min(oldest[0], oldest[1]), std::min(oldest[2], oldest[3]));
  return set + (first & ((1u << kWayBits) - 1));
}

void Tlb::Book(Level& level, size_t slot, size_t size_class, bool global) {
  Home& home = level.homes[size_class];
  const size_t bit = slot - home.first;
  held_[home.bits[global] + bit / 64] |= uint64_t{1} << bit % 64;
  ++home.live[global];
  level.held_sizes |= 1u << size_class;
}

void Tlb::Unbook(Level& level, size_t slot) {
  const bool global = slots_[slot].global();
  const size_t size_class = SizeClass(slots_[slot].page_shift);
  Home& home = level.homes[size_class];
  const size_t bit = slot - home.first;
  held_[home.bits[global] + bit / 64] &= ~(uint64_t{1} << bit % 64);
  --home.live[global];
  if (home.live[0] + home.live[1] == 0) level.held_sizes &= ~(1u << size_class);
}

inline TlbSlot* Tlb::TakeSlot(Level& level, int page_shift, VirtAddr va,
                              uint64_t mask) {
  const size_t size_class = SizeClass(page_shift);
  const Home& home = level.homes[size_class];
  if (home.sets == 0) return nullptr;
  const uint64_t vpn = va.value() >> page_shift;
  const size_t index = OldestOf(SetOf(home, vpn), home.ways);
  TlbSlot& slot = slots_[index];
  // The mask tells size and globality, so an entry of the same kind as the
  // evicted one needs no booking.
  if (ABSL_PREDICT_FALSE(slot.mask != mask)) {
    if (slot.valid()) Unbook(level, index);
    Book(level, index, size_class, (mask & 1) == 0);
  }
  bytes_[index] = ByteOf(home, vpn);
  last_use_[index] = ++use_;
  return &slot;
}

void Tlb::Refill(TlbSide side, VirtAddr va, const TlbSlot& entry) {
  TlbSlot* const slot = TakeSlot(L1(side), entry.page_shift, va, entry.mask);
  if (slot == nullptr) return;
  *slot = entry;
  SetHint(side, va, *slot);
}

TlbSlot Tlb::SlotFor(const TlbEntry& entry) {
  TlbSlot filled;
  filled.Assign(entry);
  filled.vpid = vm_.vpid;
  filled.root = vm_.root;
  fractured_ |= filled.guest_shift != 0;
  return filled;
}

void Tlb::FillExecuteOnly(VirtAddr va, const TlbEntry& entry) {
  Refill(TlbSide::kInstruction, va, SlotFor(entry));
}

void Tlb::Fill(TlbSide side, VirtAddr va, const TlbEntry& entry) {
  const TlbSlot filled = SlotFor(entry);
  Refill(side, va, filled);
  Level& l2 = L2(side);
  if (TlbSlot* slot = TakeSlot(l2, filled.page_shift, va, filled.mask)) {
    *slot = filled;
  }
}

void Tlb::Drop(Level& level, TlbSlot& slot) {
  const size_t index = IndexOf(slot);
  Unbook(level, index);
  slot.Clear();
  last_use_[index] = 0;
}

void Tlb::DropMatches(VirtAddr va, uint16_t pcid, bool globals) {
  const uint64_t key = TlbSlot::Key(va, pcid);
  for (Level& level : levels_) {
    for (uint32_t sizes = level.held_sizes; sizes != 0; sizes &= sizes - 1) {
      const auto size = static_cast<size_t>(std::countr_zero(sizes));
      VisitMatches(level.homes[size], va.value() >> shifts_[size], key,
                   [&](TlbSlot& slot) {
                     if (slot.vpid != vm_.vpid) return false;
                     if (globals || !slot.global()) Drop(level, slot);
                     return false;
                   });
    }
  }
}

// Pieces of a fractured page have addresses other than `va`, so all of them
// must be looked at; this is rare.
void Tlb::DropPage(VirtAddr va, uint16_t pcid, bool globals) {
  DropMatches(va, pcid, globals);
  if (ABSL_PREDICT_TRUE(!fractured_)) return;
  const auto piece = [=, this](const TlbSlot& slot) {
    return slot.guest_shift != 0 && slot.vpid == vm_.vpid && slot.IsOfPage(va);
  };
  DropIf(/*global=*/false,
         [&](const TlbSlot& slot) { return slot.pcid == pcid && piece(slot); });
  if (globals) DropIf(/*global=*/true, piece);
}

void Tlb::DropEntry(VirtAddr va, uint16_t pcid) {
  DropMatches(va, pcid, /*globals=*/true);
}

template <typename Predicate>
void Tlb::DropIf(bool global, Predicate predicate) {
  for (Level& level : levels_) {
    for (uint32_t sizes = level.held_sizes; sizes != 0; sizes &= sizes - 1) {
      const auto size = static_cast<size_t>(std::countr_zero(sizes));
      Home& home = level.homes[size];
      if (home.live[global] == 0) continue;
      for (uint32_t word = 0; word < home.words; ++word) {
        DropInWord(home, global, word, predicate);
      }
      if (home.live[0] + home.live[1] == 0) level.held_sizes &= ~(1u << size);
    }
  }
}

template <typename Predicate>
void Tlb::DropInWord(Home& home, bool global, uint32_t word,
                     Predicate predicate) {
  uint64_t& held = held_[home.bits[global] + word];
  uint64_t kept = held;
  for (uint64_t left = held; left != 0; left &= left - 1) {
    const size_t bit = static_cast<size_t>(std::countr_zero(left));
    const size_t index = home.first + word * 64 + bit;
    TlbSlot& slot = slots_[index];
    if (!predicate(slot)) continue;
    slot.Clear();
    last_use_[index] = 0;
    kept &= ~(left & -left);
    --home.live[global];
  }
  held = kept;
}

void Tlb::DropPcid(uint16_t pcid, bool globals) {
  const auto in_pcid = [pcid, vpid = vm_.vpid](const TlbSlot& slot) {
    return slot.pcid == pcid && slot.vpid == vpid;
  };
  DropIf(/*global=*/false, in_pcid);
  if (globals) DropIf(/*global=*/true, in_pcid);
}

void Tlb::DropNonGlobal() { DropVpid(vm_.vpid, /*globals=*/false); }

void Tlb::DropAll() { DropVpid(vm_.vpid, /*globals=*/true); }

void Tlb::DropVpid(uint16_t vpid, bool globals) {
  const auto in_vpid = [vpid](const TlbSlot& slot) {
    return slot.vpid == vpid;
  };
  DropIf(/*global=*/false, in_vpid);
  if (globals) DropIf(/*global=*/true, in_vpid);
}

// INVVPID by address and INVLPGA drop globals and all pieces as well.
void Tlb::DropVpidPage(uint16_t vpid, VirtAddr va) {
  DropIfAny([=](const TlbSlot& slot) {
    return slot.vpid == vpid && slot.IsOfPage(va);
  });
}

void Tlb::DropTagged() {
  DropIfAny([](const TlbSlot& slot) { return slot.vpid != 0; });
}

void Tlb::DropRoot(uint8_t root) {
  DropIfAny([root](const TlbSlot& slot) { return slot.root == root; });
}

void Tlb::DropAllVms() {
  DropIfAny([](const TlbSlot&) { return true; });
  fractured_ = false;
}

void Tlb::SetVm(VmTag vm) {
  if (vm == vm_) return;
  vm_ = vm;
  for (auto& side : hints_) side.fill(0);
}

void Tlb::SetLargeShift(int shift) {
  if (shifts_[1] == shift) return;
  DropAllVms();
  shifts_[1] = shift;
}

std::vector<TlbEntry> Tlb::Entries() const {
  std::vector<TlbEntry> entries;
  for (const TlbSlot& slot : slots_) {
    if (slot.valid()) entries.push_back(slot.ToEntry());
  }
  return entries;
}

size_t Tlb::size() const {
  size_t held = 0;
  for (const Level& level : levels_) {
    for (const Home& home : level.homes) held += home.live[0] + home.live[1];
  }
  return held;
}

}  // namespace xmmu
