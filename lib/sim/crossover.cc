#include "xmmu/sim/crossover.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sim/text.h"
#include "xmmu/base/check.h"
#include "xmmu/policy/policies.h"
#include "xmmu/sim/simulator.h"

namespace xmmu {
namespace {

constexpr TaskId kTask = 1;
// The first page of an L1 table in every mode, clear of the null page
// (assumed: any such would do).
constexpr VirtAddr kRegion{0x10000000};

// A guest with one L1 full of written pages.
class Bench {
 public:
  static absl::StatusOr<Bench> Create(const SimulatorOptions& options) {
    auto simulator = Simulator::Create(options);
    if (!simulator.ok()) return simulator.status();
    Bench bench(*std::move(simulator));
    absl::Status status = bench.simulator_->guest().CreateProcess(kTask);
    if (status.ok()) {
      status = bench.Perform({.kind = GuestOpKind::kMap,
                              .rights = kMapRead | kMapWrite,
                              .va = kRegion,
                              .length = bench.pages_ * kPageSize});
    }
    if (status.ok()) status = bench.Write(bench.pages_);
    if (!status.ok()) return status;
    return bench;
  }

  // Cycles of i + 1 updates. From many to few: the guest kernel does not join
  // again the mappings that an mprotect has split, and flushes a batch at the
  // end of each.
  absl::StatusOr<std::vector<uint64_t>> Run() {
    std::vector<uint64_t> cycles(pages_);
    for (uint64_t updates = pages_; updates > 0; --updates) {
      const auto once = Updates(updates);
      if (!once.ok()) return once.status();
      cycles[updates - 1] = *once;
    }
    return cycles;
  }

 private:
  explicit Bench(std::unique_ptr<Simulator> simulator)
      : simulator_(std::move(simulator)),
        pages_(
            static_cast<uint64_t>(EntryCount(simulator_->options().mode, 1))) {}

  absl::Status Perform(const GuestOp& op) {
    return simulator_->guest().Perform(kTask, op);
  }

  absl::Status Write(uint64_t pages) {
    for (uint64_t i = 0; i < pages; ++i) {
      const absl::Status status = Perform({.kind = GuestOpKind::kStore,
                                           .va = kRegion + i * kPageSize,
                                           .length = 4});
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status Protect(uint64_t pages, uint8_t rights) {
    return Perform({.kind = GuestOpKind::kProtect,
                    .rights = rights,
                    .va = kRegion,
                    .length = pages * kPageSize});
  }

  absl::StatusOr<uint64_t> CyclesOf(const absl::Status& done,
                                    const Cost& before) const {
    if (!done.ok()) return done;
    return (simulator_->cost() - before).cycles.count();
  }

  absl::StatusOr<uint64_t> Updates(uint64_t count) {
    Cost before = simulator_->cost();
    const auto empty =
        CyclesOf(Perform({.kind = GuestOpKind::kSyscall}), before);
    if (!empty.ok()) return empty;
    before = simulator_->cost();
    const auto all = CyclesOf(Protect(count, kMapRead), before);
    if (!all.ok()) return all;
    // As it was, for the next number.
    absl::Status status = Protect(count, kMapRead | kMapWrite);
    if (status.ok()) status = Write(count);
    if (!status.ok()) return status;
    return *all - *empty;
  }

  std::unique_ptr<Simulator> simulator_;
  uint64_t pages_;
};

void AddCrossings(const UpdateCosts& a, const UpdateCosts& b,
                  std::vector<Crossing>& crossings) {
  const auto sign = [&](size_t i) {
    return a.cycles[i] < b.cycles[i] ? -1 : a.cycles[i] > b.cycles[i] ? 1 : 0;
  };
  int last = sign(0);
  for (size_t i = 1; i < a.cycles.size(); ++i) {
    const int now = sign(i);
    if (now == last || now == 0) continue;
    if (last != 0) {
      crossings.push_back({now < 0 ? a.way : b.way, now < 0 ? b.way : a.way,
                           static_cast<uint64_t>(i) + 1});
    }
    last = now;
  }
}

// Whether guests that use `ops` tell a policy with `abi` from others: where
// stores work it is by them.
bool SetsApart(const GuestAbi& abi, PagingMode mode, GuestOps ops) {
  GuestOptions options = DefaultGuestOptions(abi, mode);
  if (!abi.paravirtual) return ops == options.ops;
  options.ops = ops;
  if (!CheckGuestOptions(abi, options).ok()) return false;
  GuestAbi without_stores = abi;
  without_stores.stores_to_l1 = false;
  return !abi.stores_to_l1 || !CheckGuestOptions(without_stores, options).ok();
}

bool IsParavirtual(const UpdateWay& way, PagingMode mode) {
  Host host(*Machines().front(), {});
  const absl::StatusOr<GuestAbi> abi =
      FindPolicy(way.policy)->make(host)->Abi(mode);
  return abi.ok() && abi->paravirtual;
}

}  // namespace

std::string UpdateWayName(const UpdateWay& way) {
  return absl::StrCat(way.policy, "/", Abs(GuestOpsName(way.ops)));
}

std::vector<UpdateWay> AllUpdateWays(PagingMode mode, bool variants) {
  std::vector<UpdateWay> ways;
  Host host(*Machines().front(), {});
  for (const PolicyEntry& entry : Policies()) {
    if (!variants && !entry.variant_of.empty()) continue;
    const absl::StatusOr<GuestAbi> abi = entry.make(host)->Abi(mode);
    if (!abi.ok()) continue;
    for (const GuestOps ops : AllGuestOps()) {
      if (!IsLinuxOfATime(ops) && SetsApart(*abi, mode, ops)) {
        ways.push_back({std::string(entry.name), ops});
      }
    }
  }
  return ways;
}

absl::StatusOr<Crossover> MeasureCrossover(const SimulatorOptions& base,
                                           const std::vector<UpdateWay>& ways) {
  XMMU_CHECK(!ways.empty());
  Crossover crossover;
  crossover.machine = base.machine;
  crossover.mode = base.mode;
  for (const UpdateWay& way : ways) {
    SimulatorOptions options = base;
    options.policy = way.policy;
    if (IsParavirtual(way, base.mode)) options.guest_ops = way.ops;
    absl::StatusOr<Bench> bench = Bench::Create(options);
    if (!bench.ok()) return bench.status();
    absl::StatusOr<std::vector<uint64_t>> cycles = bench->Run();
    if (!cycles.ok()) return cycles.status();
    crossover.ways.push_back({way, *std::move(cycles)});
  }
  for (size_t i = 0; i < crossover.ways.size(); ++i) {
    if (!IsParavirtual(crossover.ways[i].way, base.mode)) continue;
    for (size_t j = i + 1; j < crossover.ways.size(); ++j) {
      AddCrossings(crossover.ways[i], crossover.ways[j], crossover.crossings);
    }
  }
  return crossover;
}

}  // namespace xmmu
