// Guests whose tables and frames are kept by rules: what they are must be what
// the same guest is entry by entry; and how much of the host the biggest take.

#include <cstdint>
#include <string>
#include <string_view>

#include "guest/world.h"
#include "xmmu/policy/policies.h"

namespace xmmu::big_guests_test {
namespace {

constexpr uint64_t kGibibyte = uint64_t{1} << 18;  // in frames
constexpr uint64_t kTebibyte = kGibibyte << 10;

// A guest that has just booted.
struct Booted {
  Booted(std::string_view policy_name, PagingMode mode, uint64_t frames,
         uint64_t written)
      : host(*FindMachine("skylake-2017"), {}),
        policy(FindPolicy(policy_name)->make(host)) {
    const GuestAbi abi = *policy->Abi(mode);
    domain = *host.CreateDomain(
        {.mode = mode, .memory_frames = frames, .translated = abi.translated});
    // A frame that was written to follows no rule.
    for (uint64_t pfn = 0; pfn < written; ++pfn) {
      const Mfn mfn = domain->p2m().MfnOf(Pfn(pfn));
      host.memory().Write64(AddressOf(mfn) + 8, 1);
      host.memory().Write64(AddressOf(mfn) + 8, 0);
    }
    auto booted = GuestKernel::Boot(host, *policy, *domain,
                                    DefaultGuestOptions(abi, mode));
    EXPECT_TRUE(booted.ok()) << booted.status();
    if (booted.ok()) kernel = *std::move(booted);
  }
  uint64_t host_bytes() const {
    return host.host_bytes() + policy->HostBytes() + kernel->host_bytes();
  }

  Host host;
  std::unique_ptr<Policy> policy;
  Domain* domain = nullptr;
  std::unique_ptr<GuestKernel> kernel;
};

class ByRuleTest : public testing::TestWithParam<std::string_view> {};

TEST_P(ByRuleTest, AGuestIsWhatItIsEntryByEntry) {
  // Two L2 tables are whole, a third is not; the tables end within one L1's.
  const uint64_t frames = 2 * kGibibyte + 1024 * 5;
  const Booted ruled(GetParam(), PagingMode::k4Level, frames, 0);
  const Booted plain(GetParam(), PagingMode::k4Level, frames, 1100);
  EXPECT_EQ(ruled.policy->Audit(), absl::OkStatus());
  EXPECT_EQ(plain.policy->Audit(), absl::OkStatus());
  const Cpu& cpu = ruled.host.cpu(0);
  EXPECT_EQ(cpu.clock.tallies(), plain.host.cpu(0).clock.tallies());
  EXPECT_EQ(cpu.counters, plain.host.cpu(0).counters);
  EXPECT_EQ(ruled.host.tlb_clock(), plain.host.tlb_clock());
  EXPECT_EQ(cpu.tlbflush_time, plain.host.cpu(0).tlbflush_time);
  EXPECT_EQ(ruled.kernel->boot_page_table_frames(),
            plain.kernel->boot_page_table_frames());
  for (Mfn mfn; mfn.value() < frames + 4096; ++mfn) {
    ASSERT_EQ(ruled.host.frames()[mfn], plain.host.frames()[mfn])
        << mfn.value();
  }
  for (uint64_t word = 0; word < 1100 * 512; ++word) {
    const MachineAddr at = AddressOf(Mfn(4096)) + word * 8;
    ASSERT_EQ(ruled.host.memory().Read64(at), plain.host.memory().Read64(at))
        << at.value();
  }
  EXPECT_LT(ruled.host_bytes(), plain.host_bytes());
}

INSTANTIATE_TEST_SUITE_P(Policies, ByRuleTest,
                         testing::Values("native", "nested-paging", "pinning",
                                         "trap-and-emulate",
                                         "writable-page-tables"));

class BigGuestTest : public testing::TestWithParam<std::string_view> {};

TEST_P(BigGuestTest, StartsInLessThan100MibOfTheHost) {
  constexpr uint64_t kMost = uint64_t{100} << 20;
  for (const uint64_t size : {kTebibyte, 16 * kTebibyte}) {
    const Booted big(GetParam(), PagingMode::k4Level, size, 0);
    EXPECT_LT(big.host_bytes(), kMost) << size / kTebibyte << " TiB";
    // It works, too.
    ASSERT_TRUE(big.kernel->CreateProcess(1).ok());
    ASSERT_TRUE(big.kernel->Perform(1, MapOp(64)).ok());
    for (uint64_t page = 0; page < 64; ++page) {
      ASSERT_TRUE(big.kernel->Perform(1, StoreOp(page)).ok());
    }
    EXPECT_EQ(big.kernel->ResidentOf(1)->anonymous, 64u);
    EXPECT_LT(big.host_bytes(), kMost + (uint64_t{1} << 20));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Policies, BigGuestTest,
    testing::Values("native", "nested-paging", "nested-paging-4k",
                    "nested-paging-on-demand", "pinning", "trap-and-emulate",
                    "writable-page-tables", "xi-shadow", "shadow-2005",
                    "shadow-2006", "shadow-2008"));

}  // namespace
}  // namespace xmmu::big_guests_test
