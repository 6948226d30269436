// One guest under one strategy, and what its workload costs.

#include <cstdio>

#include "xmmu/xmmu.h"

int main() {
  // A 512 MiB PAE guest on a Xeon of 2003, since nothing else is said.
  const auto simulator = xmmu::Simulator::Create({.policy = "pinning"});
  // A process with 100 pages that forks; the child writes to all of them.
  const auto workload = xmmu::MakeSyntheticWorkload("fork:pages=100,cow=100");
  if (!simulator.ok() || !workload.ok()) return 1;
  // All that is charged and counted from the end of the guest's boot on.
  const auto row = (*simulator)->Run(**workload);
  if (!row.ok()) return 1;
  std::printf("%s\n", xmmu::ToString(row->cost).c_str());
}
