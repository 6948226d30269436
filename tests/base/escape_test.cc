#include "xmmu/base/escape.h"

#include "gtest/gtest.h"

namespace xmmu::escape_test {
namespace {

TEST(EscapeTest, PrintableTextStaysAsItIs) {
  for (const char* text :
       {"", "a b\\c'\"", "n\xc3\xa4m", "\xc2\xa0", "\xe2\x82\xac",
        "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(EscapeForTerminal(text), text);
  }
}

TEST(EscapeTest, ControlCharactersAreEscaped) {
  EXPECT_EQ(EscapeForTerminal("a\nb\tc\rd"), "a\\nb\\tc\\rd");
  EXPECT_EQ(EscapeForTerminal("\x1b[31m\x7f\x1f "), "\\x1b[31m\\x7f\\x1f ");
  EXPECT_EQ(EscapeForTerminal(std::string_view("\0", 1)), "\\x00");
  // C1, as CSI, in UTF-8: U+0080 to U+009F.
  EXPECT_EQ(EscapeForTerminal("\xc2\x80\xc2\x9f"), "\\xc2\\x80\\xc2\\x9f");
}

TEST(EscapeTest, WhatChangesTheOrderOrTheLineIsEscaped) {
  EXPECT_EQ(EscapeForTerminal("\xe2\x80\xa8"), "\\xe2\\x80\\xa8");  // U+2028
  EXPECT_EQ(EscapeForTerminal("\xe2\x80\xae"), "\\xe2\\x80\\xae");  // U+202E
  EXPECT_EQ(EscapeForTerminal("\xe2\x81\xa6"), "\\xe2\\x81\\xa6");  // U+2066
  EXPECT_EQ(EscapeForTerminal("\xe2\x80\xa7\xe2\x80\xaf"),
            "\xe2\x80\xa7\xe2\x80\xaf");  // U+2027, U+202F
}

TEST(EscapeTest, BytesThatAreNoUtf8AreEscaped) {
  EXPECT_EQ(EscapeForTerminal("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(EscapeForTerminal("a\xc3"), "a\\xc3");
  EXPECT_EQ(EscapeForTerminal("\xc3(\xc3\xa4"), "\\xc3(\xc3\xa4");
  EXPECT_EQ(EscapeForTerminal("\xc0\xaf"), "\\xc0\\xaf");           // overlong
  EXPECT_EQ(EscapeForTerminal("\xe0\x80\x8a"), "\\xe0\\x80\\x8a");  // overlong
  EXPECT_EQ(EscapeForTerminal("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // surrogate
  EXPECT_EQ(EscapeForTerminal("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
}

}  // namespace
}  // namespace xmmu::escape_test
