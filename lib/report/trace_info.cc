// What a trace is and holds.

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "report/trace_records.h"
#include "report/trace_report.h"
#include "workload/inspect/op_names.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

// Tasks that a text names; JSON names them all.
constexpr size_t kTasksShown = 40;

Record KindRecord(const TraceSummary& summary) {
  Record record;
  for (const OpKindRow& row : OpKindRows()) {
    record.fields.push_back(FieldWith(row.name, "operations", row.help,
                                      summary.of(row.kind).operations));
  }
  return record;
}

Record KindBytesRecord(const TraceSummary& summary) {
  Record record;
  for (const OpKindRow& row : OpKindRows()) {
    const uint64_t bytes = summary.of(row.kind).bytes;
    if (bytes == 0) continue;
    record.fields.push_back(FieldWith(row.name, "bytes", row.help, bytes));
  }
  return record;
}

std::vector<Record> BackingRecords(const TraceSummary& summary) {
  std::vector<Record> records;
  for (const BackingRow& row : BackingRows()) {
    const BackingSummary& backing = summary.of(row.backing);
    records.push_back(
        {{FieldWith("backing", "", "where the pages come from", row.name),
          FieldWith("mappings", "mappings", "mappings made", backing.mappings),
          FieldWith("bytes", "bytes", "mapped by these, all together",
                    backing.bytes),
          FieldWith("bytes_at_peak", "bytes", "mapped when most was",
                    backing.bytes_at_peak)}});
  }
  return records;
}

Record PagesRecord(const PageCounts& pages) {
  return {
      {FieldWith("touched", "pages", "pages of 4 KiB that were touched",
                 pages.touched),
       FieldWith("fetched", "pages", "of which instructions were fetched",
                 pages.fetched),
       FieldWith("written", "pages", "that were written", pages.written),
       FieldWith("regions", "regions",
                 "regions of 2 MiB in which any was touched", pages.regions)}};
}

std::vector<Record> TaskRecords(const TraceSummary& summary) {
  std::vector<Record> records;
  for (const TaskSummary& task : summary.tasks()) {
    records.push_back(
        {{FieldWith("task", "", "number of the task", task.id),
          FieldWith("parent", "", "the task that started it, 0 for none",
                    task.parent),
          FieldWith("process", "", "the task that its process began with",
                    task.process),
          FieldWith("operations", "operations", "operations of the task",
                    task.operations),
          FieldWith("pages", "pages", "pages that it was the first to touch",
                    task.pages),
          FieldWith("execs", "", "programs that it began by exec",
                    task.execs)}});
  }
  return records;
}

// Threads that were recorded, as the reader counted them; nothing if it did
// not, as where a format does not tell them apart.
std::optional<uint64_t> RecordedThreads(const TraceFacts& facts) {
  for (const auto& [name, count] : facts.counts) {
    if (name == "threads") return count;
  }
  return std::nullopt;
}

Record InfoRecord(const TraceFacts& facts, const TraceSummary& summary) {
  const std::optional<uint64_t> threads = RecordedThreads(facts);
  Record record{FactFields(facts)};
  std::vector<Field> fields = {
      FieldWith("processes", "processes", "processes that ever lived",
                summary.processes()),
      FieldWith("streams", "", "streams of operations: a task each",
                summary.tasks().size()),
      FieldWith("recorded_threads", "threads",
                "threads that were recorded, of which a stream may join "
                "several; null where the format does not tell",
                threads.has_value() ? Cell(*threads) : Cell()),
      FieldWith("address_spaces", "", "address spaces: processes and execs",
                summary.address_spaces()),
      FieldWith("operations", "operations", "operations of all kinds",
                summary.operations()),
      FieldWith("system_calls", "calls", "system calls of all kinds",
                summary.system_calls()),
      FieldWith("files", "files", "files and objects opened or mapped",
                summary.files()),
      FieldWith("pages", "", "distinct pages, by address space",
                PagesRecord(summary.pages())),
      FieldWith("peak_mapped_bytes", "bytes",
                "mapped in all address spaces, when most was",
                summary.peak_mapped_bytes()),
      FieldWith("operations_by_kind", "operations", "operations by kind",
                KindRecord(summary)),
      FieldWith("bytes_by_kind", "bytes", "bytes that these are about",
                KindBytesRecord(summary)),
      CountsField(facts),
      FieldWith("mapped", "", "one object for each backing of mappings",
                BackingRecords(summary)),
      FieldWith("tasks", "", "one object for each task", TaskRecords(summary))};
  std::move(fields.begin(), fields.end(), std::back_inserter(record.fields));
  return record;
}

std::string KiB(uint64_t bytes) {
  return absl::StrCat(Grouped(bytes >> 10), " KiB");
}

std::string PagesText(const PageCounts& pages) {
  return absl::StrCat(Grouped(pages.touched), " of 4 KiB (",
                      KiB(pages.touched * kPageSize), ") in ",
                      Counted(pages.regions, "region", "regions"),
                      " of 2 MiB; ", Grouped(pages.fetched), " fetched from, ",
                      Grouped(pages.written), " written");
}

// Each recorded thread is a task, or several are one stream of operations.
std::string StreamsText(const TraceFacts& facts, uint64_t streams) {
  const std::optional<uint64_t> threads = RecordedThreads(facts);
  if (threads == streams) return Counted(streams, "thread", "threads");
  const std::string text =
      Counted(streams, "stream of operations", "streams of operations");
  if (!threads.has_value()) return text;
  return absl::StrCat(text, " for ",
                      Counted(*threads, "recorded thread", "recorded threads"));
}

std::string InfoHeading(const TraceFacts& facts, const TraceSummary& summary) {
  std::string text = FactLines(facts);
  text += FactLine(
      "tasks",
      absl::StrCat(Counted(summary.processes(), "process", "processes"), ", ",
                   StreamsText(facts, summary.tasks().size()), "; ",
                   Counted(summary.address_spaces(), "address space",
                           "address spaces")));
  text += FactLine("operations",
                   absl::StrCat(Grouped(summary.operations()), "; ",
                                Counted(summary.system_calls(), "system call",
                                        "system calls")));
  text += FactLine("pages", PagesText(summary.pages()));
  text += FactLine(
      "mapped",
      absl::StrCat(
          KiB(summary.peak_mapped_bytes()), " when most was; ",
          Counted(summary.files(), "file or object", "files and objects")));
  return absl::StrCat(text, LackLines(facts), "\n");
}

TextTable KindTable(const TraceSummary& summary) {
  TextTable table(1);
  table.Add({"operations", "number", "bytes"});
  table.Rule();
  for (const OpKindRow& row : OpKindRows()) {
    const KindSummary& kind = summary.of(row.kind);
    if (kind.operations == 0) continue;
    table.Add({std::string(row.name), Grouped(kind.operations),
               kind.bytes == 0 ? "" : Grouped(kind.bytes)});
  }
  return table;
}

TextTable BackingTable(const TraceSummary& summary) {
  TextTable table(1);
  table.Add({"mapped", "mappings", "KiB", "KiB at the peak"});
  table.Rule();
  for (const BackingRow& row : BackingRows()) {
    const BackingSummary& backing = summary.of(row.backing);
    table.Add({std::string(row.name), Grouped(backing.mappings),
               Grouped(backing.bytes >> 10),
               Grouped(backing.bytes_at_peak >> 10)});
  }
  return table;
}

std::string TaskTable(const TraceSummary& summary) {
  TextTable table(1);
  table.Add({"task", "operations", "pages", "execs", ""});
  table.Rule();
  std::map<TaskId, size_t> depths;
  size_t shown = 0;
  for (const TaskSummary& task : summary.tasks()) {
    if (++shown > kTasksShown) break;
    const auto parent = depths.find(task.parent);
    const size_t depth = parent == depths.end() ? 0 : parent->second + 1;
    depths[task.id] = depth;
    table.Add({absl::StrCat(std::string(2 * depth, ' '), task.id),
               Grouped(task.operations), Grouped(task.pages),
               task.execs == 0 ? "" : Grouped(task.execs),
               task.process == task.id
                   ? ""
                   : absl::StrCat("thread of ", task.process)});
  }
  std::string text = absl::StrCat("\n", table.Format());
  if (summary.tasks().size() > kTasksShown) {
    absl::StrAppend(&text, "  and ", summary.tasks().size() - kTasksShown,
                    " more, which JSON has\n");
  }
  return text;
}

std::vector<TermGroup> InfoLegend() {
  TermGroup columns{
      "columns",
      {{"bytes", "bytes", "what the accesses, copies or ranges are long"},
       {"at the peak", "KiB",
        "mapped in all live address spaces when most was"},
       {"task", "", "number of the task, below the one that started it"},
       {"pages", "pages",
        "pages of 4 KiB of an address space that the task was the first to "
        "touch"}}};
  TermGroup kinds{"operations", {}};
  for (const OpKindRow& row : OpKindRows()) {
    kinds.terms.push_back({std::string(row.name), "", std::string(row.help)});
  }
  TermGroup backings{"mapped", {}};
  for (const BackingRow& row : BackingRows()) {
    backings.terms.push_back(
        {std::string(row.name), "", std::string(row.help)});
  }
  return {std::move(columns), std::move(kinds), std::move(backings)};
}

}  // namespace

Document TraceInfoDocument(const TraceFacts& facts,
                           const TraceSummary& summary) {
  Document document;
  document.text = {
      InfoHeading(facts, summary), KindTable(summary), "\n",
      BackingTable(summary),       TaskTable(summary), CountLines(facts)};
  Record record = InfoRecord(facts, summary);
  document.table = FigureTable(record);
  document.data = std::move(record);
  document.legend = InfoLegend();
  return document;
}

}  // namespace xmmu
