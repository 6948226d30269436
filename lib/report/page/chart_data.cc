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

Record PointRecord(const ChartPoint& point, ChartKind kind) {
  Record record = {
      {Member("x", Number(point.x)), Member("y", Number(point.y))}};
  if (kind == ChartKind::kIntervals) {
    record.fields.push_back(Member("low", Number(point.low)));
    record.fields.push_back(Member("high", Number(point.high)));
  }
  record.fields.push_back(Member("note", Text(point.note)));
  return record;
}

Record SeriesRecord(const ChartSeries& series, ChartKind kind) {
  std::vector<Record> points;
  for (const ChartPoint& point : series.points) {
    points.push_back(PointRecord(point, kind));
  }
  return {{Member("name", Text(series.name)), Member("help", Text(series.help)),
           Member("points", std::move(points))}};
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
