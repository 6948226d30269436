// The columns of a block by themselves: what no checksum guards is decoded to
// what was encoded, or refused.

#include "workload/packed/op_decoder.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "workload/packed/op_check.h"
#include "workload/packed/op_encoder.h"

namespace xmmu::op_decoder_test {
namespace {

GuestOp Load(uint64_t va) {
  return {.kind = GuestOpKind::kLoad, .va = VirtAddr(va), .length = 8};
}

GuestOp Map(uint64_t va) {
  return {.kind = GuestOpKind::kMap,
          .rights = kMapRead | kMapWrite,
          .flags = kMapPopulate,
          .va = VirtAddr(va),
          .length = kPageSize,
          .file = 7,
          .file_offset = kPageSize};
}

ColumnBytes Encoded(const std::vector<GuestOp>& ops) {
  OpEncoder encoder;
  for (const GuestOp& op : ops) encoder.Add(op);
  return encoder.Finish();
}

struct Decoded {
  std::vector<GuestOp> ops;
  std::string wrong;
};

// Pieces have room for one run, so that each is written over the one before.
Decoded Decode(ColumnBytes columns) {
  OpDecoder decoder(std::move(columns));
  OpPiece piece;
  piece.ops.resize(kLongestRun);
  Decoded decoded;
  while (const size_t count = decoder.Read(&piece)) {
    decoded.ops.insert(decoded.ops.end(), piece.ops.begin(),
                       piece.ops.begin() + static_cast<std::ptrdiff_t>(count));
  }
  if (decoder.wrong() != nullptr) decoded.wrong = decoder.wrong();
  return decoded;
}

void ExpectSame(const std::vector<GuestOp>& read,
                const std::vector<GuestOp>& written) {
  ASSERT_EQ(read.size(), written.size());
  for (size_t i = 0; i < read.size(); ++i) {
    OpHash one;
    OpHash other;
    one.Add(read[i]);
    other.Add(written[i]);
    EXPECT_EQ(one.value(), other.value()) << i;
    EXPECT_EQ(WrongInOp(read[i]), nullptr) << i;
  }
}

// Differences of 1 to 10 bytes, up and down.
std::vector<GuestOp> FarApart() {
  std::vector<GuestOp> ops;
  for (int bits = 0; bits < 64; ++bits) {
    for (const uint64_t more : {0u, 1u, 5u}) {
      ops.push_back(Load((uint64_t{1} << bits) + more));
      ops.push_back(Load(0 - (uint64_t{3} << bits) - more));
    }
  }
  return ops;
}

TEST(OpDecoderTest, AddressesAsFarApartAsTheyCanBeComeBack) {
  const std::vector<GuestOp> ops = FarApart();
  const Decoded decoded = Decode(Encoded(ops));
  EXPECT_EQ(decoded.wrong, "");
  ExpectSame(decoded.ops, ops);
}

TEST(OpDecoderTest, AColumnOfAddressesThatIsCutAnywhereIsRefused) {
  const ColumnBytes whole = Encoded(FarApart());
  for (const Column column : {kNear, kOwn}) {
    ASSERT_FALSE(whole[column].empty());
    for (size_t bytes = 0; bytes < whole[column].size(); ++bytes) {
      ColumnBytes cut = whole;
      cut[column].resize(bytes);
      EXPECT_EQ(Decode(cut).wrong, "a column that ends too early") << bytes;
    }
  }
}

TEST(OpDecoderTest, AColumnOfAddressesThatGoesOnIsRefused) {
  for (const Column column : {kNear, kOwn}) {
    ColumnBytes longer = Encoded(FarApart());
    longer[column].push_back('\0');
    EXPECT_EQ(Decode(longer).wrong,
              "a column that goes on behind the last operation");
  }
}

TEST(OpDecoderTest, ANumberOfMoreThan64BitsIsRefused) {
  const std::vector<GuestOp> ops = {Load(uint64_t{1} << 63)};
  ColumnBytes columns = Encoded(ops);
  for (const Column column : {kNear, kOwn}) {
    std::string& bytes = columns[column];
    if (bytes.empty()) continue;
    bytes = std::string(9, '\xFF') + '\x01';
    EXPECT_EQ(Decode(columns).wrong, "");
    bytes.back() = '\x02';
    EXPECT_EQ(Decode(columns).wrong, "a column that ends too early");
    bytes = std::string(10, '\x80') + '\x01';
    EXPECT_EQ(Decode(columns).wrong, "a column that ends too early");
  }
}

TEST(OpDecoderTest, AWayThatThereIsNotIsRefusedAtOnce) {
  for (int way = 0; way < 256; ++way) {
    ColumnBytes columns = Encoded(FarApart());
    columns[kWays][9] = static_cast<char>(way);
    const Decoded decoded = Decode(columns);
    if (way > kByOwn) {
      EXPECT_EQ(decoded.wrong, "an address that nothing tells") << way;
    }
  }
}

TEST(OpDecoderTest, AccessesHaveNothingOfACallThatWasInTheirPlace) {
  std::vector<GuestOp> ops;
  for (uint64_t i = 0; i < 600; ++i) {
    ops.push_back(i % 256 < 9 ? Map(i << kPageShift) : Load(i * i));
  }
  const Decoded decoded = Decode(Encoded(ops));
  EXPECT_EQ(decoded.wrong, "");
  ExpectSame(decoded.ops, ops);
  for (const GuestOp& op : decoded.ops) {
    if (op.kind != GuestOpKind::kLoad) continue;
    EXPECT_EQ(op.rights | op.flags, 0);
    EXPECT_EQ(op.file + op.file_offset, 0);
  }
}

}  // namespace
}  // namespace xmmu::op_decoder_test
