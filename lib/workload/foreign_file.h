#ifndef XMMU_LIB_WORKLOAD_FOREIGN_FILE_H_
#define XMMU_LIB_WORKLOAD_FOREIGN_FILE_H_

// Tells files that people take for traces, and that are something else, by
// their first bytes.

#include <string>

#include "workload/trace_format.h"

namespace xmmu {

// Says what the file is: "is a perf.data, expected what perf script prints of
// it". Empty if it is nothing that is known. No trace of a known format begins
// like one of these.
std::string ForeignFile(const TraceSample& sample);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_FOREIGN_FILE_H_
