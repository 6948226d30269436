#include "study/grid/load_chase.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "xmmu/base/check.h"
#include "xmmu/base/counters.h"
#include "xmmu/machine/machine_file.h"
#include "xmmu/machine/memory_hierarchy.h"
#include "xmmu/machine/phys_memory.h"
#include "xmmu/mmu/mmu.h"

namespace xmmu {
namespace {

// Where the parts of the sketched system lie (assumed; low enough for the
// 4-byte entries of 2-level paging).
constexpr VirtAddr kBufferBase{uint64_t{1} << 30};
constexpr uint64_t kFirstTable = (uint64_t{16} << 20) >> kPageShift;
constexpr uint64_t kFirstFrame = (uint64_t{128} << 20) >> kPageShift;
// A 4-byte entry can name frames below this.
constexpr uint64_t kFrameLimit = uint64_t{1} << 20;
// Memory to choose frames from, as a multiple of the working set (assumed), and
// in runs of all colours.
constexpr uint64_t kSpareRuns = 8;
constexpr uint64_t kMinRuns = 64;
constexpr uint64_t kMinMeasuredLoads = 4096;

constexpr uint64_t kTableFlags =
    pte::kPresent | pte::kWritable | pte::kUser | pte::kAccessed;
constexpr uint64_t kLeafFlags = kTableFlags | pte::kDirty;

// SplitMix64, by the hash that content tokens are made with.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  // Below `bound`, which is small: the bias does not matter.
  uint64_t Below(uint64_t bound) { return MixHash(state_, ++count_) % bound; }

  template <typename Iterator>
  void Shuffle(Iterator begin, Iterator end) {
    for (auto n = static_cast<uint64_t>(end - begin); n > 1; --n) {
      std::swap(begin[static_cast<int64_t>(n - 1)],
                begin[static_cast<int64_t>(Below(n))]);
    }
  }

 private:
  uint64_t state_;
  uint64_t count_ = 0;
};

// Frames of one run through all colours: as many as the pages of a way of the
// cache that the allocator knows of. That is the last one, but on AMD's with an
// L3 the L2: their L3 loses lines long before it is full, as one whose sets are
// filled at random (InstLatx64 Castle Peak).
uint64_t ColoursOf(const MachineModel& model) {
  const bool l3 = model.l3.bytes != 0 && model.features.vendor != Vendor::kAmd;
  const CacheGeometry& cache = l3 ? model.l3 : model.l2;
  if (cache.bytes == 0) return 1;
  return std::max<uint64_t>(1, cache.bytes / cache.ways / kPageSize);
}

// Deals out frames: colours in turn, and for each colour the runs of all
// colours in an order of its own.
class FrameDealer {
 public:
  FrameDealer(const MachineModel& model, uint64_t pages, Random& random)
      : colours_(ColoursOf(model)) {
    const uint64_t rounds = (pages + colours_ - 1) / colours_;
    const uint64_t limit = (kFrameLimit - kFirstFrame) / colours_;
    const uint64_t runs =
        std::max(rounds, std::min(limit, kSpareRuns * rounds));
    runs_.resize(std::max(runs, kMinRuns));
    std::iota(runs_.begin(), runs_.end(), uint64_t{0});
    random.Shuffle(runs_.begin(), runs_.end());
    step_ = 1 + random.Below(runs_.size());
  }

  Mfn Next() {
    const uint64_t colour = next_ % colours_;
    const uint64_t round = next_++ / colours_;
    const uint64_t run = (runs_[round] + colour * step_) % runs_.size();
    return Mfn(kFirstFrame + run * colours_ + colour);
  }

 private:
  uint64_t colours_;
  std::vector<uint64_t> runs_;
  uint64_t step_ = 0;
  uint64_t next_ = 0;
};

std::vector<uint32_t> OrderOf(const ChaseOptions& options, Random& random) {
  const uint64_t loads = options.working_set_bytes / options.stride_bytes;
  std::vector<uint32_t> order(loads);
  std::iota(order.begin(), order.end(), 0u);
  if (options.order == ChaseOrder::kLinear) return order;
  const uint64_t window =
      options.order == ChaseOrder::kRandom
          ? loads
          : std::max<uint64_t>(
                1, kChaseWindowPages * kPageSize / options.stride_bytes);
  for (uint64_t first = 0; first < loads; first += window) {
    const uint64_t last = std::min(loads, first + window);
    random.Shuffle(order.begin() + static_cast<int64_t>(first),
                   order.begin() + static_cast<int64_t>(last));
  }
  return order;
}

// A processor and its memory, with the pages of a chase mapped.
class ChaseMachine {
 public:
  ChaseMachine(const MachineModel& model, const ChaseOptions& options,
               Random& random)
      : mode_(model.features.long_mode ? PagingMode::k4Level
                                       : PagingMode::k2Level),
        l3_(model.l3, model.cache_rules.thrash_resistant_l3),
        hierarchy_(model, &l3_),
        clock_(model.prices()),
        mmu_(model, memory_, &hierarchy_, clock_, counters_) {
    root_ = NewTable();
    const uint64_t step = std::max(options.stride_bytes, kPageSize);
    const uint64_t pages = (options.working_set_bytes + step - 1) / step;
    FrameDealer frames(model, pages, random);
    for (uint64_t page = 0; page < pages; ++page) {
      Map(kBufferBase + page * step, frames.Next());
    }
    ControlRegisters registers = KernelControlRegisters(mode_, model.features);
    registers.cr3 = AddressOf(root_).value();
    XMMU_CHECK(!mmu_.Reset(registers).has_value());
  }

  // Loads what `order` says. Errors: Cancelled.
  absl::Status Lap(const std::vector<uint32_t>& order,
                   const ChaseOptions& options) {
    for (size_t first = 0; first < order.size(); first += kLoadsAtOnce) {
      if (options.stop.stop_requested()) return absl::CancelledError("stopped");
      const size_t count = std::min(order.size() - first, kLoadsAtOnce);
      Load({order.data() + first, count}, options.stride_bytes);
    }
    return absl::OkStatus();
  }

  const CycleClock& clock() const { return clock_; }

 private:
  // Between two looks at whether to stop.
  static constexpr size_t kLoadsAtOnce = 65536;

  void Load(std::span<const uint32_t> order, uint64_t stride) {
    for (const uint32_t index : order) {
      const VirtAddr va = kBufferBase + index * stride;
      const TranslateResult result =
          mmu_.Translate({va, AccessKind::kRead, /*user=*/true});
      clock_.Charge(CostEvent::kDependentLoad);
      hierarchy_.Load(result.addr(), va, clock_.now()).Charge(clock_);
    }
  }

  Mfn NewTable() { return Mfn(kFirstTable + tables_++); }

  MachineAddr EntryOf(Mfn table, int level, VirtAddr va) const {
    return EntryAddress(mode_, AddressOf(table), IndexOf(mode_, level, va));
  }

  void Map(VirtAddr va, Mfn frame) {
    const int bytes = EntryBytes(mode_);
    Mfn table = root_;
    for (int level = LevelCount(mode_); level > 1; --level) {
      const MachineAddr addr = EntryOf(table, level, va);
      Pte entry(memory_.ReadEntry(addr, bytes));
      if (!entry.present()) {
        entry = Pte(NewTable(), kTableFlags);
        memory_.WriteEntry(addr, bytes, entry.raw());
      }
      table = entry.frame();
    }
    memory_.WriteEntry(EntryOf(table, 1, va), bytes,
                       Pte(frame, kLeafFlags).raw());
  }

  PagingMode mode_;
  PhysMemory memory_;
  CacheArray l3_;
  MemoryHierarchy hierarchy_;
  CycleClock clock_;
  Counters counters_;
  Mmu mmu_;
  Mfn root_;
  uint64_t tables_ = 0;
};

absl::Status CheckChase(const ChaseOptions& options) {
  if (options.stride_bytes < 8 || options.stride_bytes % 8 != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "stride of ", options.stride_bytes, " bytes: want a multiple of 8"));
  }
  if (options.working_set_bytes > kMaxChaseBytes ||
      options.working_set_bytes / options.stride_bytes < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("working set of ", options.working_set_bytes,
                     " bytes: want two strides to ", kMaxChaseBytes));
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view ChaseOrderName(ChaseOrder order) {
  switch (order) {
    case ChaseOrder::kLinear:
      return "linear";
    case ChaseOrder::kRandom:
      return "random";
    case ChaseOrder::kPageRandom:
      return "page-random";
  }
  return "";
}

absl::StatusOr<ChaseResult> RunLoadChase(const MachineModel& model,
                                         const ChaseOptions& options) {
  absl::Status status = CheckMachine(model);
  if (status.ok()) status = CheckChase(options);
  if (!status.ok()) return status;
  Random random(options.seed);
  ChaseMachine machine(model, options, random);
  const std::vector<uint32_t> order = OrderOf(options, random);
  status = machine.Lap(order, options);
  if (!status.ok()) return status;
  const Cycles begin = machine.clock().now();
  const CostTally before = machine.clock().tallies();
  ChaseResult result;
  do {
    status = machine.Lap(order, options);
    if (!status.ok()) return status;
    result.loads += order.size();
  } while (result.loads < kMinMeasuredLoads);
  result.cycles = machine.clock().now() - begin;
  for (size_t i = 0; i < kCostEventCount; ++i) {
    result.tally[i] = machine.clock().tallies()[i] - before[i];
  }
  return result;
}

MachineModel AtClock(MachineModel model, double clock_ghz) {
  const double ratio = clock_ghz / model.clock_ghz;
  const auto scale = [&](CostEvent event, uint32_t within_core) {
    CostConstant& cost = model.cost(event);
    for (uint32_t* cycles : {&cost.value, &cost.low, &cost.high}) {
      const double core = std::min(*cycles, within_core);
      *cycles = static_cast<uint32_t>(
          std::lround(core + (static_cast<double>(*cycles) - core) * ratio));
    }
  };
  const uint32_t l1 = model.cost(CostEvent::kDependentLoad).value;
  const uint32_t core = model.dram.core_cycles;
  scale(CostEvent::kDataDram, core - std::min(core, l1));
  scale(CostEvent::kDataDramRowHit, core - std::min(core, l1));
  scale(CostEvent::kPteLoadDram, core);
  model.clock_ghz = clock_ghz;
  return model;
}

}  // namespace xmmu
