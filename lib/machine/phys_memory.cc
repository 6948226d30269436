#include "xmmu/machine/phys_memory.h"

#include <algorithm>
#include <iterator>

#include "xmmu/base/check.h"

namespace xmmu {

const PhysMemory::TableRule* PhysMemory::RuleOf(Mfn mfn) const {
  auto after = std::upper_bound(
      rules_.begin(), rules_.end(), mfn,
      [](Mfn wanted, const TableRule& rule) { return wanted < rule.first; });
  if (after == rules_.begin()) return nullptr;
  const TableRule& rule = *--after;
  return mfn - rule.first < rule.count ? &rule : nullptr;
}

uint64_t PhysMemory::ReadUnwritten(MachineAddr addr) const {
  if (ABSL_PREDICT_TRUE(rules_.empty())) return 0;
  const TableRule* const rule = RuleOf(FrameOf(addr));
  return rule == nullptr ? 0 : rule->WordAt(FrameOf(addr), WordIndex(addr));
}

std::optional<PhysMemory::TableRule> PhysMemory::RuleFrom(
    Mfn mfn, uint64_t count) const {
  if (rules_.empty() || words_.Get(mfn.value()) != nullptr) return std::nullopt;
  const TableRule* const rule = RuleOf(mfn);
  if (rule == nullptr) return std::nullopt;
  const uint64_t most = std::min(count, rule->count - (mfn - rule->first));
  uint64_t same = 1;
  while (same < most && words_.Get((mfn + same).value()) == nullptr) ++same;
  return TableRule{mfn, same, rule->WordAt(mfn, 0), rule->step};
}

// Rules that go on where the last one ends are one rule. A rule may be replaced
// in part, at one of its ends or in its middle.
void PhysMemory::DescribeTables(Mfn first, uint64_t count, uint64_t entry,
                                uint64_t step) {
  if (count == 0) return;
  XMMU_CHECK((first.value() + count - 1) >> kFrameBits == 0);
  const Mfn end = first + count;
  auto place = std::upper_bound(
      rules_.begin(), rules_.end(), first,
      [](Mfn wanted, const TableRule& rule) { return wanted < rule.first; });
  if (place != rules_.begin()) {
    TableRule& last = *std::prev(place);
    const Mfn last_end = last.first + last.count;
    if (last_end > first) {
      XMMU_CHECK(last_end >= end);
      const TableRule above{end, last_end - end, last.WordAt(end, 0),
                            last.step};
      last.count = first - last.first;
      if (above.count > 0) place = rules_.insert(place, above);
      if (std::prev(place)->count == 0) place = rules_.erase(std::prev(place));
    } else if (last_end == first && last.step == step &&
               last.WordAt(first, 0) == entry) {
      last.count += count;
      return;
    }
  }
  rules_.insert(place, {first, count, entry, step});
}

PhysMemory::Words& PhysMemory::OwnWords(Mfn mfn) {
  XMMU_CHECK(mfn.value() >> kFrameBits == 0);
  Words*& words = words_.At(mfn.value());
  if (ABSL_PREDICT_TRUE(words != nullptr)) return *words;
  words = blocks_.Alloc();
  const TableRule* const rule = rules_.empty() ? nullptr : RuleOf(mfn);
  if (rule == nullptr) {
    words->fill(0);
  } else {
    for (size_t i = 0; i < words->size(); ++i) {
      (*words)[i] = rule->WordAt(mfn, i);
    }
  }
  return *words;
}

void PhysMemory::PutFirst(MachineAddr addr, uint64_t value) {
  XMMU_DCHECK(addr.value() % 8 == 0);
  const Mfn mfn = FrameOf(addr);
  if (value == 0 && !IsDescribed(mfn)) return;  // reads as zero already
  OwnWords(mfn)[WordIndex(addr)] = value;
}

void PhysMemory::WriteEntryByWalker(MachineAddr addr, int bytes,
                                    uint64_t value) {
  if (bytes == 8) {
    Put64(addr, value);
  } else {
    Put32(addr, static_cast<uint32_t>(value));
  }
}

// A frame that a rule described keeps words, which say that they are zero.
void PhysMemory::ZeroFrame(Mfn mfn) {
  // Zeroing stores to each line, which a flush filter that watches it must see.
  if (!stores_.empty()) {
    for (uint64_t at = 0; at < kPageSize; at += 64) {
      NoteStore(AddressOf(mfn) + at);
    }
  }
  if (ContentToken(mfn) != 0) TokenOf(mfn) = 0;
  if (ABSL_PREDICT_FALSE(IsDescribed(mfn))) {
    OwnWords(mfn).fill(0);
  } else if (words_.Get(mfn.value()) != nullptr) {
    Words*& words = words_.At(mfn.value());
    blocks_.Free(words);
    words = nullptr;
  }
}

void PhysMemory::CopyFrame(Mfn to, Mfn from) {
  if (to == from) return;
  ZeroFrame(to);
  const uint64_t token = ContentToken(from);
  if (token != 0) TokenOf(to) = token;
  if (!HasWords(from)) return;
  Words& target = OwnWords(to);
  for (size_t i = 0; i < target.size(); ++i) {
    target[i] = Read64(AddressOf(from) + 8 * i);
  }
}

bool PhysMemory::SameContent(Mfn a, Mfn b) const {
  if (ContentToken(a) != ContentToken(b)) return false;
  if (!HasWords(a) && !HasWords(b)) return true;
  const Words* const of_a = words_.Get(a.value());
  const Words* const of_b = words_.Get(b.value());
  if (of_a != nullptr && of_b != nullptr) return *of_a == *of_b;
  for (uint64_t offset = 0; offset < kPageSize; offset += 8) {
    if (Read64(AddressOf(a) + offset) != Read64(AddressOf(b) + offset)) {
      return false;
    }
  }
  return true;
}

}  // namespace xmmu
