// xmmu cite: what to cite beside a figure of xmmu.

#include <string>
#include <utility>
#include <vector>

#include "base/regular_file.h"
#include "cli/commands.h"
#include "cli/run_options.h"
#include "cli/trace_input.h"
#include "xmmu/report/citations.h"

namespace xmmu::cli {
namespace {

// As xmmu diff reads them.
constexpr uint64_t kMostCitedBytes = 256 << 20;

std::vector<Option> CiteOptions() {
  std::vector<Option> machine = OptionsOfRun(RunGroup::kMachine);
  std::erase_if(machine, [](const Option& option) {
    return option.name == "flush-filter" || option.name == "levels";
  });
  for (Option& option : machine) {
    option.group = "Machine";
    if (option.name == "machine") {
      option.help = "machine whose sources to cite; default all presets";
    }
  }
  return Joined({std::move(machine), OptionsOfReport()});
}

absl::StatusOr<Citations> CiteReport(const Arguments& arguments) {
  for (const char* option : {"machine", "machine-file", "set"}) {
    if (!arguments.Given(option)) continue;
    return arguments.Refuse(option, "want it without a report");
  }
  if (arguments.files().size() > 1) {
    return absl::InvalidArgumentError(
        "want one file, the JSON of a report; see --help");
  }
  const std::string& name = arguments.files().front();
  const auto files = TraceInput::Open(arguments.files());
  if (!files.ok()) return files.status();
  const auto text = ReadRegularFile(files->paths().front(), kMostCitedBytes);
  if (!text.ok()) return files->Named(text.status());
  return CitationsOfReport(name, *text);
}

absl::StatusOr<Citations> CiteMachine(const Arguments& arguments,
                                      const Catalog& catalog) {
  bool given = false;
  for (const char* option : {"machine", "machine-file", "set"}) {
    given = given || arguments.Given(option);
  }
  if (!given) return CitationsOf(Machines());
  const auto base = BaseOf(arguments, catalog);
  if (!base.ok()) return base.status();
  const MachineModel* const machine = base->custom_machine.get();
  return CitationsOf({&machine, 1});
}

absl::Status RunCite(const Arguments& arguments, const Catalog& catalog,
                     Console& console) {
  auto output = ReportOutput::Open(arguments, console);
  if (!output.ok()) return output.status();
  const auto citations = arguments.files().empty()
                             ? CiteMachine(arguments, catalog)
                             : CiteReport(arguments);
  if (!citations.ok()) return citations.status();
  return output->Write(CitationDocument(*citations));
}

}  // namespace

Command CiteCommand() {
  return {"cite",
          "what to cite beside a figure, as BibTeX",
          "[REPORT.json]\n--machine=NAME",
          "REPORT",
          "Writes BibTeX of xmmu in its version and of each work that prices "
          "and geometry of a machine are from: those of a report that "
          "--format=json has written, those of a machine, or of all machines. "
          "Of a report of xmmu compare, prices that came to nothing are left "
          "out, and each entry says what share of the cycles rests on it.",
          &CiteOptions,
          &RunCite};
}

}  // namespace xmmu::cli
