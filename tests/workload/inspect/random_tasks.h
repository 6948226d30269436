#ifndef XMMU_TESTS_WORKLOAD_INSPECT_RANDOM_TASKS_H_
#define XMMU_TESTS_WORKLOAD_INSPECT_RANDOM_TASKS_H_

// Random process trees that touch only what they have mapped, in whatever order
// their tasks run: who shares its memory unmaps nothing.

#include <algorithm>
#include <random>
#include <vector>

#include "workload/inspect/ops_workload.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

class RandomTasks {
 public:
  explicit RandomTasks(uint64_t seed) : random_(seed) {
    Task(kFirst, {}, {.may_change = true, .depth = 0, .steps = 60});
  }

  const TaskOps& ops() const { return ops_; }

 private:
  static constexpr TaskId kFirst = 100;
  static constexpr TaskId kMostTasks = 14;
  struct Range {
    uint64_t va;
    uint64_t pages;
    uint8_t rights;
  };
  struct Habits {
    bool may_change;  // its memory is its own
    int depth;
    uint64_t steps;
  };

  uint64_t Below(uint64_t limit) { return random_() % limit; }

  void Task(TaskId id, std::vector<Range> known, Habits habits) {
    std::vector<GuestOp> ops;
    std::vector<TaskId> children;
    std::vector<uint32_t> open;
    for (uint64_t i = 0; i < habits.steps; ++i) {
      switch (Below(16)) {
        case 0:
          Map(known, ops);
          break;
        case 1:
          if (habits.may_change && !known.empty()) Change(known, ops);
          break;
        case 2:
          Start(known, habits, children, ops);
          break;
        case 3:
          if (Below(6) != 0) break;
          ops.push_back(Op(GuestOpKind::kExec));
          known.clear();
          habits.may_change = true;
          Map(known, ops);
          break;
        case 4:
          ops.push_back(OfTask(GuestOpKind::kWait,
                               children.empty() || Below(3) == 0
                                   ? 0
                                   : children[Below(children.size())]));
          break;
        case 5:
          ops.push_back(Op(GuestOpKind::kPost));
          break;
        case 6:
          if (children.empty()) break;
          ops.push_back(OfTask(GuestOpKind::kAwait,
                               children[Below(children.size())], Below(4)));
          break;
        case 7:
          ops.push_back(
              Op(Below(2) == 0 ? GuestOpKind::kYield : GuestOpKind::kSyscall));
          break;
        case 8:
          Open(open, ops);
          break;
        default:
          if (!known.empty()) Touch(known, ops);
      }
    }
    ops.push_back(Exit());
    ops_[id] = std::move(ops);
  }

  void Map(std::vector<Range>& known, std::vector<GuestOp>& ops) {
    const Range range{
        next_va_, 1 + Below(5),
        Below(3) == 0 ? uint8_t{kMapRead} : uint8_t{kMapRead | kMapWrite}};
    next_va_ += (range.pages + Below(2)) * kPageSize;
    GuestOp map = MapOf(range.va, range.pages * kPageSize,
                        static_cast<Backing>(Below(5)), range.rights);
    if (map.backing > Backing::kStack) {
      map.file = Below(3) == 0 && map.backing == Backing::kSharedAnonymous
                     ? 0
                     : 1 + static_cast<uint32_t>(Below(9));
      map.file_offset = map.file == 0 ? 0 : Below(4) * kPageSize;
    }
    ops.push_back(map);
    known.push_back(range);
  }

  void Change(std::vector<Range>& known, std::vector<GuestOp>& ops) {
    const size_t i = Below(known.size());
    Range& range = known[i];
    const uint64_t page = Below(range.pages);
    const uint64_t start = range.va + page * kPageSize;
    switch (Below(4)) {
      case 0: {  // what is left is its beginning
        ops.push_back(
            Op(GuestOpKind::kUnmap, start, (range.pages - page) * kPageSize));
        range.pages = page;
        break;
      }
      case 1: {
        GuestOp op =
            Op(GuestOpKind::kProtect, range.va, range.pages * kPageSize);
        op.rights = range.rights = kMapRead;
        ops.push_back(op);
        break;
      }
      case 2: {
        GuestOp op = Op(GuestOpKind::kRemap, range.va, range.pages * kPageSize);
        op.target = VirtAddr(next_va_);
        op.new_length = (range.pages + 1) * kPageSize;
        ops.push_back(op);
        range.va = next_va_;
        ++range.pages;
        next_va_ += (range.pages + 1) * kPageSize;
        break;
      }
      default: {
        GuestOp op =
            Op(GuestOpKind::kAdvise, range.va, range.pages * kPageSize);
        op.advice = static_cast<Advice>(Below(2) == 0 ? 0 : 9);
        ops.push_back(op);
      }
    }
    if (range.pages == 0) {
      known.erase(known.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  void Start(const std::vector<Range>& known, Habits& habits,
             std::vector<TaskId>& children, std::vector<GuestOp>& ops) {
    if (begun_ == kMostTasks || habits.depth == 4) return;
    const TaskId child = kFirst + ++begun_;
    const auto kind = static_cast<GuestOpKind>(
        static_cast<int>(GuestOpKind::kFork) + static_cast<int>(Below(2)));
    const bool thread = Below(3) == 0;
    ops.push_back(OfTask(thread ? GuestOpKind::kClone : kind, child));
    children.push_back(child);
    if (thread) habits.may_change = false;
    Task(child, known,
         {.may_change = !thread && kind == GuestOpKind::kFork,
          .depth = habits.depth + 1,
          .steps = Below(50)});
  }

  void Open(std::vector<uint32_t>& open, std::vector<GuestOp>& ops) {
    if (open.empty() || Below(2) == 0) {
      open.push_back(20 + static_cast<uint32_t>(Below(3)));
      ops.push_back({.kind = GuestOpKind::kOpenFile, .file = open.back()});
    } else {
      ops.push_back({.kind = GuestOpKind::kCloseFile, .file = open.back()});
      open.pop_back();
    }
  }

  void Touch(const std::vector<Range>& known, std::vector<GuestOp>& ops) {
    const Range& range = known[Below(known.size())];
    const uint64_t va = range.va + Below(range.pages * kPageSize - 8);
    const bool writes = (range.rights & kMapWrite) != 0 && Below(2) == 0;
    ops.push_back(writes ? Store(va) : Load(va));
  }

  std::mt19937_64 random_;
  TaskOps ops_;
  TaskId begun_ = 0;
  uint64_t next_va_ = 0x10000;
};

}  // namespace xmmu

#endif  // XMMU_TESTS_WORKLOAD_INSPECT_RANDOM_TASKS_H_
