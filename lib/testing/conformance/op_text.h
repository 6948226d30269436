#ifndef XMMU_TESTING_CONFORMANCE_OP_TEXT_H_
#define XMMU_TESTING_CONFORMANCE_OP_TEXT_H_

// Operations of guest programs in words, for messages.

#include <cstdint>
#include <string>
#include <string_view>

#include "xmmu/workload/workload.h"

namespace xmmu::conformance {

// The name that Linux or a processor has for it: "munmap", "store".
std::string_view NameOf(GuestOpKind kind);

// MapRights as in /proc/PID/maps: "rw-".
std::string RightsText(uint8_t rights);

// "munmap of 0x2000 bytes at 0x10000000".
std::string OpText(const GuestOp& op);

}  // namespace xmmu::conformance

#endif  // XMMU_TESTING_CONFORMANCE_OP_TEXT_H_
