#ifndef XMMU_SIM_MIGRATION_H_
#define XMMU_SIM_MIGRATION_H_

// Live migration of a guest while a workload runs, which the guest does not
// notice: the pages that it writes to are logged (xmmu/xen/dirty_log.h), and
// the toolstack fetches and clears the log in rounds and sends the pages found.
// After the last round logging ends and the guest goes on where it is: the cost
// of the log is examined, not that of the network.
//
// Plain values; any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "xmmu/base/cycles.h"

namespace xmmu {

struct MigrationOptions {
  // Rounds after the first, which sends all pages; 0 means no migration.
  int rounds = 0;
  // Operations of the workload between two rounds. If the workload ends before
  // the last round, one more round ends the migration.
  uint64_t every_ops = 10000;

  bool wanted() const { return rounds > 0; }
  bool operator==(const MigrationOptions&) const = default;
};

// What happened in a migration; those of several domains are added up one after
// the other.
struct MigrationReport {
  // Why the strategy cannot migrate a guest; nothing else is set then.
  std::string refused;
  // The pages that each round found marked.
  std::vector<uint64_t> dirty_pages;
  // All pages sent: the whole memory, and those of dirty_pages.
  uint64_t pages_sent = 0;
  // Cycles charged by the toolstack's calls: fetching the log, making entries
  // read-only, flushing all CPUs. The row's cycles include them.
  Cycles domctl_cycles;
  // How many more cycles the row took than without a migration; this includes
  // domctl_cycles. Only comparisons set it, as they run both.
  std::optional<int64_t> extra_cycles;
};

}  // namespace xmmu

#endif  // XMMU_SIM_MIGRATION_H_
