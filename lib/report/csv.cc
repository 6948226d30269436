#include <iterator>
#include <numeric>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text.h"
#include "report/mark_fields.h"
#include "report/report_formats.h"
#include "xmmu/sim/run_fields.h"

namespace xmmu {
namespace {

using Cells = std::vector<std::string>;

// Options that all rows share and that have columns: those before the columns
// of the row's own, and those after them.
constexpr std::string_view kOptionsBefore[] = {
    "machine", "flush_filter", "levels", "vcpus", "domains", "timing"};
constexpr std::string_view kOptionsAfter[] = {"walkers", "overlap"};

std::string OptionText(std::string_view key, const SimulatorOptions& options) {
  const Cell cell = FindRunField(key)->get(options);
  if (const bool* truth = std::get_if<bool>(&cell)) return *truth ? "1" : "0";
  if (const uint64_t* number = std::get_if<uint64_t>(&cell)) {
    return absl::StrCat(*number);
  }
  if (const Real* real = std::get_if<Real>(&cell)) {
    return absl::StrFormat("%.*f", real->decimals, real->value);
  }
  return std::get<std::string>(cell);
}

Cells Header() {
  Cells cells(std::begin(kOptionsBefore), std::end(kOptionsBefore));
  cells.insert(cells.end(), {"policy", "guest_ops", "pin", "shares_file_pages",
                             "linear_map", "hypothetical"});
  cells.insert(cells.end(), std::begin(kOptionsAfter), std::end(kOptionsAfter));
  cells.insert(cells.end(), {"cycles", "hidden_cycles", "elapsed_cycles"});
  for (size_t i = 0; i < kComponentCount; ++i) {
    cells.push_back(
        absl::StrCat("cycles_", Abs(ComponentName(static_cast<Component>(i)))));
  }
  for (size_t i = 0; i < kCounterCount; ++i) {
    cells.emplace_back(CounterName(static_cast<Counter>(i)));
  }
  cells.insert(cells.end(), {"page_table_bytes", "page_table_bytes_per_space",
                             "memory_overhead_bytes"});
  AddMarkNames(cells);
  cells.insert(cells.end(),
               {"guest_digest", "migration_rounds", "migration_dirty_pages",
                "migration_pages_sent", "migration_domctl_cycles",
                "migration_extra_cycles"});
  return cells;
}

// Empty where there was none.
void AddMigration(const ReportRow& row, Cells& cells) {
  if (!row.migration.has_value() || !row.migration->refused.empty()) {
    cells.resize(cells.size() + 5);
    return;
  }
  const MigrationReport& migration = *row.migration;
  const std::vector<uint64_t>& dirty = migration.dirty_pages;
  cells.push_back(absl::StrCat(dirty.size()));
  cells.push_back(
      absl::StrCat(std::accumulate(dirty.begin(), dirty.end(), uint64_t{0})));
  cells.push_back(absl::StrCat(migration.pages_sent));
  cells.push_back(absl::StrCat(migration.domctl_cycles.count()));
  cells.push_back(migration.extra_cycles.has_value()
                      ? absl::StrCat(*migration.extra_cycles)
                      : "");
}

Cells RowOf(const Comparison& comparison, const ReportRow& row) {
  Cells cells;
  for (const std::string_view key : kOptionsBefore) {
    cells.push_back(OptionText(key, comparison.options));
  }
  cells.insert(cells.end(),
               {row.policy, std::string(GuestOpsName(row.guest_ops)),
                std::string(PinCell(row)), row.shares_file_pages ? "1" : "0",
                std::string(LinearMapName(row.linear_map)), row.hypothetical});
  for (const std::string_view key : kOptionsAfter) {
    cells.push_back(OptionText(key, comparison.options));
  }
  cells.push_back(absl::StrCat(row.cost.cycles.count()));
  cells.push_back(absl::StrCat(row.cost.hidden.count()));
  cells.push_back(absl::StrCat(row.cost.elapsed.count()));
  for (Cycles cycles : row.cost.by_component) {
    cells.push_back(absl::StrCat(cycles.count()));
  }
  for (size_t i = 0; i < kCounterCount; ++i) {
    cells.push_back(absl::StrCat(row.cost.counters[static_cast<Counter>(i)]));
  }
  cells.push_back(absl::StrCat(row.page_table_bytes));
  cells.push_back(absl::StrCat(row.page_table_bytes_per_space));
  cells.push_back(absl::StrCat(row.memory_overhead_bytes));
  AddMarkShares(row.by_mark, cells);
  cells.push_back(DigestText(row.guest_digest));
  AddMigration(row, cells);
  return cells;
}

}  // namespace

std::string FormatCsv(const Comparison& comparison) {
  std::string text = CsvLine(Header());
  for (const ReportRow& row : comparison.rows) {
    text += CsvLine(RowOf(comparison, row));
  }
  return text;
}

}  // namespace xmmu
