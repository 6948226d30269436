#include "guest/world.h"

// Two guests of one hypervisor that take turns on the same CPU.

namespace xmmu::two_domains_test {
namespace {

constexpr uint64_t kPages = 12;
constexpr TaskId kTask = 1;

// A domain with its kernel on a host that others share.
std::unique_ptr<GuestKernel> AddGuest(Host& host, Policy& policy,
                                      const Setting& setting) {
  const absl::StatusOr<GuestAbi> abi = policy.Abi(setting.mode);
  Domain* const domain = *host.CreateDomain({.mode = setting.mode,
                                             .memory_frames = 32u << 8,
                                             .translated = abi->translated});
  GuestOptions options = DefaultGuestOptions(*abi, setting.mode);
  options.ops = setting.ops;
  options.pin = setting.pin;
  auto kernel = GuestKernel::Boot(host, policy, *domain, options);
  EXPECT_TRUE(kernel.ok()) << kernel.status();
  EXPECT_TRUE((*kernel)->CreateProcess(kTask).ok());
  return *std::move(kernel);
}

// A program whose loads depend on its stores; `first` tells two runs apart.
std::vector<GuestOp> Program(uint64_t first) {
  std::vector<GuestOp> program = {MapOp(kPages)};
  for (uint64_t page = first; page < kPages; ++page) {
    program.push_back(StoreOp(page));
    program.push_back(LoadOp(page));
  }
  program.push_back(TaskOp(GuestOpKind::kFork, 2));
  program.push_back(StoreOp(first));
  program.push_back(LoadOp(first));
  return program;
}

class TwoDomainsTest : public ::testing::TestWithParam<Setting> {};

TEST_P(TwoDomainsTest, EachSeesWhatItWouldSeeAlone) {
  uint64_t alone[2];
  for (uint64_t i = 0; i < 2; ++i) {
    World world(GetParam());
    ASSERT_TRUE(world.kernel().CreateProcess(kTask).ok());
    for (const GuestOp& op : Program(i)) world.Do(kTask, op);
    alone[i] = world.kernel().digest();
  }

  Host host(*FindMachine("skylake-2017"), {});
  const PolicyEntry* const entry = FindPolicy(GetParam().policy);
  const std::unique_ptr<Policy> policy =
      entry != nullptr ? entry->make(host) : std::make_unique<VirtualTlb>(host);
  std::unique_ptr<GuestKernel> guests[2];
  for (auto& guest : guests) guest = AddGuest(host, *policy, GetParam());
  const std::vector<GuestOp> programs[2] = {Program(0), Program(1)};
  for (size_t i = 0; i < programs[0].size(); ++i) {
    for (size_t g = 0; g < 2; ++g) {
      if (i >= programs[g].size()) continue;
      const absl::Status status = guests[g]->Perform(kTask, programs[g][i]);
      ASSERT_TRUE(status.ok()) << status;
    }
    EXPECT_TRUE(policy->Audit().ok()) << policy->Audit();
  }
  EXPECT_EQ(guests[0]->digest(), alone[0]);
  EXPECT_EQ(guests[1]->digest(), alone[1]);
}

INSTANTIATE_TEST_SUITE_P(Settings, TwoDomainsTest,
                         ::testing::ValuesIn(AllSettings()),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

}  // namespace
}  // namespace xmmu::two_domains_test
