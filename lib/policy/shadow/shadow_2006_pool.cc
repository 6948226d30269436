// How the entries are found that lead to a frame or a shadow, and where room
// in the pool comes from.

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_format.h"
#include "policy/shadow/shadow_2006_paging.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

// 32-bit Linux maps the first 896 MiB of memory here, frame after frame.
constexpr uint64_t kLinux32Lowmem = 0xc0000000;
constexpr uint64_t kLowmemFrames = 0x38000;
// 64-bit Linux maps all of memory here: the first from 2.6.27 on, as the guests
// here have it; the second to 2.6.26, which is what Xen 3.0.3 guessed.
constexpr uint64_t kLinux64Direct[] = {0xffff880000000000, 0xffff810000000000};
// Windows maps its own tables here: L1 tables, 2-level and PAE; L2 tables, PAE;
// L1 to L3 tables, 64-bit.
constexpr uint64_t kWindows32 = 0xc0000000;
constexpr uint64_t kWindowsPaeL2 = 0xc0600000;
constexpr uint64_t kWindows64[] = {0x70000000000, 0x70380000000, 0x70381c00000};

// Whether `now` grants all rights that `old` granted.
bool GrantsAll(Pte old, Pte now) {
  const uint64_t gone = old.raw() & ~now.raw();
  return (gone & (pte::kWritable | pte::kUser)) == 0 &&
         (old.no_execute() || !now.no_execute());
}

}  // namespace

// Xen: shadow_set_l1e and shadow_set_l2e .. l4e. A change of an L1 entry owes
// no flush: the entry led where the guest's did, and the guest has to flush for
// the change of its own.
void Shadow2006Paging::EntryChanged(Cpu& cpu, const ShadowSlot& slot, Pte old,
                                    Pte now) {
  if (IsLink(slot, old)) {
    const bool same = IsLink(slot, now) && old.frame() == now.frame();
    if (!same) unlinked_.push_back(Child(old));
    if (!same || !GrantsAll(old, now)) Owe(domain().dirty_cpus());
  }
  if (pages()[slot.page].key.level > 1) return;
  CountMapping(cpu, slot, now, true);
  CountMapping(cpu, slot, old, false);
}

// Each entry is a general reference to the page that it leads to, and a
// writable one also a reference as writable (Xen: shadow_get_page_from_l1e).
void Shadow2006Paging::CountMapping(Cpu& cpu, const ShadowSlot&, Pte entry,
                                    bool added) {
  if (!entry.present() || IsMark(entry)) return;
  Charge(cpu, CostEvent::kLockedOp, entry.writable() ? 2 : 1);
  if (!entry.writable()) return;
  uint32_t& count = writable_.At(entry.frame().value());
  added ? ++count : --count;
  added ? ++all_writable_ : --all_writable_;
}

uint32_t Shadow2006Paging::WritableCount(Gfn gfn) const {
  return writable_.Get(domain().MfnOf(gfn).value());
}

// Xen: sh_remove_write_access.
std::vector<ShadowSlot> Shadow2006Paging::WritableMappingsOf(Cpu& cpu,
                                                             Gfn gfn) {
  std::vector<ShadowSlot> found;
  Charge(cpu, CostEvent::kXenPteRead);  // the type count
  uint32_t left = WritableCount(gfn);
  const Mfn mfn = domain().MfnOf(gfn);
  const VcpuContext* const vcpu = cpu.current;
  const bool here = vcpu != nullptr && vcpu->domain == &domain();
  for (const VirtAddr va : GuessesFor(gfn)) {
    if (left == 0 || !here) break;
    const std::optional<ShadowSlot> slot = SlotFor(*vcpu, va);
    if (!slot.has_value() || pages()[slot->page].key.level > 1) continue;
    Charge(cpu, CostEvent::kXenPteRead);
    const Pte entry = pages().Read(*slot);
    if (!entry.writable() || !Contains(*slot, entry, mfn)) continue;
    const auto known = [&](const ShadowSlot& other) {
      return other.page == slot->page && other.index == slot->index;
    };
    if (std::any_of(found.begin(), found.end(), known)) continue;
    found.push_back(*slot);
    --left;
    Step(cpu.clock, Actor::kXen, "guess").Hex("va", va.value());
    cpu.counters.Add(Counter::kShadowGuessed);
  }
  if (left != 0) {
    found.clear();
    SearchAll(cpu, gfn, WritableCount(gfn), found);
  }
  return found;
}

// The GUESS()es of Xen's sh_remove_write_access, in their order: where Windows
// would map the table that the fault in progress goes through, then where Linux
// would.
std::vector<VirtAddr> Shadow2006Paging::GuessesFor(Gfn gfn) const {
  std::vector<VirtAddr> guesses;
  if (!options_.guesses) return guesses;
  const GuestTable* const table = pages().FindTable(gfn);
  const int level =
      table == nullptr ? 0 : pages()[table->shadows.front()].key.level;
  const uint64_t va = fault_va_.value_or(VirtAddr(0)).value();
  const uint64_t frame = gfn.value() << kPageShift;
  const PagingMode mode = shape().guest();
  if (mode == PagingMode::k4Level) {
    constexpr uint64_t kVaMask = (uint64_t{1} << 48) - 1;
    if (fault_va_.has_value() && 1 <= level && level <= 3) {
      guesses.push_back(VirtAddr(kWindows64[level - 1] +
                                 ((va & kVaMask) >> (9 * level) & ~7ull)));
    }
    for (const uint64_t base : kLinux64Direct) {
      guesses.push_back(VirtAddr(base + frame));
    }
    return guesses;
  }
  const int shift = mode == PagingMode::kPae ? 9 : 10;
  if (fault_va_.has_value() && level == 1) {
    guesses.push_back(VirtAddr(kWindows32 + (va >> shift)));
  } else if (fault_va_.has_value() && level == 2 && mode == PagingMode::kPae) {
    guesses.push_back(VirtAddr(kWindowsPaeL2 + (va >> 18)));
  }
  if (gfn.value() < kLowmemFrames) {
    guesses.push_back(VirtAddr(kLinux32Lowmem + frame));
  }
  return guesses;
}

// How many entries a search of the shadows of `level` looks at that goes from
// one to the next and ends with the entry at `last`.
uint64_t Shadow2006Paging::LookedAt(int level, const ShadowSlot& last) const {
  return uint64_t{pages().InUseBelow(level, last.page)} *
             static_cast<uint64_t>(shape().entries()) +
         static_cast<uint64_t>(last.index) + 1;
}

// Xen searches one L1 shadow after the other until all are found. Here they are
// known, and so is where the search ends.
void Shadow2006Paging::SearchAll(Cpu& cpu, Gfn gfn, uint32_t left,
                                 std::vector<ShadowSlot>& found) {
  const Span span = XenSpan(cpu, "sh_remove_write_access: search");
  cpu.counters.Add(Counter::kShadowBruteForce);
  const Mfn mfn = domain().MfnOf(gfn);
  for (const ShadowSlot& slot : pages().EntriesTo(mfn)) {
    if (pages()[slot.page].key.level != 1) continue;
    const Pte entry = pages().Read(slot);
    if (!entry.writable() || !Contains(slot, entry, mfn)) continue;
    found.push_back(slot);
    --left;
  }
  XMMU_CHECK(left == 0 && !found.empty());
  Charge(cpu, CostEvent::kXenPteRead, LookedAt(1, found.back()));
}

// Xen searches all shadows of the level above until the last reference is
// found.
std::vector<ShadowSlot> Shadow2006Paging::FindLinks(ShadowId child,
                                                    uint64_t& looked_at) const {
  uint32_t left = pages()[child].refs;
  for (const Root& root : roots()) {
    left -= static_cast<uint32_t>(
        std::count(root.top.begin(), root.top.end(), child));
  }
  if (left == 0) return {};
  std::vector<ShadowSlot> found = LinksOf(child);
  XMMU_CHECK(found.size() == left);
  looked_at += LookedAt(pages()[child].key.level + 1, found.back());
  return found;
}

std::vector<ShadowSlot> Shadow2006Paging::LinksTo(Cpu& cpu, ShadowId child) {
  uint64_t looked_at = 0;
  std::vector<ShadowSlot> found = FindLinks(child, looked_at);
  Charge(cpu, CostEvent::kXenPteRead, looked_at);
  return found;
}

bool Shadow2006Paging::Reap(Cpu& cpu) {
  bool any = false;
  while (!unlinked_.empty()) {
    const ShadowId id = unlinked_.back();
    unlinked_.pop_back();
    if (!pages()[id].in_use || pages()[id].refs != 0 || IsTopShadow(id)) {
      continue;
    }
    Evict(cpu, id);
    any = true;
  }
  return any;
}

// Empties `root`, so that it maps nothing (Xen: shadow_unhook_mappings).
void Shadow2006Paging::Unhook(Cpu& cpu, ShadowId root) {
  const Span span = XenSpan(cpu, "shadow_unhook_mappings");
  Charge(cpu, CostEvent::kXenPteRead, static_cast<uint64_t>(shape().entries()));
  for (int i = 0; i < shape().entries(); ++i) {
    const ShadowSlot slot{root, i};
    if (pages().Read(slot).raw() != 0) Clear(cpu, slot);
  }
}

// Xen: shadow_prealloc. Roots that are not in use go, least recently used
// first; then those in use are emptied. Under an L3 of the hypervisor's own the
// emptied ones go as well (assumed, so that a pool of one path is enough).
bool Shadow2006Paging::MakeRoom(Cpu& cpu) {
  const Span span = XenSpan(cpu, &ShadowWords::make_room);
  const uint32_t before = pages().in_use();
  const auto made = [&] {
    Reap(cpu);
    cpu.counters.Add(Counter::kShadowsRecycled, before - pages().in_use());
    return pages().in_use() < before;
  };
  if (made()) return true;
  for (ShadowId id = pages().oldest(); id != kNoShadow;
       id = pages().NewerThan(id)) {
    if (!IsTopShadow(id) || pages()[id].refs != 0) continue;
    Evict(cpu, id);
    return made();
  }
  for (ShadowId id = pages().oldest(); id != kNoShadow;
       id = pages().NewerThan(id)) {
    if (!IsTopShadow(id)) continue;
    Unhook(cpu, id);
    if (made()) return true;
  }
  const ShadowId oldest = pages().oldest();
  if (!shape().own_l3() || oldest == kNoShadow) return false;
  Evict(cpu, oldest);
  return made();
}

void Shadow2006Paging::Reserve(VcpuContext& vcpu, const GuestWalk& walk,
                               VirtAddr va) {
  while (pages().count() - pages().in_use() < MissingOn(vcpu, walk, va)) {
    XMMU_CHECK(MakeRoom(*vcpu.cpu));
  }
}

uint32_t Shadow2006Paging::MissingOn(const VcpuContext& vcpu,
                                     const GuestWalk& walk, VirtAddr va) const {
  auto missing = static_cast<uint32_t>(shape().top_level());
  ShadowId page = TopOf(vcpu, va);
  for (const GuestWalkEntry& used : walk.entries) {
    if (page == kNoShadow) return missing;
    --missing;
    const ShadowSlot slot{page, shape().IndexIn(used.level, va)};
    const Pte entry = pages().Read(slot);
    page = IsLink(slot, entry) ? Child(entry) : kNoShadow;
  }
  return page == kNoShadow ? missing : missing - 1;
}

absl::Status Shadow2006Paging::AuditMore() const {
  absl::flat_hash_map<Mfn, uint32_t> counted;
  for (ShadowId id = 0; id < pages().made(); ++id) {
    const ShadowPage& page = pages()[id];
    if (!page.in_use) continue;
    const bool noted =
        std::find(unlinked_.begin(), unlinked_.end(), id) != unlinked_.end();
    if (page.refs == 0 && !IsTopShadow(id) && !noted) {
      return absl::InternalError("a shadow that nothing leads to is kept");
    }
    for (int i = 0; page.key.level == 1 && i < shape().entries(); ++i) {
      const Pte entry = pages().Read({id, i});
      if (entry.present() && !IsMark(entry) && entry.writable()) {
        ++counted[entry.frame()];
      }
    }
  }
  uint64_t all = 0;
  bool right = true;
  for (const auto& [mfn, count] : counted) {
    right = right && writable_.Get(mfn.value()) == count;
    all += count;
  }
  if (!right || all != all_writable_) {
    return absl::InternalError("writable mappings are not as counted");
  }
  return absl::OkStatus();
}

}  // namespace xmmu
