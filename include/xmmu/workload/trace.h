#ifndef XMMU_WORKLOAD_TRACE_H_
#define XMMU_WORKLOAD_TRACE_H_

// A trace is a workload that was recorded: the files of one recording, in one
// of the formats that people record memory in. TraceFormats() lists them, and
// lib/workload/README.md says what each has and lacks. OpenTrace() tells the
// format by what the files hold, never by their names.
//
// Addresses under an address limit. Address space is cut into segments of 256
// MiB. A segment below the limit keeps its number, unless it was given away;
// any other gets the highest free number below the limit, in order of first
// appearance in the process; where addresses were given out upwards, as by
// QEMU, the lowest free number from a third of the limit on, as long as there
// is one. A mapping over several segments stays in one piece. A fork hands the table on, an exec empties it. A mapping that does not
// fit is an error.
//
// Single-threaded.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

struct TraceOptions {
  // Guest addresses end below this many bytes; a multiple of 256 MiB, e.g.
  // 0xC0000000 for the 3 GiB of a 32-bit guest. 0 keeps the recorded addresses.
  uint64_t address_limit = 0;

  // Whether instruction fetches are in the stream (about two thirds of it).
  bool fetches = true;

  // Whether a packed trace is decoded by a thread of its own, ahead of whoever
  // reads it, once a task is read for long. What is read, and where which error
  // comes, is the same. It pays where a core of the host is free.
  bool reads_ahead = false;
};

// What a trace says of itself.
struct TraceFacts {
  std::string format;   // name of the format, as in TraceFormats()
  std::string command;  // the recorded command, or empty
  // Facts of the recording, by name: who recorded it, on what.
  std::vector<std::pair<std::string, std::string>> environment;
  // What this trace lacks and a replay so does without, or infers, a clause
  // each without a full stop: "no access that hits: faults only". Reports
  // repeat them.
  std::vector<std::string> lacks;
  // Whether the trace has only those accesses that faulted as it was recorded,
  // so that figures of TLBs and hits mean nothing.
  bool faults_only = false;
  // What has been read, inferred and left out so far, by name; whole once all
  // tasks have ended.
  std::vector<std::pair<std::string, uint64_t>> counts;
};

// A recorded workload.
class Trace : public Workload {
 public:
  virtual TraceFacts facts() const = 0;
};

// A format of traces.
struct TraceFormatName {
  std::string_view name;  // "lackey"
  std::string_view help;  // one line: who writes it, and what it has
};

// All formats, in the order in which they are tried.
std::vector<TraceFormatName> TraceFormats();

// Opens the files of one recording, in any order, and checks the head of each.
// A format that is a directory of files is named by the directory. Charges
// nothing: a workload has no clock.
//
// Errors, each one line `FILE:LINE: what is wrong, expected what`, or
// `FILE:OFFSET: ...` in formats that are no text: InvalidArgument for no file,
// for one that cannot be read, is empty or in none of the formats, for files of
// several formats, and what the format says of its heads. An error further down
// is returned by Workload::Next() when the reading gets there.
absl::StatusOr<std::unique_ptr<Trace>> OpenTrace(std::vector<std::string> files,
                                                 const TraceOptions& options);

}  // namespace xmmu

#endif  // XMMU_WORKLOAD_TRACE_H_
