#ifndef XMMU_LIB_CLI_PACK_SPOOL_H_
#define XMMU_LIB_CLI_PACK_SPOOL_H_

// A packed trace of a spool, as `xmmu record` makes it when what it records has
// ended, and `xmmu trace pack` of what a recorder that was killed has left.
// Single-threaded.

#include <string>

#include "absl/status/status.h"
#include "cli/console.h"

namespace xmmu::cli {

// Writes the file `to`, which appears when it is whole. An interrupt that comes to
// `console`, if that is not null, ends it.
// Errors: as ReadSpoolHead(), ConvertSpool() and PackedTraceWriter; Cancelled.
absl::Status PackSpool(const std::string& directory, const std::string& to,
                       Console* console);

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_PACK_SPOOL_H_
