#include "cli/parser.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/nearest_name.h"
#include "base/text.h"

namespace xmmu::cli {
namespace {

// A longer name is no typing error, and comparing it takes long.
constexpr size_t kLongestName = 32;
// CLI11 takes this as the end of a command; here it is a file's name.
constexpr std::string_view kEndOfCommand = "++";

bool IsOption(std::string_view word) {
  return word.size() > 1 && word[0] == '-';
}

// Says that `given` is no `what` of those of `names`, which stand in messages
// behind `dashes`.
absl::Status Unknown(std::string_view what, std::string_view given,
                     std::span<const std::string_view> names,
                     std::string_view dashes) {
  std::string_view name = given.substr(0, given.find('='));
  std::string_view bare = name;
  while (bare.starts_with('-')) bare.remove_prefix(1);
  const std::string_view nearest =
      bare.size() > kLongestName ? "" : NearestName(bare, names);
  return absl::InvalidArgumentError(absl::StrCat(
      Abs(name), ": no such ", Abs(what), "; ",
      nearest.empty() ? "see --help"
                      : absl::StrCat("did you mean ", Abs(dashes), Abs(nearest),
                                     "? See --help")));
}

absl::Status UnknownOption(std::string_view given,
                           std::span<const Option> options) {
  std::vector<std::string_view> names;
  for (const Option& option : options) names.push_back(option.name);
  return Unknown("option", given, names, "--");
}

const Option* Find(std::span<const Option> options, std::string_view name) {
  const auto found =
      std::find_if(options.begin(), options.end(),
                   [&](const Option& option) { return option.name == name; });
  return found == options.end() ? nullptr : &*found;
}

// Reads the words of one command line.
class Parser {
 public:
  Parser(std::span<const CommandOptions> commands,
         std::vector<std::string> words)
      : commands_(commands), words_(std::move(words)) {}

  absl::StatusOr<CommandLine> Parse() && {
    CutOffFiles();
    FindCommand();
    absl::Status status = CheckValues();
    if (!status.ok()) return status;
    try {
      status = Read();
    } catch (const CLI::Error& error) {
      const std::string text = error.what();
      status = absl::InvalidArgumentError(text.substr(0, text.find('\n')));
    }
    if (!status.ok()) return status;
    for (std::string& file : files_) result_.arguments.AddFile(std::move(file));
    return std::move(result_);
  }

 private:
  // What stands behind "--" is no option.
  void CutOffFiles() {
    const auto end = std::find(words_.begin(), words_.end(), "--");
    if (end == words_.end()) return;
    files_.assign(end + 1, words_.end());
    words_.erase(end, words_.end());
  }

  // Finds the command and the options that it has.
  void FindCommand() {
    result_.command = CommandOf(commands_, words_);
    options_ = ProgramOptions();
    for (const CommandOptions& command : commands_) {
      if (command.name == result_.command) options_ = command.options;
    }
    const size_t blank = result_.command.find(' ');
    if (blank == std::string::npos) return;
    // The options of "trace info" are read as if it were called "trace".
    const auto first = std::find(words_.begin(), words_.end(),
                                 result_.command.substr(0, blank));
    words_.erase(
        std::find(first + 1, words_.end(), result_.command.substr(blank + 1)));
  }

  static std::vector<Option> ProgramOptions() {
    return {{.name = "help"}, {.name = "version"}};
  }

  // CLI11 would take the next word, whatever it is, for a value that is empty
  // or not there.
  absl::Status CheckValues() {
    for (size_t i = 0; i < words_.size(); ++i) {
      const std::string word = words_[i];
      if (word == kEndOfCommand) {
        result_.arguments.AddFile(word);
        words_.erase(words_.begin() + static_cast<std::ptrdiff_t>(i--));
      }
      if (i + 1 == words_.size() && IsLetter(word)) {
        return absl::InvalidArgumentError(word + ": want a value");
      }
      if (!word.starts_with("--")) continue;
      const size_t equals = word.find('=');
      const std::string name = word.substr(2, equals - 2);
      const Option* const option =
          Find(options_, equals == std::string::npos ? word.substr(2) : name);
      if (option == nullptr) continue;
      if (equals == std::string::npos) {
        const bool last = i + 1 == words_.size();
        if (option->value.empty() ||
            !(last || words_[i + 1].starts_with("--"))) {
          continue;
        }
        return absl::InvalidArgumentError(word + ": want a value");
      }
      if (equals + 1 < word.size()) continue;
      if (!option->may_be_empty) {
        return absl::InvalidArgumentError(word + ": want a value");
      }
      result_.arguments.Add(name, "", "");
      words_.erase(words_.begin() + static_cast<std::ptrdiff_t>(i--));
    }
    return absl::OkStatus();
  }

  // As CLI11 takes them: "-o,--output".
  static std::string NamesOf(const Option& option) {
    const std::string letter =
        option.letter == 0
            ? ""
            : absl::StrCat("-", std::string(1, option.letter), ",");
    return absl::StrCat(letter, "--", option.name);
  }

  // Whether `word` is the letter of an option.
  bool IsLetter(const std::string& word) const {
    return word.size() == 2 && word[0] == '-' &&
           std::any_of(
               options_.begin(), options_.end(),
               [&](const Option& option) { return option.letter == word[1]; });
  }

  // Declares the options of a command, or of the program, to CLI11.
  static void Declare(std::span<const Option> options, CLI::App& app) {
    app.set_help_flag();
    app.allow_extras();
    for (const Option& option : options) {
      if (option.value.empty()) {
        app.add_flag("--" + option.name);
      } else {
        app.add_option(NamesOf(option))
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
      }
    }
  }

  absl::Status Read() {
    CLI::App program;
    const std::vector<Option> of_program = ProgramOptions();
    Declare(of_program, program);
    program.require_subcommand(0, 1);
    CLI::App* command = &program;
    if (!result_.command.empty()) {
      command = program.add_subcommand(
          result_.command.substr(0, result_.command.find(' ')));
      Declare(options_, *command);
    }
    // CLI11 wants them from the last to the first.
    std::reverse(words_.begin(), words_.end());
    program.parse(words_);
    absl::Status status = Take(program, of_program);
    if (status.ok() && command != &program) status = Take(*command, options_);
    return status;
  }

  // Takes over what CLI11 has read for `app`, which has `options`.
  absl::Status Take(const CLI::App& app, std::span<const Option> options) {
    for (const std::string& word : app.remaining()) {
      if (IsOption(word)) return UnknownOption(word, options);
      if (!NamesWithin().empty()) return UnknownCommand(word);
      result_.arguments.AddFile(word);
    }
    for (const Option& option : options) {
      const std::string name = "--" + option.name;
      for (const std::string& text : app.get_option(name)->results()) {
        result_.arguments.Add(option.name, text, "");
      }
      if (option.repeats || result_.arguments.Times(option.name) <= 1) continue;
      return absl::InvalidArgumentError(name + ": given twice");
    }
    return absl::OkStatus();
  }

  // What can be called by one word more: without a command all commands of one
  // word, in "trace" all that begin so.
  std::vector<std::string_view> NamesWithin() const {
    std::vector<std::string_view> names;
    for (const CommandOptions& command : commands_) {
      const std::string_view name = NameWithin(command.name, result_.command);
      if (!name.empty()) names.push_back(name);
    }
    return names;
  }

  absl::Status UnknownCommand(std::string_view given) const {
    return Unknown("command", given, NamesWithin(), "");
  }

  const std::span<const CommandOptions> commands_;
  std::vector<std::string> words_;
  std::vector<std::string> files_;
  std::vector<Option> options_;
  CommandLine result_;
};

}  // namespace

std::string CommandOf(std::span<const CommandOptions> commands,
                      std::span<const std::string> words) {
  const auto end = std::find(words.begin(), words.end(), "--");
  std::string name;
  auto word = std::find_if_not(words.begin(), end, &IsOption);
  for (int depth = 0; depth < 2 && word != end; ++depth) {
    const std::string longer =
        name.empty() ? *word : absl::StrCat(name, " ", *word);
    const bool known = std::any_of(
        commands.begin(), commands.end(),
        [&](const CommandOptions& command) { return command.name == longer; });
    if (!known) break;
    name = longer;
    word = std::find_if_not(word + 1, end, &IsOption);
  }
  return name;
}

std::string_view NameWithin(std::string_view name, std::string_view group) {
  if (!group.empty()) {
    if (!name.starts_with(group) || name.size() == group.size()) return "";
    name.remove_prefix(group.size());
    if (!name.starts_with(' ')) return "";
    name.remove_prefix(1);
  }
  return name.find(' ') == std::string_view::npos ? name : "";
}

absl::StatusOr<CommandLine> ParseCommandLine(
    std::span<const CommandOptions> commands, std::vector<std::string> words) {
  return Parser(commands, std::move(words)).Parse();
}

}  // namespace xmmu::cli
