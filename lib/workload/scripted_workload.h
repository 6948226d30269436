#ifndef XMMU_LIB_WORKLOAD_SCRIPTED_WORKLOAD_H_
#define XMMU_LIB_WORKLOAD_SCRIPTED_WORKLOAD_H_

// A workload whose tasks follow scripts: loops over operations that repeat,
// unrolled as they are read. Single-threaded.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "xmmu/base/check.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// Performs `op` `count` times, each `stride` bytes beyond the one before, and
// with `turns_lines` in the next line of its page.
struct Step {
  GuestOp op;
  uint64_t count = 1;
  uint64_t stride = 0;
  bool turns_lines = false;
};

// Performs the steps `times` times over.
struct Loop {
  uint64_t times = 1;
  std::vector<Step> steps;
};

// One task's program; the stream adds the kExit at its end.
using Script = std::vector<Loop>;

// Unrolls a script, a batch of operations at a time.
class ScriptStream {
 public:
  explicit ScriptStream(Script script) : script_(std::move(script)) {}

  // Returns the next operations, at least one; they are valid until the next
  // call.
  std::span<const GuestOp> Next();

 private:
  static constexpr size_t kBatch = 1024;
  static constexpr uint64_t kLineBytes = 64;

  // Emits one operation, or moves on to the next step, round or loop.
  void Emit();

  Script script_;
  size_t loop_ = 0;
  uint64_t round_ = 0;
  size_t step_ = 0;
  uint64_t repeat_ = 0;
  std::vector<GuestOp> batch_;
};

// Task `kFirstTask` follows the first script and starts the others, which are
// numbered on from there.
inline constexpr TaskId kFirstTask = 1;

class ScriptedWorkload final : public Workload {
 public:
  ScriptedWorkload(std::string name, std::vector<Script> scripts)
      : name_(std::move(name)) {
    TaskId id = kFirstTask;
    for (Script& script : scripts) {
      streams_.emplace(id++, ScriptStream(std::move(script)));
    }
  }
  std::string name() const override { return name_; }
  TaskId first_task() const override { return kFirstTask; }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    const auto it = streams_.find(task);
    XMMU_CHECK(it != streams_.end());
    return it->second.Next();
  }

 private:
  std::string name_;
  absl::btree_map<TaskId, ScriptStream> streams_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_SCRIPTED_WORKLOAD_H_
