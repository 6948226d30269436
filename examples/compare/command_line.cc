#include "compare/command_line.h"

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string_view>

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

}  // namespace

std::vector<std::string> ParseArguments(const char* program, int argc,
                                        char** argv) {
  for (int i = 1; i < argc && std::string_view(argv[i]) != "--"; ++i) {
    ReplaceDashes(argv[i]);
  }
  std::ostringstream errors;
  parsing_program = program;
  parse_errors = &errors;
  std::atexit(&ExitOfParsing);
  std::streambuf* const standard_error = std::cerr.rdbuf(errors.rdbuf());
  const std::vector<char*> rest = absl::ParseCommandLine(argc, argv);
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
