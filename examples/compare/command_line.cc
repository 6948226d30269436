#include "compare/command_line.h"

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string_view>
#include <utility>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/parse.h"
#include "absl/flags/reflection.h"
#include "absl/strings/str_cat.h"

namespace xmmu::compare {
namespace {

constexpr int kBadInput = 2;

std::string Dashed(std::string name) {
  for (char& c : name) {
    if (c == '_') c = '-';
  }
  return name;
}

// Abseil says what it cannot parse on std::cerr, in one or more lines, and ends
// the program with status 1. Here that is bad input, and the first line will
// do.
bool parsing = true;
const char* parsing_program = "";
std::ostringstream* parse_errors = nullptr;

void ExitOfParsing() {
  if (!parsing) return;
  const std::string text = parse_errors->str();
  std::string_view line = text;
  line = line.substr(0, line.find('\n'));
  constexpr std::string_view kPrefix = "ERROR: ";
  if (line.substr(0, kPrefix.size()) == kPrefix) {
    line.remove_prefix(kPrefix.size());
  }
  if (line.empty()) line = "Abseil's own help and version flags: want --help";
  std::fprintf(stderr, "%s: %.*s\n", parsing_program,
               static_cast<int>(line.size()), line.data());
  std::_Exit(kBadInput);
}

// Flags are named by C++ identifiers.
void ReplaceDashes(char* argument) {
  if (std::string_view(argument).substr(0, 2) != "--") return;
  for (char* c = argument + 2; *c != '\0' && *c != '='; ++c) {
    if (*c == '-') *c = '_';
  }
}

// Of a flag that is given twice Abseil takes the last, but --set adds up: takes
// each out and returns one with all of them, or nothing.
std::string JoinSettings(std::vector<char*>& arguments) {
  constexpr std::string_view kSet = "--set";
  std::string all;
  std::vector<char*> others = {arguments[0]};
  size_t i = 1;
  for (; i < arguments.size(); ++i) {
    std::string_view word = arguments[i];
    if (word == "--") break;
    const bool set = word.substr(0, kSet.size()) == kSet;
    word.remove_prefix(set ? kSet.size() : 0);
    if (set && word.empty() && i + 1 < arguments.size()) {
      word = arguments[++i];
    } else if (set && !word.empty() && word[0] == '=') {
      word.remove_prefix(1);
    } else {
      others.push_back(arguments[i]);
      continue;
    }
    absl::StrAppend(&all, all.empty() ? "--set=" : ",", std::string(word));
  }
  others.insert(others.end(),
                arguments.begin() + static_cast<std::ptrdiff_t>(i),
                arguments.end());
  arguments = std::move(others);
  return all;
}

}  // namespace

std::vector<std::string> ParseArguments(const char* program, int argc,
                                        char** argv) {
  std::vector<char*> arguments(argv, argv + argc);
  for (size_t i = 1; i < arguments.size(); ++i) {
    if (std::string_view(arguments[i]) == "--") break;
    ReplaceDashes(arguments[i]);
  }
  std::string settings = JoinSettings(arguments);
  if (!settings.empty()) {
    arguments.insert(arguments.begin() + 1, settings.data());
  }
  std::ostringstream errors;
  parsing_program = program;
  parse_errors = &errors;
  std::atexit(&ExitOfParsing);
  std::streambuf* const standard_error = std::cerr.rdbuf(errors.rdbuf());
  const std::vector<char*> rest = absl::ParseCommandLine(
      static_cast<int>(arguments.size()), arguments.data());
  std::cerr.rdbuf(standard_error);
  parsing = false;
  return {rest.begin() + 1, rest.end()};
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
        &text, "  --", dashed,
        std::string(dashed.size() < 14 ? 14 - dashed.size() : 1, ' '),
        flag->Help(), shown ? absl::StrCat(" (", value, ")") : "", "\n");
  }
  return text;
}

int ExitStatus(const char* program, const absl::Status& status) {
  if (status.ok()) return EXIT_SUCCESS;
  std::fprintf(stderr, "%s: %s\n", program,
               std::string(status.message()).c_str());
  const bool bad_input = absl::IsInvalidArgument(status) ||
                         absl::IsUnimplemented(status) ||
                         absl::IsResourceExhausted(status);
  return bad_input ? kBadInput : EXIT_FAILURE;
}

}  // namespace xmmu::compare
