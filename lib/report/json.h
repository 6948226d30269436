#ifndef XMMU_LIB_REPORT_JSON_H_
#define XMMU_LIB_REPORT_JSON_H_

// Records as JSON, for what is no document.
//
// Any thread.

#include <string>

#include "xmmu/report/records.h"

namespace xmmu {

// `value` as JSON without blanks or line feeds; bytes that are no UTF-8 become
// U+FFFD.
std::string JsonText(const Value& value);

}  // namespace xmmu

#endif  // XMMU_LIB_REPORT_JSON_H_
