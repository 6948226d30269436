#ifndef XMMU_LIB_WORKLOAD_INPUT_FILE_ERROR_H_
#define XMMU_LIB_WORKLOAD_INPUT_FILE_ERROR_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace xmmu {

// Returns the error `FILE:POSITION: what`, one line of printable text whatever
// the file's name contains. The position is a line, from 1, in files of text,
// and a byte, from 0, in others: in what the file holds decompressed unless its
// format says otherwise.
absl::Status FileError(absl::string_view file, uint64_t position,
                       absl::string_view what);

// Returns the name of a file without its folder, printable. It is "-" for a
// file that is named by its descriptor alone (/proc/self/fd/N), such as a copy
// of standard input: the descriptor's number says nothing.
std::string FileTitle(absl::string_view path);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_INPUT_FILE_ERROR_H_
