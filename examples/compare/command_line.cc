#include "compare/command_line.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string_view>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "compare/output_file.h"
#include "xmmu/base/printable.h"

ABSL_FLAG(bool, help, false, "says this, and ends");

namespace xmmu::compare {
namespace {

constexpr int kBadInput = 2;
// A line that is longer has somebody's data in it.
constexpr size_t kLongestMessage = 2000;

// A file opened in the place of a standard descriptor would be taken for it.
// What stands there now can be neither read nor written.
void FillStandardDescriptors() {
  for (int i = STDIN_FILENO; i <= STDERR_FILENO; ++i) {
    if (fcntl(i, F_GETFD) >= 0) continue;
    // The lowest that is free, which is `i`.
    if (open("/dev/null", i == STDIN_FILENO ? O_WRONLY : O_RDONLY) != i) return;
  }
}

void Say(const char* program, std::string_view message) {
  std::string line = Printable(message);
  if (line.size() > kLongestMessage) {
    line.resize(kLongestMessage);
    line += "...";
  }
  std::fprintf(stderr, "%s: %s\n", program, line.c_str());
}

int ExitStatus(const char* program, const absl::Status& status) {
  if (status.ok()) return EXIT_SUCCESS;
  Say(program, std::string(status.message()));
  const bool bad_input = absl::IsInvalidArgument(status) ||
                         absl::IsUnimplemented(status) ||
                         absl::IsResourceExhausted(status);
  return bad_input ? kBadInput : EXIT_FAILURE;
}

absl::Status ParseAndRun(const Program& program, int argc,
                         const char* const* argv) {
  const auto arguments = ParseArguments(program.flags, argc, argv);
  if (!arguments.ok()) return arguments.status();
  if (absl::GetFlag(FLAGS_help)) return WriteStandardOutput(program.help());
  return program.run(*arguments);
}

}  // namespace

int RunProgram(const Program& program, int argc, const char* const* argv) {
  FillStandardDescriptors();
  // A pipe that nobody reads any more is an error to report like a full disk.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return ExitStatus(program.name, ParseAndRun(program, argc, argv));
  } catch (const std::bad_alloc&) {
    Say(program.name,
        "not enough memory for this; want a smaller guest, fewer vCPUs, or a "
        "machine with smaller caches");
  } catch (const std::exception& error) {
    Say(program.name, error.what());
  }
  return EXIT_FAILURE;
}

std::string HelpOfFlags(std::span<const char* const> names) {
  std::string text;
  for (const char* name : names) {
    const absl::CommandLineFlag* flag = absl::FindCommandLineFlag(name);
    const std::string dashed = Dashed(name);
    const std::string value = flag->DefaultValue();
    const bool shown =
        !value.empty() && value != "false" && value != "0" && value != "-1";
    absl::StrAppend(
        &text, "  ", dashed,
        std::string(dashed.size() < 16 ? 16 - dashed.size() : 1, ' '),
        flag->Help(), shown ? absl::StrCat(" (", value, ")") : "", "\n");
  }
  return text;
}

absl::Status CheckFormat(const std::string& format,
                         const std::vector<std::string>& all) {
  if (std::find(all.begin(), all.end(), format) != all.end()) {
    return absl::OkStatus();
  }
  const std::vector<std::string> others(all.begin(), all.end() - 1);
  return absl::InvalidArgumentError(absl::StrCat("--format=", format, ": want ",
                                                 absl::StrJoin(others, ", "),
                                                 " or ", all.back()));
}

}  // namespace xmmu::compare
