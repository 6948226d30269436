#ifndef XMMU_BASE_ESCAPE_H_
#define XMMU_BASE_ESCAPE_H_

// Text of somebody else's making, as a file's name, made fit for one line on a
// terminal.

#include <string>
#include <string_view>

namespace xmmu {

// `text` with everything escaped that ends the line, steers a terminal or
// changes the order of what is shown: the C0 and C1 control characters, DEL,
// line and paragraph separators, marks of direction (Unicode 15, 23.2), and
// bytes that are no UTF-8 (Unicode 15, table 3-7). "\n", "\t" and "\r" are
// written so, the other bytes "\xHH". Other characters stay as they are, the
// backslash, too: the result is for reading, not for reading back.
std::string EscapeForTerminal(std::string_view text);

}  // namespace xmmu

#endif  // XMMU_BASE_ESCAPE_H_
