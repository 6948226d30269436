#ifndef XMMU_LIB_CLI_TRACE_INPUT_H_
#define XMMU_LIB_CLI_TRACE_INPUT_H_

// The files of a trace as they are named on a command line, where "-" is
// standard input. That is copied to a file in $TMPDIR (else /tmp) which has no
// name and goes with the program, since formats are told by looking, and most
// are read at several places.
//
// Single-threaded.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/arguments.h"
#include "cli/console.h"
#include "xmmu/workload/trace.h"

namespace xmmu::cli {

class TraceInput {
 public:
  // Reads standard input to its end if one of `files` is "-".
  // Errors: InvalidArgument for a second "-", and if standard input cannot be
  // read or holds nothing; Unavailable if it cannot be copied.
  static absl::StatusOr<TraceInput> Open(std::vector<std::string> files);

  TraceInput(TraceInput&& other) noexcept;
  TraceInput& operator=(TraceInput&&) = delete;
  ~TraceInput();

  // What can be opened for each file, in order.
  const std::vector<std::string>& paths() const { return paths_; }
  // `text` with the names that the files were given by.
  std::string Named(std::string text) const;
  absl::Status Named(const absl::Status& status) const;

 private:
  explicit TraceInput(std::vector<std::string> files)
      : paths_(std::move(files)) {}

  std::vector<std::string> paths_;
  std::string spool_;  // the path that stands for standard input, or empty
  int descriptor_ = -1;
};

// The trace that a command is called with. The workload goes before its files.
struct InputTrace {
  TraceInput input;
  std::unique_ptr<Trace> trace;
};

// The files that the arguments name.
// Errors: InvalidArgument if they name none, and as TraceInput::Open().
absl::StatusOr<TraceInput> ReadInput(const Arguments& arguments);

// Opens the trace that the files are. It tells `console`, which outlives it, how
// far it is read, and ends with Cancelled after an interrupt.
// Errors: as OpenTrace().
absl::StatusOr<InputTrace> OpenInputTrace(TraceInput input, Console& console);
// Opens the trace that the arguments name.
// Errors: as ReadInput() and OpenTrace().
absl::StatusOr<InputTrace> OpenInputTrace(const Arguments& arguments,
                                          Console& console);

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_TRACE_INPUT_H_
