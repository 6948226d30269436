#ifndef XMMU_LIB_REPORT_RENDERERS_H_
#define XMMU_LIB_REPORT_RENDERERS_H_

// The renderers behind Render(), one a format. A format more is a row of
// XMMU_REPORT_FORMATS, a file that defines its renderer, and the name of that
// file in CMakeLists.txt.
//
// Any thread.

#include <string>

#include "xmmu/report/document.h"

namespace xmmu {

#define XMMU_DECLARE(id, name, renderer) \
  std::string renderer(const Document& document);
XMMU_REPORT_FORMATS(XMMU_DECLARE)
#undef XMMU_DECLARE

}  // namespace xmmu

#endif  // XMMU_LIB_REPORT_RENDERERS_H_
