#ifndef XMMU_TESTING_CONFORMANCE_GUEST_SCRIPT_H_
#define XMMU_TESTING_CONFORMANCE_GUEST_SCRIPT_H_

// Guest programs made up on the way: processes that map, unmap, protect,
// discard and move memory, touch it, fork, exec, wait and exit, in any order
// that a kernel accepts. What comes next is chosen by a source of choices: a
// generator of random numbers, or the bytes of a fuzzer.

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <span>

#include "xmmu/machine/paging_mode.h"
#include "xmmu/workload/workload.h"

namespace xmmu::conformance {

// One operation of one process.
struct ScriptStep {
  TaskId task = 0;
  GuestOp op;
};

// A number below `below`, which is 1 to 256.
using Choice = std::function<uint64_t(uint64_t below)>;

// std::uniform_int_distribution differs between libraries.
inline Choice RandomChoice(uint64_t seed) {
  return [random = std::mt19937_64(seed)](uint64_t below) mutable {
    return random() % below;
  };
}

// A byte a choice; zeros when they are used up.
inline Choice ByteChoice(std::span<const uint8_t> bytes) {
  return [bytes](uint64_t below) mutable -> uint64_t {
    if (bytes.empty()) return 0;
    const uint8_t byte = bytes.front();
    bytes = bytes.subspan(1);
    return byte % below;
  };
}

// Which memory a script plays with: some pages, or some large pages, which
// programs map, change and touch whole and in parts.
enum class ScriptMemory : uint8_t { kPages, kLargePages };

class GuestScript {
 public:
  // Memory in play: windows around addresses where one table ends and the next
  // begins, of each level that a program's half has more than one of: kPages
  // pages, or kLargePages large ones.
  static constexpr uint64_t kPages = 24;
  static constexpr uint64_t kLargePages = 3;
  static constexpr size_t kWindows = 3;
  // Where they begin, those of ScriptMemory::kPages.
  static std::array<VirtAddr, kWindows> WindowsOf(PagingMode mode);

  // Begins with process `first`, which has been created. There are never more
  // than `most` processes; with one, all steps are its own.
  GuestScript(PagingMode mode, Choice choice, TaskId first = 1, size_t most = 5,
              ScriptMemory memory = ScriptMemory::kPages);

  ScriptStep Next();

  // The processes that live after the last step.
  const std::set<TaskId>& live() const { return live_; }

 private:
  struct Range {
    VirtAddr va;
    uint64_t length;  // bytes
  };

  uint64_t Pick(uint64_t below) { return choice_(below); }
  uint8_t Rights();
  VirtAddr Page();
  Range AnyRange();
  Range AnyLargeRange();
  // One of so many pages, more often at their ends than between.
  uint64_t PageOf(uint64_t pages);
  GuestOp Advise();
  TaskId Runnable();
  GuestOp Map(const Range& range);
  GuestOp Touch(VirtAddr page);
  // Maps a range, touches some of it, and moves it to another window.
  ScriptStep BeginLarge(TaskId task);
  ScriptStep BeginMove(TaskId task);
  ScriptStep Move(TaskId task, const Range& from, const Range& to);
  ScriptStep Process(TaskId task);
  ScriptStep Fork(TaskId task, bool vfork);
  ScriptStep Exec(TaskId task);
  ScriptStep Exit(TaskId task);
  ScriptStep Wait(TaskId task);
  void EndVforkOf(TaskId child);

  const ScriptMemory memory_;
  const uint64_t large_;         // bytes of a large page
  const uint64_t window_pages_;  // of 4 KiB
  const std::array<VirtAddr, kWindows> windows_;
  const size_t most_;
  Choice choice_;
  std::deque<ScriptStep> planned_;
  Range recent_;  // mapped last, by any process
  std::set<TaskId> live_;
  TaskId last_;
  std::map<TaskId, TaskId> parents_;
  std::map<TaskId, TaskId> vforked_;  // child -> the parent that it holds up
  std::map<TaskId, TaskId> awaited_;  // child -> the parent that waits for it
};

}  // namespace xmmu::conformance

#endif  // XMMU_TESTING_CONFORMANCE_GUEST_SCRIPT_H_
