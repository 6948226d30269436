#ifndef XMMU_LIB_REPORT_COMMON_FIELDS_H_
#define XMMU_LIB_REPORT_COMMON_FIELDS_H_

// Groups of fields that several reports have, and the cells of each, in the
// order of the group; and shares by mark as text tables show them.
//
// Any thread.

#include <string>
#include <string_view>
#include <vector>

#include "report/field_table.h"
#include "xmmu/guest/guest_options.h"
#include "xmmu/report/document.h"
#include "xmmu/sim/by_mark.h"
#include "xmmu/sim/cost.h"

namespace xmmu {

// In CSV cycles_<component>, <counter>, cycles_<mark> and share_<mark>.
extern const FieldGroup kComponentGroup;
extern const FieldGroup kCounterGroup;
extern const FieldGroup kMarkCyclesGroup;
extern const FieldGroup kMarkShareGroup;
// The marks themselves.
extern const FieldGroup kMarkGroup;

std::vector<Cell> ComponentCells(const Cost& cost);
std::vector<Cell> CounterCells(const Cost& cost);
// The cycles of each CostEvent that was charged, at the prices `costs`.
Record EventCycles(const Cost& cost, const CostTable& costs);
std::vector<Cell> MarkCyclesCells(const MarkCycles& cycles);
// Six decimals, rounded so that they add up to 1.
std::vector<Cell> MarkShareCells(const MarkCycles& cycles);

// The share of each mark in percent with one decimal; they add up to 100.
std::vector<std::string> MarkPercents(const MarkCycles& cycles);
// The share of remembered and estimated prices together, rounded once, so that
// it adds up with the rest.
std::string EstimatedPercent(const MarkCycles& cycles);

// A line that says what a machine is which no preset has the name of: what was
// set of it, and which file it is from. Empty for a preset.
std::string OwnMachineLine(std::string_view name, std::string_view description);

// What the groups are made of, for dictionaries and legends.
std::vector<Term> TermsOf(const std::vector<Column>& columns);
// The components that took cycles in any of `costs`.
std::vector<Term> ComponentTermsOf(const std::vector<const Cost*>& costs);
// Strategies and kinds of guest kernels, each once, in their first order; own
// policies, which no table has, are left out.
TermGroup PolicyTerms(const std::vector<std::string>& names);
TermGroup GuestOpsTerms(const std::vector<GuestOps>& ops);
// Adds a name to a group unless it is there.
void AddTerm(std::string_view name, std::string_view help, TermGroup& group);
// "marks" with what each says of a price.
TermGroup MarkTermGroup();
// The same as lines for a text report, to stand where marks are first shown.
std::string MarkLines();

Column ComponentColumn(Component component);
Column CounterColumn(Counter counter);
Column MarkColumn(Mark mark);

}  // namespace xmmu

#endif  // XMMU_LIB_REPORT_COMMON_FIELDS_H_
