#include "workload/champsim/champsim_format.h"

#include <utility>

#include "absl/container/btree_map.h"
#include "absl/strings/str_cat.h"
#include "workload/champsim/champsim_stream.h"
#include "workload/input/file_error.h"
#include "workload/process/address_map.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

class ChampsimTrace final : public Trace {
 public:
  ChampsimTrace(std::vector<std::string> files, ChampsimLayout layout,
                const TraceOptions& options)
      : files_(std::move(files)), layout_(layout), options_(options) {
    name_ = FileTitle(files_.front());
    Begin({.child = first_task(), .file = 0, .space = std::nullopt});
  }

  std::string name() const override { return absl::StrCat("trace:", name_); }
  TaskId first_task() const final { return ChampsimTask(0); }
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
    for (const ChampsimStream::Birth& birth : births_) Begin(birth);
    return ops;
  }

 private:
  void Begin(const ChampsimStream::Birth& birth) {
    streams_.emplace(birth.child,
                     std::make_unique<ChampsimStream>(
                         birth.child, files_, birth.file, birth.space,
                         options_.fetches, options_.address_limit, &counts_));
  }

  std::vector<std::string> files_;
  ChampsimLayout layout_;
  TraceOptions options_;
  std::string name_;
  ChampsimCounts counts_;
  absl::btree_map<TaskId, std::unique_ptr<ChampsimStream>> streams_;
  std::vector<ChampsimStream::Birth> births_;
  absl::Status failure_;
};

TraceFacts ChampsimTrace::facts() const {
  TraceFacts facts;
  facts.format = "champsim";
  const bool cloud_suite = layout_ == ChampsimLayout::kCloudSuite;
  facts.environment = {
      {"recorded by", "a tracer for ChampSim"},
      {"record", cloud_suite ? "96 bytes (CloudSuite)" : "64 bytes"}};
  facts.lacks = {
      "accesses of data are 8 bytes each, clipped to the page: the format has "
      "no sizes",
      "fetches are as long as the next instruction tells, or 4 bytes",
      "no system calls, and no mappings: these are inferred from the first "
      "access and never go",
      "no processes and no threads: each file, and each address space that it "
      "names, is a program"};
  const ChampsimCounts& c = counts_;
  if (c.kernel != 0) {
    facts.lacks.push_back(
        absl::StrCat(c.kernel, " accesses of the kernel's are left out"));
  }
  if (c.partial != 0) {
    facts.lacks.push_back("a record that is cut off at the end is left out");
  }
  facts.counts = {{"files", files_.size()},
                  {"tasks", streams_.size()},
                  {"records", c.records},
                  {"fetches", c.fetches},
                  {"repeated instructions", c.repeats},
                  {"loads", c.loads},
                  {"stores", c.stores},
                  {"modifies", c.modifies},
                  {"kernel accesses left out", c.kernel},
                  {"accesses outside of user space left out", c.outside},
                  {"records cut off", c.partial}};
  return facts;
}

}  // namespace

bool IsChampsim(const TraceSample& sample) {
  return !sample.directory && IsChampsimContent(sample.content);
}

absl::StatusOr<std::unique_ptr<Trace>> OpenChampsim(
    std::vector<std::string> files, const TraceOptions& options) {
  const absl::Status limit = CheckAddressLimit(options.address_limit);
  if (!limit.ok()) return limit;
  ChampsimLayout layout = ChampsimLayout::kNone;
  for (const std::string& file : files) {
    const auto opened = ChampsimFile::Open(file);
    if (!opened.ok()) return opened.status();
    if (layout == ChampsimLayout::kNone) layout = (*opened)->layout();
  }
  return std::make_unique<ChampsimTrace>(std::move(files), layout, options);
}

}  // namespace xmmu
