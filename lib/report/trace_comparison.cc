#include "report/trace_comparison.h"

#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text.h"
#include "report/compared_figures.h"
#include "report/trace_records.h"
#include "xmmu/base/counters.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

using Maybe = std::optional<uint64_t>;

struct ComparedLine {
  const ComparedFigure* figure = nullptr;
  Maybe linux_has;  // of the programs
  Maybe others;     // Linux for others
  Maybe xen_has;
  Maybe simulated;

  // What the simulator has more than Linux for the programs.
  std::optional<int64_t> difference() const {
    if (!linux_has.has_value() || !simulated.has_value()) return std::nullopt;
    return static_cast<int64_t>(*simulated - *linux_has);
  }
};

Cell CellOfMaybe(const Maybe& number) {
  return number.has_value() ? Cell(*number) : Cell();
}

constexpr FieldOf<ComparedLine> kComparedFields[] = {
    {1, "figure", "", "what is counted",
     [](const ComparedLine& l) { return l.figure->key; }},
    {1, "linux", "",
     "what Linux did or issued for the programs that are replayed",
     [](const ComparedLine& l) { return CellOfMaybe(l.linux_has); }},
    {1, "linux_others", "",
     "what it issued meanwhile for other tasks, its own threads among them",
     [](const ComparedLine& l) { return CellOfMaybe(l.others); }},
    {1, "xen", "", "what Xen recorded meanwhile, for all tasks",
     [](const ComparedLine& l) { return CellOfMaybe(l.xen_has); }},
    {1, "simulated", "", "what the simulated guest did or issued",
     [](const ComparedLine& l) { return CellOfMaybe(l.simulated); }},
    {1, "difference", "", "simulated less linux",
     [](const ComparedLine& l) {
       const auto difference = l.difference();
       return difference.has_value() ? Cell(*difference) : Cell();
     }},
};
std::span<const FieldOf<ComparedLine>> ComparedFields() {
  return kComparedFields;
}

std::vector<ComparedLine> LinesOfComparison(const TraceComparison& c) {
  std::vector<ComparedLine> lines;
  const Counters& counters = c.simulated.rows.front().cost.counters;
  for (const ComparedFigure& figure : ComparedFigures()) {
    ComparedLine line;
    line.figure = &figure;
    const bool told = !figure.of_xen_events || c.text.has_xen_events;
    if (figure.linux_has != nullptr && told) {
      line.linux_has = figure.linux_has(c.text, c.text.xen);
      if (figure.of_xen_events) {
        line.others = figure.linux_has(c.text, c.text.xen_of_others);
      }
    }
    if (figure.xen_has != nullptr && c.xen.has_value()) {
      line.xen_has = figure.xen_has(c.xen->counts);
    }
    if (figure.counter.has_value()) {
      line.simulated = counters[static_cast<Counter>(*figure.counter)];
    }
    lines.push_back(line);
  }
  return lines;
}

// What cannot be compared, and why, a clause each.
std::vector<std::string> LimitsOf(const TraceComparison& c) {
  std::vector<std::string> limits = {
      "cycles: times of the recording are its machine's",
      "pins and flushes among mmuext_ops: Linux's commands are behind pointers",
      "what a switch to a process issues: Linux issues it for the task before",
      "forks and exits of what was there before the trace: it starts empty, so "
      "fewer entries are copied"};
  if (!c.text.has_xen_events) {
    limits.emplace_back(
        "what Linux issued: the text has no xen: events, so it ran without a "
        "paravirtual MMU or was not asked for them");
  }
  if (c.text.tree.unended != 0) {
    limits.push_back(absl::StrCat(
        "exits: ", c.text.tree.unended,
        " processes run on where the text ends, the simulated ones end there"));
  }
  if (c.text.cpus > 1 && c.simulated.options.vcpus == 1) {
    limits.push_back(absl::StrCat("flushes of other CPUs: Linux ran on ",
                                  c.text.cpus, ", the simulated guest on one"));
  }
  if (c.text.tree.lost != 0 || c.text.flushes_unlike_queue != 0) {
    limits.push_back(absl::StrCat("sums: ", c.text.tree.lost,
                                  " events were lost, and ",
                                  c.text.flushes_unlike_queue,
                                  " flushes of the queue had other calls than "
                                  "were queued"));
  }
  if (!c.xen.has_value()) {
    limits.emplace_back(
        "emulated writes, and what Xen itself counted: no file of xentrace");
  } else if (c.xen->truncated || c.xen->counts.lost() != 0) {
    limits.push_back(absl::StrCat(
        "Xen's counts: its file ", c.xen->truncated ? "is cut off, and " : "",
        "lacks ", c.xen->counts.lost(), " records that were lost"));
  }
  return limits;
}

std::string NumberOrDash(const Maybe& number) {
  return number.has_value() ? Grouped(*number) : "-";
}

TextTable ComparedTable(const TraceComparison& c,
                        const std::vector<ComparedLine>& lines) {
  TextTable table(1);
  std::vector<std::string> head = {"", "Linux", "others"};
  if (c.xen.has_value()) head.emplace_back("Xen");
  head.insert(head.end(), {"simulated", "difference", "%"});
  table.Add(head);
  table.Rule();
  for (const ComparedLine& line : lines) {
    std::vector<std::string> cells = {std::string(line.figure->key),
                                      NumberOrDash(line.linux_has),
                                      NumberOrDash(line.others)};
    if (c.xen.has_value()) cells.push_back(NumberOrDash(line.xen_has));
    cells.push_back(NumberOrDash(line.simulated));
    const auto difference = line.difference();
    if (difference.has_value()) {
      cells.push_back(absl::StrFormat("%+d", *difference));
      cells.push_back(
          *line.linux_has == 0
              ? "-"
              : absl::StrFormat("%+.1f",
                                100 * static_cast<double>(*difference) /
                                    static_cast<double>(*line.linux_has)));
    } else {
      cells.insert(cells.end(), {"-", "-"});
    }
    table.Add(cells);
  }
  return table;
}

std::string ComparedHeading(const TraceComparison& c) {
  const ReportRow& row = c.simulated.rows.front();
  return absl::StrCat(
      FactLines(c.facts),
      FactLine("lines",
               absl::StrCat(c.text.first_line, " to ", c.text.last_line)),
      FactLine("simulated", absl::StrCat(row.policy, ", ",
                                         Abs(GuestOpsName(row.guest_ops)))),
      "\n");
}

std::string LimitLines(const TraceComparison& c) {
  std::string text = "\n";
  for (const std::string& limit : LimitsOf(c)) {
    absl::StrAppend(&text, "not compared: ", limit, "\n");
  }
  return absl::StrCat(text, LackLines(c.facts));
}

Record ComparedRecord(const TraceComparison& c,
                      const std::vector<ComparedLine>& lines) {
  const ReportRow& row = c.simulated.rows.front();
  Record record;
  record.fields = FactFields(c.facts);
  record.fields.push_back(
      FieldWith("policy", "", "strategy that was simulated", row.policy));
  record.fields.push_back(FieldWith("guest_ops", "",
                                    "how its guest writes page tables",
                                    std::string(GuestOpsName(row.guest_ops))));
  record.fields.push_back(FieldWith("first_line", "",
                                    "first line of the text that is counted",
                                    c.text.first_line));
  record.fields.push_back(FieldWith("last_line", "",
                                    "last line of the text that is counted",
                                    c.text.last_line));
  std::vector<Record> records;
  for (const ComparedLine& line : lines) {
    records.push_back(RecordOf(ComparedFields(), 1, line));
  }
  record.fields.push_back(
      FieldWith("figures", "", "one object for each figure", records));
  std::vector<Cell> limits;
  for (const std::string& limit : LimitsOf(c)) limits.emplace_back(limit);
  record.fields.push_back(FieldWith(
      "not_compared", "", "what cannot be compared, and why", limits));
  return record;
}

std::vector<TermGroup> LegendOfComparison() {
  TermGroup columns{"columns", {}};
  for (const FieldOf<ComparedLine>& field : kComparedFields) {
    columns.terms.push_back(
        {std::string(field.key), "", std::string(field.help)});
  }
  TermGroup figures{"figures", {}};
  for (const ComparedFigure& figure : ComparedFigures()) {
    figures.terms.push_back(
        {std::string(figure.key), "", std::string(figure.help)});
  }
  return {std::move(columns), std::move(figures)};
}

}  // namespace

Document TraceComparisonDocument(const TraceComparison& comparison) {
  const std::vector<ComparedLine> lines = LinesOfComparison(comparison);
  Document document;
  document.text = {ComparedHeading(comparison),
                   ComparedTable(comparison, lines), LimitLines(comparison)};
  document.table =
      TableOf(ComparedFields(), std::span<const ComparedLine>(lines));
  document.data = ComparedRecord(comparison, lines);
  document.legend = LegendOfComparison();
  return document;
}

}  // namespace xmmu
