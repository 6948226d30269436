// What staying in the emulator saves, and what it wastes.

#include <algorithm>
#include <string>
#include <vector>

#include "policy/policy_world.h"

namespace xmmu::trap_and_emulate_next_test {
namespace {

constexpr uint64_t kReadOnly = pte::kPresent | pte::kUser;

class TrapAndEmulateNextTest : public ::testing::TestWithParam<PagingMode> {
 protected:
  explicit TrapAndEmulateNextTest(
      std::string_view policy = "trap-and-emulate-next")
      : world_(policy, GetParam()) {
    EXPECT_TRUE(world_.policy()
                    .Hypercall(world_.vcpu(), VmAssistCall{.enable = true})
                    .status.ok());
  }

  // A store of the value that is there: bytes [offset, offset + size) of the
  // entry of the data page.
  Instruction StoreOf(int offset, int size) const {
    const uint64_t value = world_.EntryOf(kDataPage) >> (8 * offset);
    return {.va = world_.SlotVa(kDataPage) + static_cast<uint64_t>(offset),
            .operand = {.kind = OperandKind::kStore,
                        .size = static_cast<uint8_t>(size),
                        .value = size == 8 ? value : value & 0xffffffff}};
  }
  Instruction LoadOf(uint64_t pfn) const {
    return {.va = kWorldBase + pfn * kPageSize,
            .operand = {.kind = OperandKind::kLoad, .size = 4}};
  }

  // The kernel stores to a table with `code` behind it; what was charged.
  void Trap(std::vector<Instruction> code) {
    code_ = std::move(code);
    Instruction first = StoreOf(0, 4);
    const Access access{first.va, AccessKind::kWrite,
                        LevelCount(GetParam()) >= 4};
    const TranslateResult result = world_.cpu().mmu.Translate(access);
    ASSERT_FALSE(result.ok());
    world_.vcpu().following = code_;
    before_ = world_.cpu().clock.tallies();
    EXPECT_EQ(world_.policy()
                  .HandlePageFault(world_.vcpu(), result.fault(), access,
                                   first.operand)
                  .action,
              FaultAction::kEmulated);
    EXPECT_TRUE(world_.policy().Audit().ok()) << world_.policy().Audit();
  }
  uint64_t Charged(CostEvent event) const {
    return world_.host.cpu(0).clock.tally(event) -
           before_[static_cast<size_t>(event)];
  }
  // Which of the instructions behind the store have been executed.
  std::string Done() const {
    std::string done;
    for (const Instruction& one : code_) done += one.done ? 'x' : '-';
    return done;
  }

  PolicyWorld world_;
  std::vector<Instruction> code_;
  CostTally before_{};
};

// The other half of a PAE entry, or the next entry: one trap does for both.
TEST_P(TrapAndEmulateNextTest, AStoreBehindTheStoreCostsNoTrap) {
  Trap({StoreOf(EntryBytes(GetParam()) == 8 ? 4 : 0, 4)});
  EXPECT_EQ(Done(), "x");
  EXPECT_EQ(Charged(CostEvent::kExceptionEntry), 1u);
  EXPECT_EQ(Charged(CostEvent::kIret), 1u);
  EXPECT_EQ(Charged(CostEvent::kEmulate), 2u);
}

TEST_P(TrapAndEmulateNextTest, ALoadInBetweenIsEmulatedToo) {
  Trap({LoadOf(kDataPage), StoreOf(0, 4)});
  EXPECT_EQ(Done(), "xx");
  EXPECT_EQ(Charged(CostEvent::kEmulate), 3u);
}

TEST_P(TrapAndEmulateNextTest, TheLoadReadsWhatIsThere) {
  const MachineAddr data =
      AddressOf(world_.domain->p2m().MfnOf(Pfn(kDataPage)));
  world_.host.memory().WriteEntry(data, 4, 0x1234);
  Trap({LoadOf(kDataPage)});
  EXPECT_EQ(code_[0].operand.seen, 0x1234u);
}

TEST_P(TrapAndEmulateNextTest, OneStoreMoreIsTheLast) {
  Trap({StoreOf(0, 4), StoreOf(0, 4)});
  EXPECT_EQ(Done(), "x-");
}

TEST_P(TrapAndEmulateNextTest, TheFourthInstructionIsEmulatedAndTheFifthNot) {
  const Instruction load = LoadOf(kDataPage);
  Trap({load, load, load, StoreOf(0, 4)});
  EXPECT_EQ(Done(), "xxxx");
  EXPECT_EQ(Charged(CostEvent::kEmulate), 5u);
  Trap({load, load, load, load, StoreOf(0, 4)});
  EXPECT_EQ(Done(), "xxxx-");
  EXPECT_EQ(Charged(CostEvent::kEmulate), 5u);
}

TEST_P(TrapAndEmulateNextTest, EachOfUpToFourInstructionsMoreIsOneLook) {
  for (size_t loads = 0; loads <= 5; ++loads) {
    for (const bool store : {false, true}) {
      std::vector<Instruction> code(loads, LoadOf(kDataPage));
      if (store) code.push_back(StoreOf(0, 4));
      Trap(code);
      EXPECT_EQ(Charged(CostEvent::kEmulate),
                1 + std::min<size_t>(loads + 1, 4))
          << loads << " loads, " << store;
    }
  }
}

TEST_P(TrapAndEmulateNextTest, AnInstructionThatIsNoneOfItsIsLookedAtInVain) {
  Trap({});
  EXPECT_EQ(Charged(CostEvent::kEmulate), 2u);
}

TEST_P(TrapAndEmulateNextTest, AStoreThatTheGuestCanMakeIsLeftToIt) {
  Instruction plain = LoadOf(kDataPage);
  plain.operand.kind = OperandKind::kStore;
  plain.operand.value = 7;
  Trap({plain, StoreOf(0, 4)});
  EXPECT_EQ(Done(), "--");
  EXPECT_EQ(Charged(CostEvent::kEmulate), 2u);
}

TEST_P(TrapAndEmulateNextTest, AStoreThatXenRefusesIsLeftToTrapByItself) {
  Instruction bad = StoreOf(0, 4);
  bad.operand.value =
      world_.MakeEntry(0, kReadOnly | pte::kWritable) & 0xffffffff;
  Trap({bad});
  EXPECT_EQ(Done(), "-");
  EXPECT_EQ(Charged(CostEvent::kEmulate), 2u);
}

class TrapAndEmulateTest : public TrapAndEmulateNextTest {
 protected:
  TrapAndEmulateTest() : TrapAndEmulateNextTest("trap-and-emulate") {}
};

TEST_P(TrapAndEmulateTest, LooksAtTheOneInstructionOnly) {
  Trap({StoreOf(0, 4)});
  EXPECT_EQ(Done(), "-");
  EXPECT_EQ(Charged(CostEvent::kEmulate), 1u);
}

constexpr PagingMode kModes[] = {PagingMode::k2Level, PagingMode::kPae,
                                 PagingMode::k4Level};
std::string ModeName(const testing::TestParamInfo<PagingMode>& mode) {
  return std::to_string(LevelCount(mode.param)) + "levels";
}
INSTANTIATE_TEST_SUITE_P(All, TrapAndEmulateNextTest,
                         ::testing::ValuesIn(kModes), ModeName);
INSTANTIATE_TEST_SUITE_P(All, TrapAndEmulateTest, ::testing::ValuesIn(kModes),
                         ModeName);

}  // namespace
}  // namespace xmmu::trap_and_emulate_next_test
