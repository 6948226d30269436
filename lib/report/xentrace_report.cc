#include "report/xentrace_report.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "report/trace_records.h"
#include "report/xentrace_lines.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

using MaybeTotal = std::optional<uint64_t>;

// What the file does not tell, a clause each.
std::vector<std::string> LacksOfXentrace(const XentraceSummary& summary) {
  const XentraceCounts& counts = summary.counts;
  std::vector<std::string> lacks;
  if (!counts.exits().empty()) {
    lacks.emplace_back(
        "whose the exit reasons of HVM_VMEXIT are: before Xen 4.19 VMX and SVM "
        "write this event alike, from 4.19 on it is VMX's");
  }
  if (counts.events_named("RUNSTATE_CHANGE") == 0) {
    lacks.emplace_back(
        "which guest and vCPU a record is of: no RUNSTATE_CHANGE, which "
        "xentrace -e 0x22f000 records with PV's events, -e 0xaf000 with HVM's");
  }
  if (counts.lost() != 0) {
    lacks.push_back(absl::StrCat(Counted(counts.lost(), "record", "records"),
                                 " that Xen lost"));
  }
  if (summary.truncated) lacks.emplace_back("its end: it is cut off");
  return lacks;
}

// "1: 30,600, 2: 14,751"
std::string WordsText(const XentraceCounts::ByWords& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == 0) continue;
    absl::StrAppend(&text, text.empty() ? "" : ", ", i, ": ",
                    Grouped(words[i]));
  }
  return text;
}

std::string CountOrDash(const MaybeTotal& count) {
  return count.has_value() ? Grouped(*count) : "-";
}

struct XentraceTable {
  std::string_view table;
  size_t left;  // columns aligned to the left
  std::vector<std::string> head;
  std::vector<std::string> (*cells)(const XentraceLine& line);
};

std::vector<std::string> EventCells(const XentraceLine& line) {
  return {absl::StrFormat("%06x", line.number), line.name,
          Grouped(line.records), WordsText(line.words)};
}
std::vector<std::string> HypercallCells(const XentraceLine& line) {
  return {absl::StrCat(line.number),
          line.name,
          CountOrDash(line.calls),
          CountOrDash(line.continuations),
          CountOrDash(line.operations),
          CountOrDash(line.members),
          CountOrDash(line.member_continuations),
          CountOrDash(line.member_operations)};
}
std::vector<std::string> ExitCells(const XentraceLine& line) {
  return {absl::StrCat(line.number), absl::StrCat("0x", absl::Hex(line.number)),
          line.name, Grouped(line.records)};
}
std::vector<std::string> CpuCells(const XentraceLine& line) {
  const auto tsc = [](const MaybeTotal& time) {
    return time.has_value() ? absl::StrCat(*time) : "-";
  };
  return {absl::StrCat(line.number), Grouped(*line.windows),
          Grouped(line.records),     Grouped(*line.lost),
          tsc(line.first_tsc),       tsc(line.last_tsc),
          Grouped(*line.went_back)};
}

std::vector<XentraceTable> XentraceTables() {
  return {
      {kEventTable, 2, {"event", "name", "records", "by words"}, EventCells},
      {kHypercallTable,
       2,
       {"hypercall", "name", "calls", "continued", "operations", "members",
        "continued", "operations"},
       HypercallCells},
      {kExitTable, 3, {"exit reason", "", "of", "records"}, ExitCells},
      {kCpuTable,
       1,
       {"cpu", "windows", "records", "lost", "first TSC", "last TSC",
        "went back"},
       CpuCells}};
}

std::string XentraceHeading(const XentraceSummary& summary) {
  const XentraceCounts& counts = summary.counts;
  std::string text = FactLine("format", "xentrace");
  text += FactLine(
      "file",
      absl::StrCat(Counted(summary.bytes, "byte", "bytes"), "; ",
                   Counted(summary.windows, "window", "windows"), " of ",
                   Counted(summary.windows_by_cpu.size(), "CPU", "CPUs"), "; ",
                   Counted(counts.records(), "record", "records")));
  text += FactLine("lost", counts.lost() == 0
                               ? "nothing"
                               : Counted(counts.lost(), "record", "records"));
  if (counts.multicalls_whole() + counts.multicalls_cut() != 0) {
    text += FactLine(
        "multicalls",
        absl::StrCat(Grouped(counts.multicalls_whole()), " whole, ",
                     Grouped(counts.multicalls_cut()),
                     " cut short and entered again; ",
                     Counted(MembersExecuted(counts), "member", "members")));
  }
  for (const std::string& what : LacksOfXentrace(summary)) {
    text += FactLine("lacks", what);
  }
  return text;
}

std::vector<Document::Block> TextOfXentrace(
    const XentraceSummary& summary, const std::vector<XentraceLine>& lines) {
  std::vector<Document::Block> text = {XentraceHeading(summary)};
  for (const XentraceTable& shown : XentraceTables()) {
    TextTable table(shown.left);
    table.Add(shown.head);
    table.Rule();
    bool any = false;
    for (const XentraceLine& line : lines) {
      if (line.table != shown.table) continue;
      table.Add(shown.cells(line));
      any = true;
    }
    if (!any) continue;
    text.emplace_back("\n");
    text.emplace_back(std::move(table));
  }
  return text;
}

Record WordsRecord(const XentraceCounts::ByWords& words) {
  Record record;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == 0) continue;
    record.fields.push_back(FieldWith(absl::StrCat(i), "records",
                                      "records with so many words", words[i]));
  }
  return record;
}

// The lines of one table, without what that has not.
std::vector<Record> RecordsOfTable(const std::vector<XentraceLine>& lines,
                                   std::string_view table) {
  std::vector<Record> records;
  for (const XentraceLine& line : lines) {
    if (line.table != table) continue;
    Record record;
    for (Field& field : RecordOf(XentraceFields(), 1, line).fields) {
      const Cell* const cell = std::get_if<Cell>(&field.value);
      const bool none =
          cell != nullptr && std::holds_alternative<std::monostate>(*cell);
      if (field.key == "table" || none) continue;
      if (table == kCpuTable && field.key == "name") continue;
      record.fields.push_back(std::move(field));
    }
    if (table == kEventTable) {
      record.fields.push_back(FieldWith("records_by_words", "",
                                        "records by their words of payload",
                                        WordsRecord(line.words)));
    }
    records.push_back(std::move(record));
  }
  return records;
}

Record DataOfXentrace(const XentraceSummary& summary,
                      const std::vector<XentraceLine>& lines) {
  const XentraceCounts& counts = summary.counts;
  std::vector<Cell> lacks;
  for (const std::string& what : LacksOfXentrace(summary)) {
    lacks.emplace_back(what);
  }
  return {
      {FieldWith("format", "", "format of the file", "xentrace"),
       FieldWith("bytes", "bytes", "of the file, decompressed", summary.bytes),
       FieldWith("truncated", "", "whether it is cut off", summary.truncated),
       FieldWith("windows", "", "stretches with records of one CPU",
                 summary.windows),
       FieldWith("records", "records", "records but the heads of windows",
                 counts.records()),
       FieldWith("lost", "records", "records that Xen lost", counts.lost()),
       FieldWith("multicalls", "", "multicalls that were executed whole",
                 counts.multicalls_whole()),
       FieldWith("multicalls_cut", "",
                 "entries of multicalls that were cut short",
                 counts.multicalls_cut()),
       FieldWith("lacks", "", "what the file does not tell", std::move(lacks)),
       FieldWith("events", "", "one object for each event",
                 RecordsOfTable(lines, kEventTable)),
       FieldWith("hypercalls", "", "one object for each hypercall",
                 RecordsOfTable(lines, kHypercallTable)),
       FieldWith("exits", "", "one object for each reason of a VM exit",
                 RecordsOfTable(lines, kExitTable)),
       FieldWith("cpus", "", "one object for each CPU",
                 RecordsOfTable(lines, kCpuTable))}};
}

std::vector<TermGroup> LegendOfXentrace() {
  return {{"columns",
           {{"by words", "records",
             "records by their words of payload: of a hypercall the arguments "
             "that Xen recorded"},
            {"calls", "calls", "hypercalls that begin, not as a member"},
            {"continued", "records",
             "entries that go on with a call, or a member, that was preempted; "
             "of multicall those behind one that was cut short"},
            {"operations", "operations",
             "what calls, or members, carried: updates, operations of "
             "mmuext_op, members that were executed"},
            {"members", "records", "calls within multicalls"},
            {"exit reason", "", "number, decimal and hexadecimal"},
            {"of", "", "the manual that has the reason"},
            {"first TSC", "cycles", "time of the CPU's first record with one"},
            {"went back", "records",
             "records with a time before that of the one in front"}}}};
}

}  // namespace

Document XentraceDocument(const XentraceSummary& summary) {
  const std::vector<XentraceLine> lines = LinesOfXentrace(summary);
  Document document;
  document.text = TextOfXentrace(summary, lines);
  document.table =
      TableOf(XentraceFields(), std::span<const XentraceLine>(lines));
  document.data = DataOfXentrace(summary, lines);
  document.legend = LegendOfXentrace();
  return document;
}

}  // namespace xmmu
