#include "workload/packed/layout.h"

#include <array>

namespace xmmu {

static_assert(kPackedKinds.size() == size_t(GuestOpKind::kAwait) + 1,
              "every kind of operation has a number in the file");

namespace {

constexpr std::array<uint8_t, kPackedKinds.size()> NumbersByKind() {
  std::array<uint8_t, kPackedKinds.size()> numbers{};
  for (size_t i = 0; i < kPackedKinds.size(); ++i) {
    numbers[static_cast<size_t>(kPackedKinds[i])] = static_cast<uint8_t>(i);
  }
  return numbers;
}
constexpr std::array<uint8_t, kPackedKinds.size()> kNumbers = NumbersByKind();

}  // namespace

uint8_t PackedNumberOf(GuestOpKind kind) {
  return kNumbers[static_cast<size_t>(kind)];
}

void PutFixed32(std::string* out, uint32_t value) {
  const char bytes[] = {static_cast<char>(value), static_cast<char>(value >> 8),
                        static_cast<char>(value >> 16),
                        static_cast<char>(value >> 24)};
  out->append(bytes, sizeof(bytes));
}

void PutFixed64(std::string* out, uint64_t value) {
  PutFixed32(out, static_cast<uint32_t>(value));
  PutFixed32(out, static_cast<uint32_t>(value >> 32));
}

uint32_t Fixed32(const char* at) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) {
    value = value << 8 | static_cast<uint8_t>(at[i]);
  }
  return value;
}

uint64_t Fixed64(const char* at) {
  return Fixed32(at) | uint64_t{Fixed32(at + 4)} << 32;
}

void PutVarint(std::string* out, uint64_t value) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

void PutText(std::string* out, absl::string_view text) {
  PutVarint(out, text.size());
  out->append(text.data(), text.size());
}

uint64_t ByteCursor::LongVarint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const uint64_t byte = Byte();
    value |= (byte & 0x7F) << shift;
    // Of the tenth byte there is room for one bit.
    if (shift == 63 && byte > 1) return Fail();
    if (byte < 0x80) return value;
  }
  return Fail();
}

uint64_t UnevenCursor::LongVarint() {
  ByteCursor cursor({at_, static_cast<size_t>(end_ - at_)});
  const uint64_t value = cursor.Varint();
  at_ = cursor.failed() ? end_ + 1 : cursor.at();
  return value;
}

uint32_t ByteCursor::Varint32() {
  const uint64_t value = Varint();
  if (value >> 32 != 0) return Fail();
  return static_cast<uint32_t>(value);
}

uint64_t ByteCursor::Number64() {
  const absl::string_view bytes = Text(8);
  return bytes.size() == 8 ? Fixed64(bytes.data()) : 0;
}

absl::string_view ByteCursor::Text(uint64_t bytes) {
  if (bytes > left()) {
    Fail();
    return {};
  }
  const absl::string_view text(at_, static_cast<size_t>(bytes));
  at_ += bytes;
  return text;
}

void OpHash::Add(const GuestOp& op) {
  const auto field = [](auto value, int shift) {
    return static_cast<uint64_t>(value) << shift;
  };
  Word(field(PackedNumberOf(op.kind) + 1, 0) | field(op.rights, 8) |
       field(op.backing, 16) | field(op.flags, 24) | field(op.page_shift, 32) |
       field(op.advice, 40));
  Word(op.va.value());
  Word(op.length);
  if (IsAccess(op.kind)) return;
  Word(op.target.value());
  Word(op.new_length);
  Word(field(op.child, 0) | field(op.file, 32));
  Word(op.file_offset);
}

}  // namespace xmmu
