// The promise of direct paging, judged by the hardware: whatever a guest asks
// for, and whatever it forgets to flush, no CPU of it ever translates to a
// frame that is not the guest's, nor for writing to a page table in use; TLBs
// and paging-structure caches included.

#include <gtest/gtest.h>

#include <string>

#include "xen/pv_fixture.h"
#include "xmmu/xen/layout.h"

namespace xmmu {
namespace {

constexpr uint64_t kPool = 24;
constexpr int kSlots = 2;  // slots of each table in play

class Player {
 public:
  Player(const PvOptions& options, uint64_t seed)
      : guest_(options), state_(seed) {
    guest_.domain->set_writable_pagetables(true);
    other_ =
        guest_.host.CreateDomain({.mode = options.mode, .memory_frames = kPool})
            .value();
  }

  // One thing that a guest may do.
  void Act() {
    switch (Below(10)) {
      case 0:
        guest_.Pin(AnyFrame(), 1 + static_cast<int>(Below(Levels())));
        break;
      case 1:
        guest_.Unpin(AnyFrame());
        break;
      case 2:
        guest_.Op({.command = MmuextCommand::kNewBaseptr, .mfn = AnyFrame()},
                  kDomSelf, Vcpu());
        break;
      case 3:
        guest_.UpdateVa(AnyAddress(), AnyEntry());
        break;
      case 4:
      case 5:
        StoreAnywhere();
        break;
      default:
        guest_.Update(AnyFrame(), static_cast<int>(Below(kSlots)), AnyEntry(),
                      static_cast<MmuUpdateCommand>(Below(2) * 2));
        break;
    }
    Access();
  }

  // "" or what the hardware could do that it must not.
  std::string Check() {
    for (uint32_t i = 0; i < guest_.host.cpu_count(); ++i) {
      for (const TlbEntry& entry : guest_.cpu(i).mmu.TlbEntries()) {
        if (OutOfReach(entry.va())) continue;
        const std::string wrong = Judge(FrameOf(entry.base), entry.writable());
        if (!wrong.empty()) return wrong + " in a TLB of CPU " + Name(i);
      }
    }
    return trespass_;
  }

  uint64_t translated() const { return translated_; }

 private:
  static std::string Name(uint64_t number) { return std::to_string(number); }

  uint64_t Below(uint64_t limit) {
    state_ = MixHash(state_, 1);
    return state_ % limit;
  }
  uint64_t Levels() const {
    return static_cast<uint64_t>(LevelCount(guest_.mode));
  }
  uint32_t Vcpu() { return static_cast<uint32_t>(Below(2)); }

  Mfn AnyFrame() {
    if (Below(8) == 0) return guest_.root;
    if (Below(6) == 0) return guest_.Frame(990 - Below(2));  // made by Hook
    if (Below(30) == 0) return other_->p2m().MfnOf(Pfn(Below(kPool)));
    return guest_.Frame(Below(kPool));
  }
  Pte AnyEntry() {
    static constexpr std::array<uint64_t, 8> kFlags = {0x67, 0x67, 0x25, 0x25,
                                                       0x7,  0x5,  0x1,  0};
    return Pte(AnyFrame(), kFlags.at(Below(8)));
  }
  VirtAddr AnyAddress() {
    uint64_t va = 0;
    for (int level = 1; level <= LevelCount(guest_.mode); ++level) {
      va |= Below(kSlots) << LevelShift(guest_.mode, level);
    }
    return VirtAddr(va);
  }
  bool OutOfReach(VirtAddr va) const {
    if (LevelCount(guest_.mode) < 4 && (va.value() >> 32) != 0) return true;
    return IsHypervisorAddress(guest_.mode, va);
  }

  std::string Judge(Mfn mfn, bool writable) const {
    const PageInfo& page = guest_.host.frames()[mfn];
    if (page.owner != guest_.domain->id()) {
      return "frame " + Name(mfn.value()) + " of somebody else";
    }
    if (writable && IsPageTable(page.type) && page.type_count > 0) {
      return "table " + Name(mfn.value()) + " writable";
    }
    return "";
  }

  void Note(const TranslateResult& result, bool write) {
    if (!result.ok()) return;
    ++translated_;
    const std::string wrong = Judge(FrameOf(result.addr()), write);
    if (trespass_.empty()) trespass_ = wrong;
  }

  bool InRing3() const { return LevelCount(guest_.mode) == 4; }

  void Access() {
    for (uint32_t i = 0; i < guest_.host.cpu_count(); ++i) {
      for (int n = 0; n < 4; ++n) {
        const bool write = Below(2) == 0;
        const AccessKind kind = write ? AccessKind::kWrite : AccessKind::kRead;
        Note(guest_.cpu(i).mmu.Translate({AnyAddress(), kind, InRing3()}),
             write);
      }
    }
  }

  // A guest's own store of something that may be an entry.
  void StoreAnywhere() {
    const VirtAddr va =
        AnyAddress() + Below(kSlots) * static_cast<uint64_t>(guest_.bytes());
    const uint32_t i = Vcpu();
    const xmmu::Access access{va, AccessKind::kWrite, InRing3()};
    MemoryOperand operand{.kind = OperandKind::kStore,
                          .size = static_cast<uint8_t>(guest_.bytes()),
                          .value = AnyEntry().raw()};
    const TranslateResult result = guest_.cpu(i).mmu.Translate(access);
    Note(result, true);
    if (result.ok()) {
      operand.Perform(guest_.host.memory(), result.addr());
    } else {
      guest_.mm.EmulatePteWrite(guest_.vcpu(i), result.fault(), access,
                                operand);
    }
    guest_.Audit();
  }

  PvGuest guest_;
  Domain* other_;
  uint64_t state_;
  std::string trespass_;
  uint64_t translated_ = 0;
};

class SafetyTest : public testing::TestWithParam<PvOptions> {};

TEST_P(SafetyTest, NoSequenceOfRequestsReachesATableOrAForeignFrame) {
  uint64_t translated = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Player player(GetParam(), seed);
    for (int step = 0; step < 1500; ++step) {
      player.Act();
      ASSERT_EQ(player.Check(), "") << "seed " << seed << " step " << step;
      ASSERT_FALSE(HasFatalFailure());
    }
    translated += player.translated();
  }
  // The test means something only if guests get somewhere.
  EXPECT_GT(translated, 1000u);
}

std::string ModeName(const testing::TestParamInfo<PvOptions>& row) {
  static constexpr std::array kNames = {"FourLevel", "Compat", "Pae",
                                        "TwoLevel"};
  return kNames.at(row.index);
}

INSTANTIATE_TEST_SUITE_P(
    Modes, SafetyTest,
    testing::Values(PvOptions{.cpus = 2, .vcpus = 2},
                    PvOptions{.mode = PagingMode::kPae, .cpus = 2, .vcpus = 2},
                    PvOptions{.mode = PagingMode::kPae,
                              .machine = "xeon-2003",
                              .cpus = 2,
                              .vcpus = 2},
                    PvOptions{.mode = PagingMode::k2Level,
                              .machine = "xeon-2003",
                              .cpus = 2,
                              .vcpus = 2}),
    ModeName);

}  // namespace
}  // namespace xmmu
