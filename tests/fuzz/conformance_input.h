#ifndef XMMU_TESTS_FUZZ_CONFORMANCE_INPUT_H_
#define XMMU_TESTS_FUZZ_CONFORMANCE_INPUT_H_

// A guest program as bytes, for the fuzzer and for the replay of what it has
// found:
//
//   0      how many vCPUs: 1, 2 or 4; a quarter of the values stands for guests
//          with large pages
//   1, 2   which setting of AllSettings(): policy, mode, ways of the guest
//   3..    the choices of a GuestScript, one a byte

#include <cstdint>
#include <span>
#include <string>

namespace xmmu {

// Runs the program in lockstep with bare hardware and compares everything after
// each `check_every`-th step. Returns "" or what is wrong.
std::string RunConformanceInput(std::span<const uint8_t> bytes,
                                int check_every);

}  // namespace xmmu

#endif  // XMMU_TESTS_FUZZ_CONFORMANCE_INPUT_H_
