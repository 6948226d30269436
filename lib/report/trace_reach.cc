// The misses of TLBs of all sizes on a trace.

#include <algorithm>
#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text.h"
#include "report/trace_records.h"
#include "report/trace_report.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

constexpr uint64_t kSmallBytes = uint64_t{1} << 12;
constexpr uint64_t kLargeBytes = uint64_t{1} << 21;
constexpr int kRateDecimals = 8;

struct ReachLine {
  const PageReach* reach = nullptr;
  uint64_t entries = 0;

  uint64_t small_misses() const { return reach->small.MissesOf(entries); }
  uint64_t large_misses() const { return reach->large.MissesOf(entries); }
  double RateOf(uint64_t misses) const {
    const uint64_t touches = reach->small.touches();
    return touches == 0
               ? 0
               : static_cast<double>(misses) / static_cast<double>(touches);
  }
};

constexpr FieldOf<ReachLine> kReachFields[] = {
    {1, "entries", "entries", "entries of a fully associative LRU TLB",
     [](const ReachLine& l) { return l.entries; }},
    {1, "reach_4k", "bytes", "memory that these reach with pages of 4 KiB",
     [](const ReachLine& l) { return l.entries * kSmallBytes; }},
    {1, "misses_4k", "misses", "touches that miss it, with pages of 4 KiB",
     [](const ReachLine& l) { return l.small_misses(); }},
    {1, "miss_rate_4k", "", "these, of all touches",
     [](const ReachLine& l) {
       return Real{l.RateOf(l.small_misses()), kRateDecimals};
     }},
    {1, "reach_2m", "bytes", "memory that these reach with pages of 2 MiB",
     [](const ReachLine& l) { return l.entries * kLargeBytes; }},
    {1, "misses_2m", "misses", "touches that miss it, with pages of 2 MiB",
     [](const ReachLine& l) { return l.large_misses(); }},
    {1, "miss_rate_2m", "", "these, of all touches",
     [](const ReachLine& l) {
       return Real{l.RateOf(l.large_misses()), kRateDecimals};
     }},
};

std::span<const FieldOf<ReachLine>> ReachFields() { return kReachFields; }

// Powers of two up to what holds all pages, and what else is wanted.
std::vector<ReachLine> LinesOf(const PageReach& reach,
                               std::span<const uint64_t> more) {
  std::vector<uint64_t> entries(more.begin(), more.end());
  const uint64_t most =
      std::bit_ceil(std::max<uint64_t>(reach.small.pages(), 1));
  for (uint64_t power = 1; power <= most; power *= 2) entries.push_back(power);
  std::sort(entries.begin(), entries.end());
  entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
  std::vector<ReachLine> lines;
  for (const uint64_t number : entries) lines.push_back({&reach, number});
  return lines;
}

std::string PercentOf(double rate) {
  return absl::StrFormat("%.4f", 100 * rate);
}

TextTable ReachTable(const std::vector<ReachLine>& lines) {
  TextTable table(0);
  table.Add({"entries", "KiB of 4 KiB", "misses", "%", "MiB of 2 MiB", "misses",
             "%"});
  table.Rule();
  for (const ReachLine& line : lines) {
    table.Add({Grouped(line.entries), Grouped(line.entries * kSmallBytes >> 10),
               Grouped(line.small_misses()),
               PercentOf(line.RateOf(line.small_misses())),
               Grouped(line.entries * kLargeBytes >> 20),
               Grouped(line.large_misses()),
               PercentOf(line.RateOf(line.large_misses()))});
  }
  return table;
}

std::string ReachHeading(const TraceFacts& facts, std::string_view what,
                         const PageReach& reach) {
  return absl::StrCat(
      FactLines(facts), FactLine("touches", what),
      FactLine(
          "pages",
          absl::StrCat(Grouped(reach.small.pages()), " of 4 KiB, ",
                       Grouped(reach.large.pages()), " of 2 MiB, ",
                       Counted(reach.small.touches(), "touch", "touches"))),
      LackLines(facts), "\n");
}

Chart ReachChart(const std::vector<ReachLine>& lines) {
  Chart chart;
  chart.kind = ChartKind::kLines;
  chart.title = "Misses by the entries of the TLB";
  chart.help =
      "Share of the touches that miss a fully associative LRU TLB of "
      "so many entries; the axis of entries is logarithmic.";
  chart.x = {"entries", true};
  chart.y = {"% of touches that miss"};
  ChartSeries small = {"pages of 4 KiB", "", {}};
  ChartSeries large = {"pages of 2 MiB", "", {}};
  for (const ReachLine& line : lines) {
    const auto entries = static_cast<double>(line.entries);
    small.points.push_back(
        {.x = entries, .y = 100 * line.RateOf(line.small_misses())});
    large.points.push_back(
        {.x = entries, .y = 100 * line.RateOf(line.large_misses())});
  }
  chart.series = {std::move(small), std::move(large)};
  return chart;
}

}  // namespace

Document TraceReachDocument(const TraceFacts& facts, std::string_view what,
                            const PageReach& reach,
                            std::span<const uint64_t> more) {
  const std::vector<ReachLine> lines = LinesOf(reach, more);
  Document document;
  document.text = {ReachHeading(facts, what, reach), ReachTable(lines)};
  document.table = TableOf(ReachFields(), std::span<const ReachLine>(lines));
  Record record{FactFields(facts)};
  std::vector<Record> rows;
  for (const ReachLine& line : lines) {
    rows.push_back(RecordOf(ReachFields(), 1, line));
  }
  std::vector<Field> fields = {
      FieldWith("of", "", "which accesses count", what),
      FieldWith("touches", "touches",
                "accesses, one for each page of 4 KiB that they are on",
                reach.small.touches()),
      FieldWith("pages_4k", "pages", "distinct pages of 4 KiB",
                reach.small.pages()),
      FieldWith("pages_2m", "pages", "distinct pages of 2 MiB",
                reach.large.pages()),
      FieldWith("reach", "", "one object for each number of entries",
                std::move(rows))};
  std::move(fields.begin(), fields.end(), std::back_inserter(record.fields));
  document.data = std::move(record);
  TermGroup columns{
      "columns",
      {{"entries", "entries", "entries of a fully associative LRU TLB"},
       {"KiB of 4 KiB", "KiB", "memory that these reach with such pages"},
       {"MiB of 2 MiB", "MiB", "memory that these reach with such pages"},
       {"misses", "touches",
        "touches that miss it, the first one of each page included"},
       {"%", "", "these, of all touches"}}};
  document.legend = {std::move(columns)};
  document.charts = {ReachChart(lines)};
  return document;
}

}  // namespace xmmu
