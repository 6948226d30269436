// xmmu trace pack and xmmu trace cut: a packed trace of a trace, whole or of a
// piece of it.

#include <sys/stat.h>

#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/pack_spool.h"
#include "cli/run_options.h"
#include "cli/trace_input.h"
#include "workload/inspect/trace_cut.h"
#include "workload/inspect/trace_point.h"
#include "xmmu/workload/packed_trace.h"

namespace xmmu::cli {
namespace {

std::vector<Option> PackOptions() {
  std::vector<Option> options = OptionsOfOutput("");
  std::erase_if(options, [](const Option& o) { return o.name == "format"; });
  options.front().help =
      "packed trace to write, also as -o FILE; it appears when it is whole";
  options.front().letter = 'o';
  return options;
}

std::vector<Option> CutOptions() {
  const std::string group = "Piece";
  return Joined(
      {{{.name = "from",
         .group = group,
         .value = "POINT",
         .help = "first operation of the piece: its number, or what "
                 "it is, KIND[:ADDRESS[:COUNT]], such as "
                 "fetch:0x401136:3, the third fetch of that address; "
                 "default 0"},
        {.name = "to",
         .group = group,
         .value = "POINT",
         .help = "first operation behind the piece; what it is counts "
                 "from the first one on; default the end"},
        {.name = "operations",
         .group = group,
         .value = "N",
         .help = "how many the piece has, instead of --to"}},
       PackOptions()});
}

// Where the packed trace goes, which is none of the files that are read.
absl::StatusOr<std::string> PackedPath(const Arguments& arguments) {
  const std::string path = arguments.Text("output");
  if (path.empty()) {
    return absl::InvalidArgumentError("want --output=FILE, see --help");
  }
  struct stat output;
  if (stat(path.c_str(), &output) != 0) return path;
  for (const std::string& file : arguments.files()) {
    struct stat input;
    if (stat(file.c_str(), &input) == 0 && input.st_dev == output.st_dev &&
        input.st_ino == output.st_ino) {
      return arguments.Refuse("output", "want a file that is not read");
    }
  }
  return path;
}

// Whether a directory is named, and nothing else: the spool of a recorder that
// was killed before it could pack it.
bool NamesSpool(const std::vector<std::string>& files) {
  struct stat file;
  return files.size() == 1 && stat(files.front().c_str(), &file) == 0 &&
         S_ISDIR(file.st_mode);
}

absl::Status RunPack(const Arguments& arguments, const Catalog&,
                     Console& console) {
  const auto path = PackedPath(arguments);
  if (!path.ok()) return path.status();
  if (NamesSpool(arguments.files())) {
    return PackSpool(arguments.files().front(), *path, &console);
  }
  const auto opened = OpenInputTrace(arguments, console);
  if (!opened.ok()) return opened.status();
  auto writer = PackedTraceWriter::Create(*path, PackedHeadOf(*opened->trace));
  if (!writer.ok()) return writer.status();
  console.RemoveIfEnded((*writer)->unfinished_path());
  return opened->input.Named(PackTrace(*opened->trace, **writer));
}

absl::StatusOr<std::optional<TracePoint>> PointOf(const Arguments& arguments,
                                                  const std::string& name) {
  if (!arguments.Given(name)) return std::nullopt;
  const auto point = ParseTracePoint(arguments.Text(name));
  if (point.ok()) return *point;
  return arguments.Refuse(name, std::string(point.status().message()));
}

// The region that the arguments name. What is named by what happens there is
// looked for in a trace of its own.
absl::StatusOr<TraceRegion> RegionOf(const Arguments& arguments,
                                     const TraceInput& input) {
  const auto from = PointOf(arguments, "from");
  if (!from.ok()) return from.status();
  const auto to = PointOf(arguments, "to");
  if (!to.ok()) return to.status();
  const auto operations = WholeNumber(arguments, "operations", 0,
                                      std::numeric_limits<uint64_t>::max());
  if (!operations.ok()) return operations.status();
  if (arguments.Given("operations") && arguments.Given("to")) {
    return arguments.Refuse("operations", "want it without --to");
  }
  if (arguments.Given("operations") && *operations == 0) {
    return arguments.Refuse("operations", "want 1 at least");
  }
  const TracePoint first = from->value_or(TracePoint{});
  TraceRegion region{first.number, std::nullopt};
  const bool last_is_event = to->has_value() && (*to)->kind.has_value();
  if (first.kind.has_value() || last_is_event) {
    const auto trace = OpenTrace(input.paths(), {});
    if (!trace.ok()) return trace.status();
    const auto found = FindRegion(
        **trace, first, last_is_event ? *to : std::optional<TracePoint>());
    if (!found.ok()) return found.status();
    region = *found;
  }
  if (to->has_value() && !last_is_event) region.to = (*to)->number;
  if (*operations != 0) {
    region.to = region.from + std::min(*operations, ~region.from);
  }
  if (region.to.has_value() && *region.to <= region.from) {
    return arguments.Refuse(
        "to", absl::StrCat("want a point behind operation ", region.from));
  }
  return region;
}

PackedHead HeadOfCut(const Trace& trace, const TraceRegion& region,
                     const TraceCut& cut) {
  PackedHead head = PackedHeadOf(trace);
  head.first_task = cut.first_task();
  head.environment.emplace_back(
      "cut",
      absl::StrCat("operations ", region.from, " to ",
                   region.to.has_value() ? absl::StrCat(*region.to) : "the end",
                   ", led up to by ", cut.setup_operations()));
  head.lacks.push_back(
      absl::StrCat("contents of memory and page tables from before operation ",
                   region.from));
  return head;
}

absl::Status WriteCut(const Arguments& arguments, const TraceInput& input,
                      Trace& trace, Console& console) {
  const auto path = PackedPath(arguments);
  if (!path.ok()) return path.status();
  const auto region = RegionOf(arguments, input);
  if (!region.ok()) return region.status();
  const auto cut = TraceCut::Begin(trace, region->from);
  if (!cut.ok()) return cut.status();
  auto writer =
      PackedTraceWriter::Create(*path, HeadOfCut(trace, *region, **cut));
  if (!writer.ok()) return writer.status();
  console.RemoveIfEnded((*writer)->unfinished_path());
  const auto append = [&](TaskId task, std::span<const GuestOp> ops) {
    return (*writer)->Append(task, ops);
  };
  const auto written = (*cut)->Write(region->to, append);
  if (!written.ok()) return written.status();
  return (*writer)->Finish(
      {{"operations that lead up to the piece", (*cut)->setup_operations()},
       {"operations of the piece", *written}});
}

absl::Status RunCut(const Arguments& arguments, const Catalog&,
                    Console& console) {
  const auto opened = OpenInputTrace(arguments, console);
  if (!opened.ok()) return opened.status();
  return opened->input.Named(
      WriteCut(arguments, opened->input, *opened->trace, console));
}

}  // namespace

Command TracePackCommand() {
  return {"trace pack",
          "one small file of a trace in any format",
          "--output=FILE FILE...",
          "FILE",
          "Writes a trace as a packed one, which holds the same operations, "
          "takes less room and is read faster. Suffix .xmmu. FILE may also be "
          "the directory .record.XXXXXX that `xmmu record` leaves, beside the "
          "trace that was to be, if it is killed by SIGKILL.",
          &PackOptions,
          &RunPack};
}

Command TraceCutCommand() {
  return {
      "trace cut",
      "a piece of a trace, with the mappings that lead up to it",
      "--output=FILE FILE...",
      "FILE",
      "Writes a piece of a trace as a packed trace that can be replayed: it "
      "begins with the tasks, mappings and open files that the operations "
      "before have led to. Contents of memory and page tables are not in a "
      "trace, and so not in its piece. A region of a program is marked by "
      "the addresses of functions that it calls.",
      &CutOptions,
      &RunCut};
}

}  // namespace xmmu::cli
