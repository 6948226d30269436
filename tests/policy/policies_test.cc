#include "xmmu/policy/policies.h"

#include <set>

#include "gtest/gtest.h"

namespace xmmu::policies_test {
namespace {

TEST(PoliciesTest, BareHardwareComesFirst) {
  EXPECT_EQ(Policies()[0].name, "native");
}

TEST(PoliciesTest, EachEntryMakesThePolicyOfItsName) {
  Host host(*FindMachine("skylake-2017"), {});
  std::set<std::string_view> names;
  for (const PolicyEntry& entry : Policies()) {
    EXPECT_EQ(entry.make(host)->name(), entry.name);
    EXPECT_TRUE(names.insert(entry.name).second);
    EXPECT_FALSE(entry.help.empty());
    EXPECT_EQ(FindPolicy(entry.name), &entry);
  }
  EXPECT_EQ(FindPolicy("none"), nullptr);
}

TEST(PoliciesTest, AVariantFollowsTheStrategyThatItIsOf) {
  std::string_view strategy;
  for (const PolicyEntry& entry : Policies()) {
    if (entry.variant_of.empty()) {
      strategy = entry.name;
    } else {
      EXPECT_EQ(entry.variant_of, strategy) << entry.name;
    }
  }
}

TEST(PoliciesTest, OnlyBareHardwareHasNoHypervisor) {
  Host host(*FindMachine("skylake-2017"), {});
  for (const PolicyEntry& entry : Policies()) {
    EXPECT_EQ(entry.make(host)->has_hypervisor(), entry.name != "native")
        << entry.name;
  }
}

TEST(PoliciesTest, XenHasNoFiveLevelGuestsButOnNestedTables) {
  Host host(*FindMachine("skylake-2017"), {});
  for (const PolicyEntry& entry : Policies()) {
    const absl::Status status =
        entry.make(host)->Abi(PagingMode::k5Level).status();
    const bool own_tables =
        entry.name == "native" || entry.name.starts_with("nested-paging");
    EXPECT_EQ(status.ok(), own_tables) << entry.name << ": " << status;
  }
}

}  // namespace
}  // namespace xmmu::policies_test
