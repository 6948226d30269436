#ifndef XMMU_LIB_REPORT_PAGE_HTML_H_
#define XMMU_LIB_REPORT_PAGE_HTML_H_

// Pieces of HTML: text made fit for it, tables, and the words of a legend.
//
// Any thread.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "xmmu/report/document.h"
#include "xmmu/report/outline.h"
#include "xmmu/report/records.h"
#include "xmmu/report/text_table.h"

namespace xmmu {

// `text` as the text of an element or the value of a quoted attribute; each line
// made Printable().
std::string Html(std::string_view text);

// What a word of the report means, by the word.
using Meanings = std::map<std::string, std::string, std::less<>>;
Meanings MeaningsOf(const std::vector<TermGroup>& legend);

// `table` as an HTML table; `caption` may be empty. Words of its header and of
// its first columns that `meanings` knows have their meaning as a tooltip.
std::string HtmlTable(const TextTable& table, std::string_view caption,
                      const Meanings& meanings);

// `outline` as rows that unfold: each that has rows within it is open if its
// depth is less than `open`.
std::string HtmlOutline(const Outline& outline, std::string_view caption,
                        size_t open, const Meanings& meanings);

// The first `most` lines of a table of data, every column with what it means.
std::string HtmlData(const Table& table, size_t most);

// The words of a document and what they mean.
std::string HtmlLegend(const std::vector<TermGroup>& legend);

}  // namespace xmmu

#endif  // XMMU_LIB_REPORT_PAGE_HTML_H_
