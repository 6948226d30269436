// libFuzzer target: the packed trace. The first byte says what the others are:
// a file; the columns of a block, behind all checksums; a tail; or operations,
// which have to come back as they were. Stops where an operation that cannot be
// is believed, or another one comes back.
//
//   cmake --preset fuzz && cmake --build --preset fuzz
//   build/fuzz/tests/fuzz/packed_fuzz NEW_DIR tests/fuzz/corpus_packed

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "workload/packed/directory.h"
#include "workload/packed/op_check.h"
#include "workload/packed/op_decoder.h"
#include "workload/packed/op_encoder.h"
#include "workload/packed/packed_support.h"

namespace {

using xmmu::GuestOp;

void Require(bool holds) {
  if (!holds) std::abort();
}

// Reads a block to its end or to what is wrong with it.
std::vector<GuestOp> Decode(xmmu::ColumnBytes columns, bool* whole) {
  xmmu::OpDecoder decoder(std::move(columns));
  std::vector<GuestOp> all;
  xmmu::OpPiece piece;
  piece.ops.resize(2 * xmmu::kLongestRun);
  while (all.size() < xmmu::kMostBlockOps) {
    const size_t count = decoder.Read(&piece);
    all.insert(all.end(), piece.ops.begin(),
               piece.ops.begin() + static_cast<std::ptrdiff_t>(count));
    if (count == 0) break;
  }
  *whole = decoder.wrong() == nullptr && all.size() < xmmu::kMostBlockOps;
  return all;
}

void RequireSame(const std::vector<GuestOp>& ops) {
  xmmu::OpEncoder encoder;
  for (const GuestOp& op : ops) encoder.Add(op);
  bool whole = false;
  const std::vector<GuestOp> again = Decode(encoder.Finish(), &whole);
  Require(whole && again.size() == ops.size());
  for (size_t i = 0; i < ops.size(); ++i) {
    Require(FieldsOf(ops[i]) == FieldsOf(again[i]));
  }
}

void TryFile(const std::string& bytes) {
  const std::string path =
      (std::filesystem::temp_directory_path() /
       ("packed-fuzz-" + std::to_string(getpid()) + ".xmmu"))
          .string();
  std::ofstream(path, std::ios::binary) << bytes;
  const auto trace = xmmu::OpenTrace({path}, {});
  if (trace.ok()) (void)xmmu::AllStreams(**trace);
  std::filesystem::remove(path);
}

// Each column is the bytes up to the next 0xFF 0xFF.
void TryColumns(const std::string& bytes) {
  xmmu::ColumnBytes columns;
  size_t at = 0;
  for (std::string& column : columns) {
    const size_t end = std::min(bytes.find("\xFF\xFF", at), bytes.size());
    column = bytes.substr(std::min(at, bytes.size()), end - at);
    at = std::min(end + 2, bytes.size());
  }
  bool whole = false;
  const std::vector<GuestOp> ops = Decode(std::move(columns), &whole);
  for (const GuestOp& op : ops) Require(xmmu::WrongInOp(op) == nullptr);
  if (whole) RequireSame(ops);
}

void TryTail(const std::string& bytes) {
  const auto directory = xmmu::ParseDirectory(bytes, 1u << 20);
  if (!directory.has_value()) return;
  Require(xmmu::ParseDirectory(BytesOf(*directory), 1u << 20).has_value());
}

// Four bytes an operation; addresses of a few places, so that runs come again.
void TryOps(const std::string& bytes) {
  std::vector<GuestOp> ops;
  for (size_t at = 0; at + 4 <= bytes.size(); at += 4) {
    const auto byte = [&](size_t i) {
      return static_cast<uint8_t>(bytes[at + i]);
    };
    GuestOp op;
    op.kind = xmmu::kPackedKinds[byte(0) % xmmu::kPackedKinds.size()];
    const uint32_t fields = xmmu::FieldsOf(op.kind);
    if ((fields & xmmu::kHasRange) != 0) {
      op.va = xmmu::VirtAddr((uint64_t{byte(1)} << (byte(2) % 64)) + byte(3));
      op.length = 1 + byte(3) % 70;
    }
    if ((fields & xmmu::kHasRights) != 0) op.rights = byte(1) % 8;
    if ((fields & xmmu::kHasChild) != 0) op.child = byte(2);
    if ((fields & xmmu::kHasFile) != 0) op.file = uint32_t{byte(2)} << 20;
    if (xmmu::WrongInOp(op) == nullptr) ops.push_back(op);
  }
  RequireSame(ops);
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string bytes(data + 1, data + size);
  switch (data[0] % 4) {
    case 0:
      TryFile(bytes);
      break;
    case 1:
      TryColumns(bytes);
      break;
    case 2:
      TryTail(bytes);
      break;
    default:
      TryOps(bytes);
      break;
  }
  return 0;
}
