#include "xmmu/sim/options.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "xmmu/machine/machine_file.h"

namespace xmmu {
namespace {

// A line of a simulated cache takes 16 bytes: 2 GiB in all.
constexpr uint64_t kMostCacheLines = uint64_t{1} << 27;

// A level of 0 bytes does not exist, and its lines may have any size, even 0.
uint64_t LinesOf(const CacheGeometry& cache) {
  return cache.bytes == 0 ? 0 : cache.bytes / cache.line_bytes;
}

// Refuses caches that would fill the memory of the simulating computer: a few
// CPUs do with caches as large as a machine's may be.
absl::Status CheckCaches(const MachineModel& machine, int cpus) {
  const uint64_t lines =
      LinesOf(machine.l3) +
      (LinesOf(machine.l1) + LinesOf(machine.l2)) * static_cast<uint64_t>(cpus);
  if (lines <= kMostCacheLines) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the caches of ", cpus, " CPUs of ", Abs(machine.name),
                   " have ", lines, " lines, want at most ", kMostCacheLines));
}

}  // namespace

const MachineModel* OwnMachineOf(const SimulatorOptions& options) {
  if (options.custom_machine != nullptr) return options.custom_machine.get();
  return FindMachine(options.machine);
}

absl::StatusOr<MachineModel> MachineOf(const SimulatorOptions& options) {
  const MachineModel* const model = OwnMachineOf(options);
  if (model == nullptr) {
    return UnknownName("machine", options.machine, Machines(),
                       [](const MachineModel* m) { return m->name; });
  }
  absl::Status status = CheckMachine(*model);
  if (status.ok()) status = CheckCaches(*model, options.vcpus);
  if (!status.ok()) return status;
  MachineModel machine = *model;
  if (LevelCount(options.mode) >= 4) machine.features.long_mode = true;
  if (options.mode == PagingMode::k5Level) machine.features.la57 = true;
  if (options.flush_filter && machine.flush_filter.lines == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(Abs(machine.name), " has no TLB flush filter"));
  }
  machine.flush_filter.enabled |= options.flush_filter;
  return machine;
}

absl::Status CheckLinearMap(const SimulatorOptions& options) {
  if (!HasLinearMap(options.linear_map, options.mode)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "linear map ", Abs(LinearMapName(options.linear_map)),
        " is for PAE guests, not for ", Abs(PagingModeName(options.mode))));
  }
  if (options.linear_map == LinearMap::kSharedL2 && options.vcpus > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("linear map ", Abs(LinearMapName(options.linear_map)),
                     " serves one vCPU, not ", options.vcpus));
  }
  return absl::OkStatus();
}

}  // namespace xmmu
