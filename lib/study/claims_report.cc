#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text.h"
#include "report/json.h"
#include "report/report_formats.h"
#include "study/claims.h"
#include "study/sweep_report.h"
#include "xmmu/report/report.h"

namespace xmmu {
namespace {

using Json = nlohmann::ordered_json;

std::string Named(const Comparison& comparison, size_t row) {
  return absl::StrCat(row + 1, " ", RowLabel(comparison.rows[row]));
}

// "2 pinning/queue/late takes fewer cycles than 3 pinning/queue/never (x 1.448,
// 1.301 to 1.600 in samples)".
std::string OrderWords(const Comparison& comparison,
                       const OrderVerdict& order) {
  return absl::StrCat(
      "  ", Named(comparison, order.fewer),
      order.verdict.sign == 0 ? " takes as many cycles as "
                              : " takes fewer cycles than ",
      Named(comparison, order.more),
      absl::StrFormat(" (x %.3f, %.3f to %.3f in samples)", order.ratio,
                      order.ratio_least, order.ratio_most));
}

template <typename Predicate>
std::string OrdersThat(const Comparison& comparison,
                       const Sensitivity& sensitivity, std::string_view heading,
                       Predicate predicate) {
  std::string lines;
  size_t count = 0;
  for (const OrderVerdict& order : sensitivity.orders) {
    if (!predicate(order.verdict)) continue;
    ++count;
    if (order.verdict.holds()) continue;
    absl::StrAppend(&lines, OrderWords(comparison, order),
                    "\n    but not with ",
                    VerdictWords(order.verdict, sensitivity.sweep), "\n");
  }
  return absl::StrCat("\n", Abs(heading), ": ", count, " of ",
                      sensitivity.orders.size(), "\n", lines);
}

std::string Words(const Comparison& comparison,
                  const Sensitivity& sensitivity) {
  return absl::StrCat(
      "\n", SweepHeading(sensitivity.sweep),
      OrdersThat(comparison, sensitivity,
                 "orders of two rows that hold whatever the prices within "
                 "their bands",
                 [](const SignVerdict& v) { return v.holds(); }),
      OrdersThat(comparison, sensitivity,
                 "orders that several prices together turn, and none alone",
                 [](const SignVerdict& v) { return !v.together.empty(); }),
      OrdersThat(comparison, sensitivity, "orders that one price alone turns",
                 [](const SignVerdict& v) { return !v.flips.empty(); }));
}

Json JsonOf(const Comparison& comparison, const Sensitivity& sensitivity) {
  Json json = SweepJson(sensitivity.sweep);
  json["orders"] = Json::array();
  for (const OrderVerdict& order : sensitivity.orders) {
    Json one;
    one["fewer"] = RowLabel(comparison.rows[order.fewer]);
    one["more"] = RowLabel(comparison.rows[order.more]);
    one["ratio"] = order.ratio;
    one["ratio_least"] = order.ratio_least;
    one["ratio_most"] = order.ratio_most;
    AddVerdictJson(order.verdict, one);
    json["orders"].push_back(std::move(one));
  }
  return json;
}

std::string Csv(const Comparison& comparison, const Sensitivity& sensitivity) {
  std::vector<std::string> head = {"machine", "levels",       "fewer",
                                   "more",    "cycles_fewer", "cycles_more",
                                   "ratio",   "ratio_least",  "ratio_most"};
  AddVerdictNames(head);
  head.emplace_back("samples");
  std::string text = CsvLine(head);
  for (const OrderVerdict& order : sensitivity.orders) {
    const ReportRow& fewer = comparison.rows[order.fewer];
    const ReportRow& more = comparison.rows[order.more];
    std::vector<std::string> cells = {
        comparison.options.machine,
        absl::StrCat(LevelCount(comparison.options.mode)),
        RowLabel(fewer),
        RowLabel(more),
        absl::StrCat(fewer.cost.cycles.count()),
        absl::StrCat(more.cost.cycles.count()),
        absl::StrFormat("%.6f", order.ratio),
        absl::StrFormat("%.6f", order.ratio_least),
        absl::StrFormat("%.6f", order.ratio_most)};
    AddVerdictCells(order.verdict, cells);
    cells.push_back(absl::StrCat(sensitivity.sweep.samples.size()));
    text += CsvLine(cells);
  }
  return text;
}

}  // namespace

std::string FormatSensitivity(const Comparison& comparison,
                              const Sensitivity& sensitivity,
                              ReportFormat format) {
  switch (format) {
    case ReportFormat::kTable:
      return FormatTable(comparison) + Words(comparison, sensitivity);
    case ReportFormat::kJson: {
      Json json = ComparisonJson(comparison);
      json["sensitivity"] = JsonOf(comparison, sensitivity);
      return JsonText(json, 2);
    }
    case ReportFormat::kCsv:
      return Csv(comparison, sensitivity);
  }
  return "";
}

}  // namespace xmmu
