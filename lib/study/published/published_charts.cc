// The charts of published tables: theirs beside ours.

#include <cstddef>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "study/published/published.h"

namespace xmmu {

Chart PublishedChart(const PublishedTable& table) {
  Chart chart;
  chart.kind = ChartKind::kDots;
  chart.title = absl::StrCat(table.name, ": ours by theirs");
  chart.help = absl::StrCat(
      table.title,
      ". At 1 both are the same; the axis is logarithmic. A star "
      "marks rows that constants of the machine were derived from.");
  chart.y = {"ours by theirs", true};
  for (const PublishedRow& row : table.rows) {
    chart.categories.push_back(absl::StrCat(row.name, row.anchor ? " *" : ""));
  }
  for (size_t column = 0; column < table.columns.size(); ++column) {
    ChartSeries series = {table.columns[column], "", {}};
    for (size_t i = 0; i < table.rows.size(); ++i) {
      const PublishedCell& cell = table.rows[i].cells[column];
      if (!cell.theirs.has_value() || !cell.ours.has_value()) continue;
      if (*cell.theirs <= 0 || *cell.ours <= 0) continue;
      series.points.push_back(
          {.x = static_cast<double>(i),
           .y = *cell.ours / *cell.theirs,
           .note = absl::StrCat("theirs ", *cell.theirs, ", ours ", *cell.ours,
                                " ", table.rows[i].unit)});
    }
    if (!series.points.empty()) chart.series.push_back(std::move(series));
  }
  chart.marks.push_back({1, "the same"});
  return chart;
}

}  // namespace xmmu
