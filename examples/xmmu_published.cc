// xmmu-published: what others measured on real machines, beside what the same
// takes here. See --help.
//
// Exit status: 0, or 2 for a bad option, or 1 for anything else; with 1 and 2
// nothing is on standard output and one line is on standard error.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "compare/command_line.h"
#include "xmmu/sim/published.h"

using StringList = std::vector<std::string>;

ABSL_FLAG(StringList, table, StringList({"all"}), "tables, or all");
ABSL_FLAG(std::string, format, "table", "table, csv or json");
ABSL_FLAG(bool, help, false, "says this, and ends");

namespace xmmu::compare {
namespace {

constexpr char kProgram[] = "xmmu-published";
constexpr const char* kFlags[] = {"table", "format", "help"};

std::string Help() {
  std::string text = absl::StrCat(
      "usage: ", kProgram, " [FLAG...]\n\n",
      "Prints published measurements beside what the same takes here, with the "
      "gap in\nper cent, and in words what was run and what the model leaves "
      "out.\n\n",
      HelpOfFlags(kFlags), "\ntables:\n");
  for (const PublishedStudyEntry& entry : PublishedStudies()) {
    absl::StrAppend(&text, "  ", std::string(entry.name),
                    std::string(16 - entry.name.size(), ' '),
                    std::string(entry.help), "\n");
  }
  return text;
}

absl::StatusOr<std::vector<PublishedStudy>> Studies() {
  std::vector<PublishedStudy> studies;
  for (const std::string& name : absl::GetFlag(FLAGS_table)) {
    if (name == "all") {
      for (const PublishedStudyEntry& entry : PublishedStudies()) {
        studies.push_back(entry.study);
      }
      continue;
    }
    const std::optional<PublishedStudy> study = ParsePublishedStudy(name);
    if (!study.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--table=", name, ": want sosp03, asplos06, vmexit, figures or all"));
    }
    studies.push_back(*study);
  }
  return studies;
}

absl::Status Run(const StringList& arguments) {
  if (!arguments.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(arguments.front(), ": no argument is wanted"));
  }
  const std::string format = absl::GetFlag(FLAGS_format);
  if (format != "table" && format != "csv" && format != "json") {
    return absl::InvalidArgumentError(
        absl::StrCat("--format=", format, ": want table, csv or json"));
  }
  const auto studies = Studies();
  if (!studies.ok()) return studies.status();
  std::vector<PublishedTable> tables;
  for (const PublishedStudy study : *studies) {
    auto table = MeasurePublished(study);
    if (!table.ok()) return table.status();
    tables.push_back(*std::move(table));
  }
  const std::string text = format == "csv"    ? FormatPublishedCsv(tables)
                           : format == "json" ? FormatPublishedJson(tables)
                                              : FormatPublishedText(tables);
  if (std::fputs(text.c_str(), stdout) < 0) {
    return absl::InternalError("cannot write to standard output");
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  const StringList arguments = ParseArguments(kProgram, argc, argv);
  if (!absl::GetFlag(FLAGS_help)) return ExitStatus(kProgram, Run(arguments));
  return std::fputs(Help().c_str(), stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

}  // namespace
}  // namespace xmmu::compare

int main(int argc, char** argv) { return xmmu::compare::Main(argc, argv); }
