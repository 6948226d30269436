#ifndef XMMU_LIB_CLI_PROGRESS_H_
#define XMMU_LIB_CLI_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "xmmu/workload/workload.h"

namespace xmmu::cli {

// One line on standard error that says how far the comparison is, from the
// first second on, if standard error is a terminal. It is the only thing here
// that looks at the time of day.
class Progress {
 public:
  // `rows` are to come.
  explicit Progress(size_t rows);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  // Wipes the line.
  ~Progress();

  // The next row begins; returns `workload`, watched.
  std::unique_ptr<Workload> Watch(const std::string& row,
                                  std::unique_ptr<Workload> workload);

  // `operations` more have been handed to the guest.
  void Advance(uint64_t operations);

 private:
  using Clock = std::chrono::steady_clock;

  const bool shown_;  // standard error is a terminal
  const size_t rows_;
  size_t row_ = 0;
  std::string name_;
  uint64_t operations_ = 0;
  Clock::time_point next_;
  bool drawn_ = false;
};

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_PROGRESS_H_
