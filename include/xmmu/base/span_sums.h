#ifndef XMMU_BASE_SPAN_SUMS_H_
#define XMMU_BASE_SPAN_SUMS_H_

// What the spans of a run have taken in all, by what they were in: a tree of
// calls, as a profiler makes it. It takes as much memory as there are different
// stacks of spans, however long the run.
//
// Cycles are busy ones and a node's own, without those of the spans in it, so
// that those of all nodes add up to what the clocks have been charged.
//
// Single-threaded, as the run is; then a value.

#include <cstdint>
#include <span>
#include <vector>

namespace xmmu {

enum class Actor : uint8_t;

// A stack of spans.
struct SpanSum {
  uint32_t parent = 0;  // the stack without its last span; of the first: itself
  Actor actor{};
  const char* name = nullptr;  // of the last span; nullptr: none, the program
  uint64_t count = 0;          // spans
  uint64_t cycles = 0;
};

class SpanSums {
 public:
  SpanSums() : sums_(1) {}

  // The stacks, each behind its parent. The first is that of no span.
  std::span<const SpanSum> sums() const { return sums_; }

  // What a log calls. `busy` is that of the track's clock at the time.
  void Attach(uint32_t track, uint64_t busy);
  void Begin(uint32_t track, Actor actor, const char* name, uint64_t busy);
  void End(uint32_t track, uint64_t busy);
  // Counts what the track has been charged so far.
  void CatchUp(uint32_t track, uint64_t busy);

 private:
  struct Track {
    uint32_t stack = 0;
    uint64_t busy = 0;  // counted so far
  };

  // The stack `parent` with a span more.
  uint32_t Find(uint32_t parent, Actor actor, const char* name);

  std::vector<SpanSum> sums_;
  std::vector<std::vector<uint32_t>> children_;  // by stack
  std::vector<Track> tracks_;
};

}  // namespace xmmu

#endif  // XMMU_BASE_SPAN_SUMS_H_
