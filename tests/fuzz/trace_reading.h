#ifndef XMMU_TESTS_FUZZ_TRACE_READING_H_
#define XMMU_TESTS_FUZZ_TRACE_READING_H_

// What the fuzz targets of traces share: a trace is read as a guest reads it,
// and whatever is wrong with it is told in one line that names the file.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "xmmu/workload/trace.h"

namespace xmmu {

// Stops unless `status` is good or an error of one line that begins with
// `place`: the path of the file, or of the directory that it lies in.
inline void CheckError(const absl::Status& status, const std::string& place) {
  const std::string message(status.message());
  if (status.ok()) return;
  if (message.find('\n') == std::string::npos && message.starts_with(place))
    return;
  std::fprintf(stderr, "no error of the file's: %s\n", message.c_str());
  std::abort();
}

// Stops if a range of addresses wraps, which no kernel would accept.
inline void CheckRange(const GuestOp& op) {
  if (op.length == 0 || op.va.value() + (op.length - 1) >= op.va.value())
    return;
  std::fprintf(stderr, "an operation of kind %d wraps\n",
               static_cast<int>(op.kind));
  std::abort();
}

// Reads all tasks to their ends, or to what is wrong. Stops where a task goes
// on behind its end.
inline absl::Status ReadToTheEnd(Trace& trace) {
  std::vector<TaskId> tasks = {trace.first_task()};
  for (size_t i = 0; i < tasks.size(); ++i) {
    for (bool ended = false; !ended;) {
      const auto ops = trace.Next(tasks[i]);
      if (!ops.ok()) return ops.status();
      if (ops->empty()) std::abort();
      for (const GuestOp& op : *ops) {
        if (ended) std::abort();
        CheckRange(op);
        ended = op.kind == GuestOpKind::kExit;
        if (StartsTask(op.kind)) tasks.push_back(op.child);
      }
    }
  }
  trace.facts();
  return absl::OkStatus();
}

}  // namespace xmmu

#endif  // XMMU_TESTS_FUZZ_TRACE_READING_H_
