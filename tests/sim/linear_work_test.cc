// Work of the host that must not grow faster than the guest does, in steps of
// the structure that does it; times would depend on the machine.

#include <memory>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "policy/shadow/shadow_2005_paging.h"
#include "policy/shadow/shadow_2006_paging.h"
#include "policy/shadow/shadow_2008_paging.h"
#include "policy/shadow/xi_paging.h"
#include "xen/shadow/shadow_index.h"
#include "xmmu/policy/shadow/shadow_policy.h"
#include "xmmu/sim/guest_driver.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::linear_work_test {
namespace {

// Makes the shadows of one strategy with its options' defaults, or others.
template <typename Paging, typename Options>
std::unique_ptr<ShadowStrategy> Make(Host& host, Domain& domain,
                                     const ShadowShape& shape, uint32_t shadows,
                                     const Options& options) {
  return std::make_unique<Paging>(host, domain, shape, options, shadows);
}

using Maker = std::function<std::unique_ptr<ShadowStrategy>(
    Host&, Domain&, const ShadowShape&, uint32_t)>;

// Returns a maker of `Paging` with `options`.
template <typename Paging, typename Options>
Maker With(const Options& options) {
  return [options](Host& host, Domain& domain, const ShadowShape& shape,
                   uint32_t shadows) {
    return Make<Paging>(host, domain, shape, shadows, options);
  };
}

// A guest whose strategy's shadows can be looked at.
class CountedGuest {
 public:
  explicit CountedGuest(const Maker& make) {
    auto driver = GuestDriver::Create(Options(make));
    if (driver.ok()) {
      driver_ = std::make_unique<GuestDriver>(*std::move(driver));
    }
  }
  // Instead of being driven by hand the guest runs `workload`.
  CountedGuest(const Maker& make, const std::string& workload) {
    SimulatorOptions options = Options(make);
    options.guest_memory_bytes = uint64_t{768} << 20;
    simulator_ = Simulator::Create(options).value();
    const auto made = MakeSyntheticWorkload(workload);
    const auto row = simulator_->Run(**made);
    EXPECT_TRUE(row.ok()) << workload << ": " << row.status();
  }

  GuestDriver& driver() { return *driver_; }
  // Steps of all searches so far.
  uint64_t steps() const {
    const ShadowIndex* const index = shadows_->pages().index();
    return index == nullptr ? 0 : index->steps();
  }

 private:
  SimulatorOptions Options(const Maker& make) {
    SimulatorOptions options;
    options.timing = MemoryTiming::kFlat;
    options.custom_policy = [this, make](Host& host) {
      return std::make_unique<ShadowPolicy>(
          host, ShadowPolicyOptions{.name = "counted"},
          [this, make, &host](Domain& domain, const ShadowShape& shape,
                              uint32_t shadows) {
            auto made = make(host, domain, shape, shadows);
            shadows_ = made.get();
            return made;
          });
    };
    return options;
  }

  ShadowStrategy* shadows_ = nullptr;
  std::unique_ptr<GuestDriver> driver_;
  std::unique_ptr<Simulator> simulator_;
};

// Returns the steps that the searches take of a program with `pages` pages that
// forks; the child writes to each eighth of them and exits.
uint64_t StepsOfFork(const Maker& make, uint64_t pages) {
  CountedGuest guest(make);
  GuestDriver& driver = guest.driver();
  driver.Map(pages);
  driver.Write(pages);
  driver.Perform({.kind = GuestOpKind::kFork, .child = 2});
  driver.Act(2);
  for (uint64_t page = 0; page < pages; page += 8) driver.Write(1, page);
  driver.Perform({.kind = GuestOpKind::kExit});
  EXPECT_EQ(driver.status(), absl::OkStatus());
  return guest.steps();
}

// Returns those of `processes` processes that take turns.
uint64_t StepsOfSwitches(const Maker& make, TaskId processes) {
  CountedGuest guest(make);
  GuestDriver& driver = guest.driver();
  driver.Map(4);
  for (TaskId task = 2; task <= processes; ++task) {
    driver.Act(1);
    driver.Perform({.kind = GuestOpKind::kFork, .child = task});
  }
  for (int round = 0; round < 2; ++round) {
    for (TaskId task = 1; task <= processes; ++task) {
      driver.Act(task);
      driver.Write(4);
    }
  }
  EXPECT_EQ(driver.status(), absl::OkStatus());
  return guest.steps();
}

class LinearWorkTest : public ::testing::TestWithParam<Maker> {};

TEST_P(LinearWorkTest, SearchesOfAForkGrowNoFasterThanItsPages) {
  const uint64_t few = StepsOfFork(GetParam(), 1024);
  const uint64_t many = StepsOfFork(GetParam(), 8192);
  EXPECT_LE(many, 10 * few + 1024);
}

TEST_P(LinearWorkTest, SearchesOfSwitchesGrowNoFasterThanTheProcesses) {
  const uint64_t few = StepsOfSwitches(GetParam(), 8);
  const uint64_t many = StepsOfSwitches(GetParam(), 64);
  EXPECT_LE(many, 10 * few + 64);
}

// Every built-in workload, at sizes that differ eightfold; those of several
// tasks by tasks, too.
TEST_P(LinearWorkTest, SearchesOfABuiltInWorkloadGrowNoFasterThanIt) {
  struct Row {
    std::string workload;
    uint64_t size;
  };
  const Row kRows[] = {{"touch:pages=", 8192},
                       {"fork:cow=500,pages=", 4096},
                       {"mprotect:pages=", 4096},
                       {"switch:rounds=2,pages=1,processes=", 16},
                       {"switch:rounds=2,processes=4,pages=", 1024},
                       {"churn:rounds=2,pages=", 4096},
                       {"churn:pages=16,rounds=", 256},
                       {"files:writes=500,pages=", 4096},
                       {"walk:rounds=1,pages=", 4096},
                       {"threads:rounds=2,threads=4,pages=", 1024},
                       {"threads:rounds=2,pages=8,threads=", 16},
                       {"read:pages=", 4096}};
  std::set<std::string> left;
  for (const SyntheticWorkload& known : SyntheticWorkloads()) {
    left.emplace(known.name);
  }
  for (const Row& row : kRows) {
    const std::string& workload = row.workload;
    left.erase(workload.substr(0, workload.find(':')));
    const auto steps = [&](uint64_t of) {
      return CountedGuest(GetParam(), absl::StrCat(workload, of)).steps();
    };
    const uint64_t few = steps(row.size);
    EXPECT_LE(steps(8 * row.size), 10 * few + 8 * row.size) << workload;
  }
  EXPECT_TRUE(left.empty()) << *left.begin() << " has no row";
}

INSTANTIATE_TEST_SUITE_P(
    Strategies, LinearWorkTest,
    ::testing::Values(With<Shadow2005Paging>(Shadow2005Options{}),
                      With<Shadow2005Paging>(Shadow2005Options{
                          .search = WritableSearch::kAll}),
                      With<Shadow2006Paging>(Shadow2006Options{}),
                      With<Shadow2006Paging>(Shadow2006Options{
                          .guesses = false}),
                      With<Shadow2008Paging>(Shadow2008Options{}),
                      With<XiPaging>(XiShadowOptions{.backlinks = false})));

}  // namespace
}  // namespace xmmu::linear_work_test
