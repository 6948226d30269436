#ifndef XMMU_BENCH_ROUNDS_H_
#define XMMU_BENCH_ROUNDS_H_

// Times pieces of work in rounds, one piece after the other in each, so that a
// machine that is busy for a while slows all of them alike. The time is the
// process's own CPU time, of all its threads.
//
// Benchmarks are brief unless the environment has XMMU_BENCH_FULL, which
// bench/ratios.sh sets: they then have 7 rounds, long streams, and footprints
// of 8 GiB.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"

namespace xmmu {

inline bool IsFull() {
  static const bool is_full = std::getenv("XMMU_BENCH_FULL") != nullptr;
  return is_full;
}
inline int64_t RoundCount() { return IsFull() ? 7 : 3; }
// Operations of a round.
inline int64_t RoundOps() { return int64_t{1} << (IsFull() ? 20 : 15); }

inline double CpuNanoseconds(clockid_t clock = CLOCK_PROCESS_CPUTIME_ID) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) * 1e9 +
         static_cast<double>(time.tv_nsec);
}

// After this `value` and all memory that others may look at are in place. (GCC
// 12 may lose what benchmark::DoNotOptimize() is given by reference.)
inline void Publish(uint64_t& value) {
  asm volatile("" : "+r"(value) : : "memory");
}

template <typename Work>
double TimeOf(Work&& work) {
  const double start = CpuNanoseconds();
  work();
  return CpuNanoseconds() - start;
}

// The nanoseconds an operation that each round took, piece by piece.
template <size_t kPieces>
class Rounds {
 public:
  void Add(const std::array<double, kPieces>& nanoseconds, int64_t ops) {
    for (size_t i = 0; i < kPieces; ++i) {
      times_[i].push_back(nanoseconds[i] / static_cast<double>(ops));
    }
  }
  double Minimum(size_t piece) const { return Sorted(piece).front(); }
  double Median(size_t piece) const {
    return Sorted(piece)[times_[piece].size() / 2];
  }
  // Puts a piece among the counters, as NAME and NAME_median.
  void Report(benchmark::State& state, const std::string& name,
              size_t piece) const {
    state.counters[name] = Minimum(piece);
    state.counters[name + "_median"] = Median(piece);
  }

 private:
  std::vector<double> Sorted(size_t piece) const {
    std::vector<double> times = times_[piece];
    std::sort(times.begin(), times.end());
    return times;
  }

  std::array<std::vector<double>, kPieces> times_;
};

}  // namespace xmmu

#endif  // XMMU_BENCH_ROUNDS_H_
