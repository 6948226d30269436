// The same workload under three strategies, side by side.
//
// compare_policies [SPEC]: the workload, as in xmmu/workload/synthetic.h.

#include <cstdio>
#include <string>

#include "xmmu/xmmu.h"

int main(int argc, char** argv) {
  const char* const spec = argc > 1 ? argv[1] : "fork:pages=100";
  xmmu::ComparisonOptions options;
  // A 4-level guest on a machine with nested tables.
  options.base.machine = "skylake-2017";
  options.base.mode = xmmu::PagingMode::k4Level;
  options.base.guest_memory_bytes = uint64_t{64} << 20;
  options.policies = {{"native"}, {"shadow-2008"}, {"nested-paging"}};
  // Each row gets the workload anew. Compare() fails if programs under one
  // strategy have seen anything else than under another.
  const auto comparison =
      xmmu::Compare(options, [&](const xmmu::SimulatorOptions&) {
        return xmmu::MakeSyntheticWorkload(spec);
      });
  if (!comparison.ok()) {
    std::fprintf(stderr, "compare_policies: %s\n",
                 std::string(comparison.status().message()).c_str());
    return 1;
  }
  // A result is data first: each row holds its cycles and counters.
  for (const xmmu::ReportRow& row : comparison->rows) {
    std::printf(
        "%s: %.2f times native\n", row.policy.c_str(),
        static_cast<double>(row.cost.cycles.count()) /
            static_cast<double>(comparison->rows[0].cost.cycles.count()));
  }
  // And it can be shown in whole, as text, CSV or JSON.
  std::printf(
      "\n%s",
      xmmu::FormatReport(*comparison, xmmu::ReportFormat::kText).c_str());
}
