#include "cli/run_command.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "cli/config.h"

namespace xmmu::cli {
namespace {

// `words` without the option `name` and its value.
std::vector<std::string> WithoutOption(std::string_view name,
                                       const std::vector<std::string>& words) {
  const std::string option = absl::StrCat("--", Abs(name));
  std::vector<std::string> kept;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == option) {
      ++i;  // its value
    } else if (!words[i].starts_with(option + "=")) {
      kept.push_back(words[i]);
    }
  }
  return kept;
}

constexpr std::string_view kOfThisRun[] = {"output", "report", "jobs"};

// Whether `word`, of a file of options, is one of those.
bool IsOfThisRun(std::string_view word) {
  return std::any_of(
      std::begin(kOfThisRun), std::end(kOfThisRun),
      [&](std::string_view option) {
        return word.starts_with(absl::StrCat("--", Abs(option), "="));
      });
}

}  // namespace

std::vector<std::string> WordsOfReport(std::vector<std::string> words) {
  for (const std::string_view option : kOfThisRun) {
    words = WithoutOption(option, words);
  }
  return words;
}

absl::Status RunWithConfig(const Command& command,
                           std::span<const Option> options, Arguments arguments,
                           const Catalog& catalog, Console& console) {
  if (arguments.Given("config")) {
    const absl::Status status =
        ReadConfig(arguments.Text("config"), options, arguments);
    if (!status.ok()) return status;
    // A report tells what the file said, which may change or go.
    std::vector<std::string> words =
        WithoutOption("config", arguments.command_line());
    for (std::string& word : arguments.WordsOfConfig()) {
      if (!IsOfThisRun(word)) words.push_back(std::move(word));
    }
    arguments.SetCommandLine(std::move(words));
  }
  if (command.files.empty() && !arguments.files().empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        arguments.files().front(), ": want options alone, see --help"));
  }
  return command.run(arguments, catalog, console);
}

}  // namespace xmmu::cli
