#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/printable.h"
#include "base/text.h"
#include "report/common_fields.h"
#include "report/field_table.h"
#include "study/batches.h"
#include "study/study_charts.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

// The policy that emulates each store: opening tables is judged by it.
constexpr std::string_view kEmulation = "trap-and-emulate";

// The most entries that bucket `i` of BatchRow::closed counts.
uint64_t MostOf(size_t i) { return i == 0 ? 0 : uint64_t{1} << (i - 1); }

std::string BucketName(size_t i) {
  if (i < 3) return absl::StrCat(i);
  return absl::StrCat(MostOf(i - 1) + 1, "-", MostOf(i));
}

uint64_t Sum(const std::vector<uint64_t>& values) {
  uint64_t sum = 0;
  for (const uint64_t value : values) sum += value;
  return sum;
}

// Returns the number of buckets up to the last that any row has something in.
size_t BucketsOf(const Batches& batches) {
  size_t used = 0;
  for (const BatchRow& row : batches.rows) {
    for (size_t i = 0; i < row.closed.size(); ++i) {
      if (row.closed[i] != 0) used = std::max(used, i + 1);
    }
  }
  return used;
}

TextTable BatchTable(const Batches& batches) {
  const size_t buckets = BucketsOf(batches);
  TextTable table(1);
  std::vector<std::string> head = {"way", "closed", "updates"};
  for (size_t i = 0; i < buckets; ++i) head.push_back(BucketName(i));
  table.Add(std::move(head));
  table.Rule();
  for (const BatchRow& row : batches.rows) {
    if (row.closed.empty()) continue;
    std::vector<std::string> cells = {
        UpdateWayName(row.way), Grouped(Sum(row.closed)), Grouped(row.updates)};
    for (size_t i = 0; i < buckets; ++i) {
      cells.push_back(Grouped(row.closed[i]));
    }
    table.Add(std::move(cells));
  }
  return table;
}

double Ratio(uint64_t part, uint64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

TextTable CycleTable(const Batches& batches) {
  TextTable table(1);
  std::vector<std::string> head = {"way", "cycles", "x first"};
  for (size_t i = 0; i < kMarkCount; ++i) {
    head.push_back(absl::StrCat("% ", Abs(MarkName(static_cast<Mark>(i)))));
  }
  table.Add(std::move(head));
  table.Rule();
  for (const BatchRow& row : batches.rows) {
    std::vector<std::string> cells = {
        UpdateWayName(row.way), Grouped(row.cycles),
        absl::StrFormat("%.2f",
                        Ratio(row.cycles, batches.rows.front().cycles))};
    for (std::string& percent : MarkPercents(row.by_mark)) {
      cells.push_back(std::move(percent));
    }
    table.Add(std::move(cells));
  }
  return table;
}

std::string Words(const Batches& batches) {
  std::string text;
  for (const BatchRow& open : batches.rows) {
    if (open.closed.empty()) continue;
    for (const BatchRow& other : batches.rows) {
      const bool emulates_the_same =
          other.way.policy == kEmulation && other.way.ops == open.way.ops;
      if (!emulates_the_same) continue;
      absl::StrAppend(&text, "  ", UpdateWayName(open.way),
                      absl::StrFormat(" takes %.3f times the cycles of ",
                                      Ratio(open.cycles, other.cycles)),
                      UpdateWayName(other.way),
                      absl::StrFormat(", at %.2f updates a table opened\n",
                                      Ratio(open.updates, Sum(open.closed))));
    }
  }
  return text;
}

// A way of making a program's updates; `row` is null in the fields of level 0.
struct BatchLine {
  const Batches& batches;
  const BatchRow* row;
};

constexpr FieldGroup kClosedGroup = {
    "closed_", [] {
      std::vector<Column> columns;
      for (size_t i = 0; i < kBatchBuckets; ++i) {
        columns.push_back({absl::StrCat(MostOf(i)), "tables",
                           absl::StrCat("tables closed with ", BucketName(i),
                                        " entries found changed")});
      }
      return columns;
    }};

std::vector<Cell> ClosedCells(const BatchRow& row) {
  if (row.closed.empty()) {
    return std::vector<Cell>(kBatchBuckets, uint64_t{0});
  }
  return std::vector<Cell>(row.closed.begin(), row.closed.end());
}

// The counts of ClosedCells() as JSON has them: the key of each is the most
// updates that it counts.
Record ClosedRecord(const BatchRow& row) {
  Record record;
  const std::vector<Column> columns = kClosedGroup.members();
  for (size_t i = 0; i < row.closed.size(); ++i) {
    record.fields.push_back({columns[i].key, columns[i].unit, columns[i].help,
                             Cell(row.closed[i])});
  }
  return record;
}

std::vector<Record> BatchRecords(const Batches& batches);

constexpr FieldOf<BatchLine> kBatchFields[] = {
    {0, "machine", "", "machine that was simulated",
     [](const BatchLine& l) { return l.batches.machine; }},
    {0, "levels", "levels", "levels of page tables of the guest; 3 is PAE",
     [](const BatchLine& l) { return LevelCount(l.batches.mode); }},
    {0, "workload", "", "the program that made the updates",
     [](const BatchLine& l) { return l.batches.workload; }, Shown::kJson},
    {0, "ways", "", "one object for each way to update page tables",
     [](const BatchLine& l) { return BatchRecords(l.batches); }, Shown::kJson},
    {1, "policy", "", "strategy that virtualizes the guest's memory",
     [](const BatchLine& l) { return l.row->way.policy; }},
    {1, "guest_ops", "", "how the guest kernel writes page tables",
     [](const BatchLine& l) { return GuestOpsName(l.row->way.ops); }},
    {1, "cycles", "cycles", "cycles of the whole run",
     [](const BatchLine& l) { return l.row->cycles; }},
    {1, "updates", "updates",
     "entries found changed in all tables that were opened and closed",
     [](const BatchLine& l) { return l.row->updates; }},
    {1, "closed", "tables", "tables closed, by the entries found changed",
     [](const BatchLine& l) { return ClosedCells(*l.row); }, Shown::kCsv,
     &kClosedGroup},
    {1, "closed_by_most_updates", "tables",
     "tables closed, by the most entries changed that are counted together",
     [](const BatchLine& l) { return ClosedRecord(*l.row); }, Shown::kJson},
    {1, "cycles_by_mark", "cycles", "cycles by what is known of their prices",
     [](const BatchLine& l) { return MarkCyclesCells(l.row->by_mark); },
     Shown::kJson, &kMarkCyclesGroup},
    {1, "share_by_mark", "share of 1",
     "share of cycles by what is known of their prices",
     [](const BatchLine& l) { return MarkShareCells(l.row->by_mark); },
     Shown::kBoth, &kMarkShareGroup},
};

constexpr std::span<const FieldOf<BatchLine>> kBatches = kBatchFields;

std::vector<Record> BatchRecords(const Batches& batches) {
  std::vector<Record> records;
  for (const BatchRow& row : batches.rows) {
    records.push_back(RecordOf(kBatches, 1, BatchLine{batches, &row}));
  }
  return records;
}

void AddText(const Batches& batches, std::vector<Document::Block>& text) {
  const bool first = text.empty();
  text.emplace_back(absl::StrCat(
      first ? "" : "\n",
      OwnMachineLine(batches.machine, batches.machine_description),
      batches.machine, ", ", Abs(PagingModeName(batches.mode)), ", ",
      Printable(batches.workload), ": tables closed, by updates in them\n\n"));
  text.emplace_back(BatchTable(batches));
  text.emplace_back("\n");
  text.emplace_back(CycleTable(batches));
  if (first) text.emplace_back(MarkLines());
  text.emplace_back("\n" + Words(batches));
}

std::vector<TermGroup> BatchLegend(const std::vector<Batches>& all) {
  std::vector<std::string> policies;
  std::vector<GuestOps> ops;
  for (const Batches& batches : all) {
    for (const BatchRow& row : batches.rows) {
      policies.push_back(row.way.policy);
      ops.push_back(row.way.ops);
    }
  }
  return {{"tables",
           {{"way", "", "policy/guest ops: how page tables are updated"},
            {"closed", "", "L1 tables that were opened to stores and closed"},
            {"updates", "", "entries found changed in them"},
            {"0, 1, 2, 3-4, ...", "tables",
             "tables closed with so many entries changed"},
            {"x first", "", "cycles as a multiple of the first way's"},
            {"% read, ...", "",
             "share of the cycles by the mark of their prices"}}},
          PolicyTerms(policies),
          GuestOpsTerms(ops),
          MarkTermGroup()};
}

}  // namespace

Document BatchesDocument(const std::vector<Batches>& all) {
  Document document;
  std::vector<Record> records;
  std::vector<BatchLine> lines;
  for (const Batches& batches : all) {
    AddText(batches, document.text);
    document.charts.push_back(BatchChart(batches));
    records.push_back(RecordOf(kBatches, 0, BatchLine{batches, nullptr}));
    for (const BatchRow& row : batches.rows) lines.push_back({batches, &row});
  }
  document.legend = BatchLegend(all);
  document.table = TableOf<BatchLine>(kBatches, lines);
  document.data = std::move(records);
  return document;
}

}  // namespace xmmu
