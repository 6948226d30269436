#ifndef XMMU_LIB_REPORT_PAGE_EMBEDDED_H_
#define XMMU_LIB_REPORT_PAGE_EMBEDDED_H_

// Files that pages bring along, as they were when xmmu was built.
//
// Constants; any thread.

#include <cstddef>
#include <string_view>

namespace xmmu {

struct EmbeddedFile {
  const unsigned char* bytes = nullptr;  // null: there was no such file
  size_t size = 0;
  std::string_view sha256 = {};  // in hex digits

  bool there() const { return bytes != nullptr; }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(bytes), size};
  }
};

extern const EmbeddedFile kEmbeddedStyle;    // page.css
extern const EmbeddedFile kEmbeddedScript;   // page.js
extern const EmbeddedFile kEmbeddedChartJs;  // Chart.js; may be missing

}  // namespace xmmu

#endif  // XMMU_LIB_REPORT_PAGE_EMBEDDED_H_
