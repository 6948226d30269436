#ifndef XMMU_TESTS_REPORT_EXAMPLE_COMPARISON_H_
#define XMMU_TESTS_REPORT_EXAMPLE_COMPARISON_H_

// A comparison of two rows, made by hand, for tests of reports.

#include <cstddef>
#include <cstdint>

#include "xmmu/sim/results.h"

namespace xmmu {

// Charges `cycles` that count under `component`.
inline void AddCycles(Cost& cost, Component component, uint64_t cycles) {
  cost.by_component[static_cast<size_t>(component)] = Cycles(cycles);
  cost.cycles += Cycles(cycles);
  cost.elapsed = cost.cycles;
}

inline ReportRow NativeRow() {
  ReportRow row;
  row.policy = "native";
  AddCycles(row.cost, Component::kExecute, 1000);
  AddCycles(row.cost, Component::kException, 500);
  row.cost.counters.Add(Counter::kHardwareFaults, 3);
  row.page_table_bytes = 8192;
  row.by_mark = {Cycles(1000), {}, Cycles(125), {}, Cycles(375)};
  row.guest_digest = 0xabc;
  return row;
}

inline ReportRow PinningRow() {
  ReportRow row;
  row.policy = "pinning";
  row.paravirtual = true;
  row.guest_ops = GuestOps::kUpdateVaMapping;
  row.pin = PinWhen::kLate;
  AddCycles(row.cost, Component::kExecute, 1000);
  AddCycles(row.cost, Component::kHypercall, 2000);
  row.cost.counters.Add(Counter::kHypercalls, 2);
  row.cost.counters.Add(Counter::kPageWalks, 123'456);
  row.page_table_bytes = 8192;
  row.memory_overhead_bytes = 4097;
  row.guest_digest = 0xabc;
  return row;
}

// The two rows above, side by side.
inline Comparison Example() {
  Comparison comparison;
  comparison.version = "9.9.9";
  comparison.options.machine = "test";
  comparison.machine_description = "a machine to test with";
  comparison.options.mode = PagingMode::kPae;
  comparison.options.guest_memory_bytes = uint64_t{64} << 20;
  comparison.options.quantum_ops = 1000;
  comparison.options.fault_around_pages = 1;
  comparison.options.flush_ceiling_pages = 0;
  comparison.workload = "fork:pages=1,times=2";
  comparison.rows = {NativeRow(), PinningRow()};
  return comparison;
}

}  // namespace xmmu

#endif  // XMMU_TESTS_REPORT_EXAMPLE_COMPARISON_H_
