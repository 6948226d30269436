// Measures translation where the tables do not fit into the host's caches:
// streams over footprints of 32 pages to 8 GiB, through the MMU alone, beside a
// floor in the same process (translation_floor.h). Both translate the same
// addresses to the same ones, in turns. The counters are nanoseconds an access:
// `ns` and `floor_ns`, each the least of all rounds, and `x_floor`, their ratio;
// those that end in _median are of the median rounds.

#include <cstdint>
#include <string>
#include <vector>

#include "address_stream.h"
#include "benchmark/benchmark.h"
#include "mapped_machine.h"
#include "rounds.h"
#include "translation_floor.h"

namespace xmmu {
namespace {

struct Case {
  Dimension dimension = Dimension::kNative;
  MemoryTiming timing = MemoryTiming::kFlat;
  Pattern pattern = Pattern::kUniform;
  Footprint footprint;
};

// Translates a stream and returns the sum of the addresses. After each access
// its address and all counters have to be in place, as whoever goes on with
// them may look at them: no compiler may take the accesses together.
template <typename Translator>
uint64_t Translate(const std::vector<VirtAddr>& stream, Translator translate) {
  uint64_t sum = 0;
  for (const VirtAddr va : stream) {
    uint64_t addr = translate(va);
    Publish(addr);
    sum += addr;
  }
  return sum;
}

// The same, where each address waits for the one before to be translated.
template <typename Translator>
uint64_t TranslateChain(const std::vector<VirtAddr>& stream,
                        Translator translate) {
  uint64_t none = 0;
  Publish(none);  // nobody can tell that it is 0
  uint64_t sum = 0;
  uint64_t last = 0;
  for (const VirtAddr va : stream) {
    last = translate(va + (last & none));
    Publish(last);
    sum += last;
  }
  return sum;
}

// The same, where the addresses are drawn on the way.
template <typename Translator>
uint64_t TranslateDrawn(const Footprint& footprint, Translator translate) {
  AddressDrawer drawer(footprint);
  uint64_t sum = 0;
  for (int64_t left = RoundOps(); left > 0; --left) {
    uint64_t addr = translate(drawer.Next());
    Publish(addr);
    sum += addr;
  }
  return sum;
}

template <typename Translator>
uint64_t Pass(const Case& c, const std::vector<VirtAddr>& stream,
              Translator translate) {
  switch (c.pattern) {
    case Pattern::kDrawn:
      return TranslateDrawn(c.footprint, translate);
    case Pattern::kChain:
      return TranslateChain(stream, translate);
    default:
      return Translate(stream, translate);
  }
}

void Report(benchmark::State& state, const Rounds<2>& rounds) {
  rounds.Report(state, "floor_ns", 0);
  rounds.Report(state, "ns", 1);
  state.counters["x_floor"] = rounds.Minimum(1) / rounds.Minimum(0);
  state.counters["x_floor_median"] = rounds.Median(1) / rounds.Median(0);
}

// Runs `floor` and `ours`, which return what they have come to, in turns.
template <typename Floor, typename Ours>
void RunRounds(benchmark::State& state, int64_t ops, Floor floor, Ours ours) {
  XMMU_CHECK(floor() == ours());  // warms both up
  Rounds<2> rounds;
  while (state.KeepRunningBatch(ops)) {
    uint64_t expected = 0;
    uint64_t reached = 0;
    const double below = TimeOf([&] { expected = floor(); });
    const double time = TimeOf([&] { reached = ours(); });
    XMMU_CHECK(expected == reached);
    rounds.Add({below, time}, ops);
    state.SetIterationTime(time / 1e9);
  }
  Report(state, rounds);
}

void BM_Translate(benchmark::State& state, const Case& c) {
  MappedMachine machine(c.dimension, c.timing, c.footprint);
  TranslationFloor floor(c.footprint);
  for (uint64_t page = 0; page < c.footprint.pages; ++page) {
    floor.Map(c.footprint.PageAt(page), machine.FrameOfPage(page));
  }
  const std::vector<VirtAddr> stream =
      MakeStream(c.pattern, c.footprint, RoundOps());
  benchmark::DoNotOptimize(&floor);  // others may read its counter
  RunRounds(
      state, RoundOps(),
      [&] {
        return Pass(c, stream,
                    [&](VirtAddr va) { return floor.Translate(va); });
      },
      [&] {
        return Pass(c, stream, [&](VirtAddr va) {
          return machine.Translate(va, AccessKind::kRead);
        });
      });
}

// An access to a page that is not present faults, its entry is written, the
// access goes through, the entry is cleared and the page invalidated.
void BM_Fault(benchmark::State& state, const Case& c) {
  MappedMachine machine(c.dimension, c.timing, c.footprint);
  TranslationFloor floor(c.footprint);
  for (uint64_t page = 0; page < c.footprint.pages; ++page) {
    floor.Map(c.footprint.PageAt(page), machine.FrameOfPage(page));
    floor.Unmap(c.footprint.PageAt(page));
    machine.Unmap(page);
  }
  const int64_t ops = RoundOps() / 8;
  std::vector<uint64_t> pages(static_cast<size_t>(ops));
  PageChooser chooser(c.pattern, c.footprint);
  for (uint64_t& page : pages) page = chooser.Next();
  benchmark::DoNotOptimize(&floor);
  RunRounds(
      state, ops,
      [&] {
        uint64_t sum = 0;
        for (const uint64_t page : pages) {
          const VirtAddr va = c.footprint.PageAt(page);
          sum += floor.Translate(va);
          floor.Map(va, machine.FrameOfPage(page));
          sum += floor.Translate(va);
          floor.Unmap(va);
        }
        return sum;
      },
      [&] {
        uint64_t sum = 0;
        for (const uint64_t page : pages) {
          const VirtAddr va = c.footprint.PageAt(page);
          sum += machine.Translate(va, AccessKind::kRead);
          machine.Map(page);
          sum += machine.Translate(va, AccessKind::kRead);
          machine.Unmap(page);
          machine.mmu().Invlpg(va);
        }
        return sum;
      });
}

constexpr uint64_t kGiB = uint64_t{1} << 30;

struct Size {
  std::string name;
  Footprint footprint;
};

std::vector<Size> SizesOf(int page_shift) {
  const uint64_t bytes = uint64_t{1} << page_shift;
  std::vector<Size> sizes;
  const auto add = [&](const std::string& name, uint64_t pages) {
    sizes.push_back({name, {pages, page_shift, bytes}});
  };
  add("32-pages", 32);
  add("1024-pages", 1024);
  add("1GiB", kGiB / bytes);
  if (IsFull()) add("8GiB", 8 * kGiB / bytes);
  return sizes;
}

std::string NameOf(const Case& c, const std::string& size) {
  const std::string pages = c.footprint.page_shift == kPageShift ? "4k" : "2m";
  return NameOf(c.pattern) + "/" + size + "/" + pages + "/" +
         NameOf(c.dimension) + "/" + std::string(MemoryTimingName(c.timing));
}

void Register(const std::string& name,
              void (*run)(benchmark::State&, const Case&), const Case& c,
              int64_t ops) {
  benchmark::RegisterBenchmark(name.c_str(), run, c)
      ->Iterations(RoundCount() * ops)
      ->UseManualTime();
}

// Few pages that lie 2 MiB apart are in one set of most TLBs.
Footprint SpreadOut(Footprint footprint) {
  footprint.stride = uint64_t{1} << 21;
  return footprint;
}

void RegisterSize(const Size& size) {
  for (const Dimension dimension :
       {Dimension::kNative, Dimension::kNested, Dimension::kShadowed}) {
    for (const MemoryTiming timing :
         {MemoryTiming::kFlat, MemoryTiming::kPteCaches}) {
      for (const Pattern pattern :
           {Pattern::kUniform, Pattern::kDrawn, Pattern::kChain,
            Pattern::kSequential, Pattern::kStrided, Pattern::kZipf}) {
        const bool is_native = dimension == Dimension::kNative;
        const bool is_small = size.footprint.page_shift == kPageShift;
        // What draws its addresses is what the goals are about, no stream more.
        if (pattern == Pattern::kDrawn && !(is_native && is_small)) continue;
        Case c = {dimension, timing, pattern, size.footprint};
        if (pattern == Pattern::kStrided && is_small &&
            c.footprint.pages <= 1024) {
          c.footprint = SpreadOut(c.footprint);
        }
        Register(NameOf(c, size.name), BM_Translate, c, RoundOps());
      }
    }
  }
}

void RegisterAll() {
  for (const int page_shift : {kPageShift, 21}) {
    for (const Size& size : SizesOf(page_shift)) RegisterSize(size);
  }
  for (const MemoryTiming timing :
       {MemoryTiming::kFlat, MemoryTiming::kPteCaches}) {
    for (const Size& size : SizesOf(kPageShift)) {
      const Case c = {Dimension::kNative, timing, Pattern::kUniform,
                      size.footprint};
      Register("fault/" + size.name + "/4k/native/" +
                   std::string(MemoryTimingName(timing)),
               BM_Fault, c, RoundOps() / 8);
    }
  }
}

// Registration must precede main(), which is the benchmark library's.
[[maybe_unused]] const bool kRegistered = [] {
  RegisterAll();
  return true;
}();

}  // namespace
}  // namespace xmmu
