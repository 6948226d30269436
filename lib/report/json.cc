#include "report/json.h"

#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <variant>

#include "report/report_formats.h"
#include "xmmu/sim/run_fields.h"

namespace xmmu {
namespace {

using Json = nlohmann::ordered_json;

Json CountersOf(const Cost& cost) {
  Json counters = Json::object();
  for (size_t i = 0; i < kCounterCount; ++i) {
    const auto counter = static_cast<Counter>(i);
    counters[std::string(CounterName(counter))] = cost.counters[counter];
  }
  return counters;
}

Json MigrationOf(const MigrationReport& migration) {
  Json json;
  if (!migration.refused.empty()) {
    json["refused"] = migration.refused;
    return json;
  }
  json["dirty_pages"] = migration.dirty_pages;
  json["pages_sent"] = migration.pages_sent;
  json["domctl_cycles"] = migration.domctl_cycles.count();
  if (migration.extra_cycles.has_value()) {
    json["extra_cycles"] = *migration.extra_cycles;
  }
  return json;
}

Json RowOf(const ReportRow& row) {
  Json json;
  json["policy"] = row.policy;
  json["guest_ops"] = std::string(GuestOpsName(row.guest_ops));
  json["pin"] = std::string(PinCell(row));
  json["shares_file_pages"] = row.shares_file_pages;
  json["linear_map"] = std::string(LinearMapName(row.linear_map));
  json["hypothetical"] = row.hypothetical;
  json["idle_vcpus"] = row.idle_vcpus;
  json["cycles"] = row.cost.cycles.count();
  json["hidden_cycles"] = row.cost.hidden.count();
  json["elapsed_cycles"] = row.cost.elapsed.count();
  json["cycles_by_component"] = ComponentsJson(row.cost);
  json["counters"] = CountersOf(row.cost);
  json["page_table_bytes"] = row.page_table_bytes;
  json["page_table_bytes_per_space"] = row.page_table_bytes_per_space;
  json["memory_overhead_bytes"] = row.memory_overhead_bytes;
  json["memory_parts"] = MemoryPartsJson(row);
  if (row.migration.has_value())
    json["migration"] = MigrationOf(*row.migration);
  AddMarksJson(row.by_mark, json);
  json["guest_digest"] = DigestText(row.guest_digest);
  json["accesses_not_compared"] = row.not_compared.accesses;
  json["pages_not_compared"] = row.not_compared.pages;
  return json;
}

}  // namespace

nlohmann::ordered_json ComponentsJson(const Cost& cost) {
  Json components = Json::object();
  for (size_t i = 0; i < kComponentCount; ++i) {
    components[std::string(ComponentName(static_cast<Component>(i)))] =
        cost.by_component[i].count();
  }
  return components;
}

void AddMarksJson(const MarkCycles& cycles, nlohmann::ordered_json& json) {
  const auto millionths = SharesByMark(cycles, 6);
  for (size_t i = 0; i < kMarkCount; ++i) {
    const std::string name(MarkName(static_cast<Mark>(i)));
    json["cycles_by_mark"][name] = cycles[i].count();
    json["share_by_mark"][name] = static_cast<double>(millionths[i]) / 1e6;
  }
}

nlohmann::ordered_json MemoryPartsJson(const ReportRow& row) {
  Json parts = Json::object();
  for (const MemoryPart& part : row.memory_parts) {
    parts[std::string(part.name)] = {{"reserved_bytes", part.reserved_bytes},
                                     {"peak_bytes", part.peak_bytes}};
  }
  return parts;
}

namespace {

Json CellJson(const Cell& cell) {
  return std::visit(
      [](const auto& value) -> Json {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::monostate>)
          return nullptr;
        else if constexpr (std::is_same_v<T, Real>)
          return value.value;
        else
          return value;
      },
      cell);
}

// An option whose key is "a.b" is b of an object a.
void AddOption(const RunField& field, const SimulatorOptions& options,
               Json& json) {
  const Cell cell = field.get(options);
  if (std::holds_alternative<std::monostate>(cell)) return;
  const size_t dot = field.key.find('.');
  Json& object = dot == std::string_view::npos
                     ? json
                     : json[std::string(field.key.substr(0, dot))];
  object[std::string(field.key.substr(dot + 1))] = CellJson(cell);
}

}  // namespace

nlohmann::ordered_json ComparisonJson(const Comparison& comparison) {
  Json json;
  json["xmmu"] = comparison.version;
  for (const RunField& field : RunFields()) {
    if (field.scope == RunScope::kEachRow) continue;
    // Where they have always been.
    if (field.key == "timing") {
      json["workload"] = {{"name", comparison.workload}};
      json["hypothetical"] = comparison.hypothetical;
    }
    AddOption(field, comparison.options, json);
  }
  json["left_out"] = comparison.left_out;
  json["rows"] = Json::array();
  for (const ReportRow& row : comparison.rows) {
    json["rows"].push_back(RowOf(row));
  }
  return json;
}

// What is no UTF-8 (a path, the name of a program) is replaced.
std::string JsonText(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string FormatJson(const Comparison& comparison) {
  return JsonText(ComparisonJson(comparison), 2);
}

}  // namespace xmmu
