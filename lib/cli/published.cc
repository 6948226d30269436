// xmmu published: what others measured on real machines, beside what the same
// takes here.

#include "study/published/published.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/run_options.h"
#include "xmmu/study/studies.h"

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
                 OptionsOfJobs(),
                 OptionsOfReport()});
}

absl::Status RunPublished(const Arguments& arguments, const Catalog&,
                          Console& console) {
  const auto names = arguments.List("table");
  if (!names.ok()) return names.status();
  std::vector<std::string_view> known;
  for (const PublishedStudyEntry& entry : PublishedStudies()) {
    known.push_back(entry.name);
  }
  known.push_back("all");
  StudyRequest request;
  if (!names->empty() && names->front() != "all") request.tables = *names;
  for (const std::string& name : request.tables) {
    if (ParsePublishedStudy(name).has_value()) continue;
    return arguments.Refuse("table", name, WantedName(name, known));
  }
  return RunStudy("published", request, arguments, console);
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
