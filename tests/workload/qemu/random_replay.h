#ifndef XMMU_TESTS_WORKLOAD_QEMU_RANDOM_REPLAY_H_
#define XMMU_TESTS_WORKLOAD_QEMU_RANDOM_REPLAY_H_

// A replay of streams that knows the rights of each page.

#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "workload/qemu/spool_support.h"

namespace xmmu::spool_support {

// Replays streams in a random order that kAwait allows, and says what is wrong.
class RandomReplay {
 public:
  RandomReplay(const KeptOps& streams, uint64_t seed)
      : streams_(streams), random_(seed) {
    alive_.insert(7);
  }

  std::string Run() {
    while (!alive_.empty()) {
      std::vector<TaskId> ready;
      for (const TaskId task : alive_) {
        if (Passes(Next(task))) ready.push_back(task);
      }
      if (ready.empty()) return "all wait for one another";
      const TaskId task = ready[random_() % ready.size()];
      // A short run of one task, as a scheduler's.
      for (uint64_t i = random_() % 8; alive_.count(task) != 0; --i) {
        if (!Passes(Next(task))) break;
        const std::string wrong = Execute(task, Next(task));
        if (!wrong.empty()) return wrong;
        ++positions_[task];
        if (i == 0) break;
      }
    }
    return "";
  }

 private:
  const GuestOp& Next(TaskId task) {
    return streams_.by_task.at(task)[positions_[task]];
  }
  bool Passes(const GuestOp& op) {
    return op.kind != GuestOpKind::kAwait || ended_.count(op.child) != 0 ||
           posts_[op.child] >= op.length;
  }

  // The page behind the last one of an operation.
  static uint64_t EndOf(const GuestOp& op) {
    return (op.va.value() + op.length + 0xfff) >> 12;
  }

  std::string Access(TaskId task, const GuestOp& op, uint8_t need) {
    for (uint64_t page = op.va.value() >> 12; page < EndOf(op); ++page) {
      if ((pages_[page] & need) == 0) {
        return absl::StrCat("task ", task, ": ", TextOf(op));
      }
    }
    return "";
  }

  std::string Move(const GuestOp& op) {
    for (uint64_t i = 0; i < op.length >> 12; ++i) {
      uint8_t& from = pages_[(op.va.value() >> 12) + i];
      uint8_t& to = pages_[(op.target.value() >> 12) + i];
      if (from == 0) return "not mapped: " + TextOf(op);
      if (to != 0) return "mapped twice: " + TextOf(op);
      to = std::exchange(from, uint8_t{0});
    }
    return "";
  }

  std::string Execute(TaskId task, const GuestOp& op) {
    const uint64_t start = op.va.value() >> 12;
    const uint64_t end = EndOf(op);
    switch (op.kind) {
      case GuestOpKind::kLoad:
        return Access(task, op, kMapRead);
      case GuestOpKind::kStore:
        return Access(task, op, kMapWrite);
      case GuestOpKind::kFetch:
        return Access(task, op, kMapExecute);
      case GuestOpKind::kMap:
        for (uint64_t page = start; page < end; ++page) {
          if (pages_[page] != 0) return "mapped twice: " + TextOf(op);
          pages_[page] = op.rights;
        }
        break;
      case GuestOpKind::kProtect:
      case GuestOpKind::kUnmap:
      case GuestOpKind::kDiscard:
        for (uint64_t page = start; page < end; ++page) {
          if (pages_[page] == 0) return "not mapped: " + TextOf(op);
          if (op.kind == GuestOpKind::kUnmap) pages_[page] = 0;
          if (op.kind == GuestOpKind::kProtect) pages_[page] = op.rights;
        }
        break;
      case GuestOpKind::kRemap:
        return Move(op);
      case GuestOpKind::kClone:
        alive_.insert(op.child);
        break;
      case GuestOpKind::kPost:
        ++posts_[task];
        break;
      case GuestOpKind::kExit:
        alive_.erase(task);
        ended_.insert(task);
        break;
      default:
        break;
    }
    return "";
  }

  const KeptOps& streams_;
  std::mt19937_64 random_;
  std::map<TaskId, size_t> positions_;
  std::map<TaskId, uint64_t> posts_;
  std::set<TaskId> alive_;
  std::set<TaskId> ended_;
  std::map<uint64_t, uint8_t> pages_;  // rights by page
};

}  // namespace xmmu::spool_support

#endif  // XMMU_TESTS_WORKLOAD_QEMU_RANDOM_REPLAY_H_
