// Two guests of one hypervisor that take turns on the same CPU.

#include "testing/conformance/two_domains.h"

#include "guest/world.h"

namespace xmmu::two_domains_test {
namespace {

class TwoDomainsTest : public ::testing::TestWithParam<Setting> {};

TEST_P(TwoDomainsTest, EachSeesWhatItWouldSeeAlone) {
  EXPECT_EQ(conformance::RunTwoDomains(GetParam(), /*seed=*/1, /*steps=*/60,
                                       /*check_every=*/10),
            "");
}

INSTANTIATE_TEST_SUITE_P(LargePages, TwoDomainsTest,
                         ::testing::ValuesIn(LargePageSettings()),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

INSTANTIATE_TEST_SUITE_P(Settings, TwoDomainsTest,
                         ::testing::ValuesIn(AllSettings()),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return NameOf(setting.param);
                         });

}  // namespace
}  // namespace xmmu::two_domains_test
