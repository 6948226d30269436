// Calls of a TestGuest at random, sensible ones and others: what a test can do
// wrong fails the test and never ends its binary. Seeds are printed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>
#include <vector>

#include "testing/failures.h"
#include "xmmu/policy/policies.h"
#include "xmmu/testing/test_guest.h"

namespace xmmu::testing {
namespace {

using ::testing::Le;
using ::testing::SizeIs;

constexpr uint64_t kSeeds = 200;

class Caller {
 public:
  Caller(TestGuest& guest, uint64_t seed) : guest_(guest), random_(seed) {}

  void Call() {
    switch (Below(13)) {
      case 0:
      case 1:
      case 2:
        // This maps more pages than usual.
        mapped_.push_back(guest_.Map(4 + Pages(), AnyBacking()));
        break;
      case 3:
        if (Below(4) == 0) guest_.Unmap(Page(), Pages());
        break;
      case 4:
        // Seldom so that it cannot be written to.
        guest_.Protect(Page(), Pages(),
                       static_cast<uint8_t>(Below(8) == 0 ? Below(8) : 7));
        break;
      case 5:
        guest_.Read(Page() + Below(20), Pages());
        break;
      case 6:
        guest_.Write(Page(), Pages());
        break;
      case 7:
        tasks_.push_back(guest_.Fork());
        break;
      case 8:
        if (Below(4) == 0) guest_.Switch(tasks_[Below(tasks_.size())]);
        break;
      case 9:
        if (Below(6) == 0) tasks_.push_back(guest_.Start());
        break;
      case 10:
        if (Below(20) == 0) guest_.Exit();
        break;
      case 11:
        guest_.MakeCold();
        break;
      case 12:
        guest_.Perform(AnyOp());
        break;
    }
  }

 private:
  uint64_t Below(uint64_t end) { return random_() % end; }
  // Few, and seldom none or far too many.
  uint64_t Pages() {
    const uint64_t kind = Below(40);
    if (kind == 0) return Below(8) == 0 ? uint64_t{1} << Below(64) : 0;
    return 1 + Below(kind == 1 ? 2000 : 3);
  }
  // Of a mapping mostly, else anywhere.
  VirtAddr Page() {
    if (Below(100) == 0) {
      return VirtAddr(~uint64_t{0} >> Below(64) << Below(64));
    }
    return mapped_[Below(mapped_.size())] + Below(2) * kPageSize;
  }
  Backing AnyBacking() { return static_cast<Backing>(Below(5)); }
  GuestOp AnyOp() {
    GuestOp op{.kind = static_cast<GuestOpKind>(
                   Below(static_cast<uint64_t>(GuestOpKind::kAwait) + 1)),
               .va = Page()};
    switch (op.kind) {
      case GuestOpKind::kMap:
        op.rights = static_cast<uint8_t>(Below(8));
        op.backing = AnyBacking();
        op.file = static_cast<uint32_t>(Below(3));
        op.file_offset = Below(8) * kPageSize;
        break;
      case GuestOpKind::kProtect:
        op.rights = static_cast<uint8_t>(Below(8));
        break;
      case GuestOpKind::kRemap:
        // The target is a place with nothing mapped, or the same one.
        op.target = Below(2) == 0 ? op.va : VirtAddr(0x8000000 - kPageSize);
        op.new_length = Pages() * kPageSize;
        break;
      case GuestOpKind::kFork:
      case GuestOpKind::kVfork:
      case GuestOpKind::kWait:
      case GuestOpKind::kAwait:
        op.child = static_cast<TaskId>(Below(10));
        break;
      default:
        break;
    }
    op.length = op.kind <= GuestOpKind::kModify ? Below(64)
                : op.kind == GuestOpKind::kExec ? Below(3) * kPageSize
                                                : Pages() * kPageSize;
    return op;
  }

  TestGuest& guest_;
  std::mt19937_64 random_;
  std::vector<VirtAddr> mapped_ = {guest_.Map(5)};
  std::vector<TaskId> tasks_ = {1};
};

// How many calls went well, of up to `calls`.
int CallsThatGoWell(const SimulatorOptions& options, uint64_t seed, int calls) {
  int done = 0;
  const auto failures = FailuresOf([&] {
    TestGuest guest(options);
    Caller caller(guest, seed);
    for (; done < calls && guest.ok(); ++done) caller.Call();
    EXPECT_TRUE(!guest.ok() || guest.simulator().policy().Audit().ok());
  });
  EXPECT_THAT(failures, SizeIs(Le(1u)));
  return done;
}

TEST(AnyCallsTest, EachSequenceEndsWithAtMostOneFailure) {
  constexpr std::array kModes = {PagingMode::k2Level, PagingMode::kPae,
                                 PagingMode::k4Level};
  const auto policies = Policies();
  int done = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const SimulatorOptions options = {
        .mode = kModes[seed % kModes.size()],
        .vcpus = seed % 7 == 0 ? 2 : 1,
        .guest_memory_bytes = uint64_t{32} << 20,
        .policy = std::string(policies[seed % policies.size()].name)};
    if (!Simulator::Create(options).ok()) continue;
    SCOPED_TRACE(::testing::Message()
                 << "seed " << seed << ", " << options.policy << ", "
                 << PagingModeName(options.mode));
    done += CallsThatGoWell(options, seed, 40);
  }
  // Most calls are sensible.
  EXPECT_GT(done, static_cast<int>(4 * kSeeds));
}

}  // namespace
}  // namespace xmmu::testing
