#include "study/crossover.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/job_list.h"
#include "base/text.h"
#include "xmmu/policy/policies.h"
#include "xmmu/sim/guest_driver.h"

namespace xmmu {
namespace {

// Measures 1 to as many updates as fit, in one L1 table full of written pages.
// It goes from many to few, since the guest kernel does not join mappings that
// an mprotect has split, and flushes a batch at the end of each.
absl::Status MeasureWay(const SimulatorOptions& options,
                        const CostTable& prices, UpdateCosts& costs) {
  absl::StatusOr<GuestDriver> guest = GuestDriver::Create(options);
  if (!guest.ok()) return guest.status();
  const auto pages = static_cast<uint64_t>(EntryCount(options.mode, 1));
  guest->Map(pages);
  guest->Write(pages);
  costs.cycles.resize(pages);
  costs.forms.resize(pages);
  costs.by_mark = {};
  for (uint64_t updates = pages; updates > 0; --updates) {
    const Cost empty = guest->Measure([&] { guest->Syscall(); });
    const Cost all = guest->Measure([&] { guest->Protect(updates, kMapRead); });
    costs.cycles[updates - 1] = (all.cycles - empty.cycles).count();
    costs.forms[updates - 1] = Difference(all.tally, empty.tally);
    const MarkCycles by_mark = CyclesByMark(all, prices);
    for (size_t i = 0; i < kMarkCount; ++i) costs.by_mark[i] += by_mark[i];
    // Makes the pages writable and written again, for the next number.
    guest->Protect(updates, kMapRead | kMapWrite);
    guest->Write(updates);
  }
  return guest->status();
}

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

// Whether a guest that uses `ops` shows what is special about a policy with
// `abi`: where stores work, only one that stores does.
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
  const PolicyEntry* const policy = FindPolicy(way.policy);
  if (policy == nullptr) return false;  // Simulator::Create will say so
  const absl::StatusOr<GuestAbi> abi = policy->make(host)->Abi(mode);
  return abi.ok() && abi->paravirtual;
}

// The crossover of a base and ways that have not been measured yet.
absl::StatusOr<Crossover> DescribeCrossover(const BaseWays& measured) {
  if (measured.ways.empty()) {
    return absl::InvalidArgumentError("want one way of updates at least");
  }
  Crossover crossover;
  crossover.mode = measured.base.mode;
  const absl::StatusOr<MachineModel> machine = MachineOf(measured.base);
  if (!machine.ok()) return machine.status();
  crossover.machine = std::string(machine->name);
  crossover.machine_description = std::string(machine->description);
  crossover.costs = machine->costs;
  for (CostConstant& cost : crossover.costs) cost.source = {};
  for (const UpdateWay& way : measured.ways) {
    crossover.ways.emplace_back().way = way;
  }
  return crossover;
}

// Adds a job for each way of `crossover`, which outlives them.
void AddWays(const SimulatorOptions& base, Crossover& crossover,
             JobList& list) {
  for (UpdateCosts& costs : crossover.ways) {
    SimulatorOptions options = base;
    options.policy = costs.way.policy;
    if (IsParavirtual(costs.way, base.mode)) {
      options.guest_ops = costs.way.ops;
    }
    list.Add([options, &crossover, &costs](const std::stop_token& stop) {
      SimulatorOptions stoppable = options;
      stoppable.stop = stop;
      return MeasureWay(stoppable, crossover.costs, costs);
    });
  }
}

void FindCrossings(Crossover& crossover) {
  for (size_t i = 0; i < crossover.ways.size(); ++i) {
    if (!IsParavirtual(crossover.ways[i].way, crossover.mode)) continue;
    for (size_t j = i + 1; j < crossover.ways.size(); ++j) {
      crossover.compared.emplace_back(i, j);
      AddCrossings(crossover.ways[i], crossover.ways[j], crossover.crossings);
    }
  }
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
                                           const std::vector<UpdateWay>& ways,
                                           const Jobs& jobs) {
  const BaseWays one{base, ways};
  absl::StatusOr<std::vector<Crossover>> all =
      MeasureCrossovers({&one, 1}, jobs);
  if (!all.ok()) return all.status();
  return std::move(all->front());
}

absl::StatusOr<std::vector<Crossover>> MeasureCrossovers(
    std::span<const BaseWays> all, const Jobs& jobs) {
  std::vector<Crossover> crossovers;
  JobList list;
  for (const BaseWays& one : all) {
    auto crossover = DescribeCrossover(one);
    if (!crossover.ok()) return crossover.status();
    crossovers.push_back(*std::move(crossover));
  }
  for (size_t i = 0; i < all.size(); ++i) {
    AddWays(all[i].base, crossovers[i], list);
  }
  absl::Status status = list.Run(jobs);
  if (!status.ok()) return status;
  for (Crossover& crossover : crossovers) FindCrossings(crossover);
  return crossovers;
}

}  // namespace xmmu
