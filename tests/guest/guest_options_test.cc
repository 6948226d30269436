#include "xmmu/guest/guest_options.h"

#include <string>

#include "gtest/gtest.h"
#include "xmmu/policy/policies.h"
#include "xmmu/xen/host.h"

namespace xmmu::guest_options_test {
namespace {

TEST(GuestOptionsTest, NamesParseBack) {
  for (GuestOps ops : AllGuestOps()) {
    EXPECT_EQ(ParseGuestOps(GuestOpsName(ops)), ops);
    EXPECT_FALSE(GuestOpsHelp(ops).empty());
  }
  for (PinWhen pin : AllPinWhen()) {
    EXPECT_EQ(ParsePinWhen(PinWhenName(pin)), pin);
    EXPECT_FALSE(PinWhenHelp(pin).empty());
  }
  EXPECT_EQ(ParseGuestOps("store"), std::nullopt);
  EXPECT_EQ(ParsePinWhen(""), std::nullopt);
}

TEST(GuestOptionsTest, TheDefaultsOfEveryPolicyGoWithItsAbi) {
  Host host(*FindMachine("skylake-2017"), {});
  for (const PolicyEntry& entry : Policies()) {
    const std::unique_ptr<Policy> policy = entry.make(host);
    for (PagingMode mode : kAllPagingModes) {
      const absl::StatusOr<GuestAbi> abi = policy->Abi(mode);
      if (!abi.ok()) continue;
      EXPECT_TRUE(CheckGuestOptions(*abi, DefaultGuestOptions(*abi, mode)).ok())
          << entry.name;
    }
  }
}

TEST(GuestOptionsTest, HypercallsNeedAHypervisor) {
  EXPECT_FALSE(CheckGuestOptions(GuestAbi(), {.ops = GuestOps::kQueue}).ok());
  EXPECT_TRUE(CheckGuestOptions(GuestAbi(), {}).ok());
}

TEST(GuestOptionsTest, PvopsNeedsSomebodyToEmulateItsInstructions) {
  const GuestAbi emulating{.paravirtual = true};
  const GuestAbi hypercalls_only{.paravirtual = true, .stores_to_l1 = false};
  const GuestOptions pvops{.ops = GuestOps::kPvops};
  EXPECT_TRUE(CheckGuestOptions(emulating, pvops).ok());
  const absl::Status refused = CheckGuestOptions(hypercalls_only, pvops);
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(refused.message().find("expected update-va-mapping"),
            absl::string_view::npos);
  EXPECT_FALSE(CheckGuestOptions(GuestAbi(), pvops).ok());  // bare hardware
}

TEST(GuestOptionsTest, OfTheKernelsOfATimeTheOldestAloneWritesToNoTable) {
  const GuestAbi emulating{.paravirtual = true};
  const GuestAbi hypercalls_only{.paravirtual = true, .stores_to_l1 = false};
  for (GuestOps ops : AllGuestOps()) {
    if (!IsLinuxOfATime(ops)) continue;
    const GuestOptions options{.ops = ops};
    EXPECT_TRUE(CheckGuestOptions(emulating, options).ok());
    EXPECT_FALSE(CheckGuestOptions(GuestAbi(), options).ok());
    const absl::Status refused = CheckGuestOptions(hypercalls_only, options);
    EXPECT_EQ(refused.ok(), ops == GuestOps::kLinux24);
    if (refused.ok()) continue;
    const std::string message(refused.message());
    EXPECT_NE(message.find(GuestOpsName(ops)), std::string::npos);
    EXPECT_NE(message.find("expected "), std::string::npos);
  }
}

TEST(GuestOptionsTest, FaultAroundIsAPowerOfTwoWithinATable) {
  for (int pages : {1, 2, 512}) {
    EXPECT_TRUE(
        CheckGuestOptions(GuestAbi(), {.fault_around_pages = pages}).ok());
  }
  for (int pages : {0, 3, 1024, -1}) {
    EXPECT_FALSE(
        CheckGuestOptions(GuestAbi(), {.fault_around_pages = pages}).ok());
  }
}

}  // namespace
}  // namespace xmmu::guest_options_test
