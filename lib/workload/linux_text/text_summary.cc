#include "workload/linux_text/text_summary.h"

#include <utility>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "workload/linux_text/linux_event.h"
#include "workload/linux_text/xen_event.h"

namespace xmmu {
namespace {

class TextSummarizer {
 public:
  explicit TextSummarizer(ProcessTree tree) {
    for (const TextRoot& root : tree.roots) {
      pids_.insert(root.pids.begin(), root.pids.end());
    }
    for (const TextBirth& birth : tree.births) pids_.insert(birth.pid);
    summary_.tree = std::move(tree);
  }

  absl::Status Take(const TextEvent& event, uint64_t line);
  LinuxTextSummary Finish();

 private:
  void TakeLinux(const LinuxEvent& read, uint64_t line);

  LinuxTextSummary summary_;
  absl::flat_hash_set<uint32_t> pids_;
  absl::btree_set<uint32_t> cpus_;
  XenTally tally_;
  XenCounts before_;          // what came before the first operation
  uint64_t line_before_ = 0;  // of the last event
  uint64_t time_before_ = 0;
  // What others did since the last event of the program's.
  XenCounts since_;
};

void TextSummarizer::TakeLinux(const LinuxEvent& read, uint64_t line) {
  ProgramEvents& program = summary_.program;
  switch (read.kind) {
    case LinuxEventKind::kFault:
      program.faults += read.address != 0 ? 1 : 0;
      break;
    case LinuxEventKind::kFork: {
      const TextBirth* const birth = summary_.tree.BirthAt(line);
      program.forks += birth != nullptr && birth->task != 0 ? 1 : 0;
      break;
    }
    case LinuxEventKind::kExec:
      ++program.execs;
      break;
    case LinuxEventKind::kExit:
      ++program.exits;
      break;
    case LinuxEventKind::kCallEnter:
      ++program.calls;
      break;
    default:
      break;
  }
}

absl::Status TextSummarizer::Take(const TextEvent& event, uint64_t line) {
  const absl::StatusOr<LinuxEvent> read = ParseLinuxEvent(event);
  if (!read.ok()) return read.status();
  const bool mine = pids_.contains(event.pid);
  const bool operates =
      read->kind != LinuxEventKind::kOther &&
      read->kind != LinuxEventKind::kSwitch &&
      !(read->kind == LinuxEventKind::kFault && read->address == 0);
  if (summary_.first_line == 0 && mine && operates) {
    summary_.first_line = line;
    summary_.first_time = line_before_ == 0 ? event.time : time_before_;
  }
  line_before_ = line;
  time_before_ = event.time;
  const bool begun = summary_.first_line != 0;
  if (begun) cpus_.insert(event.cpu);
  if (begun && mine) {
    summary_.last_line = line;
    summary_.last_time = event.time;
    TakeLinux(*read, line);
    summary_.xen_of_others += since_;
    since_ = XenCounts();
  }
  if (!absl::StartsWith(event.name, "xen_")) return absl::OkStatus();
  const absl::StatusOr<XenEvent> xen = ParseXenEvent(event);
  if (!xen.ok()) return xen.status();
  summary_.has_xen_events |= xen->kind != XenEventKind::kOther;
  XenCounts& counts = !begun ? before_ : mine ? summary_.xen : since_;
  tally_.Add(event, *xen, counts);
  return absl::OkStatus();
}

LinuxTextSummary TextSummarizer::Finish() {
  summary_.cpus = cpus_.size();
  summary_.flushes_unlike_queue = tally_.flushes_unlike_queue();
  return std::move(summary_);
}

}  // namespace

absl::StatusOr<LinuxTextSummary> SummarizeLinuxText(const std::string& path) {
  absl::StatusOr<ProcessTree> tree = ReadProcessTree(path);
  if (!tree.ok()) return tree.status();
  TextSummarizer summarizer(*std::move(tree));
  absl::StatusOr<TextReader> reader = TextReader::Open(path);
  if (!reader.ok()) return reader.status();
  for (;;) {
    const auto event = reader->Next();
    if (!event.ok()) return event.status();
    if (!event->has_value()) return summarizer.Finish();
    const absl::Status taken = summarizer.Take(**event, reader->line());
    if (!taken.ok()) return reader->Error(taken.message());
  }
}

}  // namespace xmmu
