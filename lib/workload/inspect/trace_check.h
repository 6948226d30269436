#ifndef XMMU_LIB_WORKLOAD_INSPECT_TRACE_CHECK_H_
#define XMMU_LIB_WORKLOAD_INSPECT_TRACE_CHECK_H_

// What a replay will make of operations that do not fit what is mapped and open
// where they stand. None of it is an error: a guest's kernel answers it as it
// answers a program.
//
// It keeps the mappings of live address spaces. Single-threaded.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "workload/inspect/stream_merger.h"
#include "workload/inspect/task_states.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

enum class FindingKind : uint8_t {
  kUnmapped,  // accesses to what is not mapped
  kRight,     // accesses that a mapping does not allow
  kCopy,      // copies by the kernel that end early
  kRange,     // ranges of calls in which nothing is mapped
  kClose,     // files that are closed and not open
};
inline constexpr size_t kFindingKinds =
    static_cast<size_t>(FindingKind::kClose) + 1;

struct FindingRow {
  FindingKind kind;
  std::string_view name;
  std::string_view help;  // what they are, and what a replay does
};
std::span<const FindingRow> FindingRows();

struct Finding {
  uint64_t times = 0;
  uint64_t number = 0;  // of the first one, see op_words.h
  TaskId task = 0;
  GuestOp op;
};

class TraceCheck {
 public:
  explicit TraceCheck(TaskId first_task) : states_(first_task) {}

  void Add(const StreamPiece& piece);

  const Finding& of(FindingKind kind) const {
    return findings_[static_cast<size_t>(kind)];
  }
  uint64_t operations() const { return number_; }
  uint64_t tasks() const { return states_.order().size(); }

 private:
  // What was found mapped last, for each of the rights.
  struct Known {
    uint64_t start = 1;
    uint64_t end = 0;
  };

  void Look(TaskId task, const GuestOp& op);
  void LookAtAccess(TaskId task, const GuestOp& op);
  void LookAtCall(TaskId task, const GuestOp& op);
  void Note(FindingKind kind, TaskId task, const GuestOp& op);

  TaskStates states_;
  TaskId known_task_ = 0;
  std::array<Known, 8> known_;  // by MapRights
  std::array<Finding, kFindingKinds> findings_;
  uint64_t number_ = 0;
};

// Reads all of `workload` into `check`.
// Errors: those of StreamMerger::Next().
absl::Status CheckTrace(Workload& workload, TraceCheck& check);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_INSPECT_TRACE_CHECK_H_
