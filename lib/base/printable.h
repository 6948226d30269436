#ifndef XMMU_LIB_BASE_PRINTABLE_H_
#define XMMU_LIB_BASE_PRINTABLE_H_

// Text that others have written, made fit for a terminal.
//
// Charges nothing. Any thread.

#include <string>
#include <string_view>

namespace xmmu {

// `text` as one line without anything that a terminal obeys: bytes that are no
// UTF-8 (Unicode 15, table 3-7), control characters (of ASCII and C1), line and
// paragraph separators and what changes the direction of writing (Unicode 15,
// 23.2) become \n, \t, \r or \xHH a byte. Anything else, a backslash too, stays
// as it is: the result is for reading, not for reading back.
std::string Printable(std::string_view text);

// Makes each line of `text` printable as Printable() does; line feeds stay.
std::string PrintableLines(std::string_view text);

}  // namespace xmmu

#endif  // XMMU_LIB_BASE_PRINTABLE_H_
