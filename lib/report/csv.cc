#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "report/mark_fields.h"
#include "report/report_formats.h"
#include "xmmu/sim/options.h"

namespace xmmu {
namespace {

using Cells = std::vector<std::string>;

Cells Header() {
  Cells cells = {"machine",       "flush_filter",
                 "levels",        "vcpus",
                 "domains",       "timing",
                 "policy",        "guest_ops",
                 "pin",           "shares_file_pages",
                 "linear_map",    "hypothetical",
                 "walkers",       "overlap",
                 "cycles",        "hidden_cycles",
                 "elapsed_cycles"};
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
  Cells cells = {comparison.machine,
                 absl::StrCat(comparison.flush_filter ? 1 : 0),
                 absl::StrCat(LevelCount(comparison.mode)),
                 absl::StrCat(comparison.vcpus),
                 absl::StrCat(comparison.domains),
                 std::string(MemoryTimingName(comparison.timing)),
                 row.policy,
                 std::string(GuestOpsName(row.guest_ops)),
                 std::string(PinCell(row)),
                 absl::StrCat(row.shares_file_pages ? 1 : 0),
                 std::string(LinearMapName(row.linear_map)),
                 row.hypothetical,
                 absl::StrCat(comparison.overlap.walkers),
                 OverlapText(comparison.overlap),
                 absl::StrCat(row.cost.cycles.count()),
                 absl::StrCat(row.cost.hidden.count()),
                 absl::StrCat(row.cost.elapsed.count())};
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
