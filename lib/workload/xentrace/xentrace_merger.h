#ifndef XMMU_LIB_WORKLOAD_XENTRACE_XENTRACE_MERGER_H_
#define XMMU_LIB_WORKLOAD_XENTRACE_XENTRACE_MERGER_H_

// The records of all CPUs of a xentrace file in the order of their times, of
// equal ones that of the lower CPU first. Each CPU is read by itself, so the
// file is open once for each, and a record of each is kept. Single-threaded.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "workload/xentrace/xentrace_reader.h"

namespace xmmu {

class XentraceMerger {
 public:
  // Reads the file once to find its CPUs.
  // Errors: as XentraceReader; InvalidArgument, `FILE:0: what`, for more than
  // 256 CPUs.
  static absl::StatusOr<XentraceMerger> Open(const std::string& path);

  // Returns the next record, or nothing at the end.
  // Errors: as XentraceReader.
  absl::StatusOr<std::optional<XentraceRecord>> Next();

 private:
  struct Cpu {
    XentraceReader reader;
    std::optional<XentraceRecord> next;
  };

  std::vector<Cpu> cpus_;  // by number
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_XENTRACE_XENTRACE_MERGER_H_
