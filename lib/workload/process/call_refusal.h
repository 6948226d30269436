#ifndef XMMU_LIB_WORKLOAD_PROCESS_CALL_REFUSAL_H_
#define XMMU_LIB_WORKLOAD_PROCESS_CALL_REFUSAL_H_

// What the rules of call_rules.h have in common: errors, and what is mapped.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "workload/process/address_map.h"

namespace xmmu {

std::string AsHex(uint64_t va);

// The error "WHAT cannot have succeeded, expected ERROR: WHY".
absl::Status Impossible(absl::string_view what, absl::string_view error,
                        absl::string_view why);

// "CALL of LENGTH bytes at START".
std::string CallOn(absl::string_view call, uint64_t start, uint64_t length);

// Checks that [start, start + length) begins with a page and lies in user
// space.
absl::Status CheckPages(absl::string_view call, uint64_t start,
                        uint64_t length);

// Checks that all of [start, end) is mapped, or can have been mapped by exec.
absl::Status CheckMapped(absl::string_view what, absl::string_view error,
                         uint64_t start, uint64_t end, const AddressMap& map);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PROCESS_CALL_REFUSAL_H_
