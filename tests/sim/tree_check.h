#ifndef XMMU_TESTS_SIM_TREE_CHECK_H_
#define XMMU_TESTS_SIM_TREE_CHECK_H_

// A random process tree under every strategy: for a suite and for a fuzzer.

#include <string>

#include "workload/lackey/tree_logs.h"

namespace xmmu {

// Writes the logs of a tree into `directory`, which is there, and compares all
// strategies by it, in a mode, on a machine and with options picked, too. What
// is wrong, or nothing.
std::string CheckTree(Choices& choices, const std::string& directory);

// The same of a tree with a record that cannot be, read to where it is refused.
std::string CheckImpossibleTree(Choices& choices, const std::string& directory);

}  // namespace xmmu

#endif  // XMMU_TESTS_SIM_TREE_CHECK_H_
