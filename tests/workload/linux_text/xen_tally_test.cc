// Hypercalls added up from what Linux's events say is queued and issued.

#include "workload/linux_text/xen_tally.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "workload/linux_text/text_event.h"
#include "workload/linux_text/xen_event.h"

namespace xmmu {
namespace xen_tally_test {

constexpr char kSetPte[] = "xen_mmu_set_pte: ptep 1 pteval 2 (raw 3)";

class XenTallyTest : public testing::Test {
 protected:
  void Add(const std::vector<std::string>& events, int cpu = 0) {
    for (const std::string& event : events) {
      const std::string text =
          absl::StrCat(" sh-7 [00", cpu, "] d..1. 1.0: ", event);
      const TextLine line = ParseTextLine(text);
      ASSERT_EQ(line.kind, TextLineKind::kEvent) << event;
      const auto xen = ParseXenEvent(line.event);
      ASSERT_TRUE(xen.ok()) << xen.status();
      tally_.Add(line.event, *xen, counts_);
    }
  }
  const XenCounts::Call& Updates() const {
    return counts_.calls[kHypercallMmuUpdate];
  }

  XenTally tally_;
  XenCounts counts_;
};

TEST_F(XenTallyTest, ASetPteOutsideLazyModeIsAHypercallByItself) {
  Add({kSetPte, kSetPte, "xen_mc_batch: start batch LAZY_NONE"});
  EXPECT_EQ(counts_.lone_set_ptes, 2);
  EXPECT_EQ(Updates().calls, 2);
  EXPECT_EQ(Updates().operations, 2);
  EXPECT_EQ(counts_.hypercalls(), 2);
}

// As of fork: entries join one call until there is no space for more.
TEST_F(XenTallyTest, SetPtesInLazyModeAreOneCallAQueue) {
  Add({kSetPte,
       "xen_mc_extend_args: extending op 1(mmu_update) by 16 bytes res BAD_OP",
       "xen_mc_entry_alloc: alloc entry 16 arg bytes",
       "xen_mc_entry: op 1(mmu_update) args [1, 1, 0, 7ff0, 0, 0]", kSetPte,
       "xen_mc_extend_args: extending op 1(mmu_update) by 16 bytes res OK",
       kSetPte,
       "xen_mc_extend_args: extending op 1(mmu_update) by 16 bytes res "
       "NO_SPACE"});
  EXPECT_EQ(Updates().calls, 0);
  Add({"xen_mc_flush: flushing 1 hypercalls, 32 arg bytes, 0 callbacks",
       "xen_mc_entry: op 1(mmu_update) args [1, 1, 0, 7ff0, 0, 0]",
       "xen_mc_flush: flushing 1 hypercalls, 16 arg bytes, 0 callbacks"});
  EXPECT_EQ(counts_.lone_set_ptes, 0);
  EXPECT_EQ(counts_.queued_set_ptes, 3);
  EXPECT_EQ(counts_.joined, 1);
  EXPECT_EQ(Updates().calls, 2);
  EXPECT_EQ(Updates().operations, 3);
  EXPECT_EQ(tally_.flushes_unlike_queue(), 0);
}

TEST_F(XenTallyTest, SeveralCallsInAQueueAreAMulticall) {
  Add({"xen_mc_entry: op 14(update_va_mapping) args [1, 2, 0, 0, 0, 0]",
       "xen_mc_entry: op 26(mmuext_op) args [1, 1, 0, 7ff0, 0, 0]",
       "xen_mc_extend_args: extending op 26(mmuext_op) by 24 bytes res OK",
       "xen_mc_flush: flushing 2 hypercalls, 48 arg bytes, 1 callbacks",
       "xen_mc_flush: flushing 0 hypercalls, 0 arg bytes, 0 callbacks"});
  EXPECT_EQ(counts_.multicalls, 1);
  EXPECT_EQ(counts_.empty_flushes, 1);
  EXPECT_EQ(counts_.hypercalls(), 1);
  EXPECT_EQ(counts_.calls[kHypercallUpdateVaMapping].members, 1);
  EXPECT_EQ(counts_.calls[kHypercallMmuextOp].members, 1);
  EXPECT_EQ(counts_.calls[kHypercallMmuextOp].calls, 0);
  EXPECT_EQ(counts_.calls[kHypercallMmuextOp].operations, 2);
}

TEST_F(XenTallyTest, EachCpuHasAQueueOfItsOwn) {
  Add({"xen_mc_entry: op 26(mmuext_op) args [1, 1, 0, 7ff0, 0, 0]"}, 0);
  Add({kSetPte, "xen_mc_entry: op 26(mmuext_op) args [1, 1, 0, 7ff0, 0, 0]",
       "xen_mc_flush: flushing 1 hypercalls, 24 arg bytes, 0 callbacks"},
      1);
  EXPECT_EQ(counts_.calls[kHypercallMmuextOp].calls, 1);
  EXPECT_EQ(Updates().calls, 1);
  EXPECT_EQ(tally_.flushes_unlike_queue(), 0);
  Add({"xen_mc_flush: flushing 2 hypercalls, 24 arg bytes, 0 callbacks"}, 0);
  EXPECT_EQ(tally_.flushes_unlike_queue(), 1);
}

// What trace-cmd prints where it cannot evaluate Linux's formats is the same.
TEST_F(XenTallyTest, UnparsedFieldsAreTheSame) {
  Add({"xen_mmu_set_pte: [FAILED TO PARSE] ptep=0x1 pteval=99",
       "xen_mc_extend_args: [FAILED TO PARSE] op=1 args=16 res=1",
       "xen_mc_entry: [FAILED TO PARSE] op=1 nargs=4 args=ARRAY[d0, ea]",
       "xen_mc_extend_args: [FAILED TO PARSE] op=1 args=16 res=0",
       "xen_mc_flush: flushing 1 hypercalls, 32 arg bytes, 0 callbacks"});
  EXPECT_EQ(counts_.queued_set_ptes, 1);
  EXPECT_EQ(Updates().calls, 1);
  EXPECT_EQ(Updates().operations, 2);
}

TEST_F(XenTallyTest, TablesAndBasePointersAreToldApart) {
  Add({"xen_mmu_alloc_ptpage: mm 0x1  pfn 8e8a  level 4  pinned",
       "xen_mmu_alloc_ptpage: mm 0x2  pfn 8e8a  level 2  unpinned",
       "xen_mmu_alloc_ptpage: mm (____ptrval____)  pfn 8e8a  level 2  unpinned",
       "xen_mmu_write_cr3: kernel cr3 5658000",
       "xen_mmu_write_cr3: user cr3 8e89000"});
  EXPECT_EQ(counts_.tables_pinned[1], 1);
  EXPECT_EQ(counts_.tables_unpinned[3], 2);
  EXPECT_EQ(counts_.of(XenEventKind::kWriteCr3), 2);
  EXPECT_EQ(counts_.user_cr3, 1);
  EXPECT_EQ(tally_.address_spaces(), 2);
}

}  // namespace xen_tally_test
}  // namespace xmmu
