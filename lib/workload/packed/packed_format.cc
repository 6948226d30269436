#include "workload/packed/packed_format.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/base/optimization.h"
#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "workload/input/file_error.h"
#include "workload/packed/layout.h"
#include "workload/packed/read_ahead.h"
#include "workload/process/op_relocation.h"
#include "xmmu/workload/packed_trace.h"

namespace xmmu {
namespace {

// The recorded program without its folder: the first word of the command, whose
// spaces have a backslash before them.
std::string ProgramOf(absl::string_view command) {
  size_t end = 0;
  while (end < command.size() && command[end] != ' ') {
    end += command[end] == '\\' ? 2 : 1;
  }
  const absl::string_view word = command.substr(0, end);
  const size_t slash = word.rfind('/');
  return std::string(slash == absl::string_view::npos ? word
                                                      : word.substr(slash + 1));
}

// QEMU's user-mode emulation gives out addresses from TASK_UNMAPPED_BASE up
// (linux-user/mmap.c, QEMU 7.2).
MmapLayout LayoutOf(std::string_view format_of_origin) {
  return format_of_origin == "qemu" ? MmapLayout::kBottomUp
                                    : MmapLayout::kTopDown;
}

class PackedTrace final : public Trace {
 public:
  PackedTrace(std::string path, std::unique_ptr<PackedTraceReader> reader,
              const TraceOptions& options)
      : path_(std::move(path)), reader_(std::move(reader)), options_(options) {
    name_ = absl::StrCat("trace:", ProgramOf(reader_->head().command));
    born_.insert(first_task());
    if (options.address_limit != 0) {
      relocation_.emplace(options.address_limit, first_task(),
                          LayoutOf(reader_->head().format_of_origin));
    }
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
    const auto ops = changes() ? NextChanged(task) : NextRead(task);
    failure_ = ops.status();
    return ops;
  }

 private:
  // A task whose operations are not returned as they are in the file.
  struct Changed {
    std::span<const GuestOp> read;  // not looked at yet
    std::vector<GuestOp> ops;       // returned last
  };

  bool changes() const { return relocation_.has_value() || !options_.fetches; }

  absl::StatusOr<std::span<const GuestOp>> NextRead(TaskId task) {
    const auto ops = reader_->Next(task);
    if (!ops.ok()) return ops;
    const absl::Status checked = Check(task, *ops);
    if (!checked.ok()) return checked;
    return ops;
  }

  absl::StatusOr<std::span<const GuestOp>> NextChanged(TaskId task) {
    Changed& changed = changed_[task];
    changed.ops.clear();
    while (changed.ops.empty()) {
      if (changed.read.empty()) {
        const auto read = NextRead(task);
        if (!read.ok()) return read;
        changed.read = *read;
      }
      const absl::Status status = Change(task, &changed);
      if (!status.ok()) return status;
    }
    // The last operation stays valid for ever, and little else is to.
    if (changed.ops.back().kind == GuestOpKind::kExit) {
      changed.ops.shrink_to_fit();
    }
    return changed.ops;
  }

  absl::Status Change(TaskId task, Changed* changed) {
    size_t used = changed->read.size();
    if (relocation_.has_value()) {
      const auto moved =
          relocation_->Append(task, changed->read, &changed->ops);
      if (!moved.ok()) return Wrong(task, moved.status().message());
      used = *moved;
    } else {
      changed->ops.assign(changed->read.begin(), changed->read.end());
    }
    changed->read = changed->read.subspan(used);
    if (options_.fetches) return absl::OkStatus();
    std::erase_if(changed->ops, [](const GuestOp& op) {
      return op.kind == GuestOpKind::kFetch;
    });
    return absl::OkStatus();
  }

  // Checks what a replay rests on: a task is started once and is in the trace,
  // and ends with its exit.
  absl::Status Check(TaskId task, std::span<const GuestOp> ops) {
    constexpr char kAsRecorded[] = ", expected a stream as recorded";
    if (ops.empty()) {
      return Wrong(task, absl::StrCat("its operations end without an exit",
                                      kAsRecorded));
    }
    for (const GuestOp& op : ops) {
      if (ABSL_PREDICT_TRUE(op.kind <= GuestOpKind::kModify)) continue;
      if (op.kind == GuestOpKind::kExit && &op != &ops.back()) {
        return Wrong(task, absl::StrCat("it has operations behind its exit",
                                        kAsRecorded));
      }
      if (!StartsTask(op.kind)) continue;
      if (!Has(op.child) || !born_.insert(op.child).second) {
        return Wrong(task, absl::StrCat("it starts task ", op.child,
                                        ", which is not in the file or has "
                                        "been started before",
                                        kAsRecorded));
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
    return FileError(path_, reader_->OffsetOf(task),
                     absl::StrCat("task ", task, ": ", what));
  }

  static constexpr char kPackedFrom[] = "packed from";

  std::string path_;
  std::unique_ptr<PackedTraceReader> reader_;
  TraceOptions options_;
  std::string name_;
  absl::btree_set<TaskId> born_;
  std::optional<OpRelocation> relocation_;
  absl::btree_map<TaskId, Changed> changed_;
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
  const absl::Status limit = CheckAddressLimit(options.address_limit);
  if (!limit.ok()) return limit;
  auto reader = PackedTraceReader::Open(files[0]);
  if (!reader.ok()) return reader.status();
  if (options.reads_ahead) reader = ReadAhead(*std::move(reader));
  return std::make_unique<PackedTrace>(files[0], *std::move(reader), options);
}

}  // namespace xmmu
