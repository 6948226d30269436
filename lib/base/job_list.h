#ifndef XMMU_LIB_BASE_JOB_LIST_H_
#define XMMU_LIB_BASE_JOB_LIST_H_

// Runs pieces of work side by side such that nobody can tell from results how
// many threads there were.
//
// The functions here are called by one thread; the work they are given runs on
// any, so what several pieces share must be read only.

#include <cstddef>
#include <functional>
#include <stop_token>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "xmmu/base/jobs.h"

namespace xmmu {

// Calls `work` for each index below `count`, in ascending order, on at most
// `jobs.threads` threads, this one among them. `work` keeps its result in a
// place of its own, by index. It looks at the token that it is given between
// pieces of what it does, and returns any error once a stop is requested: of all
// jobs, or because a job before it has failed.
//
// Returns the error of the lowest index that has one, whatever the number of
// threads; no index behind it is begun after that. A job that throws
// std::bad_alloc while others run is called again when it is alone, since one
// job at a time might have had the memory.
//
// Errors: those of `work`; InvalidArgument for threads out of range; Cancelled
// if a stop was requested before all was done. Throws what `work` throws, by the
// same rule.
absl::Status ParallelFor(
    const Jobs& jobs, size_t count,
    absl::FunctionRef<absl::Status(size_t, const std::stop_token&)> work);

// Pieces of work of several kinds, in the order in which their errors count.
class JobList {
 public:
  using Job = std::function<absl::Status(const std::stop_token& stop)>;

  void Add(Job job) { list_.push_back(std::move(job)); }

  // Runs all of them. Errors: as ParallelFor().
  absl::Status Run(const Jobs& jobs) const;

 private:
  std::vector<Job> list_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_BASE_JOB_LIST_H_
