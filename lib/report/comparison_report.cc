#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "base/printable.h"
#include "base/text.h"
#include "report/common_fields.h"
#include "report/comparison_fields.h"
#include "xmmu/report/text_table.h"
#include "xmmu/sim/options.h"

namespace xmmu {
namespace {

// Rows whose components stand side by side in one block: as many as fit into
// about 120 columns.
constexpr size_t kRowsPerBlock = 5;

std::string GuestLine(const Comparison& comparison) {
  return absl::StrCat(
      "guest     ", Abs(PagingModeName(comparison.options.mode)), " paging, ",
      comparison.options.vcpus, " vCPU",
      comparison.options.vcpus == 1 ? "" : "s", ", ",
      comparison.options.domains == 1
          ? ""
          : absl::StrCat(comparison.options.domains, " domains of "),
      comparison.options.guest_memory_bytes >> 20, " MiB; quantum ",
      Grouped(comparison.options.quantum_ops.value_or(0)), ", fault-around ",
      comparison.options.fault_around_pages.value_or(0), ", flush ceiling ",
      comparison.options.flush_ceiling_pages.value_or(0), "\n");
}

// "6 walkers; 25.0% of TLB, walk and data latency hidden".
std::string OverlapWords(const Overlap& overlap) {
  std::string text =
      absl::StrCat(overlap.walkers, " walker", overlap.walkers == 1 ? "" : "s");
  return absl::StrCat(
      text, "; ",
      PercentText(static_cast<uint64_t>(overlap.hidden_per_mille), 3),
      "% of TLB, walk and data latency hidden; all cycles but those of the "
      "last table are serialised");
}

std::string Heading(const Comparison& comparison) {
  std::string text = absl::StrCat("xmmu ", comparison.version, "\n");
  absl::StrAppend(&text, "machine   ", comparison.options.machine, ": ",
                  Printable(comparison.machine_description), "\n",
                  GuestLine(comparison), "workload  ",
                  Printable(comparison.workload), "\n");
  absl::StrAppend(&text, "timing    ",
                  Abs(MemoryTimingName(comparison.options.timing)), ": ",
                  Abs(MemoryTimingHelp(comparison.options.timing)), "\n");
  if (comparison.hypothetical) {
    absl::StrAppend(&text,
                    "note      hypothetical: ", comparison.options.machine,
                    " has no ", Abs(PagingModeName(comparison.options.mode)),
                    " paging; its costs and caches are used as if it had\n");
  }
  if (comparison.options.overlap.on()) {
    absl::StrAppend(&text, "overlap   ",
                    OverlapWords(comparison.options.overlap), "\n");
  }
  if (comparison.options.flush_filter) {
    absl::StrAppend(&text, "note      the TLB flush filter is on\n");
  }
  if (comparison.options.migration.wanted()) {
    absl::StrAppend(&text, "note      migrated while it runs: ",
                    comparison.options.migration.rounds, " rounds, one every ",
                    Grouped(comparison.options.migration.every_ops),
                    " operations\n");
  }
  text += RegionLines(comparison);
  for (const std::string& what : comparison.left_out) {
    absl::StrAppend(&text, "left out  ", Printable(what), "\n");
  }
  return text;
}

// "1 page", "2 pages".
std::string Number(uint64_t count, absl::string_view one,
                   absl::string_view plural) {
  return absl::StrCat(count, " ", one, count == 1 ? "" : plural);
}

std::string NotComparedLine(const NotCompared& left_out) {
  std::string what;
  if (left_out.pages > 0) {
    what = absl::StrCat(Number(left_out.accesses, "access", "es"), " to ",
                        Number(left_out.pages, "page", "s"),
                        " that another task may change are not compared");
  }
  if (left_out.threaded_spaces > 0) {
    const std::string spaces =
        Number(left_out.threaded_spaces, "address space", "s");
    what = what.empty() ? absl::StrCat("faults in ", spaces,
                                       " with threads are not compared")
                        : absl::StrCat(what, ", nor are faults in ", spaces,
                                       " with threads");
  }
  if (what.empty()) return "";
  return what + ": which comes first depends on the cycles\n";
}

std::string DigestLine(const Comparison& comparison) {
  if (comparison.rows.empty()) return "";
  if (DigestsAgree(comparison)) {
    const ReportRow& first = comparison.rows.front();
    return absl::StrCat(
        "guest digest ", DigestText(first.guest_digest),
        comparison.rows.size() == 1 ? "" : ", equal in all rows", "\n",
        NotComparedLine(first.not_compared));
  }
  std::string text = "guest digests DIFFER:";
  for (const ReportRow& row : comparison.rows) {
    absl::StrAppend(&text, " ", DigestText(row.guest_digest));
  }
  return text + "\n";
}

// How Xen reached the page tables, in rows where that was asked for, and what
// each address space took.
std::string LinearMapLines(const Comparison& comparison) {
  std::string text;
  for (size_t i = 0; i < comparison.rows.size(); ++i) {
    const ReportRow& row = comparison.rows[i];
    if (row.linear_map == LinearMap::kDefault) continue;
    absl::StrAppend(
        &text, "row ", i + 1, ": linear map ",
        Abs(LinearMapName(row.linear_map)), "; ",
        absl::StrFormat(
            "%.1f", static_cast<double>(row.page_table_bytes_per_space) / 1024),
        " KiB of page tables an address space at the peak\n");
  }
  return text;
}

// What the machine has not, and which rows have used it.
std::string HypotheticalLines(const Comparison& comparison) {
  std::map<std::string, std::vector<size_t>> rows;
  for (size_t i = 0; i < comparison.rows.size(); ++i) {
    const std::string& part = comparison.rows[i].hypothetical;
    if (!part.empty()) rows[part].push_back(i + 1);
  }
  std::string text;
  for (const auto& [part, numbers] : rows) {
    absl::StrAppend(
        &text, "hypothetical in row", numbers.size() == 1 ? " " : "s ",
        absl::StrJoin(numbers, ", "), ": ", comparison.options.machine,
        " has no ", part, "; its costs and caches are used as if it had\n");
  }
  return text;
}

// What became of pages in rows that share them.
std::string SharingLines(const Comparison& comparison) {
  std::string text;
  for (size_t i = 0; i < comparison.rows.size(); ++i) {
    if (!comparison.rows[i].shares_file_pages) continue;
    const Counters& counters = comparison.rows[i].cost.counters;
    const uint64_t merged = counters[Counter::kPagesMerged];
    absl::StrAppend(&text, "sharing in row ", i + 1, ": ",
                    Grouped(counters[Counter::kPagesShared]),
                    " frames shared, ", Grouped(merged),
                    " pages merged with one of them (", merged * 4,
                    " KiB free), ", Grouped(counters[Counter::kSharedFreed]),
                    " shared frames freed again\n");
  }
  return text;
}

// "1,204 pages dirty in 3 rounds (1,000 102 102)".
std::string RoundsText(const std::vector<uint64_t>& dirty) {
  uint64_t pages = 0;
  std::vector<std::string> each;
  for (const uint64_t count : dirty) {
    pages += count;
    each.push_back(Grouped(count));
  }
  return absl::StrCat(Grouped(pages), " pages dirty in ", dirty.size(),
                      dirty.size() == 1 ? " round (" : " rounds (",
                      absl::StrJoin(each, " "), ")");
}

std::string MigrationLine(const ReportRow& row) {
  const MigrationReport& migration = *row.migration;
  if (!migration.refused.empty()) return "none, " + migration.refused;
  std::string text = absl::StrCat(
      RoundsText(migration.dirty_pages), ", ", Grouped(migration.pages_sent),
      " sent in all; ", Grouped(migration.domctl_cycles.count()),
      " cycles of the toolstack's calls");
  if (!migration.extra_cycles.has_value()) return text;
  const int64_t extra = *migration.extra_cycles;
  const auto difference = static_cast<uint64_t>(std::abs(extra));
  const uint64_t without =
      row.cost.cycles.count() - static_cast<uint64_t>(extra);
  const double percent =
      100 * static_cast<double>(difference) / static_cast<double>(without);
  absl::StrAppend(&text, "; ", Grouped(difference),
                  absl::StrFormat(" (%.1f%%)", percent),
                  extra < 0 ? " fewer" : " more", " than without");
  return text;
}

std::string MigrationLines(const Comparison& comparison) {
  std::string text;
  for (size_t i = 0; i < comparison.rows.size(); ++i) {
    const ReportRow& row = comparison.rows[i];
    if (!row.migration.has_value()) continue;
    absl::StrAppend(&text, "migration in row ", i + 1, ": ", MigrationLine(row),
                    "\n");
  }
  return text;
}

std::vector<std::string> OwnEventCells(const OwnEventCost& own) {
  return {own.event.name,
          Grouped(own.count),
          "",
          Grouped(own.cycles.count()),
          std::string(ComponentName(own.event.component)),
          std::string(MarkName(own.event.mark)),
          own.event.help};
}

std::vector<std::string> OwnFigureCells(const OwnFigure& figure) {
  const auto* count = std::get_if<uint64_t>(&figure.value);
  return {figure.name,
          count != nullptr
              ? Grouped(*count)
              : absl::StrFormat("%g", std::get<double>(figure.value)),
          figure.unit,
          "",
          "",
          "",
          figure.help};
}

// Events and figures that policies have of their own. The cycles of the events
// are part of those in the other tables.
TextTable OwnTable(const Comparison& comparison) {
  TextTable table(8);
  table.Add({"row", "name", "count", "unit", "cycles", "component", "mark",
             "meaning"});
  table.Rule();
  for (size_t i = 0; i < comparison.rows.size(); ++i) {
    const ReportRow& row = comparison.rows[i];
    const auto add = [&](std::vector<std::string> cells) {
      cells.insert(cells.begin(), absl::StrCat(i + 1, " ", row.policy));
      table.Add(std::move(cells));
    };
    for (const OwnEventCost& own : row.own_events) add(OwnEventCells(own));
    for (const OwnFigure& figure : row.figures) add(OwnFigureCells(figure));
  }
  return table;
}

bool HasOwn(const ReportRow& row) {
  return !row.own_events.empty() || !row.figures.empty();
}

std::string Share(Cycles part, Cycles whole) {
  if (part.count() == 0) return "-";
  const double percent = 100 * static_cast<double>(part.count()) /
                         static_cast<double>(whole.count());
  return absl::StrFormat("%s %5.1f%%", Grouped(part.count()), percent);
}

// Components of the rows [first, last).
TextTable ComponentBlock(const Comparison& comparison, size_t first,
                         size_t last) {
  TextTable table(1);
  std::vector<std::string> head = {"component"};
  for (size_t r = first; r < last; ++r) {
    head.push_back(absl::StrCat(r + 1, " ", comparison.rows[r].policy));
  }
  table.Add(head);
  table.Rule();
  for (size_t i = 0; i < kComponentCount; ++i) {
    const bool used = std::any_of(
        comparison.rows.begin(), comparison.rows.end(),
        [i](const ReportRow& row) { return row.cost.by_component[i].count(); });
    if (!used) continue;
    std::vector<std::string> cells = {
        std::string(ComponentName(static_cast<Component>(i)))};
    for (size_t r = first; r < last; ++r) {
      const Cost& cost = comparison.rows[r].cost;
      cells.push_back(Share(cost.by_component[i], cost.cycles));
    }
    table.Add(cells);
  }
  table.Rule();
  for (size_t i = 0; i < kMarkCount; ++i) {
    std::vector<std::string> cells = {
        std::string(MarkName(static_cast<Mark>(i)))};
    for (size_t r = first; r < last; ++r) {
      const MarkCycles& cycles = comparison.rows[r].by_mark;
      cells.push_back(absl::StrCat(MarkPercents(cycles)[i], "%"));
    }
    table.Add(cells);
  }
  return table;
}

}  // namespace

std::vector<Document::Block> ComparisonText(const Comparison& comparison) {
  std::vector<Document::Block> text;
  text.emplace_back(Heading(comparison) + "\n");
  text.emplace_back(ComparisonRows(comparison));
  text.emplace_back(
      absl::StrCat(DigestLine(comparison), IdleVcpuLines(comparison.rows, ""),
                   HypotheticalLines(comparison), LinearMapLines(comparison),
                   LargePageLines(comparison), SharingLines(comparison),
                   MigrationLines(comparison), SeriesLine(comparison)));
  for (size_t r = 0; r < comparison.rows.size(); r += kRowsPerBlock) {
    const size_t last = std::min(r + kRowsPerBlock, comparison.rows.size());
    text.emplace_back(
        "\ncycles by component, and by the mark of their prices\n");
    text.emplace_back(ComponentBlock(comparison, r, last));
    if (r == 0) text.emplace_back(MarkLines());
  }
  if (std::any_of(comparison.rows.begin(), comparison.rows.end(), &HasOwn)) {
    text.emplace_back("\nof the policies' own\n");
    text.emplace_back(OwnTable(comparison));
  }
  if (comparison.options.overlap.on()) {
    text.emplace_back("\n");
    text.emplace_back(OverlapTable(comparison));
  }
  for (Document::Block& block : PartText(comparison)) {
    text.push_back(std::move(block));
  }
  return text;
}

}  // namespace xmmu
