#include "xmmu/guest/vcpu.h"

#include <array>
#include <functional>
#include <span>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

// The door to the machine, with a policy that answers as the test says.

namespace xmmu::vcpu_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr VirtAddr kMapped{0x1000};
constexpr VirtAddr kUnmapped{0x2000};

class ScriptedPolicy final : public Policy {
 public:
  std::string_view name() const override { return "scripted"; }
  absl::StatusOr<GuestAbi> Abi(PagingMode) const override { return GuestAbi(); }
  absl::Status StartVcpu(VcpuContext&, Gfn, Gfn) override {
    return absl::OkStatus();
  }
  absl::Status LoadCr3(VcpuContext&, Gfn) override { return absl::OkStatus(); }
  void FlushTlb(VcpuContext&, CpuMask, const TlbFlush&) override {}
  void SwitchMode(VcpuContext&, ModeSwitch how) override { last_switch = how; }
  FaultOutcome HandlePageFault(VcpuContext&, const PageFault& fault,
                               const Access&, MemoryOperand& operand) override {
    ++faults;
    return answer(fault, operand);
  }

  std::function<FaultOutcome(const PageFault&, MemoryOperand&)> answer;
  int faults = 0;
  std::optional<ModeSwitch> last_switch;
};

class VcpuTest : public ::testing::Test {
 protected:
  VcpuTest() : host_(*FindMachine("skylake-2017"), {}) {
    domain_ = *host_.CreateDomain(
        {.mode = PagingMode::k2Level, .memory_frames = 1024});
    base_ = domain_->p2m().MfnOf(Pfn(0));
    // Frame 0 is the root, 1 the L1, 2 the page at 0x1000.
    SetEntry(0, 0, Pfn(1));
    SetEntry(1, 1, Pfn(2));
    ControlRegisters registers =
        KernelControlRegisters(PagingMode::k2Level, host_.model().features);
    registers.cr3 = AddressOf(base_).value();
    EXPECT_FALSE(host_.cpu(0).mmu.Reset(registers).has_value());
    vcpu_ =
        std::make_unique<Vcpu>(host_, policy_, domain_->vcpu(0), GuestAbi());
  }

  void SetEntry(uint64_t table, int index, Pfn target) {
    host_.memory().Write32(
        EntryAddress(PagingMode::k2Level, AddressOf(base_ + table), index),
        static_cast<uint32_t>(Pte(domain_->p2m().MfnOf(target),
                                  pte::kPresent | pte::kWritable | pte::kUser)
                                  .raw()));
  }

  Host host_;
  ScriptedPolicy policy_;
  Domain* domain_;
  Mfn base_;
  std::unique_ptr<Vcpu> vcpu_;
};

TEST_F(VcpuTest, AnAccessThatTranslatesNeverReachesThePolicy) {
  vcpu_->Store(kMapped, 8, 42);
  EXPECT_EQ(vcpu_->Load(kMapped, 8), 42u);
  EXPECT_EQ(policy_.faults, 0);
}

TEST_F(VcpuTest, ARetriedAccessIsExecutedAgain) {
  policy_.answer = [&](const PageFault& fault, MemoryOperand&) {
    EXPECT_EQ(fault.va, kUnmapped);
    SetEntry(1, 2, Pfn(3));
    return FaultOutcome{FaultAction::kRetry, {}};
  };
  vcpu_->Store(kUnmapped, 8, 7);
  EXPECT_EQ(policy_.faults, 1);
  EXPECT_EQ(vcpu_->Load(kUnmapped, 8), 7u);
}

TEST_F(VcpuTest, AnEmulatedAccessIsNotExecuted) {
  policy_.answer = [](const PageFault&, MemoryOperand& operand) {
    operand.seen = 99;
    return FaultOutcome{FaultAction::kEmulated, {}};
  };
  MemoryOperand load;
  EXPECT_EQ(vcpu_->Execute(kUnmapped, true, load), std::nullopt);
  EXPECT_EQ(load.seen, 99u);
}

TEST_F(VcpuTest, AReflectedFaultComesBackAsThePolicyWantsItSeen) {
  policy_.answer = [](const PageFault& fault, MemoryOperand&) {
    PageFault seen = fault;
    seen.error_code = 0x42;
    return FaultOutcome{FaultAction::kReflect, seen};
  };
  uint64_t token = 0;
  const auto fault = vcpu_->UserAccess(AccessKind::kRead, kUnmapped, 0, &token);
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->error_code, 0x42u);
  EXPECT_EQ(host_.cpu(0).counters[Counter::kGuestFaults], 1u);
  EXPECT_EQ(host_.cpu(0).counters[Counter::kAccesses], 0u);
}

TEST_F(VcpuTest, AKernelsSpuriousFaultIsRetriedOnceTheHandlerReturns) {
  policy_.answer = [&](const PageFault& fault, MemoryOperand&) {
    SetEntry(1, 2, Pfn(3));  // in truth it had become valid already
    return FaultOutcome{FaultAction::kReflect, fault};
  };
  vcpu_->Store(kUnmapped, 8, 7);
  EXPECT_EQ(policy_.last_switch, ModeSwitch::kFaultReturnToKernel);
}

TEST_F(VcpuTest, AnEmulatorSeesWhatFollowsAndMayGoOnToIt) {
  size_t following = 0;
  policy_.answer = [&](const PageFault&, MemoryOperand&) {
    const std::span<Instruction> code = vcpu_->context().following;
    following = code.size();
    code[0].operand.seen = 99;
    code[0].done = true;
    return FaultOutcome{FaultAction::kEmulated, {}};
  };
  std::array<Instruction, 3> code;
  code[0] = {.va = kUnmapped, .operand = {.kind = OperandKind::kStore}};
  code[1] = {.va = kUnmapped};
  code[2] = {.va = kMapped,
             .operand = {.kind = OperandKind::kStore, .value = 3}};
  vcpu_->KernelExecute(code);
  EXPECT_EQ(following, 2u);
  EXPECT_EQ(policy_.faults, 1);
  EXPECT_EQ(code[1].operand.seen, 99u);
  EXPECT_EQ(vcpu_->Load(kMapped, 8), 3u);
  EXPECT_TRUE(vcpu_->context().following.empty());
}

TEST_F(VcpuTest, AnEntryIsStoredByHalvesTheUpperOneFirst) {
  vcpu_->StoreByHalves(kMapped, 0x1122334455667788);
  EXPECT_EQ(vcpu_->Load(kMapped, 8), 0x1122334455667788u);
  EXPECT_EQ(policy_.faults, 0);
  std::vector<VirtAddr> faults;
  policy_.answer = [&](const PageFault& fault, MemoryOperand& operand) {
    faults.push_back(fault.va);
    EXPECT_EQ(operand.size, 4);
    EXPECT_EQ(operand.value, faults.size() == 1 ? 0x55u : 0x66u);
    EXPECT_EQ(vcpu_->context().following.size(), faults.size() == 1 ? 1u : 0u);
    return FaultOutcome{FaultAction::kEmulated, {}};
  };
  vcpu_->StoreByHalves(kUnmapped, 0x5500000066);
  EXPECT_THAT(faults, ElementsAre(kUnmapped + 4, kUnmapped));
}

TEST_F(VcpuTest, AnEmulatorOfTheUpperHalfMayDoTheLowerOneToo) {
  policy_.answer = [&](const PageFault&, MemoryOperand&) {
    const std::span<Instruction> code = vcpu_->context().following;
    EXPECT_EQ(code[0].va, kUnmapped);
    EXPECT_EQ(code[0].operand.kind, OperandKind::kStore);
    EXPECT_EQ(code[0].operand.value, 0x66u);
    code[0].done = true;
    return FaultOutcome{FaultAction::kEmulated, {}};
  };
  vcpu_->StoreByHalves(kUnmapped, 0x5500000066);
  EXPECT_EQ(policy_.faults, 1);
  EXPECT_TRUE(vcpu_->context().following.empty());
}

TEST_F(VcpuTest, AStoreByHalvesGoesOnBehindAFaultThatIsRepaired) {
  policy_.answer = [&](const PageFault&, MemoryOperand&) {
    SetEntry(1, 2, Pfn(3));
    return FaultOutcome{FaultAction::kRetry, {}};
  };
  vcpu_->StoreByHalves(kUnmapped, 0x5500000066);
  EXPECT_EQ(policy_.faults, 1);
  EXPECT_EQ(vcpu_->Load(kUnmapped, 8), 0x5500000066u);
}

TEST_F(VcpuTest, APolicyThatRetriesForEverIsToldSo) {
  policy_.answer = [](const PageFault&, MemoryOperand&) {
    return FaultOutcome{FaultAction::kRetry, {}};
  };
  EXPECT_TRUE(vcpu_->failure().ok());
  vcpu_->Store(kUnmapped, 8, 7);
  EXPECT_THAT(std::string(vcpu_->failure().message()),
              HasSubstr("retries for ever the access at"));
  EXPECT_TRUE(absl::IsFailedPrecondition(vcpu_->failure()));
}

TEST_F(VcpuTest, APolicyThatReflectsTheKernelsOwnFaultsIsToldSo) {
  policy_.answer = [](const PageFault& fault, MemoryOperand&) {
    return FaultOutcome{FaultAction::kReflect, fault};
  };
  vcpu_->ZeroPage(kUnmapped);
  EXPECT_THAT(std::string(vcpu_->failure().message()),
              HasSubstr("reflects to the kernel, twice, the access at"));
}

TEST_F(VcpuTest, APageThatIsEmulatedIsAFailure) {
  policy_.answer = [](const PageFault&, MemoryOperand&) {
    return FaultOutcome{FaultAction::kEmulated, {}};
  };
  vcpu_->CopyPage(kUnmapped, kMapped);
  EXPECT_THAT(std::string(vcpu_->failure().message()),
              HasSubstr("emulates a whole page by the access at"));
}

TEST_F(VcpuTest, AStoreChangesWhatALaterLoadSees) {
  uint64_t before = 0;
  uint64_t after = 0;
  ASSERT_FALSE(vcpu_->UserAccess(AccessKind::kRead, kMapped, 0, &before));
  ASSERT_FALSE(vcpu_->UserAccess(AccessKind::kWrite, kMapped, 5, nullptr));
  ASSERT_FALSE(vcpu_->UserAccess(AccessKind::kRead, kMapped, 0, &after));
  EXPECT_NE(before, after);
}

TEST_F(VcpuTest, TheSegmentLimitOfA32BitParavirtualGuestEndsAtXen) {
  GuestAbi abi;
  abi.paravirtual = true;
  Vcpu limited(host_, policy_, domain_->vcpu(0), abi);
  policy_.answer = [](const PageFault& fault, MemoryOperand&) {
    return FaultOutcome{FaultAction::kReflect, fault};
  };
  MemoryOperand load;
  EXPECT_EQ(limited.Execute(VirtAddr(0xfc000000), false, load)->vector,
            FaultVector::kGeneralProtection);
  EXPECT_EQ(limited.Execute(VirtAddr(0xfbfffff8), false, load)->vector,
            FaultVector::kPageFault);
}

}  // namespace
}  // namespace xmmu::vcpu_test
