#ifndef XMMU_BASE_SPAN_LOG_H_
#define XMMU_BASE_SPAN_LOG_H_

// SpanLog keeps what happened on the clocks of one run, in order, to be read
// when the run is over: spans with a begin and an end, which nest; points in
// time; counters; interrupts from one CPU to others; and, where that is wanted,
// every charge. A timeline, folded stacks and the story of one event are views
// of it.
//
// A span is one of a clock, which every layer has:
//
//   Span span(cpu.clock, Actor::kXen, "mod_l1_entry");
//   span.Arg("level", 2);
//
// Names are those of the software that is modelled, so that they are found in
// its source: functions of Xen and of Linux; for the processor, words of the
// SDM. They are literals: a log keeps pointers to them.
//
// A clock without a log (the default) costs a span one load and one branch that
// is predicted, so spans stand where there is other work, and on no TLB hit.
// Nothing is charged or counted by any of this, so cycles are the same with a
// log and without.
//
// Single-threaded, as the run is; a log that nobody writes to any more is a
// value like any other.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/base/optimization.h"
#include "xmmu/base/cycles.h"
#include "xmmu/base/span_sums.h"

namespace xmmu {

// Who does what a span says. The program itself has no spans: it is what lies
// between them.
enum class Actor : uint8_t { kProcessor, kXen, kGuestKernel };
inline constexpr size_t kActorCount = 3;
// "processor", "xen" or "kernel".
std::string_view ActorName(Actor actor);

enum class SpanKind : uint8_t {
  kBegin,
  kEnd,        // of the span that was begun last on the track and is open
  kInstant,    // something that takes no time
  kStep,       // what the open span has found or done: see Step
  kCounter,    // a counter has the value `value` from now on
  kFlowOut,    // something leaves for another track: the flow `value` begins
  kFlowIn,     // it has arrived: the flow `value` ends
  kCharge,     // CostEvent `event` has been charged `value` times
  kOwnCharge,  // OwnEventId `event` has been charged `value` times
};

// An argument of a span, an instant or a step.
struct SpanArg {
  const char* name = nullptr;
  uint64_t number = 0;
  const char* text = nullptr;  // wins over the number, unless it is nullptr
  bool hex = false;            // whether the number is an address or entry
};

struct SpanRecord {
  SpanKind kind = SpanKind::kInstant;
  Actor actor = Actor::kProcessor;  // of a begin, an instant or a step
  uint32_t track = 0;               // the CPU
  uint64_t time = 0;           // when it began; cycles since the log's origin
  const char* name = nullptr;  // not of an end or a charge
  uint64_t value = 0;          // see SpanKind
  uint32_t event = 0;          // see SpanKind
  uint32_t last_arg = 0;       // SpanLog's own
};

// Spans of single entries and the like are fine: a log has them, as it has
// steps, if it has charges.
enum class SpanDetail : uint8_t { kUsual, kFine };

// What a log takes. Times are cycles of each clock since the log's origin.
struct SpanOptions {
  uint64_t from = 0;                              // nothing that begins before
  std::optional<uint64_t> length = std::nullopt;  // nothing `length` after it
  // Assumed: 80 MiB of memory, and as much as viewers of timelines bear.
  uint64_t most_records = 2'000'000;
  bool charges = false;  // whether each charge is a record
  bool sums = false;     // whether spans are summed, window and limit or not
};

class SpanLog {
 public:
  // Time `origin` of the clocks is 0 in the log.
  explicit SpanLog(const SpanOptions& options, Cycles origin = Cycles())
      : options_(options), origin_(origin.count()) {}

  const SpanOptions& options() const { return options_; }
  // What happened, in the order in which the simulator did it: in that of time
  // on each track. A span whose begin is there has its end, unless it is open.
  std::span<const SpanRecord> records() const { return records_; }
  // The arguments of a record of this log, in the order in which they came.
  std::vector<SpanArg> ArgsOf(const SpanRecord& record) const;
  // How many records were left out because there were `most_records` already.
  uint64_t dropped() const { return dropped_; }
  // The sums of all spans, if they are wanted; else of none.
  const SpanSums& sums() const { return sums_; }
  // One more than the highest track of a clock that writes, or wrote, here.
  size_t track_count() const { return accesses_.size(); }

  // What clocks, Span and its siblings below call. A record outside of the
  // window or beyond the limit is not taken, and has no index.
  void Attach(const CycleClock& clock);
  std::optional<uint32_t> Add(const CycleClock& clock, SpanKind kind,
                              Actor actor, const char* name,
                              uint64_t value = 0);
  void AddArg(uint32_t record, const SpanArg& arg);
  // Begins a span, and returns its record if it is taken.
  std::optional<uint32_t> Begin(const CycleClock& clock, Actor actor,
                                const char* name);
  // Ends a span, whatever the time and the limit; `taken`: its begin was.
  void End(const CycleClock& clock, bool taken);
  void AddCharge(const CycleClock& clock, SpanKind kind, uint32_t event,
                 uint64_t times);
  // Adds what a clock has been charged without a word since the last record of
  // its track: accesses of the program, if charges are wanted, and their sums.
  // To be called last, by whoever copies a log.
  void CatchUp(const CycleClock& clock);
  // Returns the number of a new flow.
  uint64_t NewFlow() { return ++flows_; }
  // How many flows have a number.
  uint64_t flow_count() const { return flows_; }

 private:
  struct ChainedArg {
    SpanArg arg;
    uint32_t previous = 0;  // one more than its index; 0: none
  };

  void AddAccesses(const CycleClock& clock);
  // Whether a record at `time` is taken; counts it if it is beyond the limit.
  bool Takes(uint64_t time);

  SpanOptions options_;
  uint64_t origin_;
  std::vector<SpanRecord> records_;
  std::vector<ChainedArg> args_;
  std::vector<uint64_t> accesses_;  // seen so far, by track
  SpanSums sums_;
  uint64_t dropped_ = 0;
  uint64_t flows_ = 0;
};

// What Span, Instant and Step have in common: a record that may not be there.
class SpanNote {
 public:
  SpanNote(const SpanNote&) = delete;
  SpanNote& operator=(const SpanNote&) = delete;

  // Adds an argument: a number, an address or entry, a word (a literal).
  template <std::integral Integer>
  SpanNote& Arg(const char* name, Integer number) {
    if (ABSL_PREDICT_FALSE(log_ != nullptr)) {
      AddArg({name, static_cast<uint64_t>(number)});
    }
    return *this;
  }
  SpanNote& Hex(const char* name, uint64_t number) {
    if (ABSL_PREDICT_FALSE(log_ != nullptr)) {
      AddArg({name, number, nullptr, true});
    }
    return *this;
  }
  SpanNote& Word(const char* name, const char* word) {
    if (ABSL_PREDICT_FALSE(log_ != nullptr)) {
      AddArg({name, 0, word});
    }
    return *this;
  }
  // Whether there is a record of it.
  bool kept() const { return log_ != nullptr && record_.has_value(); }

 protected:
  SpanNote(const CycleClock& clock, SpanKind kind, Actor actor,
           const char* name, SpanDetail detail)
      : log_(clock.spans()) {
    if (ABSL_PREDICT_TRUE(log_ == nullptr)) return;
    Open(clock, kind, actor, name, detail);
  }
  ~SpanNote() = default;

  SpanLog* log_;  // nullptr: nobody wants it
  std::optional<uint32_t> record_;

 private:
  void AddArg(const SpanArg& arg);
  void Open(const CycleClock& clock, SpanKind kind, Actor actor,
            const char* name, SpanDetail detail);
};

// A span from its construction to its end of life.
class Span final : public SpanNote {
 public:
  Span(const CycleClock& clock, Actor actor, const char* name,
       SpanDetail detail = SpanDetail::kUsual)
      : SpanNote(clock, SpanKind::kBegin, actor, name, detail), clock_(clock) {}
  ~Span() {
    if (ABSL_PREDICT_FALSE(log_ != nullptr)) {
      log_->End(clock_, record_.has_value());
    }
  }

 private:
  const CycleClock& clock_;
};

// Something that takes no time.
class Instant final : public SpanNote {
 public:
  Instant(const CycleClock& clock, Actor actor, const char* name)
      : SpanNote(clock, SpanKind::kInstant, actor, name, SpanDetail::kUsual) {}
};

// What the open span has found or done. A log has steps if it has charges: the
// story of an event needs both.
class Step final : public SpanNote {
 public:
  Step(const CycleClock& clock, Actor actor, const char* name)
      : SpanNote(clock, SpanKind::kStep, actor, name, SpanDetail::kFine) {}
};

// Counter `name` has the value `value` from now on; names are one a run.
inline void NoteCounter(const CycleClock& clock, const char* name,
                        uint64_t value) {
  SpanLog* const log = clock.spans();
  if (ABSL_PREDICT_TRUE(log == nullptr)) return;
  log->Add(clock, SpanKind::kCounter, Actor::kProcessor, name, value);
}

// Something leaves the CPU of `clock` for another one: an interrupt. Returns
// its number, 0 without a log, which NoteFlowIn() takes where it arrives.
inline uint64_t NoteFlowOut(const CycleClock& clock, const char* name) {
  SpanLog* const log = clock.spans();
  if (ABSL_PREDICT_TRUE(log == nullptr)) return 0;
  const uint64_t flow = log->NewFlow();
  log->Add(clock, SpanKind::kFlowOut, Actor::kProcessor, name, flow);
  return flow;
}
inline void NoteFlowIn(const CycleClock& clock, const char* name,
                       uint64_t flow) {
  SpanLog* const log = clock.spans();
  if (ABSL_PREDICT_TRUE(log == nullptr)) return;
  log->Add(clock, SpanKind::kFlowIn, Actor::kProcessor, name, flow);
}

}  // namespace xmmu

#endif  // XMMU_BASE_SPAN_LOG_H_
