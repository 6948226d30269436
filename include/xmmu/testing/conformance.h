#ifndef XMMU_TESTING_CONFORMANCE_H_
#define XMMU_TESTING_CONFORMANCE_H_

// The suite that every built-in policy is held to, for a policy of your own:
//
//   TEST(MyPolicyTest, GivesTheGuestBareHardware) {
//     const absl::Status status = xmmu::testing::Conformance(
//         [](xmmu::Host& host) { return std::make_unique<MyPolicy>(host); });
//     EXPECT_TRUE(status.ok()) << status;
//   }
//
// It needs no GoogleTest: link xmmu::conformance. lib/testing/README.md says
// what it cannot find and how to read what it says.
//
// Single-threaded; any number of threads may each call it.

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "xmmu/machine/paging_mode.h"
#include "xmmu/policy/policies.h"

namespace xmmu::testing {

struct ConformanceOptions {
  // Random guests are made by these numbers; equal seeds are equal guests on
  // every platform. At least one.
  std::vector<uint64_t> seeds = {1, 2};

  // Operations of each random guest, at least 1. A guest that is run with fewer
  // does the first ones of the same.
  int events = 120;

  // Paging modes of the guests; if empty, all that the policy has guests of.
  std::vector<PagingMode> modes = {};

  // Numbers of vCPUs, each 1 to 64, that guests are run on.
  std::vector<int> vcpus = {1, 2};
};

// Runs random guests under the policy that `make` makes, in each mode, with
// each way that such a guest has of writing and pinning its page tables and, if
// it has large pages, with transparent huge pages, for each number of vCPUs and
// each seed. Of each it checks:
//
//   * in lockstep with the same guest on bare hardware, after each operation:
//     every page of every process has the same rights, accessed and dirty
//     flags and content, and shares its frame with the same pages; programs
//     have loaded the same values; no processor, by the tables that it walks,
//     its TLBs or its paging-structure caches, lets a program do what the
//     guest's tables do not allow (a stale entry), nor refuses what they do; no
//     guest can reach a frame that is not its own, nor write to a table that is
//     guarded; and Policy::Audit() finds nothing;
//   * for processes that the kernel schedules on all vCPUs: two runs are the
//     same to the cycle, and programs see what one bare processor shows them;
//   * for two domains in turns: each sees what it would see alone;
//   * for guests whose kernel does anything, allowed or not: no sequence of
//     hypercalls, or of stores to tables, flushes and changes of memory, lets
//     it escape, and what it loads after a flush is what its tables say.
//
// `make` is called once for each Host, which outlives the policy.
//
// Errors: Internal for the first difference, with the seed and the operation
// that show it, what differs, and the options that run this guest alone again;
// InvalidArgument for options out of range, for a mode that the policy has no
// guests of, for a policy with guests of no mode, and for a `make` that is
// empty or makes nothing.
absl::Status Conformance(const PolicyFactory& make,
                         const ConformanceOptions& options = {});

}  // namespace xmmu::testing

#endif  // XMMU_TESTING_CONFORMANCE_H_
