#include "report/page/chart_data.h"

#include <string_view>
#include <utility>

namespace xmmu {
namespace {

std::string_view KindName(ChartKind kind) {
  switch (kind) {
    case ChartKind::kStackedBars:
      return "stacked bars";
    case ChartKind::kLines:
      return "lines";
    case ChartKind::kIntervals:
      return "intervals";
    case ChartKind::kDots:
      return "dots";
  }
  return "";
}

// A member of an object; page.js needs neither unit nor help.
Field Member(std::string key, Value value) {
  return {std::move(key), "", "", std::move(value)};
}

Value Number(double number) { return Cell(Real{number, 0}); }
Value Text(std::string_view text) { return Cell(std::string(text)); }

Record AxisRecord(const ChartAxis& axis) {
  return {{Member("title", Text(axis.title)),
           Member("log", Cell(axis.logarithmic))}};
}

// One number of each point.
Value NumbersOf(const std::vector<ChartPoint>& points,
                double ChartPoint::*member) {
  std::vector<Cell> cells;
  for (const ChartPoint& point : points) {
    cells.emplace_back(Real{point.*member, 0});
  }
  return cells;
}

// A list for each number of the points, as a list of objects would have their
// keys a thousand times.
Record SeriesRecord(const ChartSeries& series, ChartKind kind) {
  Record record = {{Member("name", Text(series.name)),
                    Member("help", Text(series.help)),
                    Member("x", NumbersOf(series.points, &ChartPoint::x)),
                    Member("y", NumbersOf(series.points, &ChartPoint::y))}};
  if (kind == ChartKind::kIntervals) {
    record.fields.push_back(
        Member("low", NumbersOf(series.points, &ChartPoint::low)));
    record.fields.push_back(
        Member("high", NumbersOf(series.points, &ChartPoint::high)));
  }
  std::vector<Cell> notes;
  bool any = false;
  for (const ChartPoint& point : series.points) {
    notes.emplace_back(point.note);
    any = any || !point.note.empty();
  }
  if (any) record.fields.push_back(Member("notes", std::move(notes)));
  return record;
}

Record ChartRecord(const Chart& chart) {
  std::vector<Record> series;
  for (const ChartSeries& one : chart.series) {
    series.push_back(SeriesRecord(one, chart.kind));
  }
  std::vector<Record> marks;
  for (const ChartMark& mark : chart.marks) {
    marks.push_back(
        {{Member("x", Number(mark.x)), Member("label", Text(mark.label))}});
  }
  const std::vector<Cell> categories(chart.categories.begin(),
                                     chart.categories.end());
  return {{Member("kind", Text(KindName(chart.kind))),
           Member("x", AxisRecord(chart.x)), Member("y", AxisRecord(chart.y)),
           Member("categories", categories), Member("series", series),
           Member("marks", marks)}};
}

}  // namespace

std::vector<Record> ChartRecords(std::span<const Chart> charts) {
  std::vector<Record> records;
  for (const Chart& chart : charts) records.push_back(ChartRecord(chart));
  return records;
}

}  // namespace xmmu
