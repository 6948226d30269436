#include "workload/drmemtrace/drmemtrace_format.h"

#include <algorithm>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/printable.h"
#include "workload/drmemtrace/process_stream.h"
#include "workload/drmemtrace/trace_set.h"
#include "workload/input/snappy_frames.h"
#include "workload/process/address_map.h"
#include "workload/process/program_layout.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

class DrmemtraceTrace final : public Trace {
 public:
  DrmemtraceTrace(TraceSet set, const TraceOptions& options)
      : set_(std::move(set)), options_(options) {
    std::vector<ProcessStream::Start> starts;
    for (const auto& [process, programs] : set_.processes) {
      if (process == set_.root || set_.parents.contains(process)) continue;
      starts.push_back({programs[0].first, process});
    }
    std::sort(starts.begin(), starts.end(), [](const auto& a, const auto& b) {
      return std::pair(a.key, a.process) < std::pair(b.key, b.process);
    });
    Begin(set_.root, FreshState(), /*fresh=*/false, std::move(starts));
  }

  std::string name() const override {
    return absl::StrCat("trace:", Printable(First().name));
  }
  TaskId first_task() const override { return set_.root; }
  TraceFacts facts() const override;

  // After the first failure of any stream all streams return it.
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    if (!failure_.ok()) return failure_;
    const auto known = streams_.find(task);
    XMMU_CHECK(known != streams_.end() && !known->second->done());
    births_.clear();
    absl::StatusOr<std::span<const GuestOp>> ops =
        known->second->Next(&births_);
    failure_ = ops.status();
    if (!failure_.ok()) return failure_;
    for (ProcessStream::Birth& birth : births_) {
      if (birth.fresh) birth.state = FreshState();
      Begin(birth.child, std::move(birth.state), birth.fresh, {});
    }
    return ops;
  }

 private:
  const TracedProgram& First() const { return set_.processes.at(set_.root)[0]; }

  ProcessState FreshState() const {
    return ProcessState(options_.address_limit, kProgramLayout);
  }

  void Begin(TaskId task, ProcessState state, bool fresh,
             std::vector<ProcessStream::Start> starts) {
    streams_.emplace(task, std::make_unique<ProcessStream>(
                               set_, task, std::move(state), fresh,
                               options_.fetches, std::move(starts), &counts_));
  }

  bool Has(uint64_t bits) const { return (set_.file_types & bits) != 0; }
  std::vector<std::string> Lacks() const;

  TraceSet set_;
  TraceOptions options_;
  DrmemtraceCounts counts_;
  absl::btree_map<TaskId, std::unique_ptr<ProcessStream>> streams_;
  std::vector<ProcessStream::Birth> births_;
  absl::Status failure_;
};

std::vector<std::string> DrmemtraceTrace::Lacks() const {
  std::vector<std::string> lacks = {
      "all threads of a process are one stream, in the order of the trace's "
      "timestamps",
      "mappings without a call are inferred from the first access, so that "
      "they never go: faults behind an munmap and an mprotect are missing"};
  if (!Has(kFileSyscallNumbers)) {
    lacks.push_back("no system calls");
  } else if (counts_.unknown_calls != 0) {
    lacks.push_back(absl::StrCat(counts_.unknown_calls,
                                 " calls on mappings without arguments are of "
                                 "unknown effect"));
  }
  lacks.push_back("files are known by descriptors, and their names not");
  if (Has(kFileInstructionsOnly)) lacks.push_back("no data: instructions only");
  if (Has(kFileFiltered | kFileInstructionsFiltered | kFileDataFiltered)) {
    lacks.push_back(
        "accesses that hit in a cache as it was recorded are filtered out, so "
        "that counts mean nothing");
  }
  if (Has(kFileRegdeps)) {
    lacks.push_back("instructions are of a synthetic machine (regdeps)");
  }
  if (counts_.unsized != 0) {
    lacks.push_back(absl::StrCat(counts_.unsized,
                                 " accesses of unknown size (XSAVE) are one "
                                 "byte each"));
  }
  if (counts_.gaps != 0) {
    lacks.push_back(
        absl::StrCat("the recording has ", counts_.gaps,
                     " gaps between its windows, in which programs went on"));
  }
  if (counts_.started != 0) {
    lacks.push_back(absl::StrCat(counts_.started,
                                 " programs that no fork starts are started "
                                 "by the first one, by vfork and exec"));
  }
  return lacks;
}

TraceFacts DrmemtraceTrace::facts() const {
  TraceFacts facts;
  facts.format = "drmemtrace";
  facts.command = Printable(First().program);
  facts.environment = {{"recorded by", "DynamoRIO's drmemtrace"}};
  std::string version = absl::StrCat(set_.oldest_version);
  if (set_.newest_version != set_.oldest_version) {
    absl::StrAppend(&version, " to ", set_.newest_version);
  }
  facts.environment.emplace_back("trace version", version);
  facts.environment.emplace_back(
      "file type", absl::StrCat("0x", absl::Hex(set_.file_types)));
  facts.lacks = Lacks();
  const DrmemtraceCounts& c = counts_;
  facts.counts = {{"files", set_.files},
                  {"processes", set_.processes.size()},
                  {"threads", c.threads},
                  {"records", c.records},
                  {"fetches", c.fetches},
                  {"string iterations", c.iterations},
                  {"reads", c.reads},
                  {"writes", c.writes},
                  {"reads and writes of the same bytes", c.modifies},
                  {"accesses of size 0", c.unsized},
                  {"system calls", c.syscalls},
                  {"calls on mappings of unknown effect", c.unknown_calls},
                  {"signals", c.kernel_events},
                  {"kernel records left out", c.kernel_records},
                  {"accesses outside of user space left out", c.outside},
                  {"accesses against rights left out", c.against},
                  {"gaps", c.gaps},
                  {"programs without a fork", c.started},
                  {"mappings from files beside the trace", c.known},
                  {"regions of large pages among these", c.large_pages},
                  {"files beside the trace that are of another", c.strangers}};
  return facts;
}

}  // namespace

bool IsDrmemtrace(const TraceSample& sample) {
  if (sample.directory) return IsDrmemtraceDirectory(sample.path);
  // Nothing else that is a trace is in Snappy's framing.
  return IsDrmemtraceContent(sample.content) ||
         absl::StartsWith(sample.raw, kSnappyMagic);
}

absl::StatusOr<std::unique_ptr<Trace>> OpenDrmemtrace(
    std::vector<std::string> files, const TraceOptions& options) {
  const absl::Status limit = CheckAddressLimit(options.address_limit);
  if (!limit.ok()) return limit;
  absl::StatusOr<TraceSet> set = ReadTraceSet(files);
  if (!set.ok()) return set.status();
  return std::make_unique<DrmemtraceTrace>(*std::move(set), options);
}

}  // namespace xmmu
