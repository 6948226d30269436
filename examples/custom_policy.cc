// A memory-virtualization strategy of your own, compared with the built-in
// ones, without a line changed in the library. The strategy is in
// adaptive_policy.h.
//
// custom_policy [SPEC]: the workload, as in xmmu/workload/synthetic.h.

#include <cstdio>
#include <memory>
#include <string>

#include "adaptive_policy.h"
#include "xmmu/xmmu.h"

int main(int argc, char** argv) {
  const std::string spec =
      argc > 1 ? argv[1] : "switch:processes=1,rounds=500,pages=3000";
  xmmu::ComparisonOptions options;
  options.base.machine = "skylake-2017";
  options.base.mode = xmmu::PagingMode::k4Level;
  options.policies = {{"native"},
                      {"shadow-2008"},
                      {"nested-paging-4k"},
                      {"adaptive", [](xmmu::Host& host) {
                         return std::make_unique<AdaptivePolicy>(host);
                       }}};
  const absl::StatusOr<xmmu::Comparison> comparison =
      xmmu::Compare(options, [&](const xmmu::SimulatorOptions&) {
        return xmmu::MakeSyntheticWorkload(spec);
      });
  if (!comparison.ok()) {
    std::fprintf(stderr, "custom_policy: %s\n",
                 comparison.status().ToString().c_str());
    return 1;
  }
  const std::string report =
      xmmu::FormatReport(*comparison, xmmu::ReportFormat::kText);
  const bool written =
      std::fputs(report.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
  if (!written) std::perror("custom_policy: standard output");
  return written ? 0 : 1;
}
