#ifndef XMMU_LIB_REPORT_PARSED_JSON_H_
#define XMMU_LIB_REPORT_PARSED_JSON_H_

// JSON that somebody else has written, as records.
//
// Any thread.

#include <string_view>

#include "absl/status/statusor.h"
#include "xmmu/report/records.h"

namespace xmmu {

// What `text` says: an object as a Record, a list of objects as a list of
// records, any other list as cells, null as std::monostate. Numbers without a
// point or an exponent that fit are whole ones. In a list of both, and in a list
// of lists, what is no cell is left out.
// Errors: InvalidArgument "NAME:LINE: what is wrong" for what is no JSON, a key
// that is there twice, and more than 32 objects in each other.
absl::StatusOr<Value> ParseJson(std::string_view name, std::string_view text);

}  // namespace xmmu

#endif  // XMMU_LIB_REPORT_PARSED_JSON_H_
