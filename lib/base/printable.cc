#include "base/printable.h"

#include <cstddef>
#include <cstdint>

namespace xmmu {
namespace {

// Returns the bytes of the character that `text` begins with, or 0 if it is not
// valid UTF-8 (Unicode 15, table 3-7). Sets `code` to its code point.
size_t LengthOfCharacter(std::string_view text, uint32_t& code) {
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<unsigned char>(text[i]));
  };
  code = byte(0);
  if (code < 0x80) return 1;
  const size_t length = code >= 0xF0 ? 4 : code >= 0xE0 ? 3 : 2;
  if (code < 0xC2 || code > 0xF4 || text.size() < length) return 0;
  code &= 0x7Fu >> length;
  for (size_t i = 1; i < length; ++i) {
    if (byte(i) >> 6 != 2) return 0;
    code = code << 6 | (byte(i) & 0x3F);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  // Overlong forms and surrogates are refused as table 3-7 demands.
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return code < kLeast[length] || code > 0x10FFFF || surrogate ? 0 : length;
}

// Whether a terminal may obey the character instead of showing it: Unicode's
// categories Cc, Zl and Zp, and the characters with Bidi_Control.
bool IsObeyed(uint32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x61C ||
         code == 0x200E || code == 0x200F ||
         (code >= 0x2028 && code < 0x202F) ||
         (code >= 0x2066 && code <= 0x2069);
}

// Appends each byte as C writes it in a string: \n, \r, \t or \xHH.
void AppendEscaped(std::string_view bytes, std::string& text) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (const char c : bytes) {
    switch (c) {
      case '\n':
        text += "\\n";
        break;
      case '\r':
        text += "\\r";
        break;
      case '\t':
        text += "\\t";
        break;
      default: {
        const auto byte = static_cast<unsigned char>(c);
        text += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
      }
    }
  }
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    uint32_t code = 0;
    const size_t length = LengthOfCharacter(text, code);
    const std::string_view bytes = text.substr(0, length == 0 ? 1 : length);
    if (length == 0 || IsObeyed(code)) {
      AppendEscaped(bytes, result);
    } else {
      result += bytes;
    }
    text.remove_prefix(bytes.size());
  }
  return result;
}

std::string PrintableLines(std::string_view text) {
  std::string result;
  while (true) {
    const size_t end = text.find('\n');
    result += Printable(text.substr(0, end));
    if (end == std::string_view::npos) return result;
    result += '\n';
    text.remove_prefix(end + 1);
  }
}

}  // namespace xmmu
