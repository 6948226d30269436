#include "workload/inspect/mappings.h"

#include <algorithm>
#include <iterator>
#include <limits>

namespace xmmu {
namespace {

constexpr uint64_t kLastPage = ~(kPageSize - 1);

uint64_t FloorToPage(uint64_t va) { return va & ~(kPageSize - 1); }
// The last address of all is the end of no page that could be mapped.
uint64_t CeilToPage(uint64_t va) {
  return va > kLastPage ? kLastPage : FloorToPage(va + kPageSize - 1);
}
uint64_t EndOfPages(uint64_t va, uint64_t length) {
  return length > std::numeric_limits<uint64_t>::max() - va
             ? kLastPage
             : CeilToPage(va + length);
}

bool HasFile(const Mapping& mapping) {
  return mapping.backing != Backing::kAnonymous &&
         mapping.backing != Backing::kStack;
}

// Whether `next` begins where `mapping` ends and continues it (vma_merge,
// Linux, mm/mmap.c).
bool Continues(uint64_t start, const Mapping& mapping, uint64_t next_start,
               const Mapping& next) {
  return mapping.end == next_start && mapping.rights == next.rights &&
         mapping.backing == next.backing && mapping.flags == next.flags &&
         mapping.page_shift == next.page_shift && mapping.file == next.file &&
         mapping.object == next.object && mapping.huge == next.huge &&
         mapping.lock == next.lock && mapping.dont_fork == next.dont_fork &&
         mapping.wipe_on_fork == next.wipe_on_fork &&
         (!HasFile(mapping) ||
          mapping.offset + (mapping.end - start) == next.offset);
}

void TakeAdvice(Advice advice, Mapping& mapping) {
  switch (advice) {
    case Advice::kHugePage:
      mapping.huge = HugePages::kWanted;
      break;
    case Advice::kNoHugePage:
      mapping.huge = HugePages::kNotWanted;
      break;
    case Advice::kDontFork:
      mapping.dont_fork = true;
      break;
    case Advice::kDoFork:
      mapping.dont_fork = false;
      break;
    case Advice::kWipeOnFork:
      mapping.wipe_on_fork = true;
      break;
    case Advice::kKeepOnFork:
      mapping.wipe_on_fork = false;
      break;
    case Advice::kLock:
      mapping.lock = PageLock::kLocked;
      break;
    case Advice::kLockOnFault:
      mapping.lock = PageLock::kOnFault;
      break;
    case Advice::kUnlock:
      mapping.lock = PageLock::kNone;
      break;
    case Advice::kPopulateRead:
    case Advice::kPopulateWrite:
    case Advice::kFree:
      break;  // pages come and go, the mapping stays
  }
}

Mapping MappingOf(const GuestOp& op, uint64_t object) {
  Mapping mapping;
  mapping.end = EndOfPages(op.va.value(), op.length);
  mapping.rights = op.rights;
  mapping.backing = op.backing;
  mapping.flags = op.flags & (kMapZeroFilled | kMapOnePageFaults);
  mapping.page_shift = op.page_shift;
  mapping.file = op.file;
  mapping.offset = op.file_offset;
  if (op.backing == Backing::kSharedAnonymous && op.file == 0) {
    mapping.object = object;
  }
  if ((op.flags & kMapLocked) != 0) mapping.lock = PageLock::kLocked;
  if ((op.flags & kMapLockOnFault) != 0) mapping.lock = PageLock::kOnFault;
  return mapping;
}

}  // namespace

void Mappings::Apply(const GuestOp& op, uint64_t object) {
  const uint64_t start = FloorToPage(op.va.value());
  const uint64_t end = EndOfPages(op.va.value(), op.length);
  switch (op.kind) {
    case GuestOpKind::kMap:
      if (start >= end) break;
      Remove(start, end);
      Insert(start, MappingOf(op, object));
      break;
    case GuestOpKind::kUnmap:
      Remove(start, end);
      break;
    case GuestOpKind::kProtect:
      Change(start, end, [&](Mapping& mapping) { mapping.rights = op.rights; });
      break;
    case GuestOpKind::kRemap:
      Remap(op);
      break;
    case GuestOpKind::kAdvise:
      Advise(op);
      break;
    default:
      break;
  }
}

void Mappings::MapArguments(const GuestOp& exec) {
  if (exec.length == 0) return;
  GuestOp map = exec;
  map.kind = GuestOpKind::kMap;
  map.backing = Backing::kStack;
  map.rights = kMapRead | kMapWrite;
  map.flags = 0;
  Apply(map, 0);
}

// A child has no locks.
void Mappings::Fork() {
  Map old;
  old.swap(map_);
  bytes_ = {};
  for (auto& [start, mapping] : old) {
    if (mapping.dont_fork) continue;
    mapping.lock = PageLock::kNone;
    Insert(start, mapping);
  }
}

// With length 0 the file or object at `va` is mapped once more.
void Mappings::Remap(const GuestOp& op) {
  const uint64_t from = FloorToPage(op.va.value());
  const uint64_t to = FloorToPage(op.target.value());
  const uint64_t to_end = EndOfPages(op.target.value(), op.new_length);
  const auto found = Find(from);
  if (found == map_.end() || to >= to_end) return;
  Mapping mapping = found->second;
  mapping.offset += from - found->first;
  mapping.end = to_end;
  const uint64_t from_end = EndOfPages(op.va.value(), op.length);
  if (op.length != 0) Remove(from, from_end);
  Remove(to, to_end);
  Insert(to, mapping);
}

void Mappings::Advise(const GuestOp& op) {
  const bool all = op.length == 0 && (op.advice == Advice::kLock ||
                                      op.advice == Advice::kLockOnFault ||
                                      op.advice == Advice::kUnlock);
  Change(all ? 0 : FloorToPage(op.va.value()),
         all ? kLastPage : EndOfPages(op.va.value(), op.length),
         [&](Mapping& mapping) { TakeAdvice(op.advice, mapping); });
}

Mappings::Map::const_iterator Mappings::Find(uint64_t va) const {
  auto it = map_.upper_bound(va);
  if (it == map_.begin()) return map_.end();
  --it;
  return va < it->second.end ? it : map_.end();
}

bool Mappings::Allows(uint64_t va, uint64_t length, uint8_t rights) const {
  const uint64_t last = va + (length == 0 ? 0 : length - 1);
  for (auto it = Find(va); it != map_.end(); ++it) {
    if (it->first > va || (it->second.rights & rights) != rights) return false;
    if (last < it->second.end) return true;
    va = it->second.end;
  }
  return false;
}

bool Mappings::Meets(uint64_t va, uint64_t length) const {
  if (Find(va) != map_.end()) return true;
  const auto next = map_.lower_bound(va);
  return next != map_.end() && next->first - va < length;
}

void Mappings::Split(uint64_t va) {
  const auto it = map_.upper_bound(va);
  if (it == map_.begin()) return;
  Mapping& left = std::prev(it)->second;
  const uint64_t start = std::prev(it)->first;
  if (start == va || va >= left.end) return;
  Mapping right = left;
  left.end = va;
  right.offset += va - start;
  map_.emplace(va, right);
}

void Mappings::Remove(uint64_t start, uint64_t end) {
  if (start >= end) return;
  Split(start);
  Split(end);
  const auto first = map_.lower_bound(start);
  auto last = first;
  for (; last != map_.end() && last->first < end; ++last) {
    bytes_[static_cast<size_t>(last->second.backing)] -=
        last->second.end - last->first;
  }
  map_.erase(first, last);
}

void Mappings::Insert(uint64_t start, const Mapping& mapping) {
  bytes_[static_cast<size_t>(mapping.backing)] += mapping.end - start;
  map_.emplace(start, mapping);
  Join(start, mapping.end);
}

void Mappings::Change(uint64_t start, uint64_t end,
                      absl::FunctionRef<void(Mapping&)> change) {
  if (start >= end) return;
  Split(start);
  Split(end);
  for (auto it = map_.lower_bound(start); it != map_.end() && it->first < end;
       ++it) {
    change(it->second);
  }
  Join(start, end);
}

// Joins mappings that meet within [start, end], so that the map does not grow
// with the number of calls.
void Mappings::Join(uint64_t start, uint64_t end) {
  auto it = map_.lower_bound(start);
  if (it != map_.begin()) --it;
  while (it != map_.end() && it->first <= end) {
    const auto next = std::next(it);
    if (next == map_.end()) return;
    if (!Continues(it->first, it->second, next->first, next->second)) {
      it = next;
      continue;
    }
    const uint64_t joined = it->first;
    it->second.end = next->second.end;
    map_.erase(next);
    it = map_.find(joined);
  }
}

}  // namespace xmmu
