#include "xmmu/workload/trace.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text.h"
#include "workload/champsim/champsim_format.h"
#include "workload/drmemtrace/drmemtrace_format.h"
#include "workload/foreign_file.h"
#include "workload/input/byte_source.h"
#include "workload/input/file_error.h"
#include "workload/lackey/lackey_format.h"
#include "workload/linux_text/linux_text_format.h"
#include "workload/packed/packed_format.h"
#include "workload/trace_format.h"
#include "workload/xentrace/xentrace_reader.h"

namespace xmmu {
namespace {

constexpr size_t kRawSample = 4 * 1024;       // bytes
constexpr size_t kContentSample = 64 * 1024;  // bytes

// The formats, in the order in which they are tried. To add one, add its row.
constexpr TraceFormat kFormats[] = {
    {"packed", "one file of xmmu itself (record, trace pack)", &IsPackedTrace,
     &OpenPackedTrace},
    {"lackey",
     "logs of Valgrind's Lackey, one a process (record --with=lackey)",
     &IsLackeyLog, &OpenLackeyLogs},
    {"linux-text",
     "Linux's tracing as text, by ftrace, trace-cmd report or perf script: "
     "faults only",
     &IsLinuxText, &OpenLinuxText},
    {"drmemtrace",
     "DynamoRIO's final traces, versions 1 to 7: directories or files",
     &IsDrmemtrace, &OpenDrmemtrace},
    // It has no magic number, so that it comes last.
    {"champsim", "ChampSim's records of 64 or 96 bytes, a program a file",
     &IsChampsim, &OpenChampsim},
};

absl::StatusOr<std::string> RawBytes(const std::string& path) {
  const int file =
      open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  std::string bytes(kRawSample, '\0');
  const ssize_t got = file < 0 ? -1 : read(file, bytes.data(), bytes.size());
  const int error = errno;
  if (file >= 0) close(file);
  if (got < 0) {
    return FileError(path, 0,
                     absl::StrCat("cannot be read (", strerror(error),
                                  "), expected a trace"));
  }
  bytes.resize(static_cast<size_t>(got));
  return bytes;
}

// Damage further down is for the format to report.
std::string FirstContent(ByteSource& source) {
  std::string content;
  while (content.size() < kContentSample && source.member() == 0) {
    const absl::StatusOr<absl::string_view> block = source.Next();
    if (!block.ok() || block->empty() || source.member() != 0) break;
    absl::StrAppend(&content,
                    block->substr(0, kContentSample - content.size()));
  }
  return content;
}

absl::StatusOr<TraceSample> SampleOf(const std::string& path) {
  TraceSample sample;
  sample.path = path;
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    return FileError(path, 0,
                     absl::StrCat("cannot be found (", strerror(errno),
                                  "), expected a trace"));
  }
  sample.directory = S_ISDIR(info.st_mode);
  if (sample.directory) return sample;
  const auto source = ByteSource::Open(path);
  if (!source.ok()) return source.status();
  auto raw = RawBytes(path);
  if (!raw.ok()) return raw.status();
  sample.raw = *std::move(raw);
  sample.content = FirstContent(**source);
  return sample;
}

// Whether an error is about a line.
bool IsText(const TraceSample& sample) {
  return !sample.directory && !absl::StrContains(sample.content, '\0');
}

std::string NamesOfFormats() {
  return absl::StrJoin(kFormats, ", ",
                       [](std::string* out, const TraceFormat& format) {
                         out->append(format.name);
                       });
}

absl::StatusOr<const TraceFormat*> FormatOf(const std::string& path) {
  const absl::StatusOr<TraceSample> sample = SampleOf(path);
  if (!sample.ok()) return sample.status();
  if (IsXentrace(sample->content)) {
    return FileError(path, 0,
                     "is a file of xentrace, which has no program's accesses, "
                     "expected a trace; xmmu trace info counts one by itself");
  }
  const std::string foreign = ForeignFile(*sample);
  if (!foreign.empty()) {
    const bool says = absl::StrContains(foreign, ", expected ");
    return FileError(path, 0,
                     absl::StrCat(foreign, says ? " or " : ", expected ",
                                  "a trace of the formats ", NamesOfFormats()));
  }
  for (const TraceFormat& format : kFormats) {
    if (format.sniff(*sample)) return &format;
  }
  return FileError(path, IsText(*sample) ? 1 : 0,
                   absl::StrCat("no trace of a known format, expected one of ",
                                NamesOfFormats()));
}

}  // namespace

std::vector<TraceFormatName> TraceFormats() {
  std::vector<TraceFormatName> names;
  for (const TraceFormat& format : kFormats) {
    names.push_back({format.name, format.help});
  }
  return names;
}

absl::StatusOr<std::unique_ptr<Trace>> OpenTrace(std::vector<std::string> files,
                                                 const TraceOptions& options) {
  if (files.empty()) {
    return absl::InvalidArgumentError(
        "no trace file, expected the files of one recording");
  }
  const TraceFormat* format = nullptr;
  for (const std::string& file : files) {
    const absl::StatusOr<const TraceFormat*> found = FormatOf(file);
    if (!found.ok()) return found.status();
    if (format == nullptr) format = *found;
    if (format == *found) continue;
    return FileError(
        file, 0,
        absl::StrCat("is of format ", Abs((*found)->name), ", expected ",
                     Abs(format->name), " as ", files.front(),
                     ": the files of one recording"));
  }
  return format->open(std::move(files), options);
}

}  // namespace xmmu
