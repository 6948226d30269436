#ifndef XMMU_LIB_BASE_REGULAR_FILE_H_
#define XMMU_LIB_BASE_REGULAR_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace xmmu {

// Reads the whole regular file at `path`, which may have `max_bytes` at most.
// Never waits and never reads without end, whatever is found at `path`. Errors:
// InvalidArgument, one line with `path` and the reason: it cannot be read, is a
// directory, a pipe, a socket or a device, or is larger.
absl::StatusOr<std::string> ReadRegularFile(const std::string& path,
                                            uint64_t max_bytes);

}  // namespace xmmu

#endif  // XMMU_LIB_BASE_REGULAR_FILE_H_
