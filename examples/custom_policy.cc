// The whole program xmmu, with a memory-virtualization strategy of your own
// beside the built-in ones and without a line changed in the library. The
// strategy is in adaptive_policy.h. To compare it:
//
//   custom_policy compare --machine=skylake-2017 --levels=4
//     --workload=switch:processes=1,rounds=500,pages=3000
//     --policies=native,shadow-2008,nested-paging-4k,adaptive

#include <memory>

#include "adaptive_policy.h"
#include "xmmu/cli/main.h"

int main(int argc, char** argv) {
  xmmu::cli::Extensions mine;
  mine.policies.push_back({"adaptive",
                           "nested paging that turns to shadows and back",
                           [](xmmu::Host& host) {
                             return std::make_unique<AdaptivePolicy>(host);
                           }});
  return xmmu::cli::Main(argc, argv, mine);
}
