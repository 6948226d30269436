#ifndef XMMU_SIM_MIGRATION_H_
#define XMMU_SIM_MIGRATION_H_

// Live migration of a guest while a workload runs, which the guest does not
// see: the pages that it writes to are logged (xmmu/xen/dirty_log.h), and the
// toolstack fetches and clears the log in rounds, sending what it finds. After
// the last round logging ends and the guest goes on where it is: what is looked
// at is what the log costs, not the network.
//
// Plain values; any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "xmmu/base/cycles.h"

namespace xmmu {

struct MigrationOptions {
  // Rounds after the first, which sends all pages; 0: no migration.
  int rounds = 0;
  // Operations of the workload between two rounds. The end of the workload ends
  // the migration with a round more, if it comes before the last.
  uint64_t every_ops = 10000;

  bool wanted() const { return rounds > 0; }
  bool operator==(const MigrationOptions&) const = default;
};

// What became of it; of several domains, one after the other.
struct MigrationReport {
  // Why the strategy cannot; nothing else is set then.
  std::string refused;
  // Pages that each round found marked.
  std::vector<uint64_t> dirty_pages;
  // Pages sent in all: the whole memory, then those.
  uint64_t pages_sent = 0;
  // Cycles charged by the toolstack's calls: the log fetched, entries made
  // read-only, flushes of all CPUs. Part of the row's.
  Cycles domctl_cycles;
  // How many cycles the row took more than without a migration, those
  // included. Set by comparisons, which run both.
  std::optional<int64_t> extra_cycles;
};

}  // namespace xmmu

#endif  // XMMU_SIM_MIGRATION_H_
