#ifndef XMMU_LIB_WORKLOAD_DRMEMTRACE_KNOWN_MAPPINGS_H_
#define XMMU_LIB_WORKLOAD_DRMEMTRACE_KNOWN_MAPPINGS_H_

// What files beside a drmemtrace say of a process's mappings: v2p.textproto
// (clients/drcachesim/reader/v2p_reader.cpp) has virtual pages, modules.log
// (ext/drcovlib/modules.c, drmodtrack) the files that were loaded.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace xmmu {

// Virtual memory [start, end), whole pages below 2^47.
struct KnownMapping {
  uint64_t start = 0;
  uint64_t end = 0;
  // log2 of the size of its pages, as far as that is known: 12, 21 or 30.
  uint8_t page_shift = 12;
  bool is_file = false;
  uint32_t file = 0;    // FileIdentity() of its path
  uint64_t offset = 0;  // bytes in the file
};

// Reads the virtual pages of a v2p.textproto; neighbours are joined. Pages that
// are not of user space are left out.
//
// Errors: InvalidArgument, `FILE:LINE: what`.
absl::StatusOr<std::vector<KnownMapping>> ReadV2p(const std::string& path);

// Reads the rows of a modules.log. Rows that are not of user space are left
// out.
//
// Errors: InvalidArgument, `FILE:LINE: what`, where a line ends as the file
// says: bytes of an image that a row contains can be newlines, too.
absl::StatusOr<std::vector<KnownMapping>> ReadModules(const std::string& path);

// Whether one of the mappings contains `va`.
bool Contains(const std::vector<KnownMapping>& mappings, uint64_t va);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_DRMEMTRACE_KNOWN_MAPPINGS_H_
