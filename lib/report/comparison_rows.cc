// The table of rows of a comparison's text report, a column a row of a table
// here; the table of what overlap leaves; and the legend of the report.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text.h"
#include "report/common_fields.h"
#include "report/comparison_fields.h"

namespace xmmu {
namespace {

// The first row without a hypervisor, by its name in the table of policies.
const ReportRow* NativeRow(const Comparison& comparison) {
  for (const ReportRow& row : comparison.rows) {
    if (row.policy == "native") return &row;
  }
  return nullptr;
}

std::string Quotient(Cycles cycles, Cycles native) {
  if (native.count() == 0) return "";
  return absl::StrFormat("%.3f", static_cast<double>(cycles.count()) /
                                     static_cast<double>(native.count()));
}

std::string Ratio(const ReportRow& row, const ReportRow* native) {
  return native == nullptr ? ""
                           : Quotient(row.cost.cycles, native->cost.cycles);
}

std::string Kibibytes(uint64_t bytes) { return Compact((bytes + 1023) >> 10); }

// A row of the table of a text report.
struct RowView {
  const ReportRow& row;
  size_t number;  // from 1 on
  const ReportRow* native;

  std::string Count(Counter counter) const {
    return Compact(row.cost.counters[counter]);
  }
};

// A column of it: what stands over it in two lines, what it means, its cell.
struct TextColumn {
  const char* upper;
  const char* lower;
  const char* help;
  std::string (*cell)(const RowView& view);

  // Both lines in one: "page faults", "emulated".
  std::string name() const {
    std::string_view above = upper;
    if (above.empty()) return lower;
    if (!above.ends_with('-')) return absl::StrCat(upper, " ", lower);
    above.remove_suffix(1);
    return absl::StrCat(Abs(above), lower);
  }
};

constexpr TextColumn kTextColumns[] = {
    {"", "#", "number of the row, by which notes and the tables below name it",
     [](const RowView& v) { return absl::StrCat(v.number); }},
    {"", "policy",
     "strategy that virtualizes the guest's memory; +sharing: its guest shares "
     "file pages; thp: which anonymous memory gets large pages, if asked for",
     [](const RowView& v) {
       const std::optional<Thp> thp = ChosenThp(v.row);
       return absl::StrCat(v.row.policy,
                           v.row.shares_file_pages ? " +sharing" : "",
                           thp.has_value() ? " thp=" : "",
                           thp.has_value() ? Abs(ThpName(*thp)) : "");
     }},
    {"guest", "ops", "how the guest kernel writes page tables",
     [](const RowView& v) {
       return std::string(GuestOpsName(v.row.guest_ops));
     }},
    {"", "pin",
     "when a paravirtual guest pins page tables; - where nothing is pinned",
     [](const RowView& v) { return std::string(PinCell(v.row)); }},
    {"", "cycles", "cycles charged, of all CPUs, as if nothing overlapped",
     [](const RowView& v) { return Grouped(v.row.cost.cycles.count()); }},
    {"x", "native", "cycles as a multiple of bare hardware's",
     [](const RowView& v) { return Ratio(v.row, v.native); }},
    {"page", "faults",
     "#PF and #GP that accesses of program and kernel raised, whoever resolved "
     "them",
     [](const RowView& v) { return v.Count(Counter::kHardwareFaults); }},
    {"page", "walks", "walks of the page tables by a processor",
     [](const RowView& v) { return v.Count(Counter::kPageWalks); }},
    {"hyper", "calls", "entries into the hypervisor for a hypercall",
     [](const RowView& v) { return v.Count(Counter::kHypercalls); }},
    {"fault", "fixed", "faults that the hypervisor resolved without its guest",
     [](const RowView& v) { return v.Count(Counter::kFixedFaults); }},
    {"emu-", "lated",
     "instructions of a paravirtual kernel that write to a page table, "
     "emulated "
     "by Xen",
     [](const RowView& v) { return v.Count(Counter::kPtwrEmulations); }},
    {"vali-", "dated", "entries scanned to validate whole page tables",
     [](const RowView& v) { return v.Count(Counter::kValidatedPtes); }},
    {"TLB", "flush", "flushes of a TLB, whole or of one page",
     [](const RowView& v) {
       const Counters& counters = v.row.cost.counters;
       return Compact(counters[Counter::kTlbFlushes] +
                      counters[Counter::kTlbPageFlushes]);
     }},
    {"mgmt.", "KiB",
     "memory spent on managing memory at the peak: page tables, shadows, "
     "nested "
     "tables, the hypervisor's records",
     [](const RowView& v) { return Kibibytes(v.row.memory_overhead_bytes); }},
    {"est.", "%",
     "share of the cycles whose prices are remembered or estimated",
     [](const RowView& v) { return EstimatedPercent(v.row.by_mark); }},
};

}  // namespace

TextTable ComparisonRows(const Comparison& comparison) {
  TextTable table(4);
  std::vector<std::string> upper;
  std::vector<std::string> lower;
  for (const TextColumn& column : kTextColumns) {
    upper.emplace_back(column.upper);
    lower.emplace_back(column.lower);
  }
  table.Add(std::move(upper));
  table.Add(std::move(lower));
  table.Rule();
  const ReportRow* const native = NativeRow(comparison);
  size_t number = 0;
  for (const ReportRow& row : comparison.rows) {
    const RowView view = {row, ++number, native};
    std::vector<std::string> cells;
    for (const TextColumn& column : kTextColumns) {
      cells.push_back(column.cell(view));
    }
    table.Add(std::move(cells));
  }
  return table;
}

// What the options of overlap leave of the cycles.
TextTable OverlapTable(const Comparison& comparison) {
  TextTable table(2);
  table.Add({"", "", "cycles", "hidden by", "cycles", "x"});
  table.Add({"#", "policy", "serialised", "overlap", "remaining", "native"});
  table.Rule();
  const ReportRow* const native = NativeRow(comparison);
  size_t number = 0;
  for (const ReportRow& row : comparison.rows) {
    const Cost& cost = row.cost;
    const Cycles left = cost.cycles - cost.hidden;
    table.Add({absl::StrCat(++number), row.policy, Grouped(cost.cycles.count()),
               Grouped(cost.hidden.count()), Grouped(left.count()),
               native == nullptr ? ""
                                 : Quotient(left, native->cost.cycles -
                                                      native->cost.hidden)});
  }
  return table;
}

std::vector<TermGroup> ComparisonLegend(const Comparison& comparison) {
  TermGroup columns = {"columns", {}};
  for (const TextColumn& column : kTextColumns) {
    columns.terms.push_back({column.name(), "", column.help});
  }
  std::vector<std::string> policies;
  std::vector<GuestOps> ops;
  TermGroup pins = {"pin", {}};
  TermGroup maps = {"linear maps", {}};
  TermGroup thps = {"thp", {}};
  std::vector<const Cost*> costs;
  for (const ReportRow& row : comparison.rows) {
    policies.push_back(row.policy);
    ops.push_back(row.guest_ops);
    if (row.paravirtual) {
      AddTerm(PinWhenName(row.pin), PinWhenHelp(row.pin), pins);
    }
    if (row.linear_map != LinearMap::kDefault) {
      AddTerm(LinearMapName(row.linear_map), LinearMapHelp(row.linear_map),
              maps);
    }
    if (const std::optional<Thp> thp = ChosenThp(row)) {
      AddTerm(ThpName(*thp), ThpHelp(*thp), thps);
    }
    costs.push_back(&row.cost);
  }
  return {std::move(columns),
          PolicyTerms(policies),
          GuestOpsTerms(ops),
          std::move(pins),
          std::move(maps),
          std::move(thps),
          {"components", ComponentTermsOf(costs)},
          MarkTermGroup()};
}

}  // namespace xmmu
