// A packed trace of 100 million accesses is written and read back in memory that
// does not grow with it:
//
//   workload_packed_long DIRECTORY
//
// Exit status 1 and one line if it is not.

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "xmmu/workload/packed_trace.h"

namespace {

using xmmu::GuestOp;
using xmmu::GuestOpKind;

constexpr uint64_t kAccesses = 100'000'000;
constexpr size_t kPiece = 4096;
constexpr long kMostKib = 128 * 1024;  // of the whole process

// Loops over code of 64 KiB that walks an array, a list and a stack: the same
// in each run.
class Program {
 public:
  GuestOp Next() {
    const uint64_t i = count_++;
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    if (i % 3 != 2) {
      pc_ = i % 47 == 0 ? 0x400000 + (state_ >> 50) * 4 : pc_ + 4;
      return {
          .kind = GuestOpKind::kFetch, .va = xmmu::VirtAddr(pc_), .length = 4};
    }
    const uint64_t way = pc_ / 4 % 3;
    const uint64_t va = way == 0   ? 0x10000000 + i * 8 % (1 << 26)
                        : way == 1 ? 0x7FFF0000 - pc_ % 512
                                   : 0x20000000 + (state_ >> 40);
    return {.kind = way == 1 ? GuestOpKind::kStore : GuestOpKind::kLoad,
            .va = xmmu::VirtAddr(va),
            .length = 8};
  }

 private:
  uint64_t count_ = 0;
  uint64_t state_ = 1;
  uint64_t pc_ = 0x400000;
};

int Fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  return 1;
}

absl::Status Write(const std::string& path) {
  xmmu::PackedHead head;
  head.first_task = 1;
  auto writer = xmmu::PackedTraceWriter::Create(path, head);
  if (!writer.ok()) return writer.status();
  Program program;
  std::vector<GuestOp> piece(kPiece);
  for (uint64_t done = 0; done < kAccesses; done += piece.size()) {
    piece.resize(std::min<uint64_t>(kPiece, kAccesses - done));
    for (GuestOp& op : piece) op = program.Next();
    const absl::Status status = (*writer)->Append(1, piece);
    if (!status.ok()) return status;
  }
  const GuestOp exit = {.kind = GuestOpKind::kExit};
  const absl::Status status = (*writer)->Append(1, {&exit, 1});
  return status.ok() ? (*writer)->Finish({}) : status;
}

// Returns how many accesses come back as they were written.
uint64_t Compare(const std::string& path) {
  const auto trace = xmmu::OpenTrace({path}, {});
  if (!trace.ok()) return 0;
  Program program;
  for (uint64_t same = 0;;) {
    const auto ops = (*trace)->Next(1);
    if (!ops.ok()) return same;
    for (const GuestOp& op : *ops) {
      if (op.kind == GuestOpKind::kExit) return same;
      const GuestOp expected = program.Next();
      if (op.kind != expected.kind || op.va != expected.va ||
          op.length != expected.length) {
        return same;
      }
      ++same;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return Fail("want a directory to write to");
  const std::string path = std::string(argv[1]) + "/packed_long.xmmu";
  const absl::Status written = Write(path);
  if (!written.ok()) return Fail(std::string(written.message()));
  const uint64_t bytes = std::filesystem::file_size(path);
  const uint64_t same = Compare(path);
  std::filesystem::remove(path);
  if (same != kAccesses) {
    return Fail("only " + std::to_string(same) + " accesses came back");
  }
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  if (usage.ru_maxrss > kMostKib) {
    return Fail("took " + std::to_string(usage.ru_maxrss) + " KiB of memory");
  }
  std::printf("%llu accesses, %llu bytes, %ld KiB of memory\n",
              static_cast<unsigned long long>(same),
              static_cast<unsigned long long>(bytes), usage.ru_maxrss);
  return 0;
}
