#ifndef XMMU_TESTING_CONFORMANCE_TWO_DOMAINS_H_
#define XMMU_TESTING_CONFORMANCE_TWO_DOMAINS_H_

// Two guests of one hypervisor that take turns on the same CPU: each must see
// what it would see alone.

#include <cstdint>
#include <string>

#include "testing/conformance/world.h"

namespace xmmu::conformance {

// Runs two different programs of `steps` operations, made by `seed`, first
// each in a world of its own and then both on one host in turns. After each
// turn the policy is audited, and after each `check_every`-th it is checked
// that neither guest can escape. "" or what is wrong.
std::string RunTwoDomains(const Setting& setting, uint64_t seed, int steps,
                          int check_every);

}  // namespace xmmu::conformance

#endif  // XMMU_TESTING_CONFORMANCE_TWO_DOMAINS_H_
