// xmmu-published: what others measured on real machines, beside what the same
// takes here. See --help.
//
// Exit status: 0, or 2 for a bad option, or 1 for anything else; with 1 and 2
// nothing is on standard output and one line is on standard error.

#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "compare/command_line.h"
#include "compare/output_file.h"
#include "study/published/published.h"

using StringList = std::vector<std::string>;

ABSL_FLAG(StringList, table, StringList({"all"}), "tables, or all");
ABSL_FLAG(std::string, format, "text", "text, csv or json");

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

absl::Status Run(const Arguments& arguments) {
  if (!arguments.files().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(arguments.files().front(), ": no argument is wanted"));
  }
  const std::string format = absl::GetFlag(FLAGS_format);
  absl::Status status = CheckFormat(format, {"text", "csv", "json"});
  if (!status.ok()) return status;
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
  return WriteStandardOutput(text);
}

}  // namespace
}  // namespace xmmu::compare

int main(int argc, char** argv) {
  using xmmu::compare::kProgram;
  return xmmu::compare::RunProgram({kProgram, xmmu::compare::kFlags,
                                    &xmmu::compare::Help, &xmmu::compare::Run},
                                   argc, argv);
}
