// Traces of other recorders in replays: under every strategy their programs see
// the same world.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "workload/drmemtrace/trace_builder.h"
#include "xmmu/policy/policies.h"
#include "xmmu/sim/compare.h"

namespace xmmu::recorded_formats_test {
namespace {

class RecordedFormatsTest : public DrmemtraceTest {
 protected:
  // Replays the files under every strategy that can run them, in both guests.
  static void ExpectOneWorld(const std::vector<std::string>& files) {
    for (const PagingMode mode : {PagingMode::k4Level, PagingMode::kPae}) {
      ComparisonOptions options;
      options.base.mode = mode;
      options.base.machine = "skylake-2017";
      options.base.guest_memory_bytes = uint64_t{128} << 20;
      for (const PolicyEntry& policy : Policies()) {
        options.policies.push_back({std::string(policy.name), {}});
      }
      options.leave_out_unsupported = true;
      const uint64_t limit = mode == PagingMode::kPae ? 0xc0000000 : 0;
      const auto comparison =
          Compare(options,
                  [&](const SimulatorOptions&)
                      -> absl::StatusOr<std::unique_ptr<Workload>> {
                    return OpenTrace(files, {.address_limit = limit});
                  });
      ASSERT_TRUE(comparison.ok()) << comparison.status();
      EXPECT_GT(comparison->rows.size(), 2u);
      for (const auto& row : comparison->rows) {
        EXPECT_EQ(row.guest_digest, comparison->rows[0].guest_digest);
      }
    }
  }
};

TEST_F(RecordedFormatsTest, DrmemtraceWithThreadsForksAndCalls) {
  constexpr uint64_t kHeap = 0x7f0000000000;
  TraceBytes main;
  main.Head(6, 7, 7).Time(10).Fetch(0x401000).Write(0x7ffd00001000);
  main.Call(9, {0, 0x40000, 3, 0x22, ~uint64_t{0}, 0}, kHeap);
  for (uint64_t i = 0; i < 64; ++i) {
    main.Fetch(0x401000 + 4 * i).Read(kHeap + 0x1000 * i);
    main.Write(kHeap + 0x1000 * i);
  }
  main.Call(57, {0}, 8).Time(20).Fetch(0x401100).Write(kHeap);
  main.Call(10, {kHeap, 0x8000, 1}, 0).Fetch(0x401104).Read(kHeap);
  main.Call(61, {8, 0, 0, 0}, 8).Time(50).Fetch(0x401108);
  main.Call(11, {kHeap, 0x40000}, 0).Fetch(0x40110c).Tail(7);
  TraceBytes thread;
  thread.Head(6, 9, 7).Time(30);
  for (uint64_t i = 0; i < 32; ++i) {
    thread.Fetch(0x402000 + i).Write(0x7e0000000000 + 0x1000 * i);
  }
  thread.Tail(9);
  TraceBytes child;
  child.Head(6, 8, 8).Time(40);
  for (uint64_t i = 0; i < 64; ++i) {
    child.Fetch(0x403000 + i).Write(kHeap + 0x1000 * i);
  }
  child.Tail(8);
  ExpectOneWorld({File("d7/trace/a", main.bytes()),
                  File("d7/trace/b", thread.bytes()),
                  File("d8/trace/a", child.bytes())});
}

TEST_F(RecordedFormatsTest, ChampsimWithSeveralFiles) {
  const auto program = [](uint64_t code, uint64_t data) {
    std::string trace;
    for (uint64_t i = 0; i < 500; ++i) {
      std::string record(64, '\0');
      const auto put = [&record](size_t at, uint64_t value) {
        for (size_t b = 0; b < 8; ++b) {
          record[at + b] = static_cast<char>(value >> (8 * b) & 0xff);
        }
      };
      put(0, code + 3 * i);
      put(16, i % 3 == 0 ? data + 0x740 * i : 0);
      put(40, i % 2 == 0 ? data + 0x38 * i : 0);
      trace += record;
    }
    return trace;
  };
  ExpectOneWorld({File("one", program(0x401000, 0x7f0000000000)),
                  File("two", program(0x501000, 0x602000))});
}

}  // namespace
}  // namespace xmmu::recorded_formats_test
