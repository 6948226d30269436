// The series of a comparison, an interval a line: see RegionOptions::interval.

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "report/common_fields.h"
#include "report/comparison_fields.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

// An interval, and where it stands in its row, from 1 on.
struct IntervalLine {
  const Interval& interval;
  size_t number;
};

constexpr FieldOf<IntervalLine> kIntervalFields[] = {
    {0, "interval", "", "number of the interval in its row, from 1 on",
     [](const IntervalLine& l) { return l.number; }},
    {0, "domain", "", "domain whose workload it is a piece of, from 1 on",
     [](const IntervalLine& l) { return l.interval.domain + 1; }},
    {0, "first_operation", "",
     "number of its first operation in that workload, from 1 on",
     [](const IntervalLine& l) { return l.interval.first; }},
    {0, "operations", "operations", "operations in it",
     [](const IntervalLine& l) { return l.interval.operations; }},
    {0, "cycles", "cycles",
     "cycles charged meanwhile, of all CPUs, as if nothing overlapped; those "
     "of all intervals add up to the row's, as all that follows does",
     [](const IntervalLine& l) { return l.interval.cost.cycles; }},
    {0, "hidden_cycles", "cycles",
     "of cycles those that passed beside others; 0 without --walkers and "
     "--overlap",
     [](const IntervalLine& l) { return l.interval.cost.hidden; }},
    {0, "elapsed_cycles", "cycles",
     "how far the simulated time of the CPU that is furthest ahead went on",
     [](const IntervalLine& l) { return l.interval.cost.elapsed; }},
    {0, "cycles_by_component", "cycles",
     "cycles by what they were spent on; they add up to cycles",
     [](const IntervalLine& l) { return ComponentCells(l.interval.cost); },
     Shown::kBoth, &kComponentGroup},
    {0, "counters", "events", "events counted, of all CPUs",
     [](const IntervalLine& l) { return CounterCells(l.interval.cost); },
     Shown::kBoth, &kCounterGroup},
};

std::vector<IntervalLine> LinesOf(const ReportRow& row) {
  std::vector<IntervalLine> lines;
  for (const Interval& interval : row.intervals) {
    lines.push_back({interval, lines.size() + 1});
  }
  return lines;
}

// A row with what tells it from others, by the fields of a comparison.
bool Identifies(const FieldOf<ComparisonLine>& field) {
  constexpr std::string_view kOfRow[] = {
      "policy",     "guest_ops",    "pin", "shares_file_pages",
      "linear_map", "hypothetical", "thp"};
  return field.level == 0 || std::find(std::begin(kOfRow), std::end(kOfRow),
                                       field.key) != std::end(kOfRow);
}

// What was run, a line a row.
Table IdentityTable(const Comparison& comparison, const RunIdentity& identity) {
  std::vector<FieldOf<ComparisonLine>> fields;
  for (const FieldOf<ComparisonLine>& field : ComparisonFields()) {
    if (Identifies(field)) fields.push_back(field);
  }
  std::vector<ComparisonLine> lines;
  for (const ReportRow& row : comparison.rows) {
    lines.push_back({comparison, identity, &row});
  }
  return TableOf<ComparisonLine>(fields, lines);
}

}  // namespace

std::vector<FieldInfo> IntervalInfos() {
  return InfosOf<IntervalLine>(kIntervalFields);
}

std::vector<Record> IntervalRecords(const ReportRow& row) {
  std::vector<Record> records;
  for (const IntervalLine& line : LinesOf(row)) {
    records.push_back(RecordOf<IntervalLine>(kIntervalFields, 0, line));
  }
  return records;
}

Table WithIdentity(const Comparison& comparison, const RunIdentity& identity,
                   absl::FunctionRef<Table(const ReportRow&)> lines_of) {
  const Table rows = IdentityTable(comparison, identity);
  Table table;
  for (size_t i = 0; i < comparison.rows.size(); ++i) {
    Table series = lines_of(comparison.rows[i]);
    if (i == 0) {
      table.columns = rows.columns;
      table.columns.insert(table.columns.end(), series.columns.begin(),
                           series.columns.end());
    }
    for (std::vector<Cell>& cells : series.lines) {
      std::vector<Cell> line = rows.lines[i];
      line.insert(line.end(), std::make_move_iterator(cells.begin()),
                  std::make_move_iterator(cells.end()));
      table.lines.push_back(std::move(line));
    }
  }
  return table;
}

Table IntervalTable(const Comparison& comparison, const RunIdentity& identity) {
  return WithIdentity(comparison, identity, [](const ReportRow& row) {
    return TableOf<IntervalLine>(kIntervalFields, LinesOf(row));
  });
}

std::string RegionLines(const Comparison& comparison) {
  const RegionOptions& region = comparison.options.region;
  if (!region.wanted()) return "";
  const uint64_t before = region.skip + region.warmup;
  std::string text = absl::StrCat(
      "region    operations ", Grouped(before + 1), " to ",
      region.operations.has_value() ? Grouped(before + *region.operations)
                                    : "the end",
      comparison.options.domains == 1 ? "" : " of each domain");
  if (region.skip > 0) {
    absl::StrAppend(&text, ", caches emptied after ", Grouped(region.skip));
  }
  if (region.warmup > 0) {
    absl::StrAppend(&text, ", ", Grouped(region.warmup), " of warm-up");
  }
  absl::StrAppend(&text,
                  "\n          cycles and events are of these alone, memory "
                  "and digest of the whole run\n");
  if (comparison.options.vcpus > 1) {
    absl::StrAppend(&text,
                    "          which operations come first depends on the "
                    "vCPUs' clocks, so rows differ by it\n");
  }
  return text;
}

std::string SeriesLine(const Comparison& comparison) {
  if (comparison.rows.empty()) return "";
  const size_t count = comparison.rows.front().intervals.size();
  if (count == 0) return "";
  return absl::StrCat(Grouped(count), " interval", count == 1 ? "" : "s",
                      " of ",
                      Grouped(comparison.options.region.interval.value_or(0)),
                      " operations in each row: --format=json and csv have "
                      "them\n");
}

}  // namespace xmmu
