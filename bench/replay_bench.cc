// Measures a whole replay: a packed trace in memory, decoded, run by the guest
// kernel under a strategy and translated by the MMU. A process loads from
// random places of a footprint that it has touched before, one access in 8 a
// store; timing is pte-caches. Beside it, in turns and in the same process: the
// same accesses decoded alone, and translated alone by an MMU with tables of
// the same shape. The counters are nanoseconds an operation, each the least of
// all rounds: `ns`, `decode_ns`, `bare_ns`, and `thread_ns` of the
// thread that simulates alone; `x_bare` is ns / bare_ns and
// `over_bare` ns - bare_ns. Those that end in _median are of the median rounds.

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "address_stream.h"
#include "benchmark/benchmark.h"
#include "mapped_machine.h"
#include "rounds.h"
#include "xmmu/base/check.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/workload/packed_trace.h"
#include "xmmu/workload/trace.h"

namespace xmmu {
namespace {

constexpr TaskId kTask = 1;
// Operations that come before the accesses: the mapping, made with its pages.
constexpr uint64_t kSetUpOps = 1;

struct Case {
  std::string policy;
  std::string size;
  uint64_t pages = 0;
  bool ahead = false;  // the trace is decoded by a thread of its own

  Footprint footprint() const { return {pages, kPageShift, kPageSize}; }
};

std::string MemoryFolder() {
  const char* const shm = "/dev/shm";
  if (std::filesystem::is_directory(shm)) return shm;
  return std::filesystem::temp_directory_path();
}

// Older commits, which ratios.sh measures with this file, cannot read ahead.
template <typename Options>
Options OptionsFor(Options options, bool ahead) {
  if constexpr (requires { options.reads_ahead; }) options.reads_ahead = ahead;
  return options;
}

// The accesses of a trace and its file, which goes with it.
class Recording {
 public:
  // As many accesses as a round to warm up has, and all others.
  explicit Recording(const Footprint& footprint)
      : path_(MemoryFolder() + "/xmmu-replay-bench-" +
              std::to_string(getpid()) + ".xmmu") {
    const int64_t count = (RoundCount() + 1) * RoundOps();
    std::mt19937_64 random(8);
    for (const VirtAddr va : MakeStream(Pattern::kUniform, footprint, count)) {
      const bool store = random() % 8 == 0;
      ops_.push_back({.kind = store ? GuestOpKind::kStore : GuestOpKind::kLoad,
                      .va = va,
                      .length = 8});
    }
    const GuestOp map = {.kind = GuestOpKind::kMap,
                         .rights = kMapRead | kMapWrite,
                         .backing = Backing::kAnonymous,
                         .flags = kMapPopulate,
                         .va = Footprint::kBase,
                         .length = footprint.pages * footprint.stride};
    auto writer = PackedTraceWriter::Create(
        path_, {.format_of_origin = "lackey", .first_task = kTask});
    XMMU_CHECK(writer.ok() && (*writer)->Append(kTask, {&map, 1}).ok() &&
               (*writer)->Append(kTask, ops_).ok());
    const GuestOp exit = {.kind = GuestOpKind::kExit};
    XMMU_CHECK((*writer)->Append(kTask, {&exit, 1}).ok() &&
               (*writer)->Finish({}).ok());
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  ~Recording() { std::filesystem::remove(path_); }

  std::unique_ptr<Trace> Open(bool ahead) const {
    auto trace = OpenTrace({path_}, OptionsFor(TraceOptions(), ahead));
    XMMU_CHECK(trace.ok());
    return *std::move(trace);
  }
  // The accesses of a round; round 0 warms up.
  std::span<const GuestOp> Of(int64_t round) const {
    const auto count = static_cast<size_t>(RoundOps());
    return std::span(ops_).subspan(static_cast<size_t>(round) * count, count);
  }

 private:
  std::string path_;
  std::vector<GuestOp> ops_;
};

// Decodes a trace without running it.
class Decoder {
 public:
  explicit Decoder(const Recording& recording)
      : trace_(recording.Open(/*ahead=*/false)) {
    Decode(kSetUpOps);
  }
  // Goes on for at least `count` operations in all.
  void Decode(uint64_t count) {
    wanted_ += count;
    while (read_ < wanted_) {
      const auto ops = trace_->Next(kTask);
      XMMU_CHECK(ops.ok());
      read_ += ops->size();
      benchmark::DoNotOptimize(ops->data()->va);
    }
  }

 private:
  std::unique_ptr<Trace> trace_;
  uint64_t wanted_ = 0;
  uint64_t read_ = 0;
};

// A guest that runs the trace.
class Replay {
 public:
  Replay(const Recording& recording, const Case& c)
      : trace_(recording.Open(c.ahead)) {
    SimulatorOptions options{.machine = "skylake-2017",
                             .mode = PagingMode::k4Level,
                             .timing = MemoryTiming::kPteCaches,
                             .policy = c.policy};
    // The footprint, its tables, and what the kernel takes.
    const uint64_t bytes = c.pages * kPageSize;
    options.guest_memory_bytes = bytes + bytes / 64 + (uint64_t{64} << 20);
    options.guest_memory_bytes &= ~((uint64_t{4} << 20) - 1);
    auto simulator = Simulator::Create(options);
    XMMU_CHECK(simulator.ok());
    simulator_ = *std::move(simulator);
    XMMU_CHECK(simulator_->guest().Begin(*trace_).ok());
    Run(kSetUpOps);
  }
  void Run(uint64_t count) {
    const auto done = simulator_->guest().RunFor(*trace_, count);
    XMMU_CHECK(done.ok() && *done == count);
  }

 private:
  std::unique_ptr<Trace> trace_;
  std::unique_ptr<Simulator> simulator_;
};

uint64_t TranslateAll(MappedMachine& machine, std::span<const GuestOp> ops) {
  uint64_t sum = 0;
  for (const GuestOp& op : ops) {
    const bool store = op.kind == GuestOpKind::kStore;
    uint64_t addr = machine.Translate(
        op.va, store ? AccessKind::kWrite : AccessKind::kRead);
    Publish(addr);
    sum += addr;
  }
  return sum;
}

void Report(benchmark::State& state, const Rounds<4>& rounds) {
  rounds.Report(state, "ns", 0);
  rounds.Report(state, "thread_ns", 3);
  rounds.Report(state, "decode_ns", 1);
  rounds.Report(state, "bare_ns", 2);
  state.counters["x_bare"] = rounds.Minimum(0) / rounds.Minimum(2);
  state.counters["x_bare_median"] = rounds.Median(0) / rounds.Median(2);
  state.counters["over_bare"] = rounds.Minimum(0) - rounds.Minimum(2);
  state.counters["over_bare_median"] = rounds.Median(0) - rounds.Median(2);
}

void BM_Replay(benchmark::State& state, const Case& c) {
  const Recording recording(c.footprint());
  const auto count = static_cast<uint64_t>(RoundOps());
  Replay replay(recording, c);
  Decoder decoder(recording);
  MappedMachine bare(Dimension::kNative, MemoryTiming::kPteCaches,
                     c.footprint());
  int64_t round = 0;
  const auto run = [&](Rounds<4>* rounds) {
    const double start = CpuNanoseconds(CLOCK_THREAD_CPUTIME_ID);
    const double whole = TimeOf([&] { replay.Run(count); });
    const double thread = CpuNanoseconds(CLOCK_THREAD_CPUTIME_ID) - start;
    const double decode = TimeOf([&] { decoder.Decode(count); });
    const double translation = TimeOf([&] {
      benchmark::DoNotOptimize(TranslateAll(bare, recording.Of(round)));
    });
    ++round;
    if (rounds != nullptr)
      rounds->Add({whole, decode, translation, thread}, RoundOps());
    return whole;
  };
  run(nullptr);
  Rounds<4> rounds;
  while (state.KeepRunningBatch(RoundOps())) {
    state.SetIterationTime(run(&rounds) / 1e9);
  }
  Report(state, rounds);
}

void Register(const Case& c) {
  const std::string name =
      "replay/" + c.size + "/" + c.policy + (c.ahead ? "/ahead" : "");
  benchmark::RegisterBenchmark(name.c_str(), BM_Replay, c)
      ->Iterations(RoundCount() * RoundOps())
      ->UseManualTime();
}

void RegisterAll() {
  constexpr uint64_t kPagesOfMiB = (uint64_t{1} << 20) / kPageSize;
  Register({"native", "32-pages", 32});
  Register({"native", "32-pages", 32, /*ahead=*/true});
  Register({"native", "64MiB", 64 * kPagesOfMiB});
  Register({"native", "1GiB", 1024 * kPagesOfMiB});
  if (IsFull()) Register({"native", "8GiB", 8192 * kPagesOfMiB});
  for (const char* const policy : {"pinning", "nested-paging", "xi-shadow"}) {
    Register({policy, "64MiB", 64 * kPagesOfMiB});
  }
}

// Registration must precede main(), which is the benchmark library's.
[[maybe_unused]] const bool kRegistered = [] {
  RegisterAll();
  return true;
}();

}  // namespace
}  // namespace xmmu
