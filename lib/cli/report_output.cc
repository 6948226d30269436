// Where reports go and how they look: --format, --legend, --output.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "cli/run_options.h"

namespace xmmu::cli {
namespace {

// Lists the formats of reports: "text, json or csv".
std::string FormatNames() {
  std::string names;
  const std::span<const ReportFormat> formats = AllReportFormats();
  for (size_t i = 0; i < formats.size(); ++i) {
    if (i > 0) names += i + 1 == formats.size() ? " or " : ", ";
    absl::StrAppend(&names, Abs(ReportFormatName(formats[i])));
  }
  return names;
}

}  // namespace

std::vector<Option> OptionsOfOutput(std::string_view formats) {
  const std::string group = "Output";
  return {{.name = "format",
           .group = group,
           .value = "NAME",
           .help = absl::StrCat(Abs(formats), "; default text")},
          {.name = "output",
           .group = group,
           .value = "FILE",
           .help = "file to write to, which appears when it is whole; default "
                   "standard output"},
          {.name = "config",
           .group = group,
           .value = "FILE",
           .help = "TOML file with options, a key each: memory = 64; the "
                   "command line wins"},
          {.name = "help", .group = group, .help = "show this help and end"}};
}

std::vector<Option> OptionsOfReport(std::string_view of_what) {
  std::vector<Option> options =
      OptionsOfOutput(absl::StrCat(Abs(of_what), FormatNames()));
  options.insert(options.begin() + 1,
                 {.name = "legend",
                  .group = options.front().group,
                  .help = "say behind a text what its columns and words mean"});
  return options;
}

absl::StatusOr<OutputFile> OpenOutput(const Arguments& arguments) {
  std::vector<std::string> inputs = arguments.files();
  for (const char* name : {"machine-file", "config", "cells"}) {
    if (arguments.Given(name)) inputs.push_back(arguments.Text(name));
  }
  return OutputFile::Open(arguments.Text("output"), inputs);
}

absl::StatusOr<ReportFormat> FormatOf(const Arguments& arguments) {
  std::vector<std::string_view> names;
  for (const ReportFormat format : AllReportFormats()) {
    names.push_back(ReportFormatName(format));
  }
  const std::string name = arguments.Text("format", "text");
  const std::optional<ReportFormat> format = ParseReportFormat(name);
  if (format.has_value()) return *format;
  return arguments.Refuse("format", WantedName(name, names));
}

absl::StatusOr<ReportOutput> ReportOutput::Open(const Arguments& arguments) {
  const auto format = FormatOf(arguments);
  if (!format.ok()) return format.status();
  const auto legend = arguments.IsOn("legend");
  if (!legend.ok()) return legend.status();
  if (*format != ReportFormat::kText) {
    constexpr std::string_view kOfText[] = {"legend"};
    const absl::Status status = arguments.WantsFor("--format=text", kOfText);
    if (!status.ok()) return status;
  }
  auto file = OpenOutput(arguments);
  if (!file.ok()) return file.status();
  return ReportOutput(*format, *legend, *std::move(file));
}

absl::Status ReportOutput::Write(const Document& document) {
  std::string text = Render(document, format_);
  if (legend_) absl::StrAppend(&text, "\n", Legend(document));
  return file_.Write(text);
}

absl::Status ReportOutput::WriteText(const std::string& text) {
  return file_.Write(text);
}

absl::Status RunStudy(std::string_view name, const StudyRequest& request,
                      const Arguments& arguments) {
  auto output = ReportOutput::Open(arguments);
  if (!output.ok()) return output.status();
  const auto document = FindStudy(name)->run(request);
  if (!document.ok()) return document.status();
  return output->Write(*document);
}

}  // namespace xmmu::cli
