#include "xmmu/sim/options.h"

#include <array>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "sim/machine_fields.h"
#include "sim/text.h"

namespace xmmu {
namespace {

constexpr std::array kTimings = {MemoryTiming::kFlat, MemoryTiming::kPteCaches,
                                 MemoryTiming::kAllCaches};

}  // namespace

bool HasMode(const MachineModel& model, PagingMode mode) {
  if (mode == PagingMode::k5Level) return model.features.la57;
  return mode != PagingMode::k4Level || model.features.long_mode;
}

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
  if (options.custom_machine != nullptr) {
    const std::string why = GeometryComplaint(*model);
    if (!why.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("machine ", Abs(model->name), ": ", why));
    }
  }
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

std::string_view MemoryTimingName(MemoryTiming timing) {
  switch (timing) {
    case MemoryTiming::kFlat:
      return "flat";
    case MemoryTiming::kPteCaches:
      return "pte-caches";
    case MemoryTiming::kAllCaches:
      return "all-caches";
  }
  return "";
}

std::string_view MemoryTimingHelp(MemoryTiming timing) {
  switch (timing) {
    case MemoryTiming::kFlat:
      return "every load of a page-table entry takes the same";
    case MemoryTiming::kPteCaches:
      return "loads of page-table entries go through the caches";
    case MemoryTiming::kAllCaches:
      return "entry loads and the program's data go through the caches";
  }
  return "";
}

std::optional<MemoryTiming> ParseMemoryTiming(std::string_view name) {
  for (MemoryTiming timing : kTimings) {
    if (MemoryTimingName(timing) == name) return timing;
  }
  return std::nullopt;
}

std::span<const MemoryTiming> AllMemoryTimings() { return kTimings; }

}  // namespace xmmu
