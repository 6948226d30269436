#include "xmmu/xen/dirty_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/xen/host.h"
#include "xmmu/xen/write_logging.h"

namespace xmmu::dirty_log_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Notes what it is told, and what the log was then.
class NotingStrategy final : public WriteLogging {
 public:
  NotingStrategy(Host& host, Domain& domain)
      : WriteLogging(host, domain), log_(domain.dirty_log()) {}

  std::vector<std::string> calls;
  absl::Status answer;

 private:
  absl::Status EnableLogging(Cpu&) override {
    Note("enable");
    return answer;
  }
  void CleanLog(Cpu&, const DirtyBitmap& marked) override {
    Note(absl::StrCat("clean of ", marked.count()));
  }
  void DisableLogging(Cpu&) override { Note("disable"); }

  void Note(std::string what) {
    if (log_.enabled()) what += ", on";
    if (log_.bitmap().count() != 0) what += ", not empty";
    calls.push_back(what);
  }

  const DirtyLog& log_;
};

TEST(DirtyBitmapTest, PagesOfATebibyteTakeMemoryWhereTheyAreMarked) {
  constexpr uint64_t kPages = uint64_t{1} << 28;
  DirtyBitmap pages(kPages);
  EXPECT_EQ(pages.bytes(), kPages / 8);
  const std::vector<Pfn> marked = {Pfn(0), Pfn(32'767), Pfn(32'768),
                                   Pfn(kPages - 1)};
  for (const Pfn pfn : marked) EXPECT_TRUE(pages.Set(pfn));
  for (const Pfn pfn : marked) EXPECT_FALSE(pages.Set(pfn));
  EXPECT_EQ(pages.Pfns(), marked);
  EXPECT_EQ(pages.count(), marked.size());
  EXPECT_TRUE(pages.Test(Pfn(32'768)));
  EXPECT_FALSE(pages.Test(Pfn(32'769)));
  EXPECT_FALSE(pages.Test(Pfn(100'000)));
  EXPECT_FALSE(pages.Test(Pfn(kPages)));
  EXPECT_EQ(pages.bytes(), kPages / 8);
  EXPECT_LT(pages.host_bytes(), 256u << 10);
}

class DirtyLogTest : public ::testing::Test {
 protected:
  // 9 KiB and 8 bytes of bitmap.
  static constexpr uint64_t kFrames = 9 * 1024 * 8 + 64;

  DirtyLogTest()
      : host_(*FindMachine("skylake-2017"), HostOptions()),
        domain_(**host_.CreateDomain({.memory_frames = kFrames, .vcpus = 1})),
        strategy_(host_, domain_) {}

  Cpu& cpu() { return host_.cpu(0); }
  std::vector<Pfn> Fetched(DirtyFetch how) {
    return strategy_.Fetch(cpu(), how)->Pfns();
  }

  Host host_;
  Domain& domain_;
  NotingStrategy strategy_;
};

TEST_F(DirtyLogTest, NothingIsMarkedAndNothingCostsWhileItIsOff) {
  MarkDirty(cpu(), domain_, Pfn(3));
  EXPECT_FALSE(domain_.dirty_log().IsDirty(Pfn(3)));
  EXPECT_EQ(cpu().clock.busy(), Cycles(0));
}

TEST_F(DirtyLogTest, APageIsMarkedOnceAndCountedOnce) {
  ASSERT_TRUE(strategy_.Start(cpu()).ok());
  const uint64_t writes = cpu().clock.tally(CostEvent::kXenPteWrite);
  const uint64_t locks = cpu().clock.tally(CostEvent::kLockedOp);
  MarkDirty(cpu(), domain_, Pfn(70));
  MarkDirty(cpu(), domain_, domain_.p2m().MfnOf(Pfn(70)));
  MarkDirty(cpu(), domain_, Pfn(5));
  EXPECT_EQ(cpu().counters[Counter::kLogDirtyMarked], 2u);
  EXPECT_EQ(cpu().clock.tally(CostEvent::kXenPteWrite) - writes, 2u);
  EXPECT_EQ(cpu().clock.tally(CostEvent::kLockedOp) - locks, 3u);
  EXPECT_THAT(Fetched(DirtyFetch::kPeek), ElementsAre(Pfn(5), Pfn(70)));
}

TEST_F(DirtyLogTest, AFrameOfAnotherIsNoPageOfTheDomains) {
  ASSERT_TRUE(strategy_.Start(cpu()).ok());
  MarkDirty(cpu(), domain_, Mfn(1));
  MarkDirty(cpu(), domain_, kInvalidPfn);
  EXPECT_THAT(Fetched(DirtyFetch::kPeek), IsEmpty());
}

TEST_F(DirtyLogTest, PeekLeavesTheMarksAndCleanTakesThem) {
  ASSERT_TRUE(strategy_.Start(cpu()).ok());
  MarkDirty(cpu(), domain_, Pfn(64));
  EXPECT_THAT(Fetched(DirtyFetch::kPeek), ElementsAre(Pfn(64)));
  EXPECT_THAT(Fetched(DirtyFetch::kClean), ElementsAre(Pfn(64)));
  EXPECT_THAT(Fetched(DirtyFetch::kClean), IsEmpty());
  EXPECT_EQ(cpu().counters[Counter::kLogDirtyRounds], 2u);
}

TEST_F(DirtyLogTest, TheStrategyIsToldWhenTheLogIsAsItIsToBe) {
  ASSERT_TRUE(strategy_.Start(cpu()).ok());
  MarkDirty(cpu(), domain_, Pfn(0));
  ASSERT_TRUE(strategy_.Fetch(cpu(), DirtyFetch::kPeek).ok());
  ASSERT_TRUE(strategy_.Fetch(cpu(), DirtyFetch::kClean).ok());
  MarkDirty(cpu(), domain_, Pfn(0));
  ASSERT_TRUE(strategy_.Stop(cpu()).ok());
  EXPECT_THAT(strategy_.calls,
              ElementsAre("enable, on", "clean of 1, on", "disable"));
}

TEST_F(DirtyLogTest, WhatIsOnCannotBeSwitchedOnNorWhatIsOffBeRead) {
  EXPECT_TRUE(absl::IsInvalidArgument(strategy_.Stop(cpu())));
  EXPECT_TRUE(absl::IsInvalidArgument(
      strategy_.Fetch(cpu(), DirtyFetch::kClean).status()));
  ASSERT_TRUE(strategy_.Start(cpu()).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(strategy_.Start(cpu())));
  EXPECT_THAT(strategy_.calls, ElementsAre("enable, on"));
}

TEST_F(DirtyLogTest, AStrategyThatRefusesLeavesTheLogOff) {
  strategy_.answer = absl::ResourceExhaustedError("no room");
  EXPECT_TRUE(absl::IsResourceExhausted(strategy_.Start(cpu())));
  EXPECT_FALSE(domain_.dirty_log().enabled());
}

TEST_F(DirtyLogTest, TheBitmapIsCopiedByTheKibAndClearedByThePage) {
  ASSERT_TRUE(strategy_.Start(cpu()).ok());
  const CostTally before = cpu().clock.tallies();
  const auto charged = [&](CostEvent event) {
    return cpu().clock.tally(event) - before[static_cast<size_t>(event)];
  };
  ASSERT_TRUE(strategy_.Fetch(cpu(), DirtyFetch::kPeek).ok());
  EXPECT_EQ(charged(CostEvent::kHypercallSyscall), 1u);
  EXPECT_EQ(charged(CostEvent::kHypercallWork), 1u);
  EXPECT_EQ(charged(CostEvent::kCopyIn), 10u);
  EXPECT_EQ(charged(CostEvent::kCopyPage), 3u);
  EXPECT_EQ(charged(CostEvent::kZeroPage), 0u);
  ASSERT_TRUE(strategy_.Fetch(cpu(), DirtyFetch::kClean).ok());
  EXPECT_EQ(charged(CostEvent::kCopyPage), 6u);
  EXPECT_EQ(charged(CostEvent::kZeroPage), 3u);
}

TEST_F(DirtyLogTest, APageThatLeadsElsewhereIsMarked) {
  ASSERT_TRUE(strategy_.Start(cpu()).ok());
  const Mfn mfn = domain_.p2m().MfnOf(Pfn(8));
  domain_.p2m().Clear(Pfn(8));
  EXPECT_THAT(Fetched(DirtyFetch::kClean), ElementsAre(Pfn(8)));
  domain_.p2m().Set(Pfn(kFrames + 100), mfn);
  EXPECT_THAT(Fetched(DirtyFetch::kClean), ElementsAre(Pfn(kFrames + 100)));
}

}  // namespace
}  // namespace xmmu::dirty_log_test
