#ifndef XMMU_MACHINE_INTERNAL_PREFETCHER_H_
#define XMMU_MACHINE_INTERNAL_PREFETCHER_H_

// A hardware prefetcher of streams beside a data cache: which lines it asks
// for, and when they will be there. It remembers the last 16 pages that it has
// seen (assumed, after the 16 forward streams of Intel's L2 streamer:
// Optimization Reference Manual, "Data Prefetching"); a stream ends with its
// page, since the next one may be anywhere in memory.
//
// Charges nothing. Single-threaded.

#include <array>
#include <cstdint>

#include "xmmu/machine/machine_model.h"

namespace xmmu {

class Prefetcher {
 public:
  explicit Prefetcher(const PrefetcherModel& model) : model_(model) {}

  bool exists() const { return model_.max_stride != 0; }
  bool pairs() const { return model_.pairs; }

  // The lines to bring are first to first + count - 1, in this order.
  struct Request {
    uint64_t first = 0;
    uint64_t count = 0;
  };

  // Call this when a load of `line` has missed the cache before this one, or
  // was the first use of a prefetched line. Returns what to prefetch now.
  Request Observe(uint64_t line);

  // Notes that a line asked for will be there at `when`, in cycles of the CPU's
  // clock.
  void Started(uint64_t line, uint64_t when) {
    in_flight_[next_flight_++ % in_flight_.size()] = {line, when};
  }
  // Returns when a line will be there, or 0 if it has been there for long.
  uint64_t ArrivalOf(uint64_t line) const;

 private:
  struct Stream {
    uint64_t page = ~uint64_t{0};
    uint64_t last = 0;     // line of the last load
    uint64_t pointer = 0;  // last line asked for
    uint64_t last_use = 0;
    bool follows = false;
  };
  struct Flight {
    uint64_t line = ~uint64_t{0};
    uint64_t when = 0;
  };

  Stream& StreamOf(uint64_t page, bool* found);

  PrefetcherModel model_;
  std::array<Stream, 16> streams_{};
  // There are more slots than any stream runs lines ahead.
  std::array<Flight, 64> in_flight_{};
  uint64_t next_flight_ = 0;
  uint64_t use_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_MACHINE_INTERNAL_PREFETCHER_H_
