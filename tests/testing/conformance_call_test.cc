// Conformance() passes policies that are right, and finds what is planted in
// others, with the seed that shows it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "testing/conformance/translated_hostile.h"
#include "xmmu/policy/policies.h"
#include "xmmu/testing/conformance.h"

namespace xmmu::conformance_call_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using xmmu::testing::Conformance;
using xmmu::testing::ConformanceOptions;

// Forwards all to a policy of the table. Those below do one thing otherwise.
class Forwarding : public Policy {
 public:
  Forwarding(std::string_view name, Host& host)
      : inner_(FindPolicy(name)->make(host)) {}

  std::string_view name() const override { return "planted"; }
  absl::StatusOr<GuestAbi> Abi(PagingMode mode) const override {
    return inner_->Abi(mode);
  }
  absl::Status StartVcpu(VcpuContext& vcpu, Gfn root, Gfn user_root) override {
    return inner_->StartVcpu(vcpu, root, user_root);
  }
  HypercallResult Hypercall(VcpuContext& vcpu,
                            const xmmu::Hypercall& call) override {
    return inner_->Hypercall(vcpu, call);
  }
  absl::Status LoadCr3(VcpuContext& vcpu, Gfn root) override {
    return inner_->LoadCr3(vcpu, root);
  }
  void FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                const TlbFlush& flush) override {
    inner_->FlushTlb(vcpu, vcpus, flush);
  }
  void Deschedule(VcpuContext& vcpu) override { inner_->Deschedule(vcpu); }
  void SwitchMode(VcpuContext& vcpu, ModeSwitch how) override {
    inner_->SwitchMode(vcpu, how);
  }
  FaultOutcome HandlePageFault(VcpuContext& vcpu, const PageFault& fault,
                               const Access& access,
                               MemoryOperand& operand) override {
    return inner_->HandlePageFault(vcpu, fault, access, operand);
  }
  absl::Status Audit() const override { return inner_->Audit(); }

 private:
  std::unique_ptr<Policy> inner_;
};

template <typename Planted>
PolicyFactory Plant(std::string_view name) {
  return [name](Host& host) { return std::make_unique<Planted>(name, host); };
}

// One short guest of 4 levels, which most policies have.
ConformanceOptions Short() {
  return {
      .seeds = {5}, .events = 60, .modes = {PagingMode::k4Level}, .vcpus = {1}};
}

class RightPolicyTest : public ::testing::TestWithParam<std::string_view> {};

TEST_P(RightPolicyTest, Passes) {
  ConformanceOptions options = Short();
  options.vcpus = {1, 2};
  EXPECT_EQ(Conformance(Plant<Forwarding>(GetParam()), options),
            absl::OkStatus());
}

INSTANTIATE_TEST_SUITE_P(
    OneOfEachKind, RightPolicyTest,
    ::testing::Values("native", "trap-and-emulate", "shadow-2006",
                      "nested-paging"),
    [](const ::testing::TestParamInfo<std::string_view>& name) {
      std::string text(name.param);
      for (char& c : text) {
        if (c == '-') c = '_';
      }
      return text;
    });

// INVLPG is left out: the TLB keeps what the page was.
class KeepsPages final : public Forwarding {
 public:
  using Forwarding::Forwarding;
  void FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                const TlbFlush& flush) override {
    if (flush.scope == FlushScope::kPage) return;
    Forwarding::FlushTlb(vcpu, vcpus, flush);
  }
};

TEST(PlantedErrorTest, AStaleEntryIsFoundWithItsSeed) {
  const absl::Status status = Conformance(Plant<KeepsPages>("native"), Short());
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("conformance: seed 5: planted_4levels"),
                    HasSubstr("step "), HasSubstr("TLB entry for 0x"),
                    HasSubstr("{.seeds = {5}, .events = 60, .modes = "
                              "{PagingMode::k4Level}, .vcpus = {1}}")));
}

TEST(PlantedErrorTest, TheSameGuestFailsTheSameWayAgain) {
  const auto run = [] {
    return Conformance(Plant<KeepsPages>("native"), Short());
  };
  EXPECT_EQ(run(), run());
}

// Other processors are not told: right on one vCPU only.
class ForgetsOthers final : public Forwarding {
 public:
  using Forwarding::Forwarding;
  void FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                const TlbFlush& flush) override {
    Forwarding::FlushTlb(vcpu, vcpus & MaskOf(vcpu.id), flush);
  }
};

TEST(PlantedErrorTest, AForgottenShootdownIsFoundOnTwoVcpusAndNotOnOne) {
  struct Row {
    std::string_view policy;
    PagingMode mode;
  };
  for (const Row& row : {Row{"native", PagingMode::k2Level},
                         Row{"shadow-2008", PagingMode::k4Level}}) {
    ConformanceOptions options{.seeds = {2}, .modes = {row.mode}, .vcpus = {1}};
    const PolicyFactory make = Plant<ForgetsOthers>(row.policy);
    EXPECT_EQ(Conformance(make, options), absl::OkStatus());
    options.vcpus = {2};
    EXPECT_THAT(std::string(Conformance(make, options).message()),
                AllOf(HasSubstr("seed 2: "), HasSubstr("CPU 0's TLB entry")));
  }
}

// Charges by how many policies there have been: no two runs are the same.
class Drifting final : public Forwarding {
 public:
  Drifting(std::string_view name, Host& host, uint64_t charges)
      : Forwarding(name, host), charges_(charges) {}
  void SwitchMode(VcpuContext& vcpu, ModeSwitch how) override {
    Forwarding::SwitchMode(vcpu, how);
    for (uint64_t i = 0; i < charges_; ++i) {
      vcpu.cpu->clock.Charge(CostEvent::kHypercallWork);
    }
  }

 private:
  uint64_t charges_;
};

TEST(PlantedErrorTest, RunsThatAreNotTheSameToTheCycleAreFound) {
  uint64_t made = 0;
  const PolicyFactory make = [&made](Host& host) {
    return std::make_unique<Drifting>("native", host, ++made);
  };
  EXPECT_THAT(std::string(Conformance(make, Short()).message()),
              HasSubstr("two runs cost or count something else"));
}

// Performs each store of a kernel to a page that it may read, unchecked.
class StoresAnything final : public Forwarding {
 public:
  StoresAnything(std::string_view name, Host& host)
      : Forwarding(name, host), host_(host) {}
  FaultOutcome HandlePageFault(VcpuContext& vcpu, const PageFault& fault,
                               const Access& access,
                               MemoryOperand& operand) override {
    if (!access.user && operand.writes() &&
        (fault.error_code & pf::kProtection) != 0) {
      const TranslateResult read =
          vcpu.cpu->mmu.Probe({access.va, AccessKind::kRead, access.user});
      if (read.ok()) {
        operand.Perform(host_.memory(), read.addr());
        return {FaultAction::kEmulated, {}};
      }
    }
    return Forwarding::HandlePageFault(vcpu, fault, access, operand);
  }

 private:
  Host& host_;
};

TEST(PlantedErrorTest, AnUncheckedStoreToAGuardedTableIsFound) {
  ConformanceOptions options = Short();
  options.modes = {PagingMode::kPae};
  const absl::Status status =
      Conformance(Plant<StoresAnything>("trap-and-emulate"), options);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
}

// Flushes nothing at all.
class NeverFlushes final : public Forwarding {
 public:
  using Forwarding::Forwarding;
  void FlushTlb(VcpuContext&, CpuMask, const TlbFlush&) override {}
};

TEST(PlantedErrorTest, AHostileKernelNoticesThatAFlushDidNothing) {
  conformance::TranslatedHostile guests(PagingMode::k4Level, "skylake-2017",
                                        Plant<NeverFlushes>("nested-paging"));
  std::string wrong;
  for (uint64_t seed = 1; seed <= 40 && wrong.empty(); ++seed) {
    wrong = guests.Run(seed, /*events=*/100, /*judge_every=*/1);
  }
  EXPECT_THAT(wrong, HasSubstr("after a flush a load of 0x"));
}

TEST(OptionsTest, WhatCannotBeRunIsRefused) {
  const PolicyFactory native = Plant<Forwarding>("native");
  const auto error = [&](const ConformanceOptions& options) {
    const absl::Status status = Conformance(native, options);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(error({.seeds = {}}), HasSubstr("want one of each"));
  EXPECT_THAT(error({.vcpus = {}}), HasSubstr("want one of each"));
  EXPECT_THAT(error({.events = 0}), HasSubstr("0 events: want 1 at least"));
  EXPECT_THAT(error({.vcpus = {0}}), HasSubstr("0 vCPUs: want 1 to 64"));
  EXPECT_THAT(error({.vcpus = {65}}), HasSubstr("65 vCPUs: want 1 to 64"));
  EXPECT_EQ(Conformance(PolicyFactory()).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Conformance([](Host&) { return nullptr; }).code(),
            absl::StatusCode::kInvalidArgument);
}

// Has guests of 4 levels, and of others on request only.
template <bool kNone>
class FewModes final : public Forwarding {
 public:
  using Forwarding::Forwarding;
  absl::StatusOr<GuestAbi> Abi(PagingMode mode) const override {
    if (kNone || mode != PagingMode::k4Level) {
      return absl::UnimplementedError("no time for these");
    }
    return Forwarding::Abi(mode);
  }
};

TEST(OptionsTest, ModesThatThePolicyHasNotAreRefusedOnlyIfAskedFor) {
  ConformanceOptions options = Short();
  options.modes = {PagingMode::kPae};
  const PolicyFactory few = Plant<FewModes<false>>("native");
  EXPECT_THAT(std::string(Conformance(few, options).message()),
              HasSubstr("planted has no pae guests: no time for these"));
  options.modes.clear();
  EXPECT_EQ(Conformance(few, options), absl::OkStatus());
  EXPECT_THAT(
      std::string(
          Conformance(Plant<FewModes<true>>("native"), options).message()),
      HasSubstr("planted has guests of no paging mode"));
}

}  // namespace
}  // namespace xmmu::conformance_call_test
