#ifndef XMMU_LIB_REPORT_COMMON_FIELDS_H_
#define XMMU_LIB_REPORT_COMMON_FIELDS_H_

// Groups of fields that several reports have, and the cells of each, in the
// order of the group; and shares by mark as text tables show them.
//
// Any thread.

#include <string>
#include <vector>

#include "report/field_table.h"
#include "xmmu/sim/by_mark.h"
#include "xmmu/sim/cost.h"

namespace xmmu {

// In CSV cycles_<component>, <counter>, cycles_<mark> and share_<mark>.
extern const FieldGroup kComponentGroup;
extern const FieldGroup kCounterGroup;
extern const FieldGroup kMarkCyclesGroup;
extern const FieldGroup kMarkShareGroup;

std::vector<Cell> ComponentCells(const Cost& cost);
std::vector<Cell> CounterCells(const Cost& cost);
std::vector<Cell> MarkCyclesCells(const MarkCycles& cycles);
// Six decimals, rounded so that they add up to 1.
std::vector<Cell> MarkShareCells(const MarkCycles& cycles);

// The share of each mark in percent with one decimal; they add up to 100.
std::vector<std::string> MarkPercents(const MarkCycles& cycles);
// The share of remembered and estimated prices together, rounded once, so that
// it adds up with the rest.
std::string EstimatedPercent(const MarkCycles& cycles);

// What the groups are made of, for dictionaries and legends.
Column ComponentColumn(Component component);
Column CounterColumn(Counter counter);
Column MarkColumn(Mark mark);

}  // namespace xmmu

#endif  // XMMU_LIB_REPORT_COMMON_FIELDS_H_
