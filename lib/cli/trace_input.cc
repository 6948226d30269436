#include "cli/trace_input.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace xmmu::cli {
namespace {

constexpr char kStandardInput[] = "-";
constexpr size_t kBlock = size_t{1} << 16;  // bytes

// Makes a file without a name in the directory for temporary files.
absl::StatusOr<int> MakeNameless() {
  const char* const named = std::getenv("TMPDIR");
  const std::string directory =
      named == nullptr || *named == '\0' ? "/tmp" : named;
  std::string name = directory + "/xmmu.XXXXXX";
  const int descriptor = mkostemp(name.data(), O_CLOEXEC);
  if (descriptor < 0) {
    return absl::UnavailableError(
        absl::StrCat(directory, ": ", std::strerror(errno),
                     "; standard input is copied to a file there"));
  }
  unlink(name.c_str());
  return descriptor;
}

bool WriteBlock(int descriptor, const char* bytes, size_t count) {
  while (count > 0) {
    const ssize_t written = write(descriptor, bytes, count);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes += written;
    count -= static_cast<size_t>(written);
  }
  return true;
}

absl::Status CopyInput(int descriptor) {
  std::vector<char> block(kBlock);
  bool any = false;
  for (;;) {
    const ssize_t got = read(STDIN_FILENO, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("-:0: cannot be read (", std::strerror(errno),
                       "), expected a trace on standard input"));
    }
    if (got == 0) break;
    any = true;
    if (!WriteBlock(descriptor, block.data(), static_cast<size_t>(got))) {
      return absl::UnavailableError(
          absl::StrCat("copying standard input to a temporary file: ",
                       std::strerror(errno)));
    }
  }
  if (any) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "-:0: is empty, expected a trace on standard input");
}

// Passes a trace through, tells how far it is read, and ends it at an interrupt.
class ConsoleTrace final : public Trace {
 public:
  ConsoleTrace(std::unique_ptr<Trace> trace, Console& console)
      : trace_(std::move(trace)),
        stop_(console.stop()),
        progress_(console.progress()) {}

  TraceFacts facts() const override { return trace_->facts(); }
  std::string name() const override { return trace_->name(); }
  TaskId first_task() const override { return trace_->first_task(); }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    if (stop_.stop_requested()) return absl::CancelledError("stopped");
    absl::StatusOr<std::span<const GuestOp>> ops = trace_->Next(task);
    if (ops.ok()) progress_.AddOperations(ops->size());
    return ops;
  }

 private:
  std::unique_ptr<Trace> trace_;
  const std::stop_token stop_;
  JobProgress& progress_;
};

}  // namespace

absl::StatusOr<TraceInput> TraceInput::Open(std::vector<std::string> files) {
  TraceInput input(std::move(files));
  const auto dash =
      std::find(input.paths_.begin(), input.paths_.end(), kStandardInput);
  if (dash == input.paths_.end()) return input;
  if (std::find(dash + 1, input.paths_.end(), kStandardInput) !=
      input.paths_.end()) {
    return absl::InvalidArgumentError("-: given twice");
  }
  const auto made = MakeNameless();
  if (!made.ok()) return made.status();
  input.descriptor_ = *made;
  const absl::Status status = CopyInput(*made);
  if (!status.ok()) return status;
  input.spool_ = absl::StrCat("/proc/self/fd/", *made);
  *dash = input.spool_;
  return input;
}

TraceInput::TraceInput(TraceInput&& other) noexcept
    : paths_(std::move(other.paths_)),
      spool_(std::move(other.spool_)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

TraceInput::~TraceInput() {
  if (descriptor_ >= 0) close(descriptor_);
}

std::string TraceInput::Named(std::string text) const {
  if (spool_.empty()) return text;
  return absl::StrReplaceAll(text, {{spool_, kStandardInput}});
}

absl::Status TraceInput::Named(const absl::Status& status) const {
  return absl::Status(status.code(), Named(std::string(status.message())));
}

absl::StatusOr<TraceInput> ReadInput(const Arguments& arguments) {
  if (arguments.files().empty()) {
    return absl::InvalidArgumentError(
        "want the files of one trace; see --help");
  }
  return TraceInput::Open(arguments.files());
}

absl::StatusOr<InputTrace> OpenInputTrace(TraceInput input, Console& console) {
  auto trace = OpenTrace(input.paths(), {});
  if (!trace.ok()) return input.Named(trace.status());
  return InputTrace{std::move(input),
                    std::make_unique<ConsoleTrace>(*std::move(trace), console)};
}

absl::StatusOr<InputTrace> OpenInputTrace(const Arguments& arguments,
                                          Console& console) {
  auto input = ReadInput(arguments);
  if (!input.ok()) return input.status();
  return OpenInputTrace(*std::move(input), console);
}

}  // namespace xmmu::cli
