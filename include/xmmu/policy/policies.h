#ifndef XMMU_POLICY_POLICIES_H_
#define XMMU_POLICY_POLICIES_H_

// The table of built-in policies. A strategy's .cc has the rows of itself and
// its variants, and lib/policy/policies.cc joins them. A policy of one's own
// needs no row: see examples/custom_policy.cc.
//
// Constants; any thread.

#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "xmmu/policy/policy.h"

namespace xmmu {

// Makes a policy for one Host, which outlives it.
using PolicyFactory = std::function<std::unique_ptr<Policy>(Host&)>;

struct PolicyEntry {
  std::string_view name;
  std::string_view help;  // one line
  std::unique_ptr<Policy> (*make)(Host&);
  // The strategy that this one is a variant of, made to be compared with it;
  // empty for a strategy of its own.
  std::string_view variant_of = {};
};

// All built-in policies, in report order, bare hardware first.
std::span<const PolicyEntry> Policies();

// The entry of that name, or nullptr.
const PolicyEntry* FindPolicy(std::string_view name);

}  // namespace xmmu

#endif  // XMMU_POLICY_POLICIES_H_
