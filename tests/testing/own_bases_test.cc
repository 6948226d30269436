// Strategies that derive from the public bases, as a user's own would.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "xmmu/policy/direct/paravirtual.h"
#include "xmmu/policy/shadow/shadow_policy.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/testing/conformance.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::own_bases_test {
namespace {

// The least that a strategy of shadows is: no table ever goes out of sync, each
// store to one is emulated, and all else is as the base has it.
class PlainShadows final : public ShadowStrategy {
 public:
  struct Options {};
  PlainShadows(Host& host, Domain& domain, const ShadowShape& shape,
               const Options&, uint32_t shadows)
      : ShadowStrategy(host, domain, shape, shadows) {}

  uint64_t emulated() const { return emulated_; }

 private:
  FlushReach FollowFlush(VcpuContext& vcpu, const TlbFlush& flush) override {
    if (flush.scope != FlushScope::kPage) ReloadPdptes(vcpu);
    return FlushReach::kAll;  // a page may be a piece of a large one
  }

  // Whether the table that is written to can be one no more. One on the way of
  // the access would be one again at once, and a root in use has to stay.
  bool CanEvict(const GuestWalk& walk) const {
    for (const GuestWalkEntry& used : walk.entries) {
      if (used.table == walk.gfn) return false;
    }
    const std::vector<ShadowId>& shadows = pages().FindTable(walk.gfn)->shadows;
    return std::all_of(shadows.begin(), shadows.end(),
                       [&](ShadowId id) { return pages()[id].pins == 0; });
  }

  FaultOutcome Answer(VcpuContext& vcpu, const PageFault&, const Access& access,
                      MemoryOperand& operand) override {
    Cpu& cpu = *vcpu.cpu;
    GuestWalk walk = Walk(vcpu, access);
    if (!walk.ok) {
      Inject(vcpu);
      return {FaultAction::kReflect, {access.va, walk.error_code}};
    }
    if (domain().MfnOf(walk.gfn) == kInvalidMfn) {
      Emulate(cpu, walk, access, operand);
      return {FaultAction::kEmulated, {}};
    }
    SetAccessedAndDirty(host(), cpu, shape().guest(), access, walk);
    Fill(vcpu, walk, access.va);
    if (!access.is_write() || !IsTableInSync(walk.gfn)) {
      return {FaultAction::kRetry, {}};
    }
    // A program writes, or a kernel all of the page: it is a table no more.
    if ((access.user || !operand.writes()) && CanEvict(walk)) {
      EvictTable(cpu, walk.gfn);
      Fill(vcpu, walk, access.va);
      return {FaultAction::kRetry, {}};
    }
    Emulate(cpu, walk, access, operand);
    ++emulated_;
    for (const ShadowId id : pages().FindTable(walk.gfn)->shadows) {
      for (int i = 0; i < shape().entries(); ++i) {
        if (pages().Read({id, i}).present()) {
          Remake(vcpu, {id, i}, GuestEntry({id, i}));
        }
      }
    }
    return {FaultAction::kEmulated, {}};
  }

  uint64_t emulated_ = 0;
};

// Ticks, and has a figure.
class OwnShadows final : public ShadowPolicy {
 public:
  explicit OwnShadows(Host& host)
      : ShadowPolicy(host, {.name = "own-shadows"},
                     MakerOf<PlainShadows>(host, PlainShadows::Options())) {}

  std::optional<TickRequest> tick() const override {
    return TickRequest{Cycles(50'000)};
  }
  void Tick(VcpuContext& vcpu) override {
    ++ticks_;
    domain_ = vcpu.domain;
  }
  std::vector<OwnFigure> Figures() const override {
    return {{"ticks_seen", "", "Ticks that came.", ticks_},
            {"stores_emulated", "", "Stores to tables.", Emulated()}};
  }

 private:
  uint64_t Emulated() const {
    if (domain_ == nullptr) return 0;
    return static_cast<PlainShadows&>(
               const_cast<OwnShadows*>(this)->StrategyOf(*domain_))
        .emulated();
  }

  uint64_t ticks_ = 0;
  const Domain* domain_ = nullptr;
};

// Pinning that counts the faults which it hands on.
class OwnDirect final : public ParavirtualPolicy {
 public:
  explicit OwnDirect(Host& host)
      : ParavirtualPolicy(host, /*stores_to_l1=*/false,
                          /*stores_trap=*/false) {}
  std::string_view name() const override { return "own-direct"; }
  std::vector<OwnFigure> Figures() const override {
    return {{"handed_on", "", "Faults of the guest's own.", handed_on_}};
  }

 private:
  FaultOutcome HandleGuestFault(VcpuContext& vcpu, const PageFault& fault,
                                const Access&, MemoryOperand&) override {
    ++handed_on_;
    return Reflect(vcpu, fault);
  }

  uint64_t handed_on_ = 0;
};

ReportRow RowOf(const SimulatorOptions& options, const std::string& spec) {
  const auto simulator = Simulator::Create(options);
  EXPECT_TRUE(simulator.ok()) << simulator.status();
  const auto workload = MakeSyntheticWorkload(spec);
  absl::StatusOr<ReportRow> row = (*simulator)->Run(**workload);
  EXPECT_TRUE(row.ok()) << row.status();
  const absl::Status audit = (*simulator)->policy().Audit();
  EXPECT_TRUE(audit.ok()) << audit;
  return *std::move(row);
}

template <typename Own>
SimulatorOptions With(PagingMode mode, int vcpus) {
  SimulatorOptions options;
  options.mode = mode;
  options.vcpus = vcpus;
  options.custom_policy = [](Host& host) {
    return std::make_unique<Own>(host);
  };
  return options;
}

const char* const kSpecs[] = {"fork:pages=40,cow=10", "churn:pages=20,rounds=5",
                              "switch:processes=3,rounds=20,pages=8"};

TEST(OwnBasesTest, TheLeastStrategyOfShadowsShowsProgramsTheSameWorld) {
  for (const PagingMode mode :
       {PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level}) {
    for (const int vcpus : {1, 3}) {
      for (const char* const spec : kSpecs) {
        const ReportRow own = RowOf(With<OwnShadows>(mode, vcpus), spec);
        SimulatorOptions bare;
        bare.mode = mode;
        bare.vcpus = vcpus;
        bare.policy = "native";
        EXPECT_EQ(own.guest_digest, RowOf(bare, spec).guest_digest) << spec;
        ASSERT_EQ(own.figures.size(), 2u);
        EXPECT_GT(std::get<uint64_t>(own.figures[0].value), 0u) << spec;
        EXPECT_GT(std::get<uint64_t>(own.figures[1].value), 0u) << spec;
      }
    }
  }
}

// With a tick every 50,000 cycles.
TEST(OwnBasesTest, TheLeastStrategyOfShadowsConforms) {
  const absl::Status status = testing::Conformance(
      [](Host& host) { return std::make_unique<OwnShadows>(host); },
      {.seeds = {1}, .events = 60});
  EXPECT_TRUE(status.ok()) << status;
}

TEST(OwnBasesTest, AStrategyOfDirectPagingConforms) {
  const absl::Status status = testing::Conformance(
      [](Host& host) { return std::make_unique<OwnDirect>(host); },
      {.seeds = {1}, .events = 40, .modes = {PagingMode::kPae}});
  EXPECT_TRUE(status.ok()) << status;
}

TEST(OwnBasesTest, AStrategyOfDirectPagingCostsWhatPinningDoes) {
  for (const PagingMode mode :
       {PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level}) {
    SimulatorOptions pinning;
    pinning.mode = mode;
    pinning.policy = "pinning";
    const ReportRow own = RowOf(With<OwnDirect>(mode, 1), kSpecs[0]);
    EXPECT_EQ(own.cost, RowOf(pinning, kSpecs[0]).cost);
    EXPECT_GT(std::get<uint64_t>(own.figures[0].value), 0u);
  }
}

}  // namespace
}  // namespace xmmu::own_bases_test
