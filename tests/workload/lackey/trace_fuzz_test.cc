// Damaged logs: whatever is in them, the reader returns operations or one line,
// and its operations are ones that a kernel can accept.

#include <random>

#include "workload/lackey/trace_support.h"

namespace xmmu::trace_fuzz_test {
namespace {

class TraceFuzzTest : public TraceTest {
 protected:
  // Nothing wraps, every access lies in what is mapped, and kExit is the last.
  static void CheckStream(const std::vector<GuestOp>& ops) {
    ASSERT_FALSE(ops.empty());
    for (const GuestOp& op : ops) {
      ASSERT_LE(op.va.value(), uint64_t{1} << 47);
      ASSERT_LE(op.length, (uint64_t{1} << 47) - op.va.value());
      ASSERT_EQ(op.kind == GuestOpKind::kExit, &op == &ops.back());
    }
  }

  static std::string Mutate(std::string text, std::mt19937& random) {
    const char kBytes[] = "0123456789abcdef,() \n=-I LSM[]x>";
    const auto below = [&](size_t n) { return random() % n; };
    for (size_t changes = 1 + below(4); changes > 0; --changes) {
      if (text.empty()) break;
      const size_t at = below(text.size());
      switch (below(5)) {
        case 0:
          text[at] = kBytes[below(sizeof kBytes - 1)];
          break;
        case 1:
          text.erase(at, 1 + below(8));
          break;
        case 2:
          text.insert(at, 1, kBytes[below(sizeof kBytes - 1)]);
          break;
        case 3:
          text[at] = static_cast<char>(below(256));
          break;
        default:
          text.insert(at, text.substr(below(text.size()), below(200)));
          break;
      }
    }
    return text;
  }
};

TEST_F(TraceFuzzTest, ADamagedLogIsReadOrRefusedInOneLine) {
  constexpr int kRounds = 1500;
  constexpr unsigned kSeed = 20240611;
  RecordProperty("seed", kSeed);
  std::mt19937 random(kSeed);
  const std::string parent =
      Head(7) + "I  0401ab70,3\n S 1fff000d28,8\n" +
      Call(7, 12, "sys_brk ( 0x0 ) --> [pre-success] Success(0x4035000) ") +
      Call(7, 12,
           "sys_brk ( 0x4056000 ) --> [pre-success] Success(0x4056000) ") +
      Call(7, 257,
           "sys_openat ( 1, 0x4(/lib/c.so), 524288 ) --> [async] ... ") +
      Call(7, 257, "... [async] --> Success(0x5) ") +
      Call(7, 9,
           "sys_mmap ( 0x0, 8192, 3, 34, 4294967295, 0 ) --> [pre-success] "
           "Success(0x4835000) ") +
      Call(7, 25,
           "sys_mremap ( 0x4835000, 8192, 16384, 0x1 ) --> [pre-success] "
           "Success(0x5835000) ") +
      Call(7, 10,
           "sys_mprotect ( 0x5835000, 4096, 1 )[sync] --> Success(0x0) ") +
      Call(7, 11, "sys_munmap ( 0x5836000, 4096 )[sync] --> Success(0x0) ") +
      Call(7, 56,
           "sys_clone ( 1200011, 0x0 )   clone(fork): process 7 created "
           "child 8") +
      " --> [pre-success] Success(0x8) \n" +
      Call(7, 61, "sys_wait4 ( -1, 0x0, 0, 0x0 ) --> [async] ... ") +
      Call(7, 61, "... [async] --> Success(0x8) ") + Tail(7);
  const std::string child = ForkedHead(8, 7) + " L 05835000,8\n" +
                            Call(8, 59, "sys_execve ( 0x1(/x), 0x2, 0x3 )") +
                            Head(8, 7, "/x") + " M 00400000,8\n" + Tail(8);
  int refused = 0;
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(absl::StrCat("seed ", kSeed, " round ", round));
    const TraceOptions options{.address_limit =
                                   round % 2 == 0 ? 0u : 0xC0000000u};
    const std::vector<std::string> files = {Write("p", Mutate(parent, random)),
                                            Write("c", Mutate(child, random))};
    const auto streams = ReadAll(files, options);
    if (streams.ok()) {
      for (const auto& [task, ops] : *streams) CheckStream(ops);
    } else {
      ++refused;
      const std::string error(streams.status().message());
      EXPECT_EQ(error.find('\n'), std::string::npos);
      EXPECT_TRUE(error.rfind(files[0] + ":", 0) == 0 ||
                  error.rfind(files[1] + ":", 0) == 0)
          << error;
    }
    if (HasFailure()) return;
  }
  // Most damage shows; damage to a number need not.
  EXPECT_GT(refused, kRounds / 3);
  EXPECT_LT(refused, kRounds);
}

}  // namespace
}  // namespace xmmu::trace_fuzz_test
