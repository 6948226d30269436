#include "testing/conformance/guest_script.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace xmmu::conformance {
namespace {

// The windows' first addresses; `before` bytes of each lie in front of an end
// of what an L1 maps; of an L2 as well; in the 64-bit modes of an L3.
std::array<VirtAddr, GuestScript::kWindows> WindowsAt(PagingMode mode,
                                                      uint64_t before) {
  const bool wide = LevelCount(mode) >= 4;
  return {VirtAddr(0x10000000 - before), VirtAddr(0x80000000 - before),
          VirtAddr((wide ? 0x8000000000 : 0xb0000000) - before)};
}

}  // namespace

std::array<VirtAddr, GuestScript::kWindows> GuestScript::WindowsOf(
    PagingMode mode) {
  return WindowsAt(mode, kPages / 2 * kPageSize);
}

GuestScript::GuestScript(PagingMode mode, Choice choice, TaskId first,
                         size_t most, ScriptMemory memory)
    : memory_(memory),
      large_(uint64_t{1} << LevelShift(mode, 2)),
      window_pages_(memory == ScriptMemory::kPages
                        ? kPages
                        : kLargePages * (large_ >> kPageShift)),
      windows_(memory == ScriptMemory::kPages ? WindowsOf(mode)
                                              : WindowsAt(mode, large_)),
      most_(most),
      choice_(std::move(choice)),
      live_({first}),
      last_(first) {
  planned_.push_back({first, Map(AnyRange())});
}

// All rights half of the time: programs mostly do what they may.
uint8_t GuestScript::Rights() {
  const auto rights = static_cast<uint8_t>(Pick(16));
  return rights < 8 ? rights : kMapRead | kMapWrite | kMapExecute;
}

uint64_t GuestScript::PageOf(uint64_t pages) {
  if (memory_ == ScriptMemory::kPages) return Pick(pages);
  constexpr uint64_t kNear = 4;  // pages
  const uint64_t near = Pick(std::min(pages, kNear));
  switch (Pick(4)) {
    case 0:
      return near;
    case 1:
      return pages - 1 - near;
    default:
      return pages * Pick(256) / 256;
  }
}

VirtAddr GuestScript::Page() {
  if (Pick(4) != 0) {
    return recent_.va + PageOf(recent_.length >> kPageShift) * kPageSize;
  }
  const VirtAddr window = windows_[Pick(kWindows)];
  return window + PageOf(window_pages_) * kPageSize;
}

GuestScript::Range GuestScript::AnyRange() {
  if (memory_ == ScriptMemory::kLargePages) return AnyLargeRange();
  const VirtAddr window = windows_[Pick(kWindows)];
  const uint64_t first = Pick(kPages);
  const uint64_t pages = 1 + Pick(kPages - first);
  return {window + first * kPageSize, pages * kPageSize};
}

// Whole large pages half of the time; else one end or both are within one.
GuestScript::Range GuestScript::AnyLargeRange() {
  const VirtAddr window = windows_[Pick(kWindows)];
  const uint64_t first = Pick(kLargePages);
  const uint64_t last = first + Pick(kLargePages - first);
  uint64_t begin = first * large_;
  uint64_t end = (last + 1) * large_;
  switch (Pick(8)) {
    case 0:  // a few pages
      begin += PageOf(large_ >> kPageShift) * kPageSize;
      end = std::min(end, begin + (1 + Pick(16)) * kPageSize);
      break;
    case 1:
      begin += PageOf(large_ >> kPageShift) * kPageSize;
      break;
    case 2:
      end -= PageOf(large_ >> kPageShift) * kPageSize;
      break;
    case 3:
      begin += PageOf((large_ >> kPageShift) / 2) * kPageSize;
      end -= PageOf((large_ >> kPageShift) / 2) * kPageSize;
      break;
    default:
      break;
  }
  return {window + begin, end - begin};
}

GuestOp GuestScript::Map(const Range& range) {
  recent_ = range;
  constexpr std::array kBackings = {Backing::kAnonymous, Backing::kStack,
                                    Backing::kFilePrivate, Backing::kFileShared,
                                    Backing::kSharedAnonymous};
  Backing backing = kBackings[Pick(kBackings.size())];
  // Other memory has no large pages.
  if (memory_ == ScriptMemory::kLargePages && Pick(4) != 0) {
    backing = Backing::kAnonymous;
  }
  const bool object = backing == Backing::kSharedAnonymous;
  return {.kind = GuestOpKind::kMap,
          .rights = Rights(),
          .backing = backing,
          .va = range.va,
          .length = range.length,
          .file = object ? 9u : 7u,
          .file_offset = Pick(4) * kPageSize};
}

GuestOp GuestScript::Touch(VirtAddr page) {
  constexpr std::array kKinds = {GuestOpKind::kLoad,   GuestOpKind::kStore,
                                 GuestOpKind::kStore,  GuestOpKind::kFetch,
                                 GuestOpKind::kModify, GuestOpKind::kLoad};
  const GuestOpKind kind = kKinds[Pick(kKinds.size())];
  // One in eight reaches into the next page.
  const uint64_t offset = Pick(8) == 0 ? kPageSize - 4 : 0;
  return {.kind = kind, .va = page + offset, .length = 8};
}

// A process that no other one holds up; there is always one, as those form
// chains from parent to child.
TaskId GuestScript::Runnable() {
  std::set<TaskId> free = live_;
  for (const auto& [child, parent] : vforked_) free.erase(parent);
  for (const auto& [child, parent] : awaited_) free.erase(parent);
  auto it = free.begin();
  std::advance(it, Pick(free.size()));
  return *it;
}

ScriptStep GuestScript::Next() {
  if (!planned_.empty()) {
    const ScriptStep step = planned_.front();
    planned_.pop_front();
    return step;
  }
  const TaskId task = Runnable();
  if (memory_ == ScriptMemory::kLargePages && Pick(8) == 0) {
    return Pick(4) == 0 ? ScriptStep{task, Advise()} : BeginLarge(task);
  }
  switch (Pick(32)) {
    case 0:
    case 1:
      return {task, Map(AnyRange())};
    case 2:
    case 3:
    case 4: {
      constexpr std::array kKinds = {GuestOpKind::kUnmap, GuestOpKind::kProtect,
                                     GuestOpKind::kDiscard};
      const GuestOpKind kind = kKinds[Pick(kKinds.size())];
      const uint8_t rights = kind == GuestOpKind::kProtect ? Rights() : 0;
      const Range range = AnyRange();
      return {task,
              {.kind = kind,
               .rights = rights,
               .va = range.va,
               .length = range.length}};
    }
    case 5:
      return BeginMove(task);
    case 6:
    case 7:
    case 8:
      return Process(task);
    default:
      return {task, Touch(Page())};
  }
}

GuestOp GuestScript::Advise() {
  const Range range = AnyRange();
  return {.kind = GuestOpKind::kAdvise,
          .advice = Pick(2) == 0 ? Advice::kNoHugePage : Advice::kHugePage,
          .va = range.va,
          .length = range.length};
}

// Maps some and writes to one of them at once.
ScriptStep GuestScript::BeginLarge(TaskId task) {
  GuestOp map = Map(AnyRange());
  map.backing = Backing::kAnonymous;
  map.rights = kMapRead | kMapWrite | kMapExecute;
  planned_.push_back({task,
                      {.kind = GuestOpKind::kStore,
                       .va = recent_.va + kPageSize / 2 +
                             PageOf(recent_.length >> kPageShift) * kPageSize,
                       .length = 8}});
  return {task, map};
}

ScriptStep GuestScript::BeginMove(TaskId task) {
  if (memory_ == ScriptMemory::kLargePages) {
    const Range from = AnyRange();
    Range to = AnyRange();
    if (Pick(2) == 0) to.length = std::min(to.length, from.length);
    const bool apart =
        from.va + from.length <= to.va || to.va + to.length <= from.va;
    return apart ? Move(task, from, to) : ScriptStep{task, Touch(Page())};
  }
  const uint64_t from = Pick(kWindows);
  const uint64_t to = (from + 1 + Pick(kWindows - 1)) % kWindows;
  const uint64_t first = Pick(kPages);
  const uint64_t pages = 1 + Pick(kPages - first);
  const uint64_t target = Pick(kPages);
  const uint64_t new_pages = 1 + Pick(kPages - target);
  return Move(task, {windows_[from] + first * kPageSize, pages * kPageSize},
              {windows_[to] + target * kPageSize, new_pages * kPageSize});
}

ScriptStep GuestScript::Move(TaskId task, const Range& from, const Range& to) {
  for (uint64_t touches = 1 + Pick(4); touches > 0; --touches) {
    const uint64_t page = PageOf(from.length >> kPageShift);
    GuestOp touch = Touch(from.va + page * kPageSize);
    planned_.push_back({task, touch});
  }
  planned_.push_back({task,
                      {.kind = GuestOpKind::kRemap,
                       .va = from.va,
                       .length = from.length,
                       .target = to.va,
                       .new_length = to.length}});
  const GuestOp map = Map(from);
  recent_ = to;
  return {task, map};
}

ScriptStep GuestScript::Process(TaskId task) {
  switch (Pick(8)) {
    case 0:
    case 1:
    case 2:
      return Fork(task, /*vfork=*/false);
    case 3:
      return Fork(task, /*vfork=*/true);
    case 4:
      return Exec(task);
    case 5:
      return Wait(task);
    default:
      return Exit(task);
  }
}

ScriptStep GuestScript::Fork(TaskId task, bool vfork) {
  if (live_.size() >= most_) return Wait(task);
  live_.insert(++last_);
  parents_[last_] = task;
  if (vfork) vforked_[last_] = task;
  const GuestOpKind kind = vfork ? GuestOpKind::kVfork : GuestOpKind::kFork;
  return {task, {.kind = kind, .child = last_}};
}

ScriptStep GuestScript::Exec(TaskId task) {
  EndVforkOf(task);
  GuestOp op{.kind = GuestOpKind::kExec};
  if (Pick(2) == 0) {  // with arguments
    op.length = (1 + Pick(3)) * kPageSize;
    op.va = windows_[2] + Pick(kPages - 3) * kPageSize;
  }
  return {task, op};
}

ScriptStep GuestScript::Exit(TaskId task) {
  if (live_.size() == 1) return Wait(task);
  EndVforkOf(task);
  awaited_.erase(task);
  live_.erase(task);
  return {task, {.kind = GuestOpKind::kExit}};
}

ScriptStep GuestScript::Wait(TaskId task) {
  for (const TaskId child : live_) {
    const auto parent = parents_.find(child);
    if (parent == parents_.end() || parent->second != task) continue;
    awaited_[child] = task;
    return {task, {.kind = GuestOpKind::kWait, .child = child}};
  }
  return {task,
          {.kind = Pick(2) == 0 ? GuestOpKind::kYield : GuestOpKind::kSyscall}};
}

void GuestScript::EndVforkOf(TaskId child) { vforked_.erase(child); }

}  // namespace xmmu::conformance
