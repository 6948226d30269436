// Conformance() passes policies that are right, and finds what is planted in
// others, with the seed that shows it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "sim/forwarding_policy.h"
#include "testing/conformance/translated_hostile.h"
#include "xmmu/policy/policies.h"
#include "xmmu/testing/conformance.h"

namespace xmmu::conformance_call_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using xmmu::testing::Conformance;
using xmmu::testing::ConformanceOptions;

template <typename Planted>
PolicyFactory Plant(std::string_view name) {
  return [name](Host& host) { return std::make_unique<Planted>(host, name); };
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
  EXPECT_EQ(Conformance(Plant<ForwardingPolicy>(GetParam()), options),
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
class KeepsPages final : public ForwardingPolicy {
 public:
  using ForwardingPolicy::ForwardingPolicy;
  void FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                const TlbFlush& flush) override {
    if (flush.scope == FlushScope::kPage) return;
    ForwardingPolicy::FlushTlb(vcpu, vcpus, flush);
  }
};

TEST(PlantedErrorTest, AStaleEntryIsFoundWithItsSeed) {
  const absl::Status status = Conformance(Plant<KeepsPages>("native"), Short());
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("conformance: seed 5: own_4levels"),
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
class ForgetsOthers final : public ForwardingPolicy {
 public:
  using ForwardingPolicy::ForwardingPolicy;
  void FlushTlb(VcpuContext& vcpu, CpuMask vcpus,
                const TlbFlush& flush) override {
    ForwardingPolicy::FlushTlb(vcpu, vcpus & MaskOf(vcpu.id), flush);
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
class Drifting final : public ForwardingPolicy {
 public:
  Drifting(Host& host, std::string_view name, uint64_t charges)
      : ForwardingPolicy(host, name), charges_(charges) {}
  void SwitchMode(VcpuContext& vcpu, ModeSwitch how) override {
    ForwardingPolicy::SwitchMode(vcpu, how);
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
    return std::make_unique<Drifting>(host, "native", ++made);
  };
  EXPECT_THAT(std::string(Conformance(make, Short()).message()),
              HasSubstr("two runs cost or count something else"));
}

// Performs each store of a kernel to a page that it may read, unchecked.
class StoresAnything final : public ForwardingPolicy {
 public:
  StoresAnything(Host& host, std::string_view name)
      : ForwardingPolicy(host, name), host_(host) {}
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
    return ForwardingPolicy::HandlePageFault(vcpu, fault, access, operand);
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
class NeverFlushes final : public ForwardingPolicy {
 public:
  using ForwardingPolicy::ForwardingPolicy;
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
  const PolicyFactory native = Plant<ForwardingPolicy>("native");
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
class FewModes final : public ForwardingPolicy {
 public:
  using ForwardingPolicy::ForwardingPolicy;
  absl::StatusOr<GuestAbi> Abi(PagingMode mode) const override {
    if (kNone || mode != PagingMode::k4Level) {
      return absl::UnimplementedError("no time for these");
    }
    return ForwardingPolicy::Abi(mode);
  }
};

TEST(OptionsTest, ModesThatThePolicyHasNotAreRefusedOnlyIfAskedFor) {
  ConformanceOptions options = Short();
  options.modes = {PagingMode::kPae};
  const PolicyFactory few = Plant<FewModes<false>>("native");
  EXPECT_THAT(std::string(Conformance(few, options).message()),
              HasSubstr("own has no pae guests: no time for these"));
  options.modes.clear();
  EXPECT_EQ(Conformance(few, options), absl::OkStatus());
  EXPECT_THAT(
      std::string(
          Conformance(Plant<FewModes<true>>("native"), options).message()),
      HasSubstr("own has guests of no paging mode"));
}

}  // namespace
}  // namespace xmmu::conformance_call_test
