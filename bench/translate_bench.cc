// Measures what translation costs on the host, with counters and simulated
// cycles kept. Each benchmark reports the simulated cycles and events of one
// translation beside its host time. Use build type Release.

#include <array>
#include <cstdint>
#include <vector>

#include "benchmark/benchmark.h"
#include "xmmu/mmu/mmu.h"

namespace xmmu {
namespace {

constexpr uint64_t kFirstTable = 0x10000;  // frame number
constexpr uint64_t kFirstPage = 0x80000;
constexpr uint64_t kTableFlags =
    pte::kPresent | pte::kWritable | pte::kUser | pte::kAccessed;
constexpr uint64_t kLeafFlags = kTableFlags | pte::kDirty;
constexpr VirtAddr kBase{0x40000000};

enum class Timing { kFlat, kCaches };

// A machine with `pages` pages mapped from kBase on, `stride` apart.
class Machine {
 public:
  Machine(MachineModel model, PagingMode mode, Timing timing, int pages,
          uint64_t stride = kPageSize, uint64_t more_flags = 0)
      : timing_(timing),
        model_(WithMode(model, mode)),
        l3_(model_.l3),
        hierarchy_(model_, &l3_),
        clock_(model_.prices()),
        mmu_(model_, memory_, timing == Timing::kFlat ? nullptr : &hierarchy_,
             clock_, counters_) {
    const Mfn root = NewTable();
    for (int i = 0; i < pages; ++i) {
      const VirtAddr va = kBase + static_cast<uint64_t>(i) * stride;
      vas_.push_back(va);
      Map(mode, root, va,
          Pte(Mfn(kFirstPage + static_cast<uint64_t>(i)),
              kLeafFlags | more_flags));
    }
    ControlRegisters registers = KernelControlRegisters(mode, model_.features);
    registers.cr3 = AddressOf(root).value();
    if (mmu_.Reset(registers).has_value()) std::abort();
  }

  Mmu& mmu() { return mmu_; }
  const std::vector<VirtAddr>& vas() const { return vas_; }

  // Translates the pages in turn until `state` has enough.
  void Run(benchmark::State& state, AccessKind kind = AccessKind::kRead) {
    for (const VirtAddr va : vas_) Touch(va, kind);
    const Counters before = counters_;
    const Cycles busy = clock_.busy();
    size_t next = 0;
    for (auto _ : state) {
      Touch(vas_[next], kind);
      if (++next == vas_.size()) next = 0;
    }
    Report(state, counters_ - before, clock_.busy() - busy);
  }

  // Loads a line of each page in turn through TLB and caches; the lines lie in
  // all sets of L1.
  void RunLoads(benchmark::State& state) {
    for (size_t page = 0; page < vas_.size(); ++page) Load(page);
    const Counters before = counters_;
    const Cycles busy = clock_.busy();
    size_t next = 0;
    for (auto _ : state) {
      Load(next);
      if (++next == vas_.size()) next = 0;
    }
    Report(state, counters_ - before, clock_.busy() - busy);
  }

  // Walks for the pages in turn.
  void RunWalks(benchmark::State& state) {
    PageWalker walker(memory_, timing_ == Timing::kFlat ? nullptr : &hierarchy_,
                      clock_, counters_);
    PagingContext context(mmu_.registers(), model_.features);
    context.pdpte = mmu_.pdpte_registers();
    const Counters before = counters_;
    const Cycles busy = clock_.busy();
    size_t next = 0;
    for (auto _ : state) {
      WalkResult walk;
      walker.Walk(context, {vas_[next], AccessKind::kRead, false},
                  context.StartAtRoot(), walk);
      benchmark::DoNotOptimize(walk.translation.base);
      if (++next == vas_.size()) next = 0;
    }
    Report(state, counters_ - before, clock_.busy() - busy);
  }

 private:
  static MachineModel WithMode(MachineModel model, PagingMode mode) {
    if (mode == PagingMode::k5Level) model.features.la57 = true;
    return model;
  }

  void Touch(VirtAddr va, AccessKind kind) {
    benchmark::DoNotOptimize(mmu_.Translate({va, kind, false}));
  }

  void Load(size_t page) {
    const VirtAddr va = vas_[page] + page % 64 * 64;
    const TranslateResult result =
        mmu_.Translate({va, AccessKind::kRead, false});
    hierarchy_.Load(result.addr(), va, clock_.now()).Charge(clock_);
  }

  static void Report(benchmark::State& state, const Counters& events,
                     Cycles cycles) {
    const auto each = benchmark::Counter::kAvgIterations;
    const auto set = [&](const char* name, uint64_t value) {
      state.counters[name] =
          benchmark::Counter(static_cast<double>(value), each);
    };
    set("cycles", cycles.count());
    set("l1_hits", events[Counter::kTlbL1Hits]);
    set("l2_hits", events[Counter::kTlbL2Hits]);
    set("loads", events[Counter::kPteLoads]);
  }

  Mfn NewTable() { return Mfn(kFirstTable + tables_++); }

  void Map(PagingMode mode, Mfn root, VirtAddr va, Pte leaf) {
    Mfn table = root;
    for (int level = LevelCount(mode); level > 1; --level) {
      const MachineAddr addr =
          EntryAddress(mode, AddressOf(table), IndexOf(mode, level, va));
      Pte entry(memory_.ReadEntry(addr, EntryBytes(mode)));
      if (!entry.present()) {
        const bool pdpte = mode == PagingMode::kPae && level == 3;
        entry = Pte(NewTable(), pdpte ? pte::kPresent : kTableFlags);
        memory_.WriteEntry(addr, EntryBytes(mode), entry.raw());
      }
      table = entry.frame();
    }
    const MachineAddr addr =
        EntryAddress(mode, AddressOf(table), IndexOf(mode, 1, va));
    memory_.WriteEntry(addr, EntryBytes(mode), leaf.raw());
  }

  Timing timing_;
  MachineModel model_;
  PhysMemory memory_;
  CacheArray l3_;
  MemoryHierarchy hierarchy_;
  Counters counters_;
  CycleClock clock_;
  Mmu mmu_;
  uint64_t tables_ = 0;
  std::vector<VirtAddr> vas_;
};

const MachineModel& Skylake() { return *FindMachine("skylake-2017"); }
const MachineModel& Xeon() { return *FindMachine("xeon-2003"); }

// Leaves a TLB of one entry a side and no paging-structure cache, so that every
// access but a repeated one walks from the root.
MachineModel WithoutCaches(MachineModel model) {
  model.tlb = TlbGeometry{};
  model.tlb.data_l1[0] = {1, 0, kTlb4K};
  model.tlb.instruction_l1[0] = {1, 0, kTlb4K};
  model.psc = PagingStructureCacheGeometry{};
  return model;
}

// This is the yardstick: a direct-mapped array of (page, frame), with one
// counter.
void BM_BareArrayLookup(benchmark::State& state) {
  struct Slot {
    uint64_t vpn = ~uint64_t{0};
    uint64_t frame = 0;
  };
  std::array<Slot, 64> slots;
  for (uint64_t i = 0; i < slots.size(); ++i) {
    const uint64_t vpn = (kBase.value() >> kPageShift) + i;
    slots[vpn % slots.size()] = {vpn, kFirstPage + i};
  }
  uint64_t hits = 0;
  uint64_t next = 0;
  for (auto _ : state) {
    const uint64_t va = kBase.value() + next * kPageSize;
    const uint64_t vpn = va >> kPageShift;
    const Slot& slot = slots[vpn % slots.size()];
    if (slot.vpn == vpn) ++hits;
    benchmark::DoNotOptimize(slot.frame << kPageShift);
    if (++next == 64) next = 0;
  }
  benchmark::DoNotOptimize(hits);
}
BENCHMARK(BM_BareArrayLookup);

void BM_TlbHit(benchmark::State& state, const MachineModel& model,
               PagingMode mode, int pages) {
  Machine machine(model, mode, Timing::kFlat, pages);
  machine.Run(state);
}
BENCHMARK_CAPTURE(BM_TlbHit, skylake_64_pages, Skylake(), PagingMode::k4Level,
                  64);
BENCHMARK_CAPTURE(BM_TlbHit, skylake_1_page, Skylake(), PagingMode::k4Level, 1);
BENCHMARK_CAPTURE(BM_TlbHit, xeon_fully_associative_64_pages, Xeon(),
                  PagingMode::kPae, 64);

void BM_TlbHitWrite(benchmark::State& state) {
  Machine machine(Skylake(), PagingMode::k4Level, Timing::kFlat, 64);
  machine.Run(state, AccessKind::kWrite);
}
BENCHMARK(BM_TlbHitWrite);

// Measures a TLB hit with a hit of the L1 data cache.
void BM_TlbAndCacheHit(benchmark::State& state, const MachineModel& model,
                       PagingMode mode) {
  Machine machine(model, mode, Timing::kCaches, 64);
  machine.RunLoads(state);
}
BENCHMARK_CAPTURE(BM_TlbAndCacheHit, skylake, Skylake(), PagingMode::k4Level);
BENCHMARK_CAPTURE(BM_TlbAndCacheHit, xeon, Xeon(), PagingMode::kPae);

void BM_L2TlbHit(benchmark::State& state) {
  Machine machine(Skylake(), PagingMode::k4Level, Timing::kFlat, 1024);
  machine.Run(state);
}
BENCHMARK(BM_L2TlbHit);

// The pages come in order and are more than both TLB levels hold, so LRU always
// misses. The PDE cache still hits.
void BM_PdeCacheHit(benchmark::State& state) {
  Machine machine(Skylake(), PagingMode::k4Level, Timing::kFlat, 2048);
  machine.Run(state);
}
BENCHMARK(BM_PdeCacheHit);

// Measures a walk of all levels by the walker alone, without TLB and caches
// around it.
void BM_Walk(benchmark::State& state, PagingMode mode, Timing timing) {
  Machine machine(WithoutCaches(Skylake()), mode, timing, 256);
  machine.RunWalks(state);
}
BENCHMARK_CAPTURE(BM_Walk, 2level_flat, PagingMode::k2Level, Timing::kFlat);
BENCHMARK_CAPTURE(BM_Walk, pae_flat, PagingMode::kPae, Timing::kFlat);
BENCHMARK_CAPTURE(BM_Walk, 4level_flat, PagingMode::k4Level, Timing::kFlat);
BENCHMARK_CAPTURE(BM_Walk, 5level_flat, PagingMode::k5Level, Timing::kFlat);
BENCHMARK_CAPTURE(BM_Walk, 4level_caches, PagingMode::k4Level, Timing::kCaches);

// Measures a translation that misses everywhere: TLB look-up, walk of all
// levels, fill.
void BM_FullWalk(benchmark::State& state, PagingMode mode, Timing timing) {
  Machine machine(WithoutCaches(Skylake()), mode, timing, 256);
  machine.Run(state);
}
BENCHMARK_CAPTURE(BM_FullWalk, 2level_flat, PagingMode::k2Level, Timing::kFlat);
BENCHMARK_CAPTURE(BM_FullWalk, pae_flat, PagingMode::kPae, Timing::kFlat);
BENCHMARK_CAPTURE(BM_FullWalk, 4level_flat, PagingMode::k4Level, Timing::kFlat);
BENCHMARK_CAPTURE(BM_FullWalk, 5level_flat, PagingMode::k5Level, Timing::kFlat);
BENCHMARK_CAPTURE(BM_FullWalk, 2level_caches, PagingMode::k2Level,
                  Timing::kCaches);
BENCHMARK_CAPTURE(BM_FullWalk, pae_caches, PagingMode::kPae, Timing::kCaches);
BENCHMARK_CAPTURE(BM_FullWalk, 4level_caches, PagingMode::k4Level,
                  Timing::kCaches);
BENCHMARK_CAPTURE(BM_FullWalk, 5level_caches, PagingMode::k5Level,
                  Timing::kCaches);

// The pages are 2 MiB apart, so each has an L1 table of its own.
void BM_FullWalkSparse(benchmark::State& state) {
  Machine machine(WithoutCaches(Skylake()), PagingMode::k4Level, Timing::kFlat,
                  256, uint64_t{1} << 21);
  machine.Run(state);
}
BENCHMARK(BM_FullWalkSparse);

// Measures TLB misses of a preset's own arrays.
void BM_TlbMiss(benchmark::State& state, const MachineModel& model,
                PagingMode mode) {
  Machine machine(model, mode, Timing::kFlat, 2048);
  machine.Run(state);
}
BENCHMARK_CAPTURE(BM_TlbMiss, xeon, Xeon(), PagingMode::kPae);

// Measures a store to a page that user code may not write: fault and
// invalidation.
void BM_PageFault(benchmark::State& state) {
  Machine machine(Skylake(), PagingMode::k4Level, Timing::kFlat, 1);
  const Access access = {kBase + uint64_t{0x1000}, AccessKind::kWrite, true};
  for (auto _ : state) {
    benchmark::DoNotOptimize(machine.mmu().Translate(access));
  }
}
BENCHMARK(BM_PageFault);

// Measures MOV to CR3 after so many pages were touched since the last one; the
// walks are included.
void BM_LoadCr3(benchmark::State& state) {
  const auto pages = static_cast<int>(state.range(0));
  Machine machine(Skylake(), PagingMode::k4Level, Timing::kFlat, pages);
  const uint64_t cr3 = machine.mmu().registers().cr3;
  for (auto _ : state) {
    for (const VirtAddr va : machine.vas()) {
      benchmark::DoNotOptimize(
          machine.mmu().Translate({va, AccessKind::kRead, false}));
    }
    benchmark::DoNotOptimize(machine.mmu().LoadCr3(cr3));
  }
}
BENCHMARK(BM_LoadCr3)->ArgName("pages")->Arg(0)->Arg(4)->Arg(64);

// Measures MOV to CR3 while the TLBs are full of global entries, which it
// spares.
void BM_LoadCr3BesideGlobals(benchmark::State& state) {
  Machine machine(Skylake(), PagingMode::k4Level, Timing::kFlat, 1536,
                  kPageSize, pte::kGlobal);
  for (const VirtAddr va : machine.vas()) {
    benchmark::DoNotOptimize(
        machine.mmu().Translate({va, AccessKind::kRead, false}));
  }
  const uint64_t cr3 = machine.mmu().registers().cr3;
  for (auto _ : state) benchmark::DoNotOptimize(machine.mmu().LoadCr3(cr3));
  const size_t held = machine.mmu().TlbEntries().size();
  state.counters["held"] = static_cast<double>(held);
}
BENCHMARK(BM_LoadCr3BesideGlobals);

}  // namespace
}  // namespace xmmu
