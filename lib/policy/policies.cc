// The table of policies: the rows that each strategy's file has for itself and
// its variants, one strategy after the other.

#include "xmmu/policy/policies.h"

#include <vector>

namespace xmmu {

// The strategies, in report order. XRows() is defined in the file of X.
#define XMMU_STRATEGIES(X) \
  X(Native)                \
  X(Pinning)               \
  X(TrapAndEmulate)        \
  X(WritablePageTables)    \
  X(XiShadow)              \
  X(Shadow2005)            \
  X(Shadow2006)            \
  X(Shadow2008)            \
  X(NestedPaging)

#define XMMU_ROWS(strategy) std::span<const PolicyEntry> strategy##Rows();
XMMU_STRATEGIES(XMMU_ROWS)
#undef XMMU_ROWS

namespace {

std::vector<PolicyEntry> JoinPolicies() {
  std::vector<PolicyEntry> all;
#define XMMU_ROWS(strategy) \
  for (const PolicyEntry& row : strategy##Rows()) all.push_back(row);
  XMMU_STRATEGIES(XMMU_ROWS)
#undef XMMU_ROWS
  return all;
}

}  // namespace

std::span<const PolicyEntry> Policies() {
  static const auto& kAll = *new std::vector<PolicyEntry>(JoinPolicies());
  return kAll;
}

const PolicyEntry* FindPolicy(std::string_view name) {
  for (const PolicyEntry& entry : Policies()) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

}  // namespace xmmu
