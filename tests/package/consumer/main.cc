// The smallest use of xmmu: one built-in workload under two strategies.

#include <cstdio>

#include "xmmu/sim/simulator.h"
#include "xmmu/workload/synthetic.h"

int main() {
  for (const char* policy : {"native", "pinning"}) {
    auto workload = xmmu::MakeSyntheticWorkload("fork:pages=100");
    auto simulator = xmmu::Simulator::Create({.policy = policy});
    if (!workload.ok() || !simulator.ok()) return 2;
    const auto row = (*simulator)->Run(**workload);
    if (!row.ok()) return 1;
    std::printf("%s: %llu cycles\n", row->policy.c_str(),
                static_cast<unsigned long long>(row->cost.cycles.count()));
  }
}
