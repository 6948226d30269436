#ifndef XMMU_XEN_INTERNAL_FRAME_RUNS_H_
#define XMMU_XEN_INTERNAL_FRAME_RUNS_H_

// A list of frames to which others are added at its end, kept as runs of frames
// that follow each other, since frames are mostly handed out so.
//
// Single-threaded.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "xmmu/base/address.h"

namespace xmmu {

class FrameRuns {
 public:
  struct Run {
    Mfn first;
    uint64_t count = 0;
  };

  bool empty() const { return runs_.empty(); }
  uint64_t size() const { return size_; }
  // REQUIRES: !empty().
  Mfn front() const { return runs_.front().first; }
  bool Contains(Mfn mfn) const {
    return std::any_of(runs_.begin(), runs_.end(), [mfn](const Run& run) {
      return mfn.value() - run.first.value() < run.count;
    });
  }

  // The frame at place `place` in the order in which they were added. REQUIRES:
  // `place` < size().
  Mfn At(uint64_t place) const {
    size_t run = 0;
    for (; place >= runs_[run].count; ++run) place -= runs_[run].count;
    return runs_[run].first + place;
  }

  // Adds `count` frames from `first` on, in ascending order.
  void Push(Mfn first, uint64_t count = 1) {
    size_ += count;
    if (!runs_.empty() && runs_.back().first + runs_.back().count == first) {
      runs_.back().count += count;
    } else {
      runs_.push_back({first, count});
    }
  }
  // Takes away the frame that was added last, and returns it. REQUIRES:
  // !empty().
  Mfn Pop() {
    --size_;
    Run& last = runs_.back();
    const Mfn mfn = last.first + --last.count;
    if (last.count == 0) runs_.pop_back();
    return mfn;
  }

  // All frames in their order.
  const std::vector<Run>& runs() const { return runs_; }

  uint64_t host_bytes() const { return runs_.size() * sizeof(Run); }

 private:
  std::vector<Run> runs_;
  uint64_t size_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_XEN_INTERNAL_FRAME_RUNS_H_
