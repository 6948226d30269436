#ifndef XMMU_LIB_WORKLOAD_INPUT_FILE_ERROR_H_
#define XMMU_LIB_WORKLOAD_INPUT_FILE_ERROR_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace xmmu {

// Returns the error `FILE:POSITION: what`, one line of printable text whatever
// the file's name contains. The position is a line, from 1, in files of text,
// and a byte, from 0, in others: in what the file holds decompressed unless its
// format says otherwise.
absl::Status FileError(absl::string_view file, uint64_t position,
                       absl::string_view what);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_INPUT_FILE_ERROR_H_
