#ifndef XMMU_BASE_JOBS_H_
#define XMMU_BASE_JOBS_H_

// How what consists of many simulations is run: on how many threads, until when,
// and how far it is. A job is a piece that is run as a whole by one thread: the
// row of a comparison, the cell of a study.
//
// Results, and which of several errors is returned, do not depend on the number
// of threads.

#include <atomic>
#include <cstdint>
#include <stop_token>

namespace xmmu {

// Counts what has been done so far. Any thread, at any time.
class JobProgress {
 public:
  JobProgress() = default;
  JobProgress(const JobProgress&) = delete;
  JobProgress& operator=(const JobProgress&) = delete;

  void Expect(uint64_t jobs) { Add(expected_, jobs); }
  void Finish(uint64_t jobs) { Add(finished_, jobs); }
  void AddOperations(uint64_t operations) { Add(operations_, operations); }
  // Of a job that has ended without a result: it may be run again.
  void TakeBackOperations(uint64_t operations) {
    operations_.fetch_sub(operations, std::memory_order_relaxed);
  }

  // Jobs that are known to come, with those that have ended.
  uint64_t expected() const { return Get(expected_); }
  uint64_t finished() const { return Get(finished_); }
  // Operations of workloads that were handed to guests, in all jobs that run or
  // have ended well.
  uint64_t operations() const { return Get(operations_); }

 private:
  static void Add(std::atomic<uint64_t>& count, uint64_t more) {
    count.fetch_add(more, std::memory_order_relaxed);
  }
  static uint64_t Get(const std::atomic<uint64_t>& count) {
    return count.load(std::memory_order_relaxed);
  }

  std::atomic<uint64_t> expected_ = 0;
  std::atomic<uint64_t> finished_ = 0;
  std::atomic<uint64_t> operations_ = 0;
};

struct Jobs {
  // How many jobs run at a time, each on a thread of its own: 1 to kMaxThreads.
  // With 1 all of them run on the thread that asks, in order, and no thread is
  // made.
  int threads = 1;

  // Once a stop is requested no job begins, and those that run end between two
  // pieces of their workload; the call returns Cancelled.
  std::stop_token stop = {};

  // Told what is done, if not null. It outlives the call.
  JobProgress* progress = nullptr;

  // Assumed: no machine that simulates has more cores.
  static constexpr int kMaxThreads = 4096;
};

}  // namespace xmmu

#endif  // XMMU_BASE_JOBS_H_
