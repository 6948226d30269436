#include "xmmu/cli/main.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/printable.h"
#include "base/text.h"
#include "cli/catalog.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/exit_status.h"
#include "cli/help.h"
#include "cli/output_file.h"
#include "cli/parser.h"
#include "cli/run_command.h"
#include "xmmu/sim/results.h"

namespace xmmu::cli {
namespace {

constexpr int kBadInput = 2;
// A line that is longer has somebody's data in it.
constexpr size_t kLongestMessage = 2000;

// Opens /dev/null as each standard descriptor that is closed: a file opened in
// its place would be taken for it. What stands there can be neither read nor
// written.
void FillStandardDescriptors() {
  for (int i = STDIN_FILENO; i <= STDERR_FILENO; ++i) {
    if (fcntl(i, F_GETFD) >= 0) continue;
    // open() gives the lowest that is free, which is `i`.
    if (open("/dev/null", i == STDIN_FILENO ? O_WRONLY : O_RDONLY) != i) return;
  }
}

// Writes "xmmu compare: message", or "xmmu: message" without a command.
void Say(std::string_view command, std::string_view message) {
  std::string line = Printable(message);
  if (line.size() > kLongestMessage) {
    line.resize(kLongestMessage);
    line += "...";
  }
  const std::string program =
      absl::StrCat("xmmu", command.empty() ? "" : " ", Abs(command));
  std::fprintf(stderr, "%s: %s\n", program.c_str(), line.c_str());
}

int ExitStatus(std::string_view command, const absl::Status& status) {
  if (status.ok()) return EXIT_SUCCESS;
  const std::optional<int> exit_status = ExitStatusOf(status);
  if (exit_status.has_value() && status.message().empty()) return *exit_status;
  Say(command, {status.message().data(), status.message().size()});
  if (exit_status.has_value()) return *exit_status;
  const bool bad_input = absl::IsInvalidArgument(status) ||
                         absl::IsUnimplemented(status) ||
                         absl::IsResourceExhausted(status);
  return bad_input ? kBadInput : EXIT_FAILURE;
}

// Says which commands there are within `group`.
absl::Status WantCommand(std::string_view group,
                         std::span<const Command> commands) {
  std::vector<std::string_view> names;
  for (const Command& command : commands) {
    const std::string_view name = NameWithin(command.name, group);
    if (!name.empty()) names.push_back(name);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("want a command: ",
                   NamesOf(names, [](std::string_view name) { return name; }),
                   "; see --help"));
}

// Does what the program does without a command.
absl::Status RunWithout(const Arguments& arguments,
                        std::span<const Command> commands, Console& console) {
  const absl::Status begun = console.BeginWithoutSignals();
  if (!begun.ok()) return begun;
  const auto help = arguments.IsOn("help");
  if (!help.ok()) return help.status();
  if (*help) return WriteStandardOutput(HelpOfProgram(commands));
  const auto version = arguments.IsOn("version");
  if (!version.ok()) return version.status();
  if (*version) {
    return WriteStandardOutput(absl::StrCat("xmmu ", Abs(Version()), "\n"));
  }
  return WantCommand("", commands);
}

absl::Status RunCommand(const Command& command,
                        std::span<const Command> commands,
                        std::span<const Option> options, Arguments arguments,
                        const Catalog& catalog, Console& console) {
  const auto help = arguments.IsOn("help");
  if (!help.ok()) return help.status();
  if (*help || command.run == nullptr || command.takes_signals) {
    const absl::Status begun = console.BeginWithoutSignals();
    if (!begun.ok()) return begun;
  } else {
    console.Begin(std::string(command.name));
  }
  if (*help) {
    return WriteStandardOutput(HelpOfCommand(command, commands, options));
  }
  if (command.run == nullptr) return WantCommand(command.name, commands);
  return RunWithConfig(command, options, std::move(arguments), catalog,
                       console);
}

// A bad command line, with the exit status that the command `name` has for it.
absl::Status RefusalBy(std::string_view name, std::span<const Command> commands,
                       const absl::Status& refusal) {
  for (const Command& command : commands) {
    if (command.name == name && command.refusal_status != kBadInput) {
      return WithExitStatus(refusal, command.refusal_status);
    }
  }
  return refusal;
}

// `name` becomes that of the command, for messages.
absl::Status Run(std::vector<std::string> words, const Extensions& extensions,
                 std::string& name, Console& console) {
  const std::vector<Command> commands = Commands();
  std::vector<CommandOptions> options;
  for (const Command& command : commands) {
    options.push_back({command.name, command.options()});
  }
  name = CommandOf(options, words);
  std::vector<std::string> command_line = WordsOfReport(words);
  command_line.insert(command_line.begin(), "xmmu");
  auto line = ParseCommandLine(options, std::move(words));
  if (!line.ok()) return RefusalBy(name, commands, line.status());
  line->arguments.SetCommandLine(std::move(command_line));
  const auto catalog = Catalog::Make(extensions);
  if (!catalog.ok()) return catalog.status();
  for (size_t i = 0; i < commands.size(); ++i) {
    if (commands[i].name != name) continue;
    return RunCommand(commands[i], commands, options[i].options,
                      std::move(line->arguments), *catalog, console);
  }
  return RunWithout(line->arguments, commands, console);
}

}  // namespace

int Main(int argc, char** argv, const Extensions& extensions) {
  FillStandardDescriptors();
  // From here on a signal is noted; the console's own descriptors are none of
  // the standard ones.
  Console console;
  // A pipe that nobody reads any more is an error to report like a full disk.
  std::signal(SIGPIPE, SIG_IGN);
  // So is a file that grows beyond the limit of ulimit -f.
  std::signal(SIGXFSZ, SIG_IGN);
  std::string command;
  try {
    std::vector<std::string> words;
    if (argc > 1) words.assign(argv + 1, argv + argc);
    const absl::Status status =
        Run(std::move(words), extensions, command, console);
    console.End();
    return ExitStatus(command, console.ResultOf(status));
  } catch (const std::bad_alloc&) {
    console.End();
    Say(command,
        "not enough memory for this; want a smaller guest, fewer vCPUs, or a "
        "machine with smaller caches");
  } catch (const std::exception& error) {
    console.End();
    Say(command, error.what());
  }
  return EXIT_FAILURE;
}

}  // namespace xmmu::cli
