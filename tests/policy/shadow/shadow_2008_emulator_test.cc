// The emulator of shadow-2008 goes on behind a store to a PAE table, and
// charges for it what that of trap-and-emulate-next does: see
// trap_and_emulate_next_test.cc.

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "policy/shadow/shadow_world.h"
#include "xmmu/policy/shadow_options.h"

namespace xmmu::shadow_2008_emulator_test {
namespace {

constexpr PagingMode kPae = PagingMode::kPae;

// What a store to a PAE table takes of kEmulate with `loads` loads behind it
// and then, if `store`, another store to the table.
uint64_t Looks(int loads, bool store) {
  ShadowWorld world(kPae, 1, [](Host& on) { return MakeShadow2008(on, {}); });
  world.user = false;
  EXPECT_EQ(world.Start(), absl::OkStatus());
  // An upper table, shadowed from here on: never opened, always emulated.
  EXPECT_TRUE(world.Load(kBase));
  const MachineAddr slot = world.SlotFor(kBase, 2);
  const VirtAddr va = world.Aside(slot);
  EXPECT_TRUE(world.Load(va));
  const uint64_t value = world.Peek(slot);
  const auto to_table = [&](uint64_t half) {
    return Instruction{.va = va + 4 * half,
                       .operand = {.kind = OperandKind::kStore,
                                   .size = 4,
                                   .value = value >> (32 * half) & 0xffffffff}};
  };
  const Instruction load{.va = va, .operand = {.size = 4}};
  std::vector<Instruction> code(static_cast<size_t>(loads), load);
  if (store) code.push_back(to_table(0));
  world.vcpu().following = code;
  const uint64_t before = world.cpu().clock.tally(CostEvent::kEmulate);
  Instruction first = to_table(1);
  EXPECT_TRUE(world.Execute(first.va, first.operand));
  return world.cpu().clock.tally(CostEvent::kEmulate) - before;
}

TEST(Shadow2008EmulatorTest, EachOfUpToFourInstructionsMoreIsOneLook) {
  for (int loads = 0; loads <= 5; ++loads) {
    for (const bool store : {false, true}) {
      EXPECT_EQ(Looks(loads, store),
                1u + static_cast<uint64_t>(std::min(loads + 1, 4)))
          << loads << " loads, " << store;
    }
  }
}

}  // namespace
}  // namespace xmmu::shadow_2008_emulator_test
