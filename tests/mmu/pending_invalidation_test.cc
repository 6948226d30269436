#include "xmmu/mmu/pending_invalidation.h"

#include "gtest/gtest.h"

namespace xmmu::pending_invalidation_test {
namespace {

constexpr VirtAddr kVa{0x1000};

TEST(PendingInvalidationTest, OnePageStaysAPageWhoeverOwesIt) {
  PendingInvalidation pending;
  pending.Add(MaskOf(0), TlbFlush::Page(kVa));
  pending.Add(MaskOf(3), TlbFlush::Page(kVa));
  EXPECT_EQ(pending.cpus(), 9u);
  EXPECT_EQ(pending.flush().scope, FlushScope::kPage);
  EXPECT_EQ(pending.flush().va, kVa);
  pending.Consume();
  EXPECT_TRUE(pending.empty());
}

TEST(PendingInvalidationTest, TwoPagesBecomeAFlush) {
  PendingInvalidation pending;
  pending.Add(MaskOf(0), TlbFlush::Page(kVa));
  pending.Add(MaskOf(0), TlbFlush::Page(kVa + kPageSize));
  EXPECT_EQ(pending.flush().scope, FlushScope::kNonGlobal);
  pending.Consume();
}

TEST(PendingInvalidationTest, TheWidestScopeWins) {
  PendingInvalidation pending;
  pending.Add(MaskOf(0), TlbFlush::All());
  pending.Add(MaskOf(0), TlbFlush::Page(kVa));
  pending.Add(MaskOf(0), TlbFlush::NonGlobal());
  EXPECT_EQ(pending.flush().scope, FlushScope::kAll);
  pending.Consume();
}

TEST(PendingInvalidationTest, NoCpuOrNoScopeOwesNothing) {
  PendingInvalidation pending;
  pending.Add(0, TlbFlush::All());
  pending.Add(MaskOf(1), TlbFlush());
  EXPECT_TRUE(pending.empty());
}

TEST(PendingInvalidationDeathTest, AForgottenFlushEndsTheProgram) {
  EXPECT_DEATH(
      {
        PendingInvalidation pending;
        pending.Add(MaskOf(0), TlbFlush::All());
      },
      "check failed");
}

}  // namespace
}  // namespace xmmu::pending_invalidation_test
