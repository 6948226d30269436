#include "xmmu/base/escape.h"

#include <cstddef>
#include <cstdint>

namespace xmmu {
namespace {

struct Character {
  uint32_t code = 0;
  size_t length = 0;  // in bytes; 0: no UTF-8
};

uint8_t ByteAt(std::string_view text, size_t at) {
  return at < text.size() ? static_cast<uint8_t>(text[at]) : 0;
}

// The character that `text` starts with. Overlong forms, surrogates and what
// is beyond U+10FFFF are no UTF-8.
Character Decode(std::string_view text) {
  const uint8_t lead = ByteAt(text, 0);
  if (lead < 0x80) return {lead, 1};
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4) return {};
  uint32_t code = lead & (0xffu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    const uint8_t byte = ByteAt(text, i);
    if ((byte & 0xc0) != 0x80) return {};
    code = code << 6 | (byte & 0x3fu);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[length] || code > 0x10ffff) return {};
  if (code >= 0xd800 && code <= 0xdfff) return {};
  return {code, length};
}

bool IsPrinted(uint32_t code) {
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return false;
  if (code == 0x61c || code == 0x200e || code == 0x200f) return false;
  if (code >= 0x2028 && code <= 0x202e) return false;
  return code < 0x2066 || code > 0x2069;
}

void AppendEscaped(uint8_t byte, std::string* out) {
  constexpr char kDigits[] = "0123456789abcdef";
  switch (byte) {
    case '\n':
      *out += "\\n";
      break;
    case '\t':
      *out += "\\t";
      break;
    case '\r':
      *out += "\\r";
      break;
    default:
      *out += "\\x";
      *out += kDigits[byte >> 4];
      *out += kDigits[byte & 15];
      break;
  }
}

}  // namespace

std::string EscapeForTerminal(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character next = Decode(text);
    const size_t length = next.length == 0 ? 1 : next.length;
    if (next.length != 0 && IsPrinted(next.code)) {
      out += text.substr(0, length);
    } else {
      for (size_t i = 0; i < length; ++i) AppendEscaped(ByteAt(text, i), &out);
    }
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace xmmu
