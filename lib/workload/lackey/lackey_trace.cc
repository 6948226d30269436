#include "xmmu/workload/lackey_trace.h"

#include <utility>

#include "absl/container/btree_map.h"
#include "absl/strings/str_cat.h"
#include "base/printable.h"
#include "workload/input/file_error.h"
#include "workload/lackey/task_stream.h"
#include "workload/lackey/valgrind_layout.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

using Heads = absl::btree_map<TaskId, LogHead>;

class LackeyTrace final : public Trace {
 public:
  LackeyTrace(Heads heads, TaskId root, const TraceOptions& options)
      : waiting_(std::move(heads)), root_(root), options_(options) {
    const LogHead& head = waiting_.at(root);
    const size_t slash = head.program.rfind('/');
    command_ = Printable(head.command);
    name_ = absl::StrCat("trace:", Printable(head.program.substr(slash + 1)));
    Begin(root, /*forked=*/false,
          ProcessState(options.address_limit, kValgrindLayout));
  }

  std::string name() const override { return name_; }
  TaskId first_task() const override { return root_; }

  TraceFacts facts() const override {
    return {.format = "lackey",
            .command = command_,
            .environment = {{"recorded by", "Valgrind's Lackey"}},
            .lacks = {"all threads of a process are one stream, in the order "
                      "in which they ran",
                      "addresses are those that Valgrind chose",
                      "mappings that exec made are inferred from the first "
                      "access"},
            .counts = {}};
  }

  // After the first failure of any stream all streams return it: the guest
  // cannot go on without one of its processes.
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    if (!failure_.ok()) return failure_;
    const auto known = streams_.find(task);
    XMMU_CHECK(known != streams_.end());
    TaskStream& stream = *known->second;
    XMMU_CHECK(!stream.done());
    births_.clear();
    absl::StatusOr<std::span<const GuestOp>> ops = stream.Next(&births_);
    failure_ = ops.status();
    if (failure_.ok()) failure_ = Deliver(stream);
    if (!failure_.ok()) return failure_;
    return ops;
  }

 private:
  // Starts the stream of a process that a fork has just created, or of the
  // root.
  void Begin(TaskId task, bool forked, ProcessState state) {
    const auto head = waiting_.find(task);
    streams_.emplace(
        task, std::make_unique<TaskStream>(head->second, forked,
                                           std::move(state), options_.fetches));
    waiting_.erase(head);
    ++live_;
  }

  // Starts the streams of the children that `parent` has just created. Once all
  // streams have ended, a log that is left over has no fork.
  absl::Status Deliver(const TaskStream& parent) {
    for (TaskStream::Birth& birth : births_) {
      if (waiting_.find(birth.child) == waiting_.end()) {
        return parent.ErrorAt(
            birth.line, absl::StrCat("a fork creates process ", birth.child,
                                     ", expected its log among the files"));
      }
      Begin(birth.child, /*forked=*/true, std::move(birth.state));
    }
    if (parent.done()) --live_;
    if (waiting_.empty() || live_ != 0) return absl::OkStatus();
    const LogHead& lost = waiting_.begin()->second;
    return FileError(
        lost.path, 1,
        absl::StrCat("no log has the fork that created process ", lost.pid,
                     ", expected all that its parent ", lost.parent,
                     " did: an exec overwrites the log, unless "
                     "recorded by examples/record.sh"));
  }

  Heads waiting_;  // logs of processes not yet created
  absl::btree_map<TaskId, std::unique_ptr<TaskStream>> streams_;
  uint64_t live_ = 0;  // streams that have not ended
  std::vector<TaskStream::Birth> births_;
  TaskId root_;
  TraceOptions options_;
  std::string name_;
  std::string command_;
  absl::Status failure_;
};

// Returns the one process that no other of the set has created.
absl::StatusOr<TaskId> FindRoot(const Heads& heads) {
  std::vector<const LogHead*> roots;
  bool all_forked = true;
  for (const auto& [pid, head] : heads) {
    all_forked &= head.forked;
    // A forked process is never the root, even if its parent is not in the set:
    // the parent may have ended before the child reported it.
    if (!head.forked && heads.find(head.parent) == heads.end()) {
      roots.push_back(&head);
    }
  }
  if (roots.size() == 1) return roots[0]->pid;
  if (roots.empty()) {
    const LogHead& first = heads.begin()->second;
    return FileError(
        first.path, 1,
        absl::StrCat("process ", first.pid,
                     all_forked
                         ? " and all others were forked, expected the log of "
                           "the first process among the files"
                         : " has its parent among the files, and so have all "
                           "others, expected one that has not"));
  }
  return FileError(
      roots[1]->path, 1,
      absl::StrCat("process ", roots[1]->pid, " is not of the process tree of ",
                   roots[0]->pid, " (", roots[0]->path,
                   "), expected the logs of one recording"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Trace>> OpenLackeyTrace(
    std::vector<std::string> files, TraceOptions options) {
  if (files.empty()) {
    return absl::InvalidArgumentError(
        "no trace file, expected the logs of one recording");
  }
  const absl::Status limit = CheckAddressLimit(options.address_limit);
  if (!limit.ok()) return limit;
  Heads heads;
  for (const std::string& file : files) {
    absl::StatusOr<LogHead> head = ReadLogHead(file);
    if (!head.ok()) return head.status();
    const auto [entry, is_new] = heads.emplace(head->pid, *head);
    if (!is_new) {
      return FileError(
          file, 1,
          absl::StrCat("a second log of process ", head->pid,
                       ", expected one log a process; the first is ",
                       entry->second.path));
    }
  }
  const absl::StatusOr<TaskId> root = FindRoot(heads);
  if (!root.ok()) return root.status();
  return std::make_unique<LackeyTrace>(std::move(heads), *root, options);
}

}  // namespace xmmu
