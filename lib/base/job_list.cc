#include "base/job_list.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace xmmu {
namespace {

using Work = absl::FunctionRef<absl::Status(size_t, const std::stop_token&)>;

// Jobs that several threads take from, lowest index first.
class JobPool {
 public:
  JobPool(const Jobs& jobs, size_t count, Work work)
      : jobs_(jobs), work_(work), done_(count, false) {}

  absl::Status Run() {
    const std::stop_callback forward(jobs_.stop, [this] { StopAll(); });
    const size_t threads =
        std::min(static_cast<size_t>(jobs_.threads), done_.size());
    RunOn(threads);
    if (failure_.has_value() && failure_->no_memory && threads > 1) {
      next_ = failure_->index;
      failure_.reset();
      RunOn(1);
    }
    if (failure_.has_value() && failure_->thrown != nullptr) {
      std::rethrow_exception(failure_->thrown);
    }
    if (failure_.has_value()) return failure_->status;
    const bool all =
        std::find(done_.begin(), done_.end(), false) == done_.end();
    return all ? absl::OkStatus() : absl::CancelledError("stopped");
  }

 private:
  // What a thread does. Its jobs share a stop, since none follows one that was
  // told to stop.
  struct Worker {
    std::optional<size_t> index;  // of the job that it runs
    std::stop_source stop;
  };
  struct Failure {
    size_t index = 0;
    absl::Status status;
    std::exception_ptr thrown;
    bool no_memory = false;
  };

  // The calling thread is one of `threads`. Where no thread can be made there
  // are fewer.
  void RunOn(size_t threads) {
    {
      const std::lock_guard lock(mutex_);
      workers_ = std::vector<Worker>(std::max<size_t>(threads, 1));
    }
    std::vector<std::jthread> others;
    try {
      for (size_t i = 1; i < threads; ++i) {
        others.emplace_back([this, i] { TakeJobs(workers_[i]); });
      }
    } catch (const std::system_error&) {
    } catch (const std::bad_alloc&) {
    }
    TakeJobs(workers_.front());
  }

  void TakeJobs(Worker& worker) {
    const std::stop_token stop = worker.stop.get_token();
    while (const std::optional<size_t> index = Begin(worker)) {
      Failure result;
      result.index = *index;
      try {
        result.status = work_(*index, stop);
      } catch (const std::bad_alloc&) {
        result.thrown = std::current_exception();
        result.no_memory = true;
      } catch (...) {
        result.thrown = std::current_exception();
      }
      End(worker, std::move(result));
    }
  }

  // Takes the next job; nothing if there is none to begin any more.
  std::optional<size_t> Begin(Worker& worker) {
    const std::lock_guard lock(mutex_);
    while (next_ < done_.size() && done_[next_]) ++next_;
    if (stopped_ || failure_.has_value() || next_ == done_.size()) {
      return std::nullopt;
    }
    worker.index = next_++;
    return worker.index;
  }

  void End(Worker& worker, Failure result) {
    const std::lock_guard lock(mutex_);
    worker.index.reset();
    const size_t index = result.index;
    if (result.status.ok() && result.thrown == nullptr) {
      done_[index] = true;
      if (jobs_.progress != nullptr) jobs_.progress->Finish(1);
      return;
    }
    if (failure_.has_value() && failure_->index < index) return;
    failure_ = std::move(result);
    // What comes behind is not wanted any more.
    for (Worker& other : workers_) {
      if (other.index.value_or(0) > index) other.stop.request_stop();
    }
  }

  void StopAll() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (Worker& worker : workers_) worker.stop.request_stop();
  }

  const Jobs& jobs_;
  const Work work_;

  std::mutex mutex_;  // guards all below
  std::vector<bool> done_;
  size_t next_ = 0;
  std::vector<Worker> workers_;
  std::optional<Failure> failure_;  // of the lowest index so far
  bool stopped_ = false;
};

}  // namespace

absl::Status ParallelFor(const Jobs& jobs, size_t count, Work work) {
  if (jobs.threads < 1 || jobs.threads > Jobs::kMaxThreads) {
    return absl::InvalidArgumentError(
        absl::StrCat(jobs.threads, " threads: want 1 to ", Jobs::kMaxThreads));
  }
  if (jobs.progress != nullptr) jobs.progress->Expect(count);
  return JobPool(jobs, count, work).Run();
}

absl::Status JobList::Run(const Jobs& jobs) const {
  return ParallelFor(jobs, list_.size(),
                     [this](size_t index, const std::stop_token& stop) {
                       return list_[index](stop);
                     });
}

}  // namespace xmmu
