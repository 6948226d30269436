#include "python/commands.h"

#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/catalog.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/run_command.h"
#include "cli/run_options.h"
#include "python/call.h"
#include "python/operation_memory.h"
#include "python/values.h"
#include "xmmu/machine/machine_file.h"
#include "xmmu/report/document.h"
#include "xmmu/report/machine_report.h"
#include "xmmu/report/page.h"
#include "xmmu/sim/results.h"

namespace xmmu::python {
namespace {

namespace py = pybind11;

// What --workload takes for operations that the caller has.
constexpr char kOwnWorkload[] = "operations";

// Options by name, in order; values as the bytes of a command line.
using Words = std::vector<std::pair<std::string, std::string>>;

// Whether an option says how a report is written, which a function does not do,
// or is about the command line itself.
bool IsOfWriting(std::string_view option) {
  return option == "format" || option == "legend" || option == "output" ||
         option == "report" || option == "help";
}

std::vector<cli::Option> OptionsOfFunction(const cli::Command& command) {
  std::vector<cli::Option> options = command.options();
  std::erase_if(options, [](const cli::Option& option) {
    return IsOfWriting(option.name);
  });
  return options;
}

// All commands that write a report, or several words for their name, as dicts.
py::list Commands() {
  py::list commands;
  for (const cli::Command& command : cli::Commands()) {
    py::list options;
    for (const cli::Option& option : OptionsOfFunction(command)) {
      py::dict row;
      row["name"] = option.name;
      row["group"] = option.group;
      row["value"] = option.value;
      row["may_be_empty"] = option.may_be_empty;
      row["help"] = option.help;
      options.append(row);
    }
    py::dict row;
    row["name"] = TextValue(command.name);
    row["help"] = TextValue(command.help);
    row["files"] = TextValue(command.files);
    row["description"] = TextValue(command.description);
    row["options"] = options;
    commands.append(row);
  }
  return commands;
}

cli::Arguments ArgumentsOf(const std::string& command, const Words& options,
                           const std::vector<std::string>& files) {
  cli::Arguments arguments;
  std::vector<std::string> words = {"xmmu", command};
  for (const auto& [name, text] : options) {
    arguments.Add(name, text, "");
    words.push_back(absl::StrCat("--", name, "=", text));
  }
  for (const std::string& file : files) {
    arguments.AddFile(file);
    words.push_back(file);
  }
  arguments.SetCommandLine(cli::WordsOfReport(std::move(words)));
  return arguments;
}

absl::Status RunCommand(const std::string& name, cli::Arguments arguments,
                        const cli::Extensions& extensions,
                        cli::Console& console) {
  const auto catalog = cli::Catalog::Make(extensions);
  if (!catalog.ok()) return catalog.status();
  for (const cli::Command& command : cli::Commands()) {
    if (command.name != name) continue;
    return cli::RunWithConfig(command, OptionsOfFunction(command),
                              std::move(arguments), *catalog, console);
  }
  return absl::InvalidArgumentError(absl::StrCat(name, ": no such command"));
}

// Runs a command. `workload`, if there is one, is what the command runs; no
// command line says that again.
Document Run(const std::string& command, const Words& options,
             const std::vector<std::string>& files,
             const OperationMemory* workload, const py::object& progress) {
  cli::Arguments arguments = ArgumentsOf(command, options, files);
  cli::Extensions extensions;
  if (workload != nullptr) {
    const OperationSet& set = workload->set();
    extensions.workloads.push_back(
        {kOwnWorkload, "operations of the caller's", {}, [&set](auto) {
           return WorkloadOfOperations(set);
         }});
    arguments.Add("workload", kOwnWorkload, "");
    arguments.SetCommandLine({});
  }
  std::optional<Document> document;
  cli::Console console(document);
  CallWork(
      [&](cli::Console& own) {
        return RunCommand(command, arguments, extensions, own);
      },
      console, progress);
  if (!document.has_value()) {
    RaiseUnlessOk(absl::InvalidArgumentError(
        absl::StrCat(command, ": writes no report")));
  }
  return *std::move(document);
}

// The machine that the options describe: its name, description, text as a file,
// and all values.
py::tuple Machine(const Words& options) {
  const auto catalog = cli::Catalog::Make({});
  RaiseUnlessOk(catalog.status());
  const auto base = cli::BaseOf(ArgumentsOf("list", options, {}), *catalog);
  RaiseUnlessOk(base.status());
  const MachineModel& machine = *base->custom_machine;
  return py::make_tuple(TextValue(machine.name), TextValue(machine.description),
                        TextValue(MachineToml(machine)),
                        MachineDocument(machine));
}

// {topic: {name: help}}.
py::dict Names() {
  const auto catalog = cli::Catalog::Make({});
  RaiseUnlessOk(catalog.status());
  py::dict policies;
  for (const cli::PolicyRow& row : catalog->policies()) {
    policies[TextValue(row.name)] = TextValue(row.help);
  }
  py::dict machines;
  for (const cli::SharedMachine& machine : catalog->machines()) {
    machines[TextValue(machine->name)] = TextValue(machine->description);
  }
  py::dict workloads;
  for (const cli::WorkloadRow& row : catalog->workloads()) {
    workloads[TextValue(row.name)] = TextValue(row.help);
  }
  py::dict names;
  names["policies"] = policies;
  names["machines"] = machines;
  names["workloads"] = workloads;
  return names;
}

py::object DataOf(const Document& document) {
  return std::visit([](const auto& data) { return ValueOf(data); },
                    document.data);
}

void AddDocument(py::module_& module) {
  py::class_<Document>(module, "Document")
      .def("columns", [](const Document& d) { return ColumnsOf(d.table); })
      .def("words", [](const Document& d) { return WordsOfColumns(d.table); })
      .def("data", &DataOf)
      .def("legend", [](const Document& d) { return TextValue(Legend(d)); })
      .def("render",
           [](const Document& d, const std::string& format) {
             const auto known = ParseReportFormat(format);
             return known.has_value() ? py::bytes(Render(d, *known))
                                      : py::bytes();
           })
      .def("page", [](const Document& d, const std::string& title) {
        return py::bytes(RenderPage(d, title));
      });
}

}  // namespace

void AddCommands(py::module_& module) {
  AddDocument(module);
  module.attr("version") = TextValue(Version());
  module.def("commands", &Commands);
  module.def("names", &Names);
  module.def("machine", &Machine);
  module.def("run", &Run, py::arg("command"), py::arg("options"),
             py::arg("files"), py::arg("workload").none(true),
             py::arg("progress"));
}

}  // namespace xmmu::python
