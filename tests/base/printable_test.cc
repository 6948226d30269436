#include "base/printable.h"

#include <gtest/gtest.h>

namespace xmmu::printable_test {
namespace {

TEST(Printable, LetsTextOfAnyLanguageThrough) {
  EXPECT_EQ(Printable("a b~\\n"), "a b~\\n");
  EXPECT_EQ(Printable("m\u00e4schine \u65e5\u672c \U0001F600 \u00a0"),
            "m\u00e4schine \u65e5\u672c \U0001F600 \u00a0");
  EXPECT_EQ(Printable("\u2027\u202f\u2065\u206a\U0010FFFF"),
            "\u2027\u202f\u2065\u206a\U0010FFFF");
}

TEST(Printable, EscapesWhatATerminalObeys) {
  EXPECT_EQ(Printable("a\nb\tc\r"), "a\\nb\\tc\\r");
  EXPECT_EQ(Printable("\x1b[31m\x7f"), "\\x1b[31m\\x7f");
  EXPECT_EQ(Printable(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(Printable("\x1f \x20"), "\\x1f  ");
  EXPECT_EQ(Printable("\u0080\u009f"), "\\xc2\\x80\\xc2\\x9f");  // C1
  EXPECT_EQ(Printable("\u2028\u202e"), "\\xe2\\x80\\xa8\\xe2\\x80\\xae");
  EXPECT_EQ(Printable("\u2066\u2069"), "\\xe2\\x81\\xa6\\xe2\\x81\\xa9");
}

TEST(Printable, EscapesWhatIsNoUtf8) {
  EXPECT_EQ(Printable("s\xffh"), "s\\xffh");
  EXPECT_EQ(Printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(Printable("\xc3"), "\\xc3");                    // cut off
  EXPECT_EQ(Printable("\xc3("), "\\xc3(");                  // no continuation
  EXPECT_EQ(Printable("\xc1\x81"), "\\xc1\\x81");           // overlong
  EXPECT_EQ(Printable("\xe0\x80\x80"), "\\xe0\\x80\\x80");  // overlong
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(Printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
}

TEST(Printable, KeepsTheLinesOfAText) {
  EXPECT_EQ(PrintableLines("a\n\tb\x1b\n"), "a\n\\tb\\x1b\n");
  EXPECT_EQ(PrintableLines(""), "");
}

}  // namespace
}  // namespace xmmu::printable_test
