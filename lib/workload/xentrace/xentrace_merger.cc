#include "workload/xentrace/xentrace_merger.h"

#include <utility>

#include "absl/container/btree_set.h"
#include "workload/input/file_error.h"

namespace xmmu {
namespace {

// Each is an open file, of which a process may have 1024 (RLIMIT_NOFILE).
constexpr size_t kMostMergedCpus = 256;

}  // namespace

absl::StatusOr<XentraceMerger> XentraceMerger::Open(const std::string& path) {
  auto whole = XentraceReader::Open(path);
  if (!whole.ok()) return whole.status();
  absl::btree_set<uint32_t> cpus;
  for (;;) {
    const auto record = whole->Next();
    if (!record.ok()) return record.status();
    if (!record->has_value()) break;
    cpus.insert((*record)->cpu);
  }
  if (cpus.size() > kMostMergedCpus) {
    return FileError(path, 0,
                     "has records of more than 256 CPUs, expected no "
                     "more to merge");
  }
  XentraceMerger merger;
  for (const uint32_t cpu : cpus) {
    auto reader = XentraceReader::Open(path, cpu);
    if (!reader.ok()) return reader.status();
    merger.cpus_.push_back({*std::move(reader), std::nullopt});
    const auto first = merger.cpus_.back().reader.Next();
    if (!first.ok()) return first.status();
    merger.cpus_.back().next = *first;
  }
  return merger;
}

absl::StatusOr<std::optional<XentraceRecord>> XentraceMerger::Next() {
  Cpu* earliest = nullptr;
  for (Cpu& cpu : cpus_) {
    if (!cpu.next.has_value()) continue;
    if (earliest == nullptr || cpu.next->tsc < earliest->next->tsc) {
      earliest = &cpu;
    }
  }
  if (earliest == nullptr) return std::nullopt;
  const XentraceRecord record = *earliest->next;
  const auto next = earliest->reader.Next();
  if (!next.ok()) return next.status();
  earliest->next = *next;
  return record;
}

}  // namespace xmmu
