// Memory that changes under a running translated guest, strategy by strategy:
// pages given back, taken, moved. A new row of the table of policies is covered
// by being there.

#include "xmmu/xen/physmap.h"

#include <array>
#include <vector>

#include "absl/strings/str_format.h"
#include "policy/shadow/translated_guest.h"
#include "testing/conformance/hardware_view.h"
#include "xmmu/policy/policies.h"
#include "xmmu/xen/errno.h"

namespace xmmu::physmap_test {
namespace {

using conformance::FirstEscape;
using conformance::FirstShadowEscape;

struct Row {
  std::string_view policy;
  PagingMode mode;
};

class PhysmapTest : public ::testing::TestWithParam<Row> {
 protected:
  PhysmapTest()
      : host_(*FindMachine("skylake-2017"), {.cpus = 2}),
        policy_(FindPolicy(GetParam().policy)->make(host_)),
        guest_(host_, *policy_, GetParam().mode, /*vcpus=*/2),
        other_(host_, *policy_, GetParam().mode) {
    EXPECT_EQ(guest_.Start(), absl::OkStatus());
    EXPECT_EQ(other_.Start(), absl::OkStatus());
  }
  ~PhysmapTest() override {
    EXPECT_EQ(policy_->Audit(), absl::OkStatus());
    EXPECT_EQ(Escape(), "");
  }

  std::string Escape() {
    return guest_.vcpu().vm.nested ? FirstEscape(host_)
                                   : FirstShadowEscape(host_);
  }
  Mfn FrameOfPage(TranslatedGuest& guest, uint64_t pfn) {
    return guest.domain->p2m().MfnOf(Pfn(pfn));
  }
  uint32_t GiveBack(TranslatedGuest& guest, uint64_t pfn) {
    const std::array frames = {Mfn(pfn)};
    return policy_
        ->Hypercall(guest.vcpu(), DecreaseReservationCall{.frames = frames})
        .done;
  }
  uint32_t Take(TranslatedGuest& guest, uint64_t pfn) {
    const std::array pfns = {Pfn(pfn)};
    return policy_->Hypercall(guest.vcpu(), PopulatePhysmapCall{.pfns = pfns})
        .done;
  }
  absl::Status Move(uint64_t pfn) {
    return policy_->MovePage(guest_.vcpu(), Gfn(pfn));
  }
  uint64_t Content(Mfn mfn) {
    return host_.memory().ReadEntry(AddressOf(mfn), 4);
  }

  const VirtAddr page_ = kBase + 20 * kPageSize;
  Host host_;
  std::unique_ptr<Policy> policy_;
  TranslatedGuest guest_;
  TranslatedGuest other_;
};

TEST_P(PhysmapTest, AFrameThatAnotherDomainGetsIsOutOfReach) {
  for (const uint32_t id : {0u, 1u}) EXPECT_TRUE(guest_.Store(page_, 7, id));
  EXPECT_TRUE(guest_.Store(kLarge + 20 * kPageSize, 7));
  const Mfn mfn = FrameOfPage(guest_, 20);
  EXPECT_EQ(GiveBack(other_, 30), 1u);
  EXPECT_EQ(GiveBack(guest_, 20), 1u);
  EXPECT_EQ(GiveBack(guest_, 20), 0u);
  EXPECT_EQ(policy_->Audit(), absl::OkStatus());
  EXPECT_EQ(Escape(), "");
  EXPECT_EQ(Take(other_, 30), 1u);
  EXPECT_EQ(FrameOfPage(other_, 30), mfn);
  // Every mapping that the guest has of the page is tried, on both processors.
  for (const uint32_t id : {0u, 1u}) {
    EXPECT_TRUE(guest_.Store(page_, 9, id));
    EXPECT_TRUE(guest_.Store(kLarge + 20 * kPageSize, 9, id));
    EXPECT_EQ(Content(mfn), 7u);
  }
  // The pages beside it in the large one are where they were.
  EXPECT_EQ(guest_.FrameAt(kLarge + 21 * kPageSize), 21u);
}

TEST_P(PhysmapTest, APageTakenIsMappedAgain) {
  EXPECT_TRUE(guest_.Store(page_, 7));
  EXPECT_EQ(GiveBack(guest_, 20), 1u);
  EXPECT_EQ(Take(guest_, 20), 1u);
  EXPECT_EQ(Take(guest_, 20), 0u);
  EXPECT_EQ(guest_.FrameAt(page_), 20u);
  EXPECT_EQ(guest_.FrameAt(kLarge + 20 * kPageSize), 20u);
}

TEST_P(PhysmapTest, APageMovedHasItsContentAndItsMappings) {
  for (const uint32_t id : {0u, 1u}) EXPECT_TRUE(guest_.Store(page_, 7, id));
  EXPECT_EQ(GiveBack(other_, 30), 1u);
  const Mfn before = FrameOfPage(guest_, 20);
  EXPECT_EQ(Move(20), absl::OkStatus());
  const Mfn now = FrameOfPage(guest_, 20);
  EXPECT_NE(now, before);
  EXPECT_EQ(Content(now), 7u);
  for (const uint32_t id : {0u, 1u}) {
    EXPECT_TRUE(guest_.Store(page_, 8 + id, id));
    EXPECT_EQ(guest_.FrameAt(page_, id), 20u);
    EXPECT_EQ(Content(now), 8 + id);
  }
  // The other guest gets the frame that was given up.
  EXPECT_EQ(Take(other_, 30), 1u);
  EXPECT_EQ(FrameOfPage(other_, 30), before);
}

// Each table on the way to a page, the root first.
TEST_P(PhysmapTest, ATableMovedTranslatesAndIsWatchedAsBefore) {
  const uint64_t table = guest_.TableOf(page_);
  const VirtAddr entry = guest_.Seen(guest_.SlotFor(page_));
  EXPECT_EQ(GiveBack(other_, 30), 1u);
  EXPECT_EQ(guest_.FrameAt(page_), 20u);
  for (uint64_t pfn = 0; pfn < kTables; ++pfn) {
    EXPECT_EQ(Move(pfn), absl::OkStatus());
    EXPECT_EQ(guest_.FrameAt(page_), 20u);
  }
  EXPECT_EQ(guest_.TableOf(page_), table);
  EXPECT_TRUE(guest_.Store(entry, guest_.Entry(21)));
  guest_.Flush(TlbFlush::NonGlobal(), 3);
  EXPECT_EQ(guest_.FrameAt(page_), 21u);
  EXPECT_EQ(guest_.FrameAt(page_, 1), 21u);
}

TEST_P(PhysmapTest, ARootGivenBackTakesNoHypervisorDown) {
  EXPECT_TRUE(guest_.Load(page_));
  EXPECT_EQ(GiveBack(guest_, guest_.root), 1u);
  EXPECT_FALSE(guest_.Load(kFar));
  EXPECT_EQ(Take(guest_, guest_.root), 1u);
  if (guest_.domain->crashed()) return;
  guest_.Load(page_);
  guest_.Flush(TlbFlush::NonGlobal(), 3);
  guest_.Load(page_);
}

TEST_P(PhysmapTest, AMoveNeedsAPageAndAFreeFrame) {
  EXPECT_EQ(Move(20).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GiveBack(guest_, 20), 1u);
  EXPECT_EQ(Move(20).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Move(kFrames).code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(PhysmapTest, OtherHypercallsAreForParavirtualGuests) {
  const uint64_t exits = guest_.Count(Counter::kVmExits);
  const HypercallResult result =
      policy_->Hypercall(guest_.vcpu(), VmAssistCall{});
  EXPECT_EQ(ErrnoOf(result.status), XenErrno::kENOSYS);
  // The call is a VMCALL, unless the guest runs on the bare processor.
  const VmControls& vm = guest_.vcpu().vm;
  const uint64_t calls = vm.nested || vm.shadowed ? 1 : 0;
  EXPECT_EQ(guest_.Count(Counter::kVmExits), exits + calls);
}

std::vector<Row> Rows() {
  std::vector<Row> rows;
  Host host(*FindMachine("skylake-2017"), {});
  for (const PolicyEntry& entry : Policies()) {
    const std::unique_ptr<Policy> policy = entry.make(host);
    for (const PagingMode mode : kAllPagingModes) {
      const absl::StatusOr<GuestAbi> abi = policy->Abi(mode);
      if (abi.ok() && abi->translated) rows.push_back({entry.name, mode});
    }
  }
  return rows;
}

INSTANTIATE_TEST_SUITE_P(Rows, PhysmapTest, ::testing::ValuesIn(Rows()),
                         [](const ::testing::TestParamInfo<Row>& row) {
                           std::string name =
                               absl::StrFormat("%s_%s", row.param.policy,
                                               PagingModeName(row.param.mode));
                           for (char& c : name) {
                             if (c == '-' || c == '.') c = '_';
                           }
                           return name;
                         });

TEST(PhysmapMoveTest, PagesOfGuestsThatKnowTheirFramesStay) {
  Host host(*FindMachine("skylake-2017"), {});
  const std::unique_ptr<Policy> policy = FindPolicy("pinning")->make(host);
  Domain& domain = **host.CreateDomain({.memory_frames = 16});
  EXPECT_EQ(policy->MovePage(domain.vcpu(0), Gfn(1)).code(),
            absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace xmmu::physmap_test
