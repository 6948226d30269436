// What a report in JSON rests on: its machines, and the cycles of its prices.

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "report/parsed_json.h"
#include "xmmu/machine/machine_file.h"
#include "xmmu/report/citations.h"

namespace xmmu {
namespace {

// What a report says that matters here.
struct ReportFacts {
  std::string version;
  std::string machine_file;
  std::set<std::string> machines;
  CyclesByPrice cycles;
};

// The presets that the title of a published table says it was simulated on.
void AddNamed(const std::string& title, ReportFacts& facts) {
  for (const MachineModel* machine : Machines()) {
    if (absl::StrContains(title, Abs(machine->name))) {
      facts.machines.emplace(machine->name);
    }
  }
}

void Find(const Value& value, ReportFacts& facts);

void FindInRecord(const Record& record, ReportFacts& facts) {
  for (const Field& field : record.fields) {
    const auto* cell = std::get_if<Cell>(&field.value);
    const auto* text =
        cell == nullptr ? nullptr : std::get_if<std::string>(cell);
    if (text != nullptr && field.key == "machine") facts.machines.insert(*text);
    if (text != nullptr && field.key == "title") AddNamed(*text, facts);
    if (text != nullptr && field.key == "xmmu") facts.version = *text;
    if (text != nullptr && field.key == "machine_file") {
      facts.machine_file = *text;
    }
    const auto* prices = std::get_if<Record>(&field.value);
    if (prices != nullptr && field.key == "cycles_by_event") {
      for (const Field& price : prices->fields) {
        const auto* number = std::get_if<Cell>(&price.value);
        if (number == nullptr) continue;
        if (const auto* count = std::get_if<uint64_t>(number)) {
          facts.cycles[price.key] += *count;
        }
      }
    } else {
      Find(field.value, facts);
    }
  }
}

void Find(const Value& value, ReportFacts& facts) {
  if (const auto* record = std::get_if<Record>(&value)) {
    FindInRecord(*record, facts);
  } else if (const auto* records = std::get_if<std::vector<Record>>(&value)) {
    for (const Record& each : *records) FindInRecord(each, facts);
  }
}

// Gives a machine that was read from a file the rules of the preset that it is,
// where the source says the same.
void TakeRules(MachineModel& machine) {
  const std::string_view name = machine.name.substr(0, machine.name.find('+'));
  const MachineModel* const preset = FindMachine(name);
  if (preset == nullptr) return;
  for (size_t i = 0; i < kCostEventCount; ++i) {
    if (machine.costs[i].source == preset->costs[i].source) {
      machine.price_rules[i] = preset->price_rules[i];
    }
  }
}

absl::Status NoMachine(std::string_view name) {
  return absl::InvalidArgumentError(absl::StrCat(
      Abs(name), ": names no machine; want the JSON of a report of xmmu"));
}

}  // namespace

absl::StatusOr<Citations> CitationsOfReport(std::string_view name,
                                            std::string_view text) {
  const auto value = ParseJson(name, text);
  if (!value.ok()) return value.status();
  ReportFacts facts;
  Find(*value, facts);
  std::vector<const MachineModel*> machines;
  MachineModel own;
  if (!facts.machine_file.empty()) {
    auto machine = ParseMachine(facts.machine_file,
                                absl::StrCat(Abs(name), ": machine_file"));
    if (!machine.ok()) return machine.status();
    own = *std::move(machine);
    TakeRules(own);
    machines.push_back(&own);
  } else {
    for (const std::string& each : facts.machines) {
      if (const auto* preset = FindMachine(each)) machines.push_back(preset);
    }
  }
  if (machines.empty()) return NoMachine(name);
  Citations citations =
      CitationsOf(machines, facts.cycles.empty() ? nullptr : &facts.cycles);
  if (!facts.version.empty()) citations.version = facts.version;
  return citations;
}

}  // namespace xmmu
