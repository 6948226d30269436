#include "base/job_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <new>
#include <stdexcept>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace xmmu::job_list_test {
namespace {

using ::testing::ElementsAre;
using ::testing::Gt;

absl::Status ErrorOf(size_t index) {
  return absl::InternalError(absl::StrCat("job ", index));
}

void WaitFor(const std::atomic<bool>& flag) {
  while (!flag) std::this_thread::yield();
}

class JobListTest : public ::testing::TestWithParam<int> {
 protected:
  Jobs jobs() const { return {.threads = GetParam()}; }
};

TEST_P(JobListTest, EachIndexIsDoneOnce) {
  std::vector<int> done(100);
  const absl::Status status =
      ParallelFor(jobs(), done.size(), [&](size_t i, const std::stop_token&) {
        ++done[i];
        return absl::OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(done, std::vector<int>(100, 1));
}

TEST_P(JobListTest, NothingToDoIsNoError) {
  EXPECT_TRUE(JobList().Run(jobs()).ok());
}

TEST_P(JobListTest, TheErrorOfTheLowestIndexIsReturned) {
  for (const size_t first : {0u, 1u, 5u, 19u}) {
    const absl::Status status =
        ParallelFor(jobs(), 20, [&](size_t i, const std::stop_token&) {
          // The later ones fail sooner.
          if (i == first) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
          }
          return i >= first ? ErrorOf(i) : absl::OkStatus();
        });
    EXPECT_EQ(status, ErrorOf(first));
  }
}

TEST_P(JobListTest, NoIndexBeginsBehindOneThatHasFailed) {
  std::atomic<size_t> begun = 0;
  const absl::Status status =
      ParallelFor(jobs(), 1000, [&](size_t i, const std::stop_token&) {
        ++begun;
        return ErrorOf(i);
      });
  EXPECT_EQ(status, ErrorOf(0));
  EXPECT_LE(begun, static_cast<size_t>(GetParam()));
}

TEST_P(JobListTest, NoMoreThanWantedRunAtATime) {
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  const absl::Status status =
      ParallelFor(jobs(), 50, [&](size_t, const std::stop_token&) {
        const int now = ++running;
        int seen = most;
        while (seen < now && !most.compare_exchange_weak(seen, now)) {
        }
        std::this_thread::yield();
        --running;
        return absl::OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_LE(most, GetParam());
}

TEST_P(JobListTest, AStopEndsWhatRunsAndBeginsNoMore) {
  std::stop_source source;
  Jobs stoppable = jobs();
  stoppable.stop = source.get_token();
  std::atomic<size_t> begun = 0;
  const absl::Status status =
      ParallelFor(stoppable, 100, [&](size_t i, const std::stop_token& stop) {
        ++begun;
        if (i == 0) source.request_stop();
        while (!stop.stop_requested()) std::this_thread::yield();
        return absl::CancelledError("between two pieces");
      });
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_LE(begun, static_cast<size_t>(GetParam()));
}

TEST_P(JobListTest, AStopBeforeTheFirstJobBeginsNone) {
  std::stop_source source;
  source.request_stop();
  Jobs stopped = jobs();
  stopped.stop = source.get_token();
  const absl::Status status =
      ParallelFor(stopped, 3, [&](size_t, const std::stop_token&) {
        ADD_FAILURE();
        return absl::OkStatus();
      });
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

TEST_P(JobListTest, AnExceptionComesOutInTheCallingThread) {
  EXPECT_THROW(
      static_cast<void>(ParallelFor(jobs(), 10,
                                    [](size_t i, const std::stop_token&) {
                                      if (i == 3)
                                        throw std::runtime_error("three");
                                      return absl::OkStatus();
                                    })),
      std::runtime_error);
}

TEST_P(JobListTest, MemoryThatIsShortForOneAloneIsShort) {
  EXPECT_THROW(static_cast<void>(ParallelFor(
                   jobs(), 10,
                   [](size_t i, const std::stop_token&) -> absl::Status {
                     if (i == 3) throw std::bad_alloc();
                     return absl::OkStatus();
                   })),
               std::bad_alloc);
}

TEST_P(JobListTest, ProgressCountsWhatHasEnded) {
  JobProgress progress;
  Jobs watched = jobs();
  watched.progress = &progress;
  for (int i = 0; i < 2; ++i) {
    static_cast<void>(ParallelFor(
        watched, 7,
        [](size_t, const std::stop_token&) { return absl::OkStatus(); }));
  }
  EXPECT_EQ(progress.expected(), 14);
  EXPECT_EQ(progress.finished(), 14);
}

INSTANTIATE_TEST_SUITE_P(Threads, JobListTest, ::testing::Values(1, 2, 3, 8),
                         ::testing::PrintToStringParamName());

TEST(ParallelForTest, OneThreadGoesInOrderOnTheCallingOne) {
  std::vector<size_t> order;
  const auto self = std::this_thread::get_id();
  const absl::Status status =
      ParallelFor({}, 4, [&](size_t i, const std::stop_token&) {
        EXPECT_EQ(std::this_thread::get_id(), self);
        order.push_back(i);
        return absl::OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3));
}

TEST(ParallelForTest, TwoThreadsRunTwoJobsAtATime) {
  std::atomic<bool> first = false;
  std::atomic<bool> second = false;
  const absl::Status status =
      ParallelFor({.threads = 2}, 2, [&](size_t i, const std::stop_token&) {
        // Each waits for the other.
        (i == 0 ? first : second) = true;
        WaitFor(i == 0 ? second : first);
        return absl::OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status;
}

TEST(ParallelForTest, AFailureStopsWhatRunsBehindItAndNothingBefore) {
  std::atomic<bool> third_runs = false;
  std::atomic<bool> failed = false;
  const absl::Status status =
      ParallelFor({.threads = 3}, 3,
                  [&](size_t i, const std::stop_token& stop) -> absl::Status {
                    if (i == 1) {
                      WaitFor(third_runs);
                      failed = true;
                      return ErrorOf(1);
                    }
                    if (i == 2) {
                      third_runs = true;
                      while (!stop.stop_requested()) std::this_thread::yield();
                      return ErrorOf(2);
                    }
                    WaitFor(failed);
                    std::this_thread::sleep_for(std::chrono::milliseconds(5));
                    EXPECT_FALSE(stop.stop_requested());
                    return absl::OkStatus();
                  });
  EXPECT_EQ(status, ErrorOf(1));
}

TEST(ParallelForTest, AJobThatFindsNoMemoryBesideOthersRunsAgainAlone) {
  std::atomic<int> running = 0;
  std::atomic<int> refused = 0;
  std::vector<int> results(6);
  const absl::Status status =
      ParallelFor({.threads = 3}, results.size(),
                  [&](size_t i, const std::stop_token&) -> absl::Status {
                    const bool alone = ++running == 1;
                    std::this_thread::sleep_for(std::chrono::milliseconds(2));
                    --running;
                    if (i > 0 && !alone && ++refused > 0)
                      throw std::bad_alloc();
                    results[i] = static_cast<int>(i) + 1;
                    return absl::OkStatus();
                  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(results, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(refused.load(), Gt(0));
}

TEST(ParallelForTest, ThreadsOutOfRangeAreRefused) {
  for (const int threads : {-1, 0, Jobs::kMaxThreads + 1}) {
    const absl::Status status = ParallelFor(
        {.threads = threads}, 1,
        [](size_t, const std::stop_token&) { return absl::OkStatus(); });
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  }
}

}  // namespace
}  // namespace xmmu::job_list_test
