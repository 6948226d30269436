#include "workload/linux_text/linux_text_format.h"

#include <utility>

#include "absl/container/btree_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/printable.h"
#include "workload/input/file_error.h"
#include "workload/linux_text/process_tree.h"
#include "workload/linux_text/text_stream.h"
#include "workload/process/program_layout.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

// No process of Linux's has this id.
constexpr TaskId kTextAncestor = kProcessIdEnd;

class LinuxTextTrace final : public Trace {
 public:
  LinuxTextTrace(std::string path, ProcessTree tree,
                 const TraceOptions& options)
      : path_(std::move(path)), tree_(std::move(tree)), options_(options) {
    for (const TextRoot& root : tree_.roots) {
      Begin(root.task, root.pids, 0,
            ProcessState(options.address_limit, kProgramLayout));
    }
    if (tree_.roots.size() > 1) ForkRoots();
  }

  std::string name() const override {
    const size_t slash = tree_.command.rfind('/');
    return absl::StrCat("trace:", tree_.command.empty()
                                      ? "linux-text"
                                      : tree_.command.substr(slash + 1));
  }
  TaskId first_task() const override {
    return ancestor_.empty() ? tree_.roots.front().task : kTextAncestor;
  }
  TraceFacts facts() const override;

  // After the first failure of any stream all streams return it.
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    if (!failure_.ok()) return failure_;
    if (task == kTextAncestor) return std::span<const GuestOp>(ancestor_);
    const auto known = streams_.find(task);
    XMMU_CHECK(known != streams_.end());
    XMMU_CHECK(!known->second->done());
    children_.clear();
    auto ops = known->second->Next(&children_);
    failure_ = ops.status();
    if (!failure_.ok()) return failure_;
    for (TextStream::Child& child : children_) {
      Begin(child.task, {child.pid}, child.line, std::move(child.state));
    }
    return ops;
  }

 private:
  void Begin(TaskId task, std::vector<uint32_t> pids, uint64_t line,
             ProcessState state) {
    streams_.emplace(
        task, std::make_unique<TextStream>(path_, task, std::move(pids), line,
                                           std::move(state), options_.fetches,
                                           tree_, counts_));
  }

  // All operations of the task that stands for what was before the trace.
  void ForkRoots() {
    for (const TextRoot& root : tree_.roots) {
      ancestor_.push_back({.kind = GuestOpKind::kFork, .child = root.task});
    }
    for (const TextRoot& root : tree_.roots) {
      ancestor_.push_back({.kind = GuestOpKind::kWait, .child = root.task});
    }
    ancestor_.push_back({.kind = GuestOpKind::kExit});
  }

  std::string path_;
  ProcessTree tree_;
  TraceOptions options_;
  TextStreamCounts counts_;
  absl::btree_map<TaskId, std::unique_ptr<TextStream>> streams_;
  std::vector<TextStream::Child> children_;
  std::vector<GuestOp> ancestor_;  // empty with one root
  absl::Status failure_;
};

TraceFacts LinuxTextTrace::facts() const {
  TraceFacts facts;
  facts.format = "linux-text";
  facts.command = tree_.command;
  facts.environment = {
      {"printed by", std::string(RenderingName(tree_.rendering))},
      {"clock", tree_.seconds ? "seconds" : "an integer"}};
  facts.faults_only = true;
  facts.lacks = {
      "no access that hits: faults only, so figures of TLBs and of hits mean "
      "nothing",
      "pages that a fault mapped beside its own were used without an event",
      "mappings that exec made, or that were there before the trace, are "
      "inferred from the first fault in each 64 KiB",
      "files are known by descriptors: those of two processes are never the "
      "same, and each first mapping is of a file of its own",
      "all threads of a process are one stream"};
  if (!ancestor_.empty()) {
    facts.lacks.push_back(absl::StrCat(
        tree_.roots.size(),
        " processes were there before the trace: they start empty, forked by a "
        "task that the trace does not have"));
  } else {
    facts.lacks.push_back(
        "the first process was there before the trace: it starts empty");
  }
  if (tree_.lost != 0) {
    facts.lacks.push_back(
        absl::StrCat(tree_.lost, " events were lost as it was recorded"));
  }
  if (tree_.assumed_forks != 0) {
    facts.lacks.push_back(absl::StrCat(
        tree_.assumed_forks,
        " children are assumed to be processes: no event tells them from "
        "threads"));
  }
  facts.counts = {{"events", tree_.events},
                  {"lost_events", tree_.lost},
                  {"processes_before", tree_.roots.size()},
                  {"processes_unended", tree_.unended},
                  {"children_assumed_processes", tree_.assumed_forks},
                  {"threads_without_memory", tree_.others},
                  {"faults_replayed", counts_.faults},
                  {"faults_no_mapping_allows", counts_.faults_refused},
                  {"calls_replayed", counts_.calls},
                  {"calls_that_replaced", counts_.calls_replaced},
                  {"calls_without_begin", counts_.calls_unpaired}};
  for (const auto& [name, count] : tree_.by_name) {
    facts.counts.emplace_back(name, count);
  }
  return facts;
}

}  // namespace

// What is no text has no line of Linux's at its beginning.
bool IsLinuxText(const TraceSample& sample) {
  absl::string_view content = sample.content;
  for (int line = 0; line < 100; ++line) {
    const size_t end = content.find('\n');
    if (end == absl::string_view::npos) return false;
    const absl::string_view text = content.substr(0, end);
    content.remove_prefix(end + 1);
    if (absl::StartsWith(text, "# tracer: ") ||
        absl::StartsWith(text, "cpus=")) {
      return true;
    }
    const TextLineKind kind = ParseTextLine(text).kind;
    if (kind == TextLineKind::kEvent || kind == TextLineKind::kLost)
      return true;
    if (kind == TextLineKind::kNone) return false;
  }
  return false;
}

absl::StatusOr<std::unique_ptr<Trace>> OpenLinuxText(
    std::vector<std::string> files, const TraceOptions& options) {
  if (files.size() != 1) {
    return FileError(
        files[1], 0,
        absl::StrCat("a second text, expected one of all CPUs as ", files[0]));
  }
  const absl::Status limit = CheckAddressLimit(options.address_limit);
  if (!limit.ok()) return limit;
  auto tree = ReadProcessTree(files.front());
  if (!tree.ok()) return tree.status();
  return std::make_unique<LinuxTextTrace>(files.front(), *std::move(tree),
                                          options);
}

}  // namespace xmmu
