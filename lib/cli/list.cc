// xmmu list: what there is to name on the command line and in reports, a line
// each; and all that is assumed of a machine.

#include <algorithm>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/run_options.h"
#include "report/field_table.h"
#include "study/published/published.h"
#include "xmmu/machine/machine_file.h"
#include "xmmu/report/dictionary.h"
#include "xmmu/report/machine_report.h"
#include "xmmu/study/explain.h"
#include "xmmu/workload/system_calls.h"
#include "xmmu/workload/trace.h"

namespace xmmu::cli {
namespace {

// A line of a list.
struct Name {
  std::string name;
  std::string help;
};
using NameList = std::vector<Name>;

template <typename T>
NameList NamesOfEnum(std::span<const T> all, std::string_view (*name)(T),
                     std::string_view (*help)(T)) {
  NameList list;
  for (const T value : all) {
    list.push_back({std::string(name(value)), std::string(help(value))});
  }
  return list;
}

NameList PolicyList(const Catalog& catalog) {
  NameList list;
  for (const PolicyRow& row : catalog.policies()) {
    const char* const indent = row.variant_of.empty() ? "" : "  ";
    list.push_back({absl::StrCat(indent, row.name), row.help});
  }
  return list;
}

NameList MachineList(const Catalog& catalog) {
  NameList list;
  for (const SharedMachine& machine : catalog.machines()) {
    list.push_back(
        {std::string(machine->name), std::string(machine->description)});
  }
  return list;
}

NameList WorkloadList(const Catalog& catalog) {
  NameList list;
  for (const WorkloadRow& row : catalog.workloads()) {
    list.push_back({row.name, row.help});
    for (const SyntheticParameter& parameter : row.parameters) {
      list.push_back(
          {"", absl::StrCat(Abs(parameter.name), "=", parameter.default_value,
                            "  ", Abs(parameter.help))});
    }
  }
  return list;
}

NameList OptionList(const Catalog&) {
  NameList list;
  for (const RunField& field : RunFields()) {
    list.push_back(
        {absl::StrCat("--", Abs(field.flag)), std::string(field.help)});
  }
  return list;
}

NameList EventList(const Catalog&) {
  NameList list;
  for (const StoryEvent& event : StoryEvents()) {
    std::string help(event.help);
    if (event.pages > 0) absl::StrAppend(&help, "; --pages=", event.pages);
    if (event.vcpus > 1) absl::StrAppend(&help, "; --vcpus=", event.vcpus);
    list.push_back({std::string(event.name), std::move(help)});
  }
  return list;
}

NameList TableList(const Catalog&) {
  NameList list;
  for (const PublishedStudyEntry& entry : PublishedStudies()) {
    list.push_back({std::string(entry.name), std::string(entry.help)});
  }
  return list;
}

std::string CallText(const ReplayedCall& call) {
  std::string text = call.becomes;
  if (!call.reads.empty()) absl::StrAppend(&text, " | in ", call.reads);
  if (!call.writes.empty()) absl::StrAppend(&text, " | out ", call.writes);
  return text;
}

NameList CallList(const Catalog&) {
  NameList list;
  for (const ReplayedCall& call : ReplayedCalls()) {
    list.push_back({call.name, CallText(call)});
  }
  list.push_back({"Left out", ""});
  for (const UnreplayedAccess& access : UnreplayedAccesses()) {
    list.push_back({"", absl::StrCat(access.name, ": ", access.reason)});
  }
  return list;
}

NameList FormatList(const Catalog&) {
  NameList list;
  for (const TraceFormatName& format : TraceFormats()) {
    list.push_back({std::string(format.name), std::string(format.help)});
  }
  return list;
}

// What can be listed.
struct Topic {
  std::string_view name;
  std::string_view title;
  NameList (*list)(const Catalog& catalog);
  bool by_default;  // whether `xmmu list` has it
};

constexpr Topic kTopics[] = {
    {"policies",
     "policies (--policies; also: all, all+variants), variants indented",
     &PolicyList, true},
    {"machines", "machines (--machine)", &MachineList, true},
    {"workloads", "workloads (--workload=NAME[:parameter=value,...])",
     &WorkloadList, true},
    {"formats", "formats of traces, told by what the files hold", &FormatList,
     true},
    {"guest-ops", "how paravirtual guests write page tables (--guest-ops)",
     [](const Catalog&) {
       return NamesOfEnum(AllGuestOps(), &GuestOpsName, &GuestOpsHelp);
     },
     true},
    {"pin", "when paravirtual guests pin page tables (--pin)",
     [](const Catalog&) {
       return NamesOfEnum(AllPinWhen(), &PinWhenName, &PinWhenHelp);
     },
     true},
    {"linear-map", "how Xen reaches page tables (--linear-map)",
     [](const Catalog&) {
       return NamesOfEnum(AllLinearMaps(), &LinearMapName, &LinearMapHelp);
     },
     true},
    {"timing", "what memory takes (--timing)",
     [](const Catalog&) {
       return NamesOfEnum(AllMemoryTimings(), &MemoryTimingName,
                          &MemoryTimingHelp);
     },
     true},
    {"stories", "events that can be told (xmmu explain)", &EventList, false},
    {"options", "options of a run (xmmu compare)", &OptionList, false},
    {"tables", "tables of others' measurements (xmmu published --table)",
     &TableList, false},
    {"system-calls",
     "system calls of recorded programs: operations, and which arguments the "
     "kernel reads (in) or writes (out), from 0 on",
     &CallList, false},
};

constexpr std::string_view kPrices = "prices";

std::vector<std::string_view> TopicNames() {
  std::vector<std::string_view> names;
  for (const Topic& topic : kTopics) names.push_back(topic.name);
  for (const DictionaryEntry& entry : Dictionary()) names.push_back(entry.name);
  names.push_back(kPrices);
  return names;
}

std::vector<Option> ListOptions() {
  std::vector<Option> machine = OptionsOfRun(RunGroup::kMachine);
  std::erase_if(machine, [](const Option& option) {
    return option.name == "flush-filter";
  });
  for (Option& option : machine) option.group = "Machine, of prices";
  return Joined(
      {std::move(machine),
       OptionsOfOutput("text; of names in reports also csv or json; of prices "
                       "csv, json or toml, which --machine-file takes"),
       {OptionOfPage()}});
}

void AddTopic(const Topic& topic, const Catalog& catalog, std::string& text) {
  const NameList list = topic.list(catalog);
  size_t column = 16;
  for (const Name& line : list) column = std::max(column, line.name.size());
  column += 2;
  absl::StrAppend(&text, text.empty() ? "" : "\n", Abs(topic.title), "\n");
  for (const Name& line : list) {
    absl::StrAppend(&text, "  ", line.name,
                    std::string(column - line.name.size(), ' '), line.help,
                    "\n");
  }
}

// Every value of the machine that --machine and --machine-file name.
absl::StatusOr<std::string> PricesOf(const Arguments& arguments,
                                     const Catalog& catalog) {
  std::vector<std::string_view> names;
  const std::string name = arguments.Text("format", "text");
  const auto base = BaseOf(arguments, catalog);
  for (const MachineFormat format : AllMachineFormats()) {
    names.push_back(MachineFormatName(format));
    if (names.back() != name) continue;
    if (!base.ok()) return base.status();
    return FormatMachine(*base->custom_machine, format);
  }
  return arguments.Refuse("format", WantedName(name, names));
}

absl::StatusOr<std::string> TopicsOf(const Arguments& arguments,
                                     const Catalog& catalog) {
  constexpr std::string_view kOfPrices[] = {"machine", "machine-file", "set",
                                            "levels"};
  const absl::Status status = arguments.WantsFor("the topic prices", kOfPrices);
  if (!status.ok()) return status;
  const auto format = FormatOf(arguments);
  if (!format.ok()) return format.status();
  const std::vector<std::string>& wanted = arguments.files();
  if (wanted.size() == 1) {
    if (const auto* entry = FindDictionaryEntry(wanted.front())) {
      return Render(DictionaryDocument(*entry), *format);
    }
  }
  if (*format != ReportFormat::kText) {
    return arguments.Refuse(
        "format", "want text, or prices or a list of names in reports alone");
  }
  std::string text;
  for (const Topic& topic : kTopics) {
    const bool named =
        std::find(wanted.begin(), wanted.end(), topic.name) != wanted.end();
    if (named || (wanted.empty() && topic.by_default)) {
      AddTopic(topic, catalog, text);
    }
  }
  for (const std::string& name : wanted) {
    if (const auto* entry = FindDictionaryEntry(name)) {
      absl::StrAppend(&text, text.empty() ? "" : "\n",
                      Render(DictionaryDocument(*entry), ReportFormat::kText));
    }
  }
  return text;
}

// A line of a list on a page.
struct PageLine {
  std::string_view topic;
  const Name& name;
};

constexpr FieldOf<PageLine> kPageFields[] = {
    {0, "topic", "", "what it is a name of",
     [](const PageLine& l) { return l.topic; }},
    {0, "name", "", "the name; empty where a line says more of the one above",
     [](const PageLine& l) { return l.name.name; }},
    {0, "help", "", "what it means",
     [](const PageLine& l) { return l.name.help; }},
};

// The topics that `arguments` name, or those that are listed without any.
Document TopicsDocument(const Arguments& arguments, const Catalog& catalog) {
  const std::vector<std::string>& wanted = arguments.files();
  Document document;
  std::vector<Record> records;
  TableBuilder builder(InfosOf<PageLine>(kPageFields));
  for (const Topic& topic : kTopics) {
    const bool named =
        std::find(wanted.begin(), wanted.end(), topic.name) != wanted.end();
    if (!named && !(wanted.empty() && topic.by_default)) continue;
    TextTable table(2);
    table.Add({std::string(topic.name), "meaning"});
    table.Rule();
    for (const Name& name : topic.list(catalog)) {
      table.Add({name.name, name.help});
      const PageLine line = {topic.name, name};
      records.push_back(RecordOf<PageLine>(kPageFields, 0, line));
      builder.AddLine([&](size_t i) { return kPageFields[i].ValueIn(line); });
    }
    document.text.emplace_back(absl::StrCat("\n", Abs(topic.title), "\n"));
    document.text.emplace_back(std::move(table));
  }
  for (const std::string& name : wanted) {
    const auto* entry = FindDictionaryEntry(name);
    if (entry == nullptr) continue;
    for (Document::Block& block : DictionaryDocument(*entry).text) {
      document.text.push_back(std::move(block));
    }
  }
  document.table = std::move(builder).Finish();
  document.data = std::move(records);
  return document;
}

// A machine with its sources in a column, which a page has room for.
Document PricesDocument(const MachineModel& machine) {
  Document document = MachineDocument(machine);
  TextTable table(2);
  std::vector<std::string> head;
  for (const Column& column : document.table.columns) {
    head.push_back(column.key);
  }
  table.Add(std::move(head));
  table.Rule();
  for (const std::vector<Cell>& line : document.table.lines) {
    std::vector<std::string> cells;
    for (const Cell& cell : line) cells.push_back(CellText(cell));
    table.Add(std::move(cells));
  }
  document.text = {
      absl::StrCat(Abs(machine.name), ": ", Abs(machine.description), "\n"),
      std::move(table)};
  document.again.push_back({"machine file", MachineToml(machine)});
  return document;
}

// What --report shows; the text of it goes elsewhere.
absl::StatusOr<Document> PageOf(const Arguments& arguments,
                                const Catalog& catalog, bool prices) {
  if (!arguments.Given("report")) return Document();
  if (prices) {
    const auto base = BaseOf(arguments, catalog);
    if (!base.ok()) return base.status();
    return PricesDocument(*base->custom_machine);
  }
  if (arguments.files().size() == 1) {
    const auto* entry = FindDictionaryEntry(arguments.files().front());
    if (entry != nullptr) return DictionaryDocument(*entry);
  }
  return TopicsDocument(arguments, catalog);
}

absl::Status RunList(const Arguments& arguments, const Catalog& catalog,
                     Console& console) {
  const std::vector<std::string>& wanted = arguments.files();
  const std::vector<std::string_view> names = TopicNames();
  for (const std::string& name : wanted) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": no such topic; ", WantedName(name, names)));
  }
  const bool prices =
      std::find(wanted.begin(), wanted.end(), kPrices) != wanted.end();
  if (prices && wanted.size() > 1) {
    return absl::InvalidArgumentError("prices: want this topic alone");
  }
  auto output = ReportOutput::OpenForText(arguments, console);
  if (!output.ok()) return output.status();
  const auto text =
      prices ? PricesOf(arguments, catalog) : TopicsOf(arguments, catalog);
  if (!text.ok()) return text.status();
  const auto page = PageOf(arguments, catalog, prices);
  if (!page.ok()) return page.status();
  return output->WriteText(*text, *page);
}

}  // namespace

Command ListCommand() {
  return {"list",
          "names that options take, and prices of a machine",
          "[TOPIC]...\nprices [--machine=NAME]",
          "TOPIC",
          "Lists what can be named, a line each. Topics are policies, "
          "machines, workloads, formats, guest-ops, pin, linear-map and "
          "timing, which "
          "are listed without a topic; stories, options and tables; columns, "
          "intervals, parts, counters, components, events and marks, which are "
          "names in reports, each with unit and meaning; system-calls, what a "
          "replay makes of each; and "
          "prices: all values that are assumed of a "
          "machine, each with band, mark and source.",
          &ListOptions,
          &RunList};
}

}  // namespace xmmu::cli
