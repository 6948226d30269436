#ifndef XMMU_LIB_REPORT_COMPARED_FIGURES_H_
#define XMMU_LIB_REPORT_COMPARED_FIGURES_H_

// The figures in which what a Linux on Xen issued is set beside what the
// simulated guest issues, and where each side has them.
//
// Charges nothing. Any thread.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "workload/linux_text/text_summary.h"
#include "workload/xentrace/xentrace_counts.h"

namespace xmmu {

// A figure and where each side has it; null where it has not.
struct ComparedFigure {
  std::string_view key;
  std::string_view help;
  // From the text: of what the kernel did for the programs, and for others.
  uint64_t (*linux_has)(const LinuxTextSummary& text, const XenCounts& counts);
  bool of_xen_events;  // the text has it in `xen:` events
  uint64_t (*xen_has)(const XentraceCounts& xen);
  // Index of the simulator's, a Counter.
  std::optional<uint64_t> counter;
};

// All figures, in the order of reports. Valid for as long as the program runs.
std::span<const ComparedFigure> ComparedFigures();

}  // namespace xmmu

#endif  // XMMU_LIB_REPORT_COMPARED_FIGURES_H_
