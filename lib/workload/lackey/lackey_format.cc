#include "workload/lackey/lackey_format.h"

#include <utility>

#include "absl/strings/match.h"
#include "workload/lackey/log_text.h"
#include "xmmu/workload/lackey_trace.h"

namespace xmmu {

bool IsLackeyLog(const TraceSample& sample) {
  const absl::string_view begin = sample.content;
  if (MessageText(begin).size() != begin.size()) return true;
  for (const absl::string_view record :
       {"I  ", " L ", " S ", " M ", "SYSCALL[", "<?xml"}) {
    if (absl::StartsWith(begin, record)) return true;
  }
  return false;
}

absl::StatusOr<std::unique_ptr<Trace>> OpenLackeyLogs(
    std::vector<std::string> files, const TraceOptions& options) {
  return OpenLackeyTrace(std::move(files), options);
}

}  // namespace xmmu
