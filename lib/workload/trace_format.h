#ifndef XMMU_LIB_WORKLOAD_TRACE_FORMAT_H_
#define XMMU_LIB_WORKLOAD_TRACE_FORMAT_H_

// A row of the table of trace formats (trace.cc). A format is a folder here
// with one such row; nothing else has to know it.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "xmmu/workload/trace.h"

namespace xmmu {

// What a format is told by.
struct TraceSample {
  std::string path;
  bool directory = false;
  std::string raw;      // the first 4 KiB of the file
  std::string content;  // the first 64 KiB that it holds, decompressed, of the
                        // first member of a zip
};

struct TraceFormat {
  std::string_view name;
  std::string_view help;
  // Whether the file may be of this format. No two formats say so of one file.
  bool (*sniff)(const TraceSample& sample);
  // As OpenTrace(), of files all of which the format has sniffed.
  absl::StatusOr<std::unique_ptr<Trace>> (*open)(std::vector<std::string> files,
                                                 const TraceOptions& options);
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_TRACE_FORMAT_H_
