#include "report/comparison_fields.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "report/common_fields.h"
#include "report/trace_records.h"
#include "xmmu/sim/run_fields.h"

namespace xmmu {
namespace {
using Line = ComparisonLine;

// What `take` makes of the row's migration, if there was one.
template <typename Take>
Value OfMigration(const Line& line, Take take) {
  const auto& migration = line.row->migration;
  if (!migration.has_value() || !migration->refused.empty()) return Absent();
  return AsValue(take(*migration));
}

std::vector<Cell> CellsOf(const std::vector<uint64_t>& numbers) {
  return std::vector<Cell>(numbers.begin(), numbers.end());
}

// What became of a row's migration, as JSON has it.
Value MigrationValue(const Line& line) {
  if (!line.row->migration.has_value()) return Absent();
  const MigrationReport& migration = *line.row->migration;
  if (!migration.refused.empty()) {
    return Record{
        {PlainField("refused", "", "why the strategy cannot log writes",
                    migration.refused)}};
  }
  Record record;
  record.fields.push_back({"dirty_pages", "pages",
                           "pages that each round found written",
                           CellsOf(migration.dirty_pages)});
  record.fields.push_back(PlainField(
      "pages_sent", "pages", "pages sent in all: the memory, then those",
      migration.pages_sent));
  record.fields.push_back(PlainField("domctl_cycles", "cycles",
                                     "cycles of the toolstack's calls",
                                     migration.domctl_cycles.count()));
  if (migration.extra_cycles.has_value()) {
    record.fields.push_back(PlainField("extra_cycles", "cycles",
                                       "cycles more than without a migration",
                                       *migration.extra_cycles));
  }
  return record;
}

std::vector<Cell> TextsOf(const std::vector<std::string>& texts) {
  return std::vector<Cell>(texts.begin(), texts.end());
}

Value TextIfAny(const std::string& text) {
  return text.empty() ? Value(Absent()) : AsValue(text);
}

// The rows of a comparison as records.
std::vector<Record> RowRecords(const Line& line) {
  const std::vector<FieldOf<Line>> fields = ComparisonFields();
  std::vector<Record> records;
  for (const ReportRow& row : line.run.rows) {
    records.push_back(
        RecordOf<Line>(fields, 1, Line{line.run, line.identity, &row}));
  }
  return records;
}

constexpr FieldOf<Line> kVersion[] = {
    {0, "xmmu", "", "version of xmmu that ran it",
     [](const Line& l) { return l.run.version; }, Shown::kCsvAtEnd},
    {0, "schema", "", "number of the form of this object",
     [](const Line&) { return kComparisonSchema; }, Shown::kJson},
    {0, "command_line", "", "arguments that the report was made by",
     [](const Line& l) -> Value {
       if (l.identity.command_line.empty()) return Absent();
       return TextsOf(l.identity.command_line);
     },
     Shown::kJson},
};

constexpr FieldOf<Line> kWhatRan[] = {
    {0, "workload", "", "the workload: its name and parameters, or the trace",
     [](const Line& l) {
       Record workload = {{PlainField("name", "", "its name", l.run.workload)}};
       if (!l.identity.trace_sha1.empty()) {
         workload.fields.push_back(
             PlainField("trace_sha1", "", "hash of what the trace's files hold",
                        l.identity.trace_sha1));
       }
       return workload;
     },
     Shown::kJson},
    {0, "trace", "", "what the trace says of itself, and what it lacks",
     [](const Line& l) -> Value {
       if (!l.identity.trace.has_value()) return Absent();
       return TraceRecord(*l.identity.trace);
     },
     Shown::kJson},
    {0, "hypothetical", "",
     "whether the machine lacks this paging mode, and its costs and caches are "
     "used as if it had it",
     [](const Line& l) { return l.run.hypothetical; }, Shown::kJson},
};

// What tells the rows of a comparison apart.
constexpr FieldOf<Line> kIdentity[] = {
    {1, "policy", "", "strategy that virtualizes the guest's memory",
     [](const Line& l) { return l.row->policy; }},
    {1, "guest_ops", "", "how the guest kernel writes page tables",
     [](const Line& l) { return GuestOpsName(l.row->guest_ops); }},
    {1, "pin", "",
     "when a paravirtual guest pins page tables; - where there is nothing to "
     "pin",
     [](const Line& l) { return PinCell(*l.row); }},
    {1, "shares_file_pages", "",
     "whether the guest shares file pages with other domains",
     [](const Line& l) { return l.row->shares_file_pages; }},
    {1, "linear_map", "", "how Xen reaches the guest's page tables",
     [](const Line& l) { return LinearMapName(l.row->linear_map); }},
    {1, "hypothetical", "",
     "what the machine has not and the row has used all the same; empty if "
     "nothing",
     [](const Line& l) { return l.row->hypothetical; }},
};

constexpr FieldOf<Line> kResults[] = {
    {0, "machine_file", "", "the machine as a file that --machine-file takes",
     [](const Line& l) { return TextIfAny(l.identity.machine_file); },
     Shown::kJson},
    {0, "trace_sha1", "", "hash of what the trace's files hold",
     [](const Line& l) { return TextIfAny(l.identity.trace_sha1); },
     Shown::kCsvOnlyAtEnd},
    {0, "command_line", "", "command that the report was made by",
     [](const Line& l) { return CommandText(l.identity.command_line); },
     Shown::kCsvOnlyAtEnd},
    {0, "left_out", "", "policies left out, each with the reason",
     [](const Line& l) { return TextsOf(l.run.left_out); }, Shown::kJson},
    {0, "rows", "", "one object a simulation",
     [](const Line& l) { return RowRecords(l); }, Shown::kJson},
    {1, "idle_vcpus", "vCPUs", "vCPUs, of all domains, that never ran a task",
     [](const Line& l) { return l.row->idle_vcpus; }, Shown::kJson},
    {1, "operations", "operations",
     "operations of the workload that cycles and counters are of: all, or "
     "those of the region",
     [](const Line& l) { return l.row->operations; }, Shown::kJson},
    {1, "cycles", "cycles",
     "cycles charged, of all CPUs, as if nothing overlapped",
     [](const Line& l) { return l.row->cost.cycles; }},
    {1, "hidden_cycles", "cycles",
     "of cycles those that passed beside others; 0 without --walkers and "
     "--overlap",
     [](const Line& l) { return l.row->cost.hidden; }},
    {1, "elapsed_cycles", "cycles",
     "simulated time of the CPU that is furthest ahead, idle time included, "
     "hidden cycles not",
     [](const Line& l) { return l.row->cost.elapsed; }},
    {1, "cycles_by_component", "cycles",
     "cycles by what they were spent on; they add up to cycles",
     [](const Line& l) { return ComponentCells(l.row->cost); }, Shown::kBoth,
     &kComponentGroup},
    {1, "cycles_by_event", "cycles",
     "cycles by the priced event that they were charged for, of those that "
     "were; with own_events they add up to cycles",
     [](const Line& l) { return EventCycles(l.row->cost, l.run.costs); },
     Shown::kJson},
    {1, "counters", "events", "events counted, of all CPUs",
     [](const Line& l) { return CounterCells(l.row->cost); }, Shown::kBoth,
     &kCounterGroup},
    {1, "page_table_bytes", "bytes",
     "guest memory in use as page tables at the peak of the whole run",
     [](const Line& l) { return l.row->page_table_bytes; }},
    {1, "page_table_bytes_per_space", "bytes",
     "page tables an address space, the hypervisor's frames included, the boot "
     "kernel's tables not",
     [](const Line& l) { return l.row->page_table_bytes_per_space; }},
    {1, "memory_overhead_bytes", "bytes",
     "memory spent on managing memory: page tables, the hypervisor's frames at "
     "the peak, its frame table and the strategy's own bookkeeping",
     [](const Line& l) { return l.row->memory_overhead_bytes; }},
    {1, "memory_parts", "bytes",
     "what the strategy's part of memory_overhead_bytes is for",
     [](const Line& l) { return MemoryPartsRecord(*l.row); }, Shown::kJson},
    {1, "migration", "", "what became of the live migration",
     [](const Line& l) { return MigrationValue(l); }, Shown::kJson},
    {1, "intervals", "",
     "the region piece by piece, an object for each that --interval asks for",
     [](const Line& l) -> Value {
       if (l.row->intervals.empty()) return Absent();
       return IntervalRecords(*l.row);
     },
     Shown::kJson},
    {1, "by_vcpu", "",
     "what each vCPU took of the row, an object each, that --per=vcpu asks "
     "for",
     [](const Line& l) { return PartsValue(l.run, *l.row, Per::kVcpu); },
     Shown::kJson},
    {1, "by_task", "",
     "what each task took of the row, an object each, that --per=task asks "
     "for",
     [](const Line& l) { return PartsValue(l.run, *l.row, Per::kTask); },
     Shown::kJson},
    {1, "cycles_by_mark", "cycles",
     "cycles by what is known of their prices; they add up to cycles",
     [](const Line& l) { return MarkCyclesCells(l.row->by_mark); },
     Shown::kJson, &kMarkCyclesGroup},
    {1, "share_by_mark", "share of 1",
     "share of cycles by what is known of their prices; they add up to 1",
     [](const Line& l) { return MarkShareCells(l.row->by_mark); }, Shown::kBoth,
     &kMarkShareGroup},
    {1, "guest_digest", "",
     "hash of all that the guest saw; the same in all rows",
     [](const Line& l) { return DigestText(l.row->guest_digest); }},
    {1, "accesses_not_compared", "accesses",
     "accesses that the digest leaves out, as which comes first depends on the "
     "cycles",
     [](const Line& l) { return l.row->not_compared.accesses; }, Shown::kJson},
    {1, "pages_not_compared", "pages", "pages that these accesses were to",
     [](const Line& l) { return l.row->not_compared.pages; }, Shown::kJson},
    {1, "spaces_not_compared", "address spaces",
     "address spaces that have had several threads, and forks' copies of them, "
     "in which the digest leaves out faults and what is given up",
     [](const Line& l) { return l.row->not_compared.threaded_spaces; },
     Shown::kJson},
    {1, "figures", "", "figures of the policy's own, by name",
     [](const Line& l) { return FiguresValue(*l.row); }, Shown::kOpen},
    {1, "own_events", "", "priced events of the policy's own, by name",
     [](const Line& l) { return OwnEventsValue(*l.row); }, Shown::kOpen},
    {1, "migration_rounds", "rounds", "rounds of the live migration",
     [](const Line& l) {
       return OfMigration(l, [](const MigrationReport& migration) {
         return migration.dirty_pages.size();
       });
     },
     Shown::kCsv},
    {1, "migration_dirty_pages", "pages",
     "pages that all rounds of the migration found written",
     [](const Line& l) {
       return OfMigration(l, [](const MigrationReport& migration) {
         return std::accumulate(migration.dirty_pages.begin(),
                                migration.dirty_pages.end(), uint64_t{0});
       });
     },
     Shown::kCsv},
    {1, "migration_pages_sent", "pages",
     "pages sent in all: the whole memory, then those written",
     [](const Line& l) {
       return OfMigration(l, [](const MigrationReport& migration) {
         return migration.pages_sent;
       });
     },
     Shown::kCsv},
    {1, "migration_domctl_cycles", "cycles",
     "cycles of the toolstack's calls, a part of cycles",
     [](const Line& l) {
       return OfMigration(l, [](const MigrationReport& migration) {
         return migration.domctl_cycles;
       });
     },
     Shown::kCsv},
    {1, "migration_extra_cycles", "cycles",
     "cycles more than without a migration",
     [](const Line& l) {
       return OfMigration(l, [](const MigrationReport& migration) {
         const auto& extra = migration.extra_cycles;
         return extra.has_value() ? AsValue(*extra) : Value(Absent());
       });
     },
     Shown::kCsv},
    {0, "workload", "", "the workload: its name and parameters, or the trace",
     [](const Line& l) { return l.run.workload; }, Shown::kCsv},
};

// Younger than the columns of options.
constexpr FieldOf<Line> kLargePages[] = {
    {1, "thp", "",
     "which anonymous memory of programs gets large pages where the guest has "
     "them",
     [](const Line& l) { return ThpName(l.row->thp); }, Shown::kCsvAtEnd},
    {1, "large_pages", "", "whether the guest has large pages",
     [](const Line& l) { return l.row->large_pages; }, Shown::kCsvAtEnd},
    {1, "nested_pages", "pages",
     "pages that the host's nested tables map at the end, by size",
     [](const Line& l) { return NestedPagesValue(*l.row); }, Shown::kJson},
};

// Options whose columns of CSV stand among those of results, where they have
// always stood. Any other has its column behind them.
constexpr std::string_view kOptionsInPlace[] = {
    "machine", "flush_filter", "levels",  "vcpus",
    "domains", "timing",       "walkers", "overlap"};

Value OptionValue(const void* option, const Line& line) {
  Cell cell = static_cast<const RunField*>(option)->get(line.run.options);
  if (std::holds_alternative<std::monostate>(cell)) return Absent();
  return cell;
}

// Younger than those: what is measured, and what that took of the host.
constexpr FieldOf<Line> kMeasured[] = {
    {1, "operations", "operations",
     "operations of the workload that cycles and counters are of: all, or "
     "those of the region",
     [](const Line& l) { return l.row->operations; }, Shown::kCsvOnlyAtEnd},
    {1, "host_bytes", "bytes",
     "memory of the simulating computer that the simulator takes for the "
     "guests' memory at the end: tables, tokens of pages, records of frames; "
     "without VMAs, page caches and reverse maps of the guest kernels",
     [](const Line& l) { return l.row->host_bytes; }, Shown::kCsvAtEnd},
};

FieldOf<Line> OptionField(const RunField& option, Shown shown) {
  return {0,       option.key,   option.unit, option.help,
          &option, &OptionValue, shown};
}

Shown ShownOf(const RunField& option) {
  // Its columns are younger than all others.
  if (option.group == RunGroup::kRegion) return Shown::kJson;
  const bool in_place =
      std::find(std::begin(kOptionsInPlace), std::end(kOptionsInPlace),
                option.key) != std::end(kOptionsInPlace);
  return in_place ? Shown::kBoth : Shown::kCsvAtEnd;
}

}  // namespace

std::vector<FieldOf<ComparisonLine>> ComparisonFields() {
  std::vector<FieldOf<Line>> fields;
  const auto add = [&](std::span<const FieldOf<Line>> more) {
    fields.insert(fields.end(), more.begin(), more.end());
  };
  add(kVersion);
  for (const RunField& option : RunFields()) {
    if (option.scope == RunScope::kEachRow) continue;
    const bool timing = option.key == "timing";
    if (timing) add(kWhatRan);
    fields.push_back(OptionField(option, ShownOf(option)));
    if (timing) add(kIdentity);
  }
  add(kResults);
  add(kLargePages);
  for (const RunField& option : RunFields()) {
    if (option.group == RunGroup::kRegion) {
      fields.push_back(OptionField(option, Shown::kCsvOnlyAtEnd));
    }
  }
  add(kMeasured);
  return fields;
}

Record ComparisonRecord(const Comparison& comparison,
                        const RunIdentity& identity) {
  return RecordOf<Line>(ComparisonFields(), 0,
                        Line{comparison, identity, nullptr});
}

Table ComparisonTable(const Comparison& comparison,
                      const RunIdentity& identity) {
  std::vector<Line> lines;
  for (const ReportRow& row : comparison.rows) {
    lines.push_back({comparison, identity, &row});
  }
  return TableOf<Line>(ComparisonFields(), lines);
}

Field PlainField(std::string key, std::string unit, std::string help,
                 Cell cell) {
  return {std::move(key), std::move(unit), std::move(help), std::move(cell)};
}

std::string DigestText(uint64_t digest) {
  return absl::StrCat(absl::Hex(digest, absl::kZeroPad16));
}

Record MemoryPartsRecord(const ReportRow& row) {
  Record parts;
  for (const MemoryPart& part : row.memory_parts) {
    parts.fields.push_back(
        {std::string(part.name), "bytes", "",
         Record{{PlainField("reserved_bytes", "bytes",
                            "memory set aside for it", part.reserved_bytes),
                 PlainField("peak_bytes", "bytes", "of it in use at the most",
                            part.peak_bytes)}}});
  }
  return parts;
}

}  // namespace xmmu
