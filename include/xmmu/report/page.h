#ifndef XMMU_REPORT_PAGE_H_
#define XMMU_REPORT_PAGE_H_

// A document as one HTML file that needs nothing else: its tables, its charts,
// how to get the same again, and its JSON and CSV to save.
//
// The tables are HTML and need no JavaScript. Charts are drawn by Chart.js, which
// is a part of the file if xmmu was built where it is installed; if not, the page
// says so. A Content-Security-Policy (W3C, CSP Level 3) forbids the page whatever
// it does not bring along: it makes no request, and runs no script but these two,
// named by their SHA-256.
//
// Any thread. Rendering is deterministic and charges nothing.

#include <string>
#include <vector>

#include "xmmu/report/document.h"

namespace xmmu {

// `document` as a page with that title, in UTF-8; bytes that are no UTF-8 are
// shown as a terminal would show them, see lib/base/printable.h, and are U+FFFD in
// the files to save.
std::string RenderPage(const Document& document, const std::string& title);

// Whether pages have charts: Chart.js was there when xmmu was built.
bool PagesHaveCharts();

}  // namespace xmmu

#endif  // XMMU_REPORT_PAGE_H_
