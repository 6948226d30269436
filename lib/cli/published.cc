// xmmu published: what others measured on real machines, beside what the same
// takes here.

#include "study/published/published.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/run_options.h"

namespace xmmu::cli {
namespace {

std::string TableNames() {
  return NamesOf(PublishedStudies(),
                 [](const PublishedStudyEntry& entry) { return entry.name; });
}

std::vector<Option> PublishedOptions() {
  return Joined({{{.name = "table",
                   .group = "Tables",
                   .value = "NAME,...",
                   .help = absl::StrCat("tables: ", TableNames(),
                                        ", or all; default all; see xmmu list "
                                        "tables")}},
                 OptionsOfReport("text, csv or json")});
}

absl::StatusOr<std::vector<PublishedStudy>> TablesOf(
    const Arguments& arguments) {
  const auto names = arguments.List("table");
  if (!names.ok()) return names.status();
  std::vector<PublishedStudy> studies;
  std::vector<std::string_view> known;
  for (const PublishedStudyEntry& entry : PublishedStudies()) {
    known.push_back(entry.name);
    if (names->empty() || names->front() == "all") {
      studies.push_back(entry.study);
    }
  }
  known.push_back("all");
  if (!studies.empty()) return studies;
  for (const std::string& name : *names) {
    const std::optional<PublishedStudy> study = ParsePublishedStudy(name);
    if (!study.has_value()) {
      return arguments.Refuse("table", name, WantedName(name, known));
    }
    studies.push_back(*study);
  }
  return studies;
}

absl::Status RunPublished(const Arguments& arguments, const Catalog&) {
  const auto studies = TablesOf(arguments);
  if (!studies.ok()) return studies.status();
  auto output = ReportOutput::Open(arguments);
  if (!output.ok()) return output.status();
  std::vector<PublishedTable> tables;
  for (const PublishedStudy study : *studies) {
    auto table = MeasurePublished(study);
    if (!table.ok()) return table.status();
    tables.push_back(*std::move(table));
  }
  return output->Write(PublishedDocument(tables));
}

}  // namespace

Command PublishedCommand() {
  return {"published",
          "published measurements beside simulated ones",
          "",
          "",
          "Prints published measurements beside what the same takes here, with "
          "the gap in per cent, and in words what was run and what the model "
          "leaves out.",
          &PublishedOptions,
          &RunPublished};
}

}  // namespace xmmu::cli
