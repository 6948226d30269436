// Where reports go and how they look: --format, --legend, --output, --report; and
// how what they tell of is run: --jobs.

#include <sched.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "cli/run_options.h"
#include "xmmu/machine/machine_file.h"
#include "xmmu/report/page.h"

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

// The cores that this process may use.
uint64_t Cores() {
  cpu_set_t allowed;
  const bool known = sched_getaffinity(0, sizeof(allowed), &allowed) == 0;
  const uint64_t cores = known ? static_cast<uint64_t>(CPU_COUNT(&allowed))
                               : std::thread::hardware_concurrency();
  return std::clamp(cores, uint64_t{1}, uint64_t{Jobs::kMaxThreads});
}

// Adds the machines of a study, each once, to what it takes to get the same
// again.
void AddMachines(const std::vector<SimulatorOptions>& bases,
                 Document& document) {
  std::vector<std::string> files;
  for (const SimulatorOptions& base : bases) {
    if (base.custom_machine == nullptr) continue;
    std::string file = MachineToml(*base.custom_machine);
    if (std::find(files.begin(), files.end(), file) != files.end()) continue;
    document.again.push_back(
        {absl::StrCat("machine file of ", Abs(base.custom_machine->name)),
         file});
    files.push_back(std::move(file));
  }
}

}  // namespace

std::vector<std::string> InputsOf(const Arguments& arguments) {
  std::vector<std::string> inputs = arguments.files();
  for (const char* name : {"machine-file", "config", "cells"}) {
    if (arguments.Given(name)) inputs.push_back(arguments.Text(name));
  }
  const auto trace = arguments.List("trace");
  if (trace.ok()) inputs.insert(inputs.end(), trace->begin(), trace->end());
  return inputs;
}

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

Option OptionOfPage() {
  return {.name = "report",
          .group = "Output",
          .value = "FILE.html",
          .help =
              "page to write as well, with tables and charts, in one "
              "file that needs nothing else"};
}

std::vector<Option> OptionsOfReport(std::string_view of_what) {
  std::vector<Option> options =
      OptionsOfOutput(absl::StrCat(Abs(of_what), FormatNames()));
  const std::string group = options.front().group;
  options.insert(options.begin() + 1,
                 {.name = "legend",
                  .group = group,
                  .help = "say behind a text what its columns and words mean"});
  options.insert(options.begin() + 3, OptionOfPage());
  return options;
}

absl::StatusOr<OutputFile> OpenOutput(const Arguments& arguments,
                                      Console& console) {
  return OutputFile::Open("output", arguments.Text("output"),
                          InputsOf(arguments), console);
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

absl::StatusOr<ReportOutput> ReportOutput::Open(const Arguments& arguments,
                                                Console& console) {
  const auto format = FormatOf(arguments);
  if (!format.ok()) return format.status();
  const auto legend = arguments.IsOn("legend");
  if (!legend.ok()) return legend.status();
  if (*format != ReportFormat::kText) {
    constexpr std::string_view kOfText[] = {"legend"};
    const absl::Status status = arguments.WantsFor("--format=text", kOfText);
    if (!status.ok()) return status;
  }
  return OpenFiles(*format, *legend, arguments, console);
}

absl::StatusOr<ReportOutput> ReportOutput::OpenForText(
    const Arguments& arguments, Console& console) {
  return OpenFiles(ReportFormat::kText, /*legend=*/false, arguments, console);
}

absl::StatusOr<ReportOutput> ReportOutput::OpenFiles(ReportFormat format,
                                                     bool legend,
                                                     const Arguments& arguments,
                                                     Console& console) {
  auto file = OpenOutput(arguments, console);
  if (!file.ok()) return file.status();
  std::optional<OutputFile> page;
  if (arguments.Given("report")) {
    auto opened = OutputFile::Open("report", arguments.Text("report"),
                                   InputsOf(arguments), console);
    if (!opened.ok()) return opened.status();
    if (opened->IsAlso(*file)) {
      return arguments.Refuse("report", "want another file than the output's");
    }
    page.emplace(*std::move(opened));
  }
  return ReportOutput(format, legend, *std::move(file), std::move(page),
                      arguments.command_line(), console.kept());
}

absl::Status ReportOutput::Write(const Document& document) {
  if (kept_ != nullptr) return WriteText("", document);
  std::string text = Render(document, format_);
  if (legend_) absl::StrAppend(&text, "\n", Legend(document));
  return WriteText(text, document);
}

absl::Status ReportOutput::WriteText(const std::string& text,
                                     const Document& document) {
  if (page_.has_value()) {
    Document whole = document;
    whole.again.insert(whole.again.begin(), {"command", CommandText(command_)});
    const std::string title =
        command_.size() > 1 ? absl::StrCat("xmmu ", command_[1]) : "xmmu";
    const absl::Status status = page_->Write(RenderPage(whole, title));
    if (!status.ok()) return status;
  }
  if (kept_ != nullptr) {
    *kept_ = document;
    return absl::OkStatus();
  }
  return file_.Write(text);
}

std::vector<Option> OptionsOfJobs() {
  return {{.name = "jobs",
           .group = "Run",
           .value = "N",
           .help = absl::StrCat("simulations that run at a time, 1 to ",
                                Jobs::kMaxThreads,
                                ", a core each; results do not depend on it; "
                                "default as many as there are cores")}};
}

absl::StatusOr<Jobs> JobsOf(const Arguments& arguments, Console& console) {
  const auto threads =
      WholeNumber(arguments, "jobs", Cores(), Jobs::kMaxThreads, /*least=*/1);
  if (!threads.ok()) return threads.status();
  return Jobs{.threads = static_cast<int>(*threads),
              .stop = console.stop(),
              .progress = &console.progress()};
}

bool LeaveCores(const Jobs& jobs, size_t simulations) {
  const auto at_a_time =
      std::min<uint64_t>(static_cast<uint64_t>(jobs.threads), simulations);
  return 2 * at_a_time <= Cores();
}

absl::Status RunStudy(std::string_view name, StudyRequest request,
                      const Arguments& arguments, Console& console) {
  auto jobs = JobsOf(arguments, console);
  if (!jobs.ok()) return jobs.status();
  request.jobs = *std::move(jobs);
  auto output = ReportOutput::Open(arguments, console);
  if (!output.ok()) return output.status();
  auto document = FindStudy(name)->run(request);
  if (!document.ok()) return document.status();
  AddMachines(request.bases, *document);
  return output->Write(*document);
}

}  // namespace xmmu::cli
