#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text.h"
#include "study/claims.h"
#include "study/study_charts.h"
#include "study/sweep_report.h"
#include "xmmu/report/report.h"

namespace xmmu {
namespace {

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

// An order of two rows; `order` is null in the fields of level 0.
struct OrderLine {
  const Comparison& comparison;
  const Sensitivity& sensitivity;
  const OrderVerdict* order;

  const ReportRow& fewer() const { return comparison.rows[order->fewer]; }
  const ReportRow& more() const { return comparison.rows[order->more]; }
};

std::vector<FieldOf<OrderLine>> OrderFields() {
  std::vector<FieldOf<OrderLine>> fields = {
      {0, "machine", "", "machine that was simulated",
       [](const OrderLine& l) { return l.comparison.options.machine; },
       Shown::kCsv},
      {0, "levels", "levels", "levels of page tables of the guest; 3 is PAE",
       [](const OrderLine& l) { return LevelCount(l.comparison.options.mode); },
       Shown::kCsv},
      {1, "fewer", "", "row that takes fewer cycles, or as many",
       [](const OrderLine& l) { return RowLabel(l.fewer()); }},
      {1, "more", "", "row that takes more cycles",
       [](const OrderLine& l) { return RowLabel(l.more()); }},
      {1, "cycles_fewer", "cycles", "cycles of `fewer`",
       [](const OrderLine& l) { return l.fewer().cost.cycles; }, Shown::kCsv},
      {1, "cycles_more", "cycles", "cycles of `more`",
       [](const OrderLine& l) { return l.more().cost.cycles; }, Shown::kCsv},
      {1, "ratio", "", "cycles of `more` by cycles of `fewer`",
       [](const OrderLine& l) {
         return Real{l.order->ratio, 6};
       }},
      {1, "ratio_least", "", "the least of this ratio in any sample",
       [](const OrderLine& l) {
         return Real{l.order->ratio_least, 6};
       }},
      {1, "ratio_most", "", "the most of this ratio in any sample",
       [](const OrderLine& l) {
         return Real{l.order->ratio_most, 6};
       }},
  };
  for (const auto& field :
       VerdictFields<OrderLine>([](const OrderLine& l) -> const SignVerdict& {
         return l.order->verdict;
       })) {
    fields.push_back(field);
  }
  fields.push_back(
      {0, "samples", "samples", "samples of all prices at once",
       [](const OrderLine& l) { return l.sensitivity.sweep.samples.size(); },
       Shown::kCsv});
  return fields;
}

}  // namespace

Document SensitivityDocument(const Comparison& comparison,
                             const Sensitivity& sensitivity,
                             const RunIdentity& identity) {
  const std::vector<FieldOf<OrderLine>> fields = OrderFields();
  std::vector<OrderLine> lines;
  std::vector<Record> orders;
  for (const OrderVerdict& order : sensitivity.orders) {
    lines.push_back({comparison, sensitivity, &order});
    orders.push_back(RecordOf<OrderLine>(fields, 1, lines.back()));
  }
  Document document = ComparisonDocument(comparison, identity);
  document.text.emplace_back(Words(comparison, sensitivity));
  document.table = TableOf<OrderLine>(fields, lines);
  document.charts.push_back(OrderChart(comparison, sensitivity));
  Record swept = SweepRecord(sensitivity.sweep);
  swept.fields.push_back(
      {"orders", "", "one object for each two rows", std::move(orders)});
  std::get<Record>(document.data)
      .fields.push_back({"sensitivity", "",
                         "how far the conclusions stand with other prices",
                         std::move(swept)});
  return document;
}

std::string FormatSensitivity(const Comparison& comparison,
                              const Sensitivity& sensitivity,
                              ReportFormat format,
                              const RunIdentity& identity) {
  return Render(SensitivityDocument(comparison, sensitivity, identity), format);
}

}  // namespace xmmu
