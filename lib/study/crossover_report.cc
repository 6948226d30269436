#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text.h"
#include "report/common_fields.h"
#include "report/field_table.h"
#include "study/crossover.h"
#include "study/study_charts.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

std::string Title(const Crossover& crossover) {
  return absl::StrCat(crossover.machine, ", ",
                      Abs(PagingModeName(crossover.mode)),
                      ": cycles an update, by updates in one L1 table\n");
}

// A line a way: cycles an update, rounded down, for powers of two.
TextTable WayTable(const Crossover& crossover) {
  const size_t most = crossover.ways.front().cycles.size();
  TextTable table(1);
  std::vector<std::string> head = {"way"};
  for (size_t n = 1; n <= most; n *= 2) head.push_back(absl::StrCat(n));
  table.Add(std::move(head));
  table.Rule();
  for (const UpdateCosts& costs : crossover.ways) {
    std::vector<std::string> row = {UpdateWayName(costs.way)};
    for (size_t n = 1; n <= most; n *= 2) {
      row.push_back(Grouped(costs.cycles[n - 1] / n));
    }
    table.Add(std::move(row));
  }
  return table;
}

// A line a way: what its cycles rest on, all numbers of updates together.
TextTable MarkTable(const Crossover& crossover) {
  TextTable table(1);
  std::vector<std::string> head = {"% of cycles"};
  for (size_t i = 0; i < kMarkCount; ++i) {
    head.emplace_back(MarkName(static_cast<Mark>(i)));
  }
  table.Add(std::move(head));
  table.Rule();
  for (const UpdateCosts& costs : crossover.ways) {
    std::vector<std::string> row = {UpdateWayName(costs.way)};
    for (std::string& cell : MarkPercents(costs.by_mark)) {
      row.push_back(std::move(cell));
    }
    table.Add(std::move(row));
  }
  return table;
}

// The numbers of updates with which `row` is cheaper than `column`: "34" for
// 34 and more, "3-33" for these alone, "1" for any, "-" for none. As in a
// Crossing, a range ends only where `column` becomes cheaper.
std::string CheaperWith(const UpdateCosts& row, const UpdateCosts& column) {
  std::vector<std::string> ranges;
  size_t from = 0;  // of the range that has begun; 0: none has
  for (size_t n = 1; n <= row.cycles.size(); ++n) {
    const uint64_t mine = row.cycles[n - 1];
    const uint64_t other = column.cycles[n - 1];
    if (from == 0 && mine < other) from = n;
    if (from != 0 && mine > other) {
      ranges.push_back(absl::StrCat(from, "-", n - 1));
      from = 0;
    }
  }
  if (from != 0) ranges.push_back(absl::StrCat(from));
  return ranges.empty() ? "-" : absl::StrJoin(ranges, ",");
}

constexpr char kCheaperHeading[] =
    "\nupdates with which a way is cheaper than that of a column: 34: 34 and "
    "more; 3-33: these; 1: any; -: none\n";

// Each way that is compared with others against each of them.
TextTable CheaperTable(const Crossover& crossover) {
  std::vector<bool> compared(crossover.ways.size());
  for (const auto& [a, b] : crossover.compared) {
    compared[a] = compared[b] = true;
  }
  TextTable table(2);
  std::vector<std::string> head = {"", "cheaper than"};
  for (size_t i = 0; i < compared.size(); ++i) {
    if (compared[i]) head.push_back(absl::StrCat(i + 1));
  }
  table.Add(std::move(head));
  table.Rule();
  for (size_t i = 0; i < compared.size(); ++i) {
    if (!compared[i]) continue;
    const UpdateCosts& row = crossover.ways[i];
    std::vector<std::string> cells = {absl::StrCat(i + 1),
                                      UpdateWayName(row.way)};
    for (size_t j = 0; j < compared.size(); ++j) {
      if (!compared[j]) continue;
      cells.push_back(i == j ? "" : CheaperWith(row, crossover.ways[j]));
    }
    table.Add(std::move(cells));
  }
  return table;
}

// A number of updates done one way; `way` is null in the fields of level 0,
// `updates` is 0 in those of level 1.
struct WayLine {
  const Crossover& crossover;
  const UpdateCosts* way;
  uint64_t updates;
};

std::vector<Record> WayRecords(const Crossover& crossover);

std::vector<Record> CrossingRecords(const Crossover& crossover) {
  std::vector<Record> records;
  for (const Crossing& crossing : crossover.crossings) {
    records.push_back({{{"cheaper", "", "way that takes fewer cycles",
                         Cell(UpdateWayName(crossing.cheaper))},
                        {"dearer", "", "way that takes more",
                         Cell(UpdateWayName(crossing.dearer))},
                        {"updates", "updates", "from that many updates on",
                         Cell(crossing.updates)}}});
  }
  return records;
}

constexpr FieldOf<WayLine> kWayFields[] = {
    {0, "machine", "", "machine that was simulated",
     [](const WayLine& l) { return l.crossover.machine; }},
    {0, "levels", "levels", "levels of page tables of the guest; 3 is PAE",
     [](const WayLine& l) { return LevelCount(l.crossover.mode); }},
    {0, "ways", "", "one object for each way to update page tables",
     [](const WayLine& l) { return WayRecords(l.crossover); }, Shown::kJson},
    {0, "crossings", "",
     "where one way becomes cheaper than another, one object each",
     [](const WayLine& l) { return CrossingRecords(l.crossover); },
     Shown::kJson},
    {1, "policy", "", "strategy that virtualizes the guest's memory",
     [](const WayLine& l) { return l.way->way.policy; }},
    {1, "guest_ops", "", "how the guest kernel writes page tables",
     [](const WayLine& l) { return GuestOpsName(l.way->way.ops); }},
    {2, "updates", "updates", "entries changed in one L1 table",
     [](const WayLine& l) { return l.updates; }},
    {2, "cycles", "cycles", "cycles of making them all",
     [](const WayLine& l) { return l.way->cycles[l.updates - 1]; }},
    {1, "cycles", "cycles", "cycles of making 1, 2, 3 and so on updates",
     [](const WayLine& l) {
       return std::vector<Cell>(l.way->cycles.begin(), l.way->cycles.end());
     },
     Shown::kJson},
    {1, "cycles_by_mark", "cycles",
     "cycles of all numbers of updates by what is known of their prices",
     [](const WayLine& l) { return MarkCyclesCells(l.way->by_mark); },
     Shown::kJson, &kMarkCyclesGroup},
    {1, "share_by_mark", "share of 1",
     "share of these cycles by what is known of their prices",
     [](const WayLine& l) { return MarkShareCells(l.way->by_mark); },
     Shown::kBoth, &kMarkShareGroup},
};

constexpr std::span<const FieldOf<WayLine>> kWays = kWayFields;

std::vector<Record> WayRecords(const Crossover& crossover) {
  std::vector<Record> records;
  for (const UpdateCosts& way : crossover.ways) {
    records.push_back(RecordOf(kWays, 1, WayLine{crossover, &way, 0}));
  }
  return records;
}

std::vector<WayLine> LinesOf(const std::vector<Crossover>& crossovers) {
  std::vector<WayLine> lines;
  for (const Crossover& crossover : crossovers) {
    for (const UpdateCosts& way : crossover.ways) {
      for (uint64_t n = 1; n <= way.cycles.size(); ++n) {
        lines.push_back({crossover, &way, n});
      }
    }
  }
  return lines;
}

void AddText(const Crossover& crossover, std::vector<Document::Block>& text) {
  const bool first = text.empty();
  text.emplace_back(
      (first ? "" : "\n") +
      OwnMachineLine(crossover.machine, crossover.machine_description) +
      Title(crossover) + "\n");
  text.emplace_back(WayTable(crossover));
  text.emplace_back(kCheaperHeading);
  text.emplace_back(CheaperTable(crossover));
  text.emplace_back("\n");
  text.emplace_back(MarkTable(crossover));
  if (first) text.emplace_back(MarkLines());
}

std::vector<TermGroup> WayLegend(const std::vector<Crossover>& crossovers) {
  std::vector<std::string> policies;
  std::vector<GuestOps> ops;
  for (const Crossover& crossover : crossovers) {
    for (const UpdateCosts& way : crossover.ways) {
      policies.push_back(way.way.policy);
      ops.push_back(way.way.ops);
    }
  }
  return {{"tables",
           {{"way", "", "policy/guest ops: how page tables are updated"},
            {"1, 2, 4, ...", "cycles",
             "cycles an update, rounded down, with so many in one L1 table"},
            {"cheaper than 1, 2, ...", "updates",
             "with how many updates the way is cheaper than the way of that "
             "number"},
            {"% of cycles", "",
             "share of a way's cycles, all numbers of updates together, by the "
             "mark of their prices"}}},
          PolicyTerms(policies),
          GuestOpsTerms(ops),
          MarkTermGroup()};
}

}  // namespace

Document CrossoverDocument(const std::vector<Crossover>& crossovers) {
  Document document;
  std::vector<Record> records;
  for (const Crossover& crossover : crossovers) {
    AddText(crossover, document.text);
    document.charts.push_back(CrossoverChart(crossover));
    records.push_back(RecordOf(kWays, 0, WayLine{crossover, nullptr, 0}));
  }
  document.legend = WayLegend(crossovers);
  document.table = TableOf<WayLine>(kWays, LinesOf(crossovers));
  document.data = std::move(records);
  return document;
}

}  // namespace xmmu
