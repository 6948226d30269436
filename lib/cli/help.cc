#include "cli/help.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/text.h"
#include "cli/parser.h"

namespace xmmu::cli {
namespace {

constexpr size_t kWidth = 80;
constexpr size_t kHelpColumn = 25;

// Breaks `text` into lines of kWidth, each but the first behind `indent`
// blanks; the first begins at `column`.
std::string Wrapped(std::string_view text, size_t indent, size_t column) {
  std::string result;
  while (!text.empty()) {
    // A word ends behind a semicolon, too: lists of workloads are long.
    const size_t end = text.find_first_of("; ");
    const std::string_view word =
        end == std::string_view::npos ? text : text.substr(0, end + 1);
    const size_t size = word.size() - (word.ends_with(' ') ? 1 : 0);
    if (column + size > kWidth && column > indent) {
      while (result.ends_with(' ')) result.pop_back();
      absl::StrAppend(&result, "\n", std::string(indent, ' '));
      column = indent;
    }
    absl::StrAppend(&result, Abs(word));
    column += word.size();
    text.remove_prefix(word.size());
  }
  return result;
}

// Appends "  term   help", the help in a column of its own.
void AddTerm(std::string_view term, std::string_view help, std::string& text) {
  absl::StrAppend(&text, "  ", Abs(term));
  const size_t end = term.size() + 2;
  if (end + 2 > kHelpColumn) {
    absl::StrAppend(&text, "\n", std::string(kHelpColumn, ' '));
  } else {
    text += std::string(kHelpColumn - end, ' ');
  }
  absl::StrAppend(&text, Wrapped(help, kHelpColumn, kHelpColumn), "\n");
}

void AddOption(const Option& option, std::string& text) {
  AddTerm(absl::StrCat("--", option.name, option.value.empty() ? "" : "=",
                       option.value),
          option.help, text);
}

// The commands that are called by one word more within `group`, with a heading;
// empty if there is none.
std::string CommandsWithin(std::string_view group,
                           std::span<const Command> commands) {
  std::string text;
  for (const Command& command : commands) {
    const std::string_view name = NameWithin(command.name, group);
    if (name.empty()) continue;
    if (text.empty()) text = "\nCommands:\n";
    AddTerm(name, command.help, text);
  }
  return text;
}

}  // namespace

std::string HelpOfProgram(std::span<const Command> commands) {
  std::string text = absl::StrCat(
      "Usage: xmmu COMMAND [OPTION]... [ARGUMENT]...\n\n",
      Wrapped("Simulates the MMU of x86 processors and the ways in which Xen "
              "has virtualized memory on them, to the cycle, and compares what "
              "these cost.",
              0, 0),
      "\n", CommandsWithin("", commands));
  text += "\nOptions:\n";
  AddTerm("--help", "show this help, or that of a command, and end", text);
  AddTerm("--version", "show the version and end", text);
  absl::StrAppend(
      &text, "\n",
      Wrapped("xmmu COMMAND --help shows the options of a command. The exit "
              "status is 0, or 2 for what the user can put right, 130, 143 or "
              "129 after SIGINT, SIGTERM or SIGHUP, or 1 for anything else; "
              "with all but 0 one line is on standard error and nothing on "
              "standard output. diff ends with 1 and its report if two reports "
              "differ, and record with the status of the "
              "command that it runs, or 125 if there is no recording.",
              0, 0),
      "\n");
  return text;
}

std::string HelpOfCommand(const Command& command,
                          std::span<const Command> commands,
                          std::span<const Option> options) {
  const std::string within = CommandsWithin(command.name, commands);
  std::string text;
  for (const absl::string_view way : absl::StrSplit(Abs(command.usage), '\n')) {
    absl::StrAppend(&text, text.empty() ? "Usage: " : "  or:  ", "xmmu ",
                    Abs(command.name), within.empty() ? " [OPTION]..." : "",
                    way.empty() ? "" : " ", way, "\n");
  }
  absl::StrAppend(&text, "\n", Wrapped(command.description, 0, 0), "\n");
  text += within;
  std::string_view group;
  for (const Option& option : options) {
    if (option.group != group) {
      absl::StrAppend(&text, "\n", option.group, ":\n");
      group = option.group;
    }
    AddOption(option, text);
  }
  return text;
}

}  // namespace xmmu::cli
