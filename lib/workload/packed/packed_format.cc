#include "workload/packed/packed_format.h"

#include <algorithm>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "workload/input/file_error.h"
#include "workload/packed/layout.h"
#include "xmmu/workload/packed_trace.h"

namespace xmmu {
namespace {

// The recorded command without its folder and its arguments.
std::string ProgramOf(absl::string_view command) {
  const absl::string_view word = command.substr(0, command.find(' '));
  const size_t slash = word.rfind('/');
  return std::string(slash == absl::string_view::npos ? word
                                                      : word.substr(slash + 1));
}

class PackedTrace final : public Trace {
 public:
  PackedTrace(std::string path, std::unique_ptr<PackedTraceReader> reader,
              const TraceOptions& options)
      : path_(std::move(path)), reader_(std::move(reader)), options_(options) {
    name_ = absl::StrCat("trace:", ProgramOf(reader_->head().command));
    born_.insert(first_task());
  }

  std::string name() const override { return name_; }
  TaskId first_task() const override { return reader_->head().first_task; }

  TraceFacts facts() const override {
    const PackedHead& head = reader_->head();
    TraceFacts facts = {.format = "packed",
                        .command = head.command,
                        .environment = head.environment,
                        .lacks = head.lacks,
                        .faults_only = head.faults_only,
                        .counts = reader_->counts()};
    facts.environment.emplace_back(kPackedFrom, head.format_of_origin);
    return facts;
  }

  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    if (!failure_.ok()) return failure_;
    for (;;) {
      const auto ops = reader_->Next(task);
      failure_ = ops.status();
      if (failure_.ok()) failure_ = Check(task, *ops);
      if (!failure_.ok()) return failure_;
      if (options_.fetches) return ops;
      kept_[task].clear();
      for (const GuestOp& op : *ops) {
        if (op.kind != GuestOpKind::kFetch) kept_[task].push_back(op);
      }
      if (!kept_[task].empty()) return kept_[task];
    }
  }

 private:
  // Checks what a replay rests on: a task is started once and is in the trace,
  // and ends with its exit.
  absl::Status Check(TaskId task, std::span<const GuestOp> ops) {
    if (ops.empty()) return Wrong(task, "its operations end without an exit");
    for (const GuestOp& op : ops) {
      if (op.kind == GuestOpKind::kExit && &op != &ops.back()) {
        return Wrong(task, "it has operations behind its exit");
      }
      if (!StartsTask(op.kind)) continue;
      if (!Has(op.child) || !born_.insert(op.child).second) {
        return Wrong(task, absl::StrCat("it starts task ", op.child,
                                        ", which is not in the file or has "
                                        "been started before"));
      }
    }
    return absl::OkStatus();
  }

  bool Has(TaskId id) const {
    const auto tasks = reader_->tasks();
    const auto found = std::lower_bound(
        tasks.begin(), tasks.end(), id,
        [](const PackedTask& task, TaskId wanted) { return task.id < wanted; });
    return found != tasks.end() && found->id == id;
  }

  absl::Status Wrong(TaskId task, absl::string_view what) const {
    return FileError(path_, 0,
                     absl::StrCat("task ", task, ": ", what,
                                  ", expected a stream as recorded"));
  }

  static constexpr char kPackedFrom[] = "packed from";

  std::string path_;
  std::unique_ptr<PackedTraceReader> reader_;
  TraceOptions options_;
  std::string name_;
  absl::btree_set<TaskId> born_;
  absl::btree_map<TaskId, std::vector<GuestOp>> kept_;  // without fetches
  absl::Status failure_;
};

}  // namespace

bool IsPackedTrace(const TraceSample& sample) {
  return absl::StartsWith(sample.raw, Abs(kPackedMagic));
}

absl::StatusOr<std::unique_ptr<Trace>> OpenPackedTrace(
    std::vector<std::string> files, const TraceOptions& options) {
  if (files.size() > 1) {
    return FileError(files[1], 0,
                     absl::StrCat("a second packed trace, expected one file a "
                                  "recording; the first is ",
                                  files[0]));
  }
  if (options.address_limit != 0) {
    return FileError(files[0], 0,
                     "a packed trace keeps its addresses, expected no limit");
  }
  auto reader = PackedTraceReader::Open(files[0]);
  if (!reader.ok()) return reader.status();
  return std::make_unique<PackedTrace>(files[0], *std::move(reader), options);
}

}  // namespace xmmu
