#include "report/trace_comparison.h"

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text.h"
#include "report/trace_records.h"
#include "xmmu/base/counters.h"
#include "xmmu/report/text_table.h"

namespace xmmu {
namespace {

using Maybe = std::optional<uint64_t>;

// A figure and where each side has it; null where it has not.
struct ComparedFigure {
  std::string_view key;
  std::string_view help;
  // From the text: of what the kernel did for the programs, and for others.
  uint64_t (*linux_has)(const LinuxTextSummary& text, const XenCounts& counts);
  bool of_xen_events;  // the text has it in `xen:` events
  uint64_t (*xen_has)(const XentraceCounts& xen);
  Maybe counter;  // index of the simulator's, a Counter
};

constexpr Maybe IndexOf(Counter counter) {
  return static_cast<uint64_t>(counter);
}

template <uint32_t kNumber>
uint64_t CallsOfText(const LinuxTextSummary&, const XenCounts& counts) {
  const XenCounts::Call& call = counts.calls[kNumber];
  return call.calls + call.members;
}
template <uint32_t kNumber>
uint64_t OperationsOfText(const LinuxTextSummary&, const XenCounts& counts) {
  return counts.calls[kNumber].operations;
}
template <XenEventKind kKind>
uint64_t EventsOfText(const LinuxTextSummary&, const XenCounts& counts) {
  return counts.of(kKind);
}

// What goes on with a call that was preempted is no call.
template <uint32_t kNumber>
uint64_t CallsOfXen(const XentraceCounts& xen) {
  const XentraceCounts::Call& call = xen.call(kNumber);
  return call.records + call.members - call.continuations -
         call.member_continuations;
}
template <uint32_t kNumber>
uint64_t OperationsOfXen(const XentraceCounts& xen) {
  return xen.call(kNumber).operations + xen.call(kNumber).member_operations;
}

uint64_t MmuHypercallsOfXen(const XentraceCounts& xen) {
  uint64_t sum = xen.multicalls_whole();
  for (const uint32_t number :
       {kHypercallMmuUpdate, kHypercallUpdateVaMapping, kHypercallMmuextOp}) {
    sum += xen.call(number).records - xen.call(number).continuations;
  }
  return sum;
}

constexpr ComparedFigure kComparedFigures[] = {
    {"page_faults", "page faults at addresses of programs, the kernel's too",
     [](const LinuxTextSummary& text, const XenCounts& counts) {
       return &counts == &text.xen ? text.program.faults : 0;
     },
     false,
     [](const XentraceCounts& xen) {
       return xen.events_named("PV_PAGE_FAULT");
     },
     IndexOf(Counter::kGuestFaults)},
    {"forks", "processes forked",
     [](const LinuxTextSummary& text, const XenCounts& counts) {
       return &counts == &text.xen ? text.program.forks : 0;
     },
     false, nullptr, IndexOf(Counter::kForks)},
    {"execs", "programs executed",
     [](const LinuxTextSummary& text, const XenCounts& counts) {
       return &counts == &text.xen ? text.program.execs : 0;
     },
     false, nullptr, IndexOf(Counter::kExecs)},
    {"mmu_hypercalls",
     "entries into Xen for page tables: mmu_update, update_va_mapping and "
     "mmuext_op by themselves, and multicalls",
     [](const LinuxTextSummary&, const XenCounts& counts) {
       return counts.hypercalls();
     },
     true, &MmuHypercallsOfXen, IndexOf(Counter::kHypercalls)},
    {"mmu_update_calls", "mmu_update calls, members of multicalls too",
     &CallsOfText<kHypercallMmuUpdate>, true, &CallsOfXen<kHypercallMmuUpdate>,
     IndexOf(Counter::kCallsToMmuUpdate)},
    {"mmu_updates", "updates that these carried",
     &OperationsOfText<kHypercallMmuUpdate>, true,
     &OperationsOfXen<kHypercallMmuUpdate>, IndexOf(Counter::kNumPageUpdates)},
    {"update_va_mapping_calls",
     "update_va_mapping calls, members of multicalls too",
     &CallsOfText<kHypercallUpdateVaMapping>, true,
     &CallsOfXen<kHypercallUpdateVaMapping>,
     IndexOf(Counter::kCallsToUpdateVaMapping)},
    {"mmuext_op_calls", "mmuext_op calls, members of multicalls too",
     &CallsOfText<kHypercallMmuextOp>, true, &CallsOfXen<kHypercallMmuextOp>,
     IndexOf(Counter::kCallsToMmuextOp)},
    {"mmuext_ops",
     "operations that these carried: pins, unpins, base "
     "pointers, flushes",
     &OperationsOfText<kHypercallMmuextOp>, true,
     &OperationsOfXen<kHypercallMmuextOp>, IndexOf(Counter::kNumMmuextOps)},
    {"multicalls",
     "multicalls; one that was cut short and entered again is one",
     [](const LinuxTextSummary&, const XenCounts& counts) {
       return counts.multicalls;
     },
     true, [](const XentraceCounts& xen) { return xen.multicalls_whole(); },
     IndexOf(Counter::kMulticalls)},
    {"emulated_writes",
     "entries written by an ordinary instruction, which Xen emulated; no event "
     "of Linux's tells of them",
     nullptr, false,
     [](const XentraceCounts& xen) {
       return xen.events_named("PV_PTWR_EMULATION");
     },
     IndexOf(Counter::kPtwrEmulations)},
    {"set_pte_alone",
     "set_pte events that were a hypercall by themselves",
     [](const LinuxTextSummary&, const XenCounts& counts) {
       return counts.lone_set_ptes;
     },
     true,
     nullptr,
     {}},
    {"set_pte_queued",
     "set_pte events whose update was queued",
     [](const LinuxTextSummary&, const XenCounts& counts) {
       return counts.queued_set_ptes;
     },
     true,
     nullptr,
     {}},
    {"modify_prot",
     "entries whose rights changed (ptep_modify_prot_commit)",
     &EventsOfText<XenEventKind::kProtCommit>,
     true,
     nullptr,
     {}},
    {"set_pmd",
     "set_pmd events: L2 entries",
     &EventsOfText<XenEventKind::kSetPmd>,
     true,
     nullptr,
     {}},
    {"set_pud",
     "set_pud events: L3 entries",
     &EventsOfText<XenEventKind::kSetPud>,
     true,
     nullptr,
     {}},
    {"set_p4d",
     "set_p4d events: L4 entries",
     &EventsOfText<XenEventKind::kSetP4d>,
     true,
     nullptr,
     {}},
    {"tables_made",
     "pages that became page tables (alloc_ptpage)",
     &EventsOfText<XenEventKind::kAllocTable>,
     true,
     nullptr,
     {}},
    {"tables_freed",
     "page tables that became pages (release_ptpage)",
     &EventsOfText<XenEventKind::kReleaseTable>,
     true,
     nullptr,
     {}},
    {"pgd_pins",
     "address spaces pinned",
     &EventsOfText<XenEventKind::kPin>,
     true,
     nullptr,
     {}},
    {"pgd_unpins",
     "address spaces unpinned",
     &EventsOfText<XenEventKind::kUnpin>,
     true,
     nullptr,
     {}},
    {"cr3_writes",
     "base pointers loaded, those of kernel and user apart",
     &EventsOfText<XenEventKind::kWriteCr3>,
     true,
     nullptr,
     {}},
    {"page_flushes", "flushes of one address on the CPU itself",
     [](const LinuxTextSummary&, const XenCounts& counts) {
       return counts.of(XenEventKind::kFlushOne) +
              counts.of(XenEventKind::kFlushSingle);
     },
     true, nullptr, IndexOf(Counter::kTlbPageFlushes)},
    {"remote_flushes",
     "flushes that other CPUs have to do, too",
     [](const LinuxTextSummary&, const XenCounts& counts) {
       return counts.of(XenEventKind::kFlushMulti) +
              counts.of(XenEventKind::kFlushOthers);
     },
     true,
     nullptr,
     {}},
    {"queue_flushes",
     "times that the queue of calls was issued",
     &EventsOfText<XenEventKind::kFlush>,
     true,
     nullptr,
     {}},
    {"empty_queue_flushes",
     "of these with nothing in it",
     [](const LinuxTextSummary&, const XenCounts& counts) {
       return counts.empty_flushes;
     },
     true,
     nullptr,
     {}},
};

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
  for (const ComparedFigure& figure : kComparedFigures) {
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
  for (const ComparedFigure& figure : kComparedFigures) {
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
