#include "xmmu/base/check.h"

#include "gtest/gtest.h"

namespace xmmu::check_test {
namespace {

TEST(CheckTest, AFalseConditionEndsTheProgramAndNamesIt) {
  EXPECT_DEATH(XMMU_CHECK(1 + 1 == 3), "check_test.cc:.*check failed: 1 \\+ 1");
}

TEST(CheckTest, ATrueConditionIsEvaluatedOnce) {
  int evaluations = 0;
  XMMU_CHECK(++evaluations == 1);
  EXPECT_EQ(evaluations, 1);
}

}  // namespace
}  // namespace xmmu::check_test
