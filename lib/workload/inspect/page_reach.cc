#include "workload/inspect/page_reach.h"

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "workload/inspect/op_pages.h"
#include "workload/inspect/stream_merger.h"

namespace xmmu {
namespace {

constexpr int kRegionBits = 9;  // a region of 2 MiB is 2^9 pages

// Which address space each task is in.
class Spaces {
 public:
  struct Place {
    TaskId process = 0;
    uint64_t space = 0;
  };

  explicit Spaces(TaskId first_task) {
    places_[first_task] = {first_task, next_++};
  }

  const Place& Of(TaskId task) const { return places_.at(task); }

  void Follow(TaskId task, const GuestOp& op) {
    if (op.kind == GuestOpKind::kExit) {
      places_.erase(task);
    } else if (op.kind == GuestOpKind::kExec) {
      places_.at(task).space = next_++;
    } else if (StartsTask(op.kind)) {
      Place child = places_.at(task);
      if (op.kind != GuestOpKind::kClone) child.process = op.child;
      if (op.kind == GuestOpKind::kFork) child.space = next_++;
      places_[op.child] = child;
    }
  }

 private:
  absl::flat_hash_map<TaskId, Place> places_;
  uint64_t next_ = 0;
};

bool IsWanted(GuestOpKind kind, ReachOf of) {
  if (!TouchesMemory(kind)) return false;
  return of == ReachOf::kAll ||
         (of == ReachOf::kFetches) == (kind == GuestOpKind::kFetch);
}

void AddOp(uint64_t space, const GuestOp& op, PageReach& reach) {
  ForEachPage(op, [&](uint64_t page) {
    reach.small.Touch({space, page});
    reach.large.Touch({space, page >> kRegionBits});
  });
}

}  // namespace

absl::Status MeasureReach(Workload& workload, const ReachOptions& options,
                          PageReach& reach) {
  StreamMerger merger(workload);
  Spaces spaces(workload.first_task());
  bool found = options.process == 0;
  for (;;) {
    const auto piece = merger.Next();
    if (!piece.ok()) return piece.status();
    if (piece->ops.empty()) break;
    const Spaces::Place place = spaces.Of(piece->task);
    const bool counts =
        options.process == 0 || options.process == place.process;
    found = found || counts;
    for (const GuestOp& op : piece->ops) {
      if (counts && IsWanted(op.kind, options.of)) {
        AddOp(place.space, op, reach);
      }
    }
    spaces.Follow(piece->task, piece->ops.back());
  }
  if (found) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("no process begins with task ", options.process,
                   "; want one that trace info names"));
}

}  // namespace xmmu
