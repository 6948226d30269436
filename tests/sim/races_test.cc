// Processes and threads on several vCPUs that share memory: what depends on who
// comes first is not compared, all else is.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "workload/lackey/trace_support.h"
#include "xmmu/policy/policies.h"
#include "xmmu/report/report.h"
#include "xmmu/sim/compare.h"

namespace xmmu::races_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint64_t kPages = 120;

std::string Touch(char kind, uint64_t va, uint64_t pages = kPages) {
  std::string text;
  for (uint64_t i = 0; i < pages; ++i) {
    absl::StrAppendFormat(&text, " %c %08x,8\n", kind, va + i * kPageSize);
  }
  return text;
}

// Maps kPages of the file that descriptor 3 is open for.
std::string MapFile(uint32_t pid, uint64_t va, int flags) {
  return Call(pid, 9,
              absl::StrFormat("sys_mmap ( 0x0, %d, 3, %d, 3, 0 ) --> "
                              "[pre-success] Success(0x%x) ",
                              kPages * kPageSize, flags, va));
}

std::string Discard(uint32_t pid, uint64_t va) {
  return Call(pid, 28,
              absl::StrFormat("sys_madvise ( 0x%x, %d, 4 )[sync] --> "
                              "Success(0x0) ",
                              va, kPages * kPageSize));
}

// Native, but for flushes that it forgets.
class Forgetful final : public Policy {
 public:
  explicit Forgetful(Host& host) : native_(FindPolicy("native")->make(host)) {}
  std::string_view name() const override { return "forgetful"; }
  absl::StatusOr<GuestAbi> Abi(PagingMode mode) const override {
    return native_->Abi(mode);
  }
  absl::Status StartVcpu(VcpuContext& vcpu, Gfn root, Gfn user) override {
    return native_->StartVcpu(vcpu, root, user);
  }
  absl::Status LoadCr3(VcpuContext& vcpu, Gfn root) override {
    return native_->LoadCr3(vcpu, root);
  }
  void FlushTlb(VcpuContext&, CpuMask, const TlbFlush&) override {}
  void SwitchMode(VcpuContext& vcpu, ModeSwitch how) override {
    native_->SwitchMode(vcpu, how);
  }
  FaultOutcome HandlePageFault(VcpuContext& vcpu, const PageFault& fault,
                               const Access& access,
                               MemoryOperand& operand) override {
    return native_->HandlePageFault(vcpu, fault, access, operand);
  }

 private:
  std::unique_ptr<Policy> native_;
};

// Three strategies in PAE; with_forgetful adds one that forgets shootdowns.
ComparisonOptions RaceOptions(int vcpus, bool with_forgetful) {
  ComparisonOptions options;
  options.policies = {{"native", {}}, {"xi-shadow", {}}, {"pinning", {}}};
  if (with_forgetful) {
    options.policies.push_back({"forgetful", [](Host& host) {
                                  return std::make_unique<Forgetful>(host);
                                }});
  }
  options.base.mode = PagingMode::kPae;
  options.base.vcpus = vcpus;
  options.base.guest_memory_bytes = uint64_t{32} << 20;
  return options;
}

class RacesTest : public TraceTest {
 protected:
  // A process that reads `parent`'s records and one of its children.
  void WriteLogs(const std::string& parent, const std::string& child) {
    const std::string open = Call(
        7, 257,
        "sys_openat ( 4294967196, 0x1(/lib/f), 2 )[sync] --> Success(0x3) ");
    const std::string fork =
        Call(7, 57, "sys_fork ( )  fork: process 7 created child 8") +
        " --> [pre-success] Success(0x8) \n";
    files_ = {Write("p.log", Head(7) + open + fork + parent + Tail(7)),
              Write("c.log", ForkedHead(8, 7) + child + Tail(8))};
  }

  absl::StatusOr<Comparison> Run(int vcpus, bool with_forgetful = false) {
    return Compare(
        RaceOptions(vcpus, with_forgetful), [&](const SimulatorOptions&) {
          return OpenLackeyTrace(files_, {.address_limit = 0xC0000000});
        });
  }

  // One process maps privately what another writes in place.
  void WriteRace() {
    WriteLogs(MapFile(7, 0x10000000, 2) + Touch('L', 0x10000000),
              MapFile(8, 0x20000000, 1) + Touch('S', 0x20000000));
  }

  std::vector<std::string> files_;
};

TEST_F(RacesTest, ReadsOfAFileThatAnotherProcessWritesAreLeftOut) {
  WriteRace();
  const absl::StatusOr<Comparison> comparison = Run(2);
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  for (const ReportRow& row : comparison->rows) {
    EXPECT_EQ(row.not_compared.accesses, kPages);
    EXPECT_EQ(row.not_compared.pages, kPages);
  }
  EXPECT_THAT(FormatReport(*comparison, ReportFormat::kText),
              HasSubstr("equal in all rows\n120 accesses to 120 pages that "
                        "another task may change are not compared: which comes "
                        "first depends on the cycles\n"));
  EXPECT_THAT(FormatReport(*comparison, ReportFormat::kJson),
              AllOf(HasSubstr("\"accesses_not_compared\": 120"),
                    HasSubstr("\"pages_not_compared\": 120")));
}

TEST_F(RacesTest, OnOneVcpuAllIsCompared) {
  WriteRace();
  const absl::StatusOr<Comparison> comparison = Run(1);
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  EXPECT_EQ(comparison->rows[0].not_compared.pages, 0);
  EXPECT_THAT(FormatReport(*comparison, ReportFormat::kText),
              Not(HasSubstr("not compared")));
}

TEST_F(RacesTest, WhatAProcessWritesAndReadsByItselfIsCompared) {
  WriteLogs(MapFile(7, 0x10000000, 2) + Touch('L', 0x10000000),
            MapFile(8, 0x20000000, 2) + Touch('S', 0x20000000) +
                Touch('L', 0x20000000));
  const absl::StatusOr<Comparison> comparison = Run(2);
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  EXPECT_EQ(comparison->rows[0].not_compared.pages, 0);
}

TEST_F(RacesTest, ACopyOfARacingPageRacesAsWell) {
  WriteLogs(MapFile(7, 0x10000000, 2) + Touch('M', 0x10000000) +
                Touch('L', 0x10000000),
            MapFile(8, 0x20000000, 1) + Touch('S', 0x20000000));
  const absl::StatusOr<Comparison> comparison = Run(2);
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  EXPECT_EQ(comparison->rows[0].not_compared.pages, kPages);
}

TEST_F(RacesTest, AStrategyThatIsWrongIsFoundBesideARace) {
  constexpr uint64_t kFew = 16;  // fit into the TLB
  const std::string anonymous =
      Call(7, 9,
           absl::StrFormat("sys_mmap ( 0x0, %d, 3, 34, 4294967295, 0 ) --> "
                           "[pre-success] Success(0x50000000) ",
                           kPages * kPageSize));
  WriteLogs(MapFile(7, 0x10000000, 2) + Touch('L', 0x10000000) + anonymous +
                Touch('S', 0x50000000, kFew) + Discard(7, 0x50000000) +
                Touch('L', 0x50000000, kFew),
            MapFile(8, 0x20000000, 1) + Touch('S', 0x20000000));
  for (const int vcpus : {1, 2}) {
    EXPECT_TRUE(Run(vcpus).ok());
    EXPECT_THAT(Run(vcpus, /*with_forgetful=*/true).status().message(),
                AllOf(HasSubstr("did not see the same under native"),
                      HasSubstr("and under forgetful")));
  }
}

// Two threads: each has a page of its own, and they share the page at kCommon,
// if `common`. The second one ends with `more`.
constexpr VirtAddr kCommon{0x10000000};

class TwoThreads final : public Workload {
 public:
  TwoThreads(std::vector<GuestOp> more, bool common)
      : more_(std::move(more)), common_(common) {}

  std::string name() const override { return "two threads"; }
  TaskId first_task() const override { return 1; }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    ops_[task].clear();
    const VirtAddr own = kCommon + task * kPageSize;
    if (task == 1) {
      Add(task, {.kind = GuestOpKind::kMap,
                 .rights = kMapRead | kMapWrite,
                 .va = kCommon,
                 .length = 64 * kPageSize});
      Add(task, {.kind = GuestOpKind::kClone, .child = 2});
    }
    for (int i = 0; i < 20; ++i) {
      Add(task, {.kind = GuestOpKind::kStore, .va = own, .length = 8});
      Add(task, {.kind = GuestOpKind::kLoad, .va = own, .length = 8});
      if (!common_) continue;
      Add(task, {.kind = GuestOpKind::kStore, .va = kCommon, .length = 8});
      Add(task, {.kind = GuestOpKind::kLoad, .va = kCommon, .length = 8});
    }
    if (task == 2) {
      ops_[task].insert(ops_[task].end(), more_.begin(), more_.end());
    } else {
      Add(task, {.kind = GuestOpKind::kWait, .child = 2});
    }
    Add(task, {.kind = GuestOpKind::kExit});
    return ops_[task];
  }

 private:
  void Add(TaskId task, const GuestOp& op) { ops_[task].push_back(op); }

  const std::vector<GuestOp> more_;
  const bool common_;
  std::map<TaskId, std::vector<GuestOp>> ops_;
};

absl::StatusOr<Comparison> RunThreads(int vcpus, std::vector<GuestOp> more,
                                      bool with_forgetful = false,
                                      bool common = true) {
  return Compare(RaceOptions(vcpus, with_forgetful),
                 [&](const SimulatorOptions&) {
                   return absl::StatusOr<std::unique_ptr<Workload>>(
                       std::make_unique<TwoThreads>(more, common));
                 });
}

TEST(ThreadRacesTest, LoadsOfThePageThatBothStoreToAreLeftOut) {
  const absl::StatusOr<Comparison> comparison = RunThreads(2, {});
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  for (const ReportRow& row : comparison->rows) {
    EXPECT_EQ(row.not_compared.accesses, 40u);
    EXPECT_EQ(row.not_compared.pages, 1u);
    EXPECT_EQ(row.not_compared.threaded_spaces, 1u);
  }
  EXPECT_THAT(
      FormatReport(*comparison, ReportFormat::kText),
      HasSubstr("equal in all rows\n40 accesses to 1 page that another task "
                "may change are not compared, nor are faults in 1 address "
                "space with threads: which comes first depends on the "
                "cycles\n"));
  EXPECT_THAT(FormatReport(*comparison, ReportFormat::kJson),
              HasSubstr("\"spaces_not_compared\": 1"));
  const absl::StatusOr<Comparison> one = RunThreads(1, {});
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->rows[0].not_compared.accesses, 0u);
  EXPECT_EQ(one->rows[0].not_compared.threaded_spaces, 0u);
  EXPECT_THAT(FormatReport(*one, ReportFormat::kText),
              Not(HasSubstr("not compared")));
}

// A forked child has no threads, but what it finds mapped is theirs.
TEST(ThreadRacesTest, AForksCopyOfAnAddressSpaceWithThreadsCounts) {
  const absl::StatusOr<Comparison> comparison = RunThreads(
      2,
      {{.kind = GuestOpKind::kFork, .child = 3}, {.kind = GuestOpKind::kWait}});
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  for (const ReportRow& row : comparison->rows) {
    EXPECT_EQ(row.not_compared.threaded_spaces, 2u);
  }
}

// Threads that share no page: all loads are compared, their faults are not.
TEST(ThreadRacesTest, FaultsAreLeftOutWhereNoAccessIs) {
  const absl::StatusOr<Comparison> comparison =
      RunThreads(2, {}, /*with_forgetful=*/false, /*common=*/false);
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  EXPECT_EQ(comparison->rows[0].not_compared.pages, 0u);
  EXPECT_THAT(FormatReport(*comparison, ReportFormat::kText),
              HasSubstr("equal in all rows\nfaults in 1 address space with "
                        "threads are not compared: which comes first depends "
                        "on the cycles\n"));
}

TEST(ThreadRacesTest, WhatAThreadUnmapsIsLeftOutForTheOthersAlone) {
  const VirtAddr own = kCommon + 1 * kPageSize;  // the first thread's
  const absl::StatusOr<Comparison> comparison = RunThreads(
      2, {{.kind = GuestOpKind::kUnmap, .va = own, .length = 2 * kPageSize},
          {.kind = GuestOpKind::kLoad, .va = own + kPageSize, .length = 8}});
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  // The common page and the first thread's.
  EXPECT_EQ(comparison->rows[0].not_compared.accesses, 60u);
  EXPECT_EQ(comparison->rows[0].not_compared.pages, 2u);
}

TEST(ThreadRacesTest, AStrategyThatIsWrongIsFoundBesideThem) {
  const VirtAddr own = kCommon + 2 * kPageSize;
  const std::vector<GuestOp> more = {
      {.kind = GuestOpKind::kDiscard, .va = own, .length = kPageSize},
      {.kind = GuestOpKind::kLoad, .va = own, .length = 8}};
  for (const int vcpus : {1, 2}) {
    EXPECT_TRUE(RunThreads(vcpus, more).ok());
    EXPECT_THAT(
        RunThreads(vcpus, more, /*with_forgetful=*/true).status().message(),
        HasSubstr("did not see the same under native"));
  }
}

}  // namespace
}  // namespace xmmu::races_test
