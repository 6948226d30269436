#ifndef XMMU_REPORT_CHART_H_
#define XMMU_REPORT_CHART_H_

// A figure of a report as data: what is drawn, before anybody decides how. A
// page (xmmu/report/page.h) draws it; the figures are those of a table of the
// same document, so that who sees no picture misses nothing.
//
// Plain values; any thread.

#include <cstdint>
#include <string>
#include <vector>

namespace xmmu {

enum class ChartKind : uint8_t {
  // A bar for each category, in which the values of the series are stacked.
  kStackedBars,
  // A line for each series, through its points.
  kLines,
  // A bar from `low` to `high` for each category, with a dot at `y`.
  kIntervals,
  // A dot for each point, without lines.
  kDots,
};

struct ChartAxis {
  std::string title;  // with the unit: "cycles"
  bool logarithmic = false;
};

// `x` is the index of a category where the chart has categories.
struct ChartPoint {
  double x = 0;
  double y = 0;
  double low = 0;   // of kIntervals
  double high = 0;  // of kIntervals
  // What a reader is told of this point, besides its numbers; mostly empty.
  std::string note = {};
};

struct ChartSeries {
  std::string name;
  std::string help;  // one sentence, shown with each of its points
  std::vector<ChartPoint> points;
};

// A line across the chart at `x`, such as where two curves cross.
struct ChartMark {
  double x = 0;
  std::string label;  // a word or a number, drawn beside the line
  // What is there, in words, listed below the chart; empty where the label says
  // it all.
  std::string note = {};
};

struct Chart {
  ChartKind kind = ChartKind::kStackedBars;
  std::string title;
  std::string help;  // a sentence that says how to read it
  ChartAxis x;       // of bars: the axis of values is y, whichever way they lie
  ChartAxis y;
  std::vector<std::string> categories = {};
  std::vector<ChartSeries> series = {};
  std::vector<ChartMark> marks = {};
  // Whether a reader may want each bar as shares of its whole.
  bool as_shares = false;
};

}  // namespace xmmu

#endif  // XMMU_REPORT_CHART_H_
