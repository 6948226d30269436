#ifndef XMMU_TESTS_SIM_TREE_CHECK_H_
#define XMMU_TESTS_SIM_TREE_CHECK_H_

// A random process tree under every strategy: for a suite and for a fuzzer.

#include <string>

#include "workload/lackey/tree_logs.h"

namespace xmmu {

// Writes the logs of a tree into the existing `directory` and compares all
// strategies by it, in a mode, on a machine and with options that are picked as
// well. Returns what is wrong, or "".
std::string CheckTree(Choices& choices, const std::string& directory);

// Does so for a tree with an impossible record, which is read to where it must
// be refused.
std::string CheckImpossibleTree(Choices& choices, const std::string& directory);

// Reads the logs of a tree and checks that the reader found no copy to or from
// memory that no call has mapped: the maker of trees would take for a hole what
// that copy has shown to be none.
std::string CheckCopiesOfTree(Choices& choices, const std::string& directory);

}  // namespace xmmu

#endif  // XMMU_TESTS_SIM_TREE_CHECK_H_
