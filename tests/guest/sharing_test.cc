// Several domains that map the same files and diverge, with make_ro_and_share
// and without.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "guest/world.h"
#include "testing/conformance/hardware_view.h"
#include "xen/direct/audit.h"

namespace xmmu::sharing_test {
namespace {

constexpr TaskId kTask = 1;
constexpr TaskId kChild = 2;
constexpr uint64_t kPages = 40;
constexpr size_t kDomains = 3;

// Kernels of several domains on one host, each with one process.
class Domains {
 public:
  Domains(const Setting& setting, bool share)
      : host_(*FindMachine("skylake-2017"), {.cpus = setting.vcpus}),
        policy_(FindPolicy(setting.policy)->make(host_)) {
    const GuestAbi abi = policy_->Abi(setting.mode).value();
    GuestOptions options = DefaultGuestOptions(abi, setting.mode);
    options.ops = setting.ops;
    options.pin = setting.pin;
    options.share_file_pages = share;
    for (size_t i = 0; i < kDomains; ++i) {
      Domain* const domain = host_
                                 .CreateDomain({.mode = setting.mode,
                                                .memory_frames = 16u << 8,
                                                .vcpus = setting.vcpus})
                                 .value();
      auto kernel = GuestKernel::Boot(host_, *policy_, *domain, options);
      EXPECT_TRUE(kernel.ok()) << kernel.status();
      kernels_.push_back(*std::move(kernel));
      EXPECT_TRUE(kernels_.back()->CreateProcess(kTask).ok());
    }
  }

  Host& host() { return host_; }
  void Do(size_t guest, const GuestOp& op, TaskId task = kTask) {
    const absl::Status status = kernels_[guest]->Perform(task, op);
    ASSERT_TRUE(status.ok()) << status;
  }
  void DoAll(const GuestOp& op, TaskId task = kTask) {
    for (size_t i = 0; i < kDomains; ++i) Do(i, op, task);
  }
  void Check() {
    EXPECT_EQ(policy_->Audit(), absl::OkStatus());
    EXPECT_EQ(conformance::FirstEscape(host_), "");
  }
  uint64_t Counted(Counter counter) const {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < host_.cpu_count(); ++i) {
      sum += host_.cpu(i).counters[counter];
    }
    return sum;
  }
  std::vector<uint64_t> Digests() const {
    std::vector<uint64_t> digests;
    for (const auto& kernel : kernels_) digests.push_back(kernel->digest());
    return digests;
  }

 private:
  Host host_;
  std::unique_ptr<Policy> policy_;
  std::vector<std::unique_ptr<GuestKernel>> kernels_;
};

GuestOp MapFile(uint64_t pages, Backing backing = Backing::kFilePrivate,
                uint64_t at_page = 0) {
  return MapOp(pages, backing, kMapRead | kMapWrite,
               kRegion + at_page * kPageSize);
}

void ReadAll(Domains& domains) {
  domains.DoAll(MapFile(kPages));
  for (uint64_t page = 0; page < kPages; ++page) domains.DoAll(LoadOp(page));
}

// Lets each domain do something slightly different.
void Diverge(Domains& domains) {
  ReadAll(domains);
  for (size_t i = 0; i < kDomains; ++i) {
    for (uint64_t page = 0; page < 4 * i; ++page) {
      domains.Do(i, StoreOp(page));
      domains.Do(i, LoadOp(page));
    }
  }
  domains.DoAll(TaskOp(GuestOpKind::kFork, kChild));
  domains.DoAll(RangeOp(GuestOpKind::kProtect, 8));
  domains.DoAll(RangeOp(GuestOpKind::kProtect, 8, kMapRead | kMapWrite));
  domains.DoAll(StoreOp(9), kChild);
  domains.DoAll(LoadOp(9));
  domains.DoAll(LoadOp(20), kChild);
  domains.DoAll({.kind = GuestOpKind::kRemap,
                 .va = kRegion + 16 * kPageSize,
                 .length = 8 * kPageSize,
                 .target = kRegion + 100 * kPageSize,
                 .new_length = 8 * kPageSize});
  domains.DoAll(StoreOp(101));
  domains.DoAll(LoadOp(102));
  // One domain writes to the file itself; its private mappings that were not
  // written to follow.
  domains.Do(1, MapFile(12, Backing::kFileShared, 200));
  for (const uint64_t page : {200u, 205u, 206u}) {
    domains.Do(1, StoreOp(page));
  }
  domains.DoAll(LoadOp(6), kChild);
  domains.DoAll(LoadOp(5));
  domains.DoAll(RangeOp(GuestOpKind::kDiscard, 40));
  for (uint64_t page = 0; page < 12; ++page) domains.DoAll(LoadOp(page));
  domains.DoAll({.kind = GuestOpKind::kExit}, kChild);
  domains.DoAll(RangeOp(GuestOpKind::kUnmap, 300));
}

std::vector<Setting> ParavirtualSettings() {
  std::vector<Setting> settings;
  Host host(*FindMachine("skylake-2017"), {});
  for (const int vcpus : {1, 2}) {
    for (const Setting& setting : AllSettings(vcpus)) {
      const PolicyEntry* const entry = FindPolicy(setting.policy);
      if (entry == nullptr) continue;
      const auto abi = entry->make(host)->Abi(setting.mode);
      if (abi->paravirtual) settings.push_back(setting);
    }
  }
  return settings;
}

class SharingTest : public ::testing::TestWithParam<Setting> {};

TEST_P(SharingTest, EachDomainSeesWhatItWouldWithoutSharing) {
  Domains alone(GetParam(), /*share=*/false);
  Domains sharing(GetParam(), /*share=*/true);
  Diverge(alone);
  Diverge(sharing);
  sharing.Check();
  EXPECT_EQ(sharing.Digests(), alone.Digests());
  EXPECT_EQ(alone.Counted(Counter::kCallsToMakeRoAndShare), 0u);
  EXPECT_EQ(sharing.Counted(Counter::kPagesShared), kPages);
}

TEST_P(SharingTest, OneFrameServesAFilePageOfAllDomains) {
  Domains domains(GetParam(), /*share=*/true);
  ReadAll(domains);
  domains.Check();
  EXPECT_EQ(domains.host().sharing().frames().size(), kPages);
  EXPECT_EQ(domains.host().free_frames(), (kDomains - 1) * kPages);
  EXPECT_EQ(domains.Counted(Counter::kPagesMerged), (kDomains - 1) * kPages);
  // Private copies are the guest's own affair: the shared frames stay.
  for (uint64_t page = 0; page < kPages; ++page) domains.DoAll(StoreOp(page));
  domains.Check();
  EXPECT_EQ(domains.Counted(Counter::kCowCopies), kDomains * kPages);
  EXPECT_EQ(domains.host().free_frames(), (kDomains - 1) * kPages);
  for (const auto& [mfn, frame] : domains.host().sharing().frames()) {
    ASSERT_EQ(frame.mappings.size(), kDomains);
    // The kernels' own.
    for (const auto& [id, mappings] : frame.mappings) EXPECT_EQ(mappings, 1u);
  }
}

TEST_P(SharingTest, TheLastDomainThatRewritesAFileTakesItsFramesBack) {
  Domains domains(GetParam(), /*share=*/true);
  ReadAll(domains);
  for (size_t i = 0; i < kDomains; ++i) {
    EXPECT_EQ(domains.host().sharing().frames().size(), kPages);
    domains.Do(i, MapFile(kPages, Backing::kFileShared, 100));
    for (uint64_t page = 100; page < 100 + kPages; ++page) {
      domains.Do(i, StoreOp(page));
      // The private mapping follows the file.
      domains.Do(i, LoadOp(page - 100));
    }
    domains.Check();
  }
  EXPECT_TRUE(domains.host().sharing().frames().empty());
  EXPECT_EQ(domains.Counted(Counter::kSharedFreed), kPages);
  // Each has got its memory back in the place that it gave up.
  EXPECT_EQ(domains.host().free_frames(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Settings, SharingTest,
                         ::testing::ValuesIn(ParavirtualSettings()),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

TEST(SharingCallTest, OneCallServesAWindowOfFaultAround) {
  const Setting setting{"pinning", PagingMode::k4Level, GuestOps::kMulticall};
  Domains domains(setting, /*share=*/true);
  ReadAll(domains);
  // 40 pages in windows of 16.
  EXPECT_EQ(domains.Counted(Counter::kCallsToMakeRoAndShare), kDomains * 3);
}

TEST(SharingOptionTest, AGuestWithoutHypervisorCannotShare) {
  GuestOptions options;
  EXPECT_TRUE(CheckGuestOptions({}, options).ok());
  options.share_file_pages = true;
  EXPECT_FALSE(CheckGuestOptions({}, options).ok());
}

}  // namespace
}  // namespace xmmu::sharing_test
