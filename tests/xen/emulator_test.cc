// The emulator that goes on behind a store to a table: which instructions it
// performs, and what each look at one costs.

#include "xmmu/xen/emulator.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "xen/direct/pv_fixture.h"

namespace xmmu::emulator_test {
namespace {

constexpr VirtAddr kVa{0x400000};

class EmulatorTest : public ::testing::Test {
 protected:
  EmulatorTest() {
    guest_.Hook(guest_.Frame(9), kVa);
    EXPECT_EQ(guest_.Update(guest_.Frame(9), 0, Pte(guest_.Frame(20), kRw)),
              XenErrno::kOk);
  }

  static Instruction Load() { return {.va = kVa, .operand = {.size = 4}}; }
  static Instruction LoadOfNothing() {
    return {.va = kVa + kPageSize, .operand = {.size = 4}};
  }
  static Instruction Store() {
    return {.va = kVa,
            .operand = {.kind = OperandKind::kStore, .size = 4, .value = 5}};
  }

  // Which of `code` the emulator performs: 'x', or '-'. A store is one to a
  // table if `is_table`; it charges itself if `charges`.
  std::string Run(std::vector<Instruction> code, bool is_table = true,
                  bool charges = true) {
    VcpuContext& vcpu = guest_.vcpu();
    vcpu.following = code;
    const uint64_t before = guest_.clock().tally(CostEvent::kEmulate);
    const Access last{kVa, AccessKind::kWrite, /*user=*/true};
    EmulateFollowing(guest_.host, vcpu, last,
                     [&](const Access& access, MemoryOperand&) {
                       EXPECT_EQ(access.kind, AccessKind::kWrite);
                       EXPECT_EQ(access.va, kVa);
                       EXPECT_TRUE(access.user);
                       if (charges) {
                         guest_.clock().Charge(CostEvent::kEmulate);
                       }
                       return is_table;
                     });
    vcpu.following = {};
    looks_ = guest_.clock().tally(CostEvent::kEmulate) - before;
    std::string done;
    for (const Instruction& one : code) done += one.done ? 'x' : '-';
    return done;
  }

  PvGuest guest_;
  uint64_t looks_ = 0;  // what the last Run() was charged
};

TEST_F(EmulatorTest, BehindTheStoreThereIsAlwaysAnotherInstruction) {
  EXPECT_EQ(Run({}), "");
  EXPECT_EQ(looks_, 1u);
}

TEST_F(EmulatorTest, OneMoreStoreToATableIsTheEnd) {
  EXPECT_EQ(Run({Store(), Store()}), "x-");
  EXPECT_EQ(looks_, 1u);
  EXPECT_EQ(Run({Load(), Store(), Load()}), "xx-");
  EXPECT_EQ(looks_, 2u);
}

TEST_F(EmulatorTest, AStoreThatIsNotPerformedIsLookedAtOnceWhoeverCharges) {
  EXPECT_EQ(Run({Store(), Store()}, /*is_table=*/false, /*charges=*/false),
            "--");
  EXPECT_EQ(looks_, 1u);
  EXPECT_EQ(Run({Store(), Store()}, /*is_table=*/false, /*charges=*/true),
            "--");
  EXPECT_EQ(looks_, 1u);
}

TEST_F(EmulatorTest, ThereIsALookBehindThreeLoadsAndNoneBehindFour) {
  EXPECT_EQ(Run({Load(), Load(), Load()}), "xxx");
  EXPECT_EQ(looks_, 4u);
  EXPECT_EQ(Run({Load(), Load(), Load(), Load()}), "xxxx");
  EXPECT_EQ(looks_, 4u);
  EXPECT_EQ(Run({Load(), Load(), Load(), Load(), Store()}), "xxxx-");
  EXPECT_EQ(looks_, 4u);
  EXPECT_EQ(Run({Load(), Load(), Load(), Store()}), "xxxx");
  EXPECT_EQ(looks_, 4u);
}

TEST_F(EmulatorTest, ALoadThatFaultsIsTheGuestsOwn) {
  EXPECT_EQ(Run({Load(), LoadOfNothing(), Store()}), "x--");
  EXPECT_EQ(looks_, 2u);
}

}  // namespace
}  // namespace xmmu::emulator_test
