#include "cli/run_options.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "xmmu/machine/machine_file.h"
#include "xmmu/workload/trace.h"

namespace xmmu::cli {
namespace {

// A 32-bit guest kernel begins at 3 GiB (Linux's PAGE_OFFSET).
constexpr uint64_t kAddressLimit32 = 0xC0000000;

constexpr char kMachine[] = "machine";
constexpr char kMachineFile[] = "machine-file";
constexpr char kLevels[] = "levels";
constexpr char kSet[] = "set";

Option OptionOf(const RunField& field) {
  return {.name = std::string(field.flag),
          .group = GroupName(field.group),
          .value = std::string(field.value),
          .help = std::string(field.help)};
}

// --machine-file and --set.
std::vector<Option> OptionsOfOwnMachine() {
  const std::string group = GroupName(RunGroup::kMachine);
  return {{.name = kMachineFile,
           .group = group,
           .value = "FILE",
           .help = "file with a machine, see xmmu list prices --format=toml"},
          {.name = kSet,
           .group = group,
           .value = "KEY=VALUE,...",
           .help = "values of the machine to override, with the keys of such "
                   "a file, or mov_cr3=500; may be repeated",
           .repeats = true}};
}

// The machine of --machine-file, or if there is none `preset`, with what --set
// says.
absl::StatusOr<SharedMachine> MachineWith(const Arguments& arguments,
                                          const SharedMachine& preset) {
  const auto settings = arguments.List(kSet);
  if (!settings.ok()) return settings.status();
  if (preset != nullptr && settings->empty()) return preset;
  absl::StatusOr<MachineModel> machine =
      preset == nullptr ? LoadMachine(arguments.Text(kMachineFile))
                        : absl::StatusOr<MachineModel>(*preset);
  if (!machine.ok()) return machine.status();
  const absl::Status set = SetMachineValues(*settings, *machine);
  if (!set.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(arguments.Where(kSet), "=", set.message()));
  }
  return std::make_shared<const MachineModel>(*std::move(machine));
}

// The preset `name`, which --machine says, if given.
absl::StatusOr<SharedMachine> PresetOf(const Arguments& arguments,
                                       const Catalog& catalog,
                                       const std::string& name) {
  SharedMachine machine = catalog.FindMachine(name);
  if (machine != nullptr) return machine;
  return arguments.Refuse(kMachine, name,
                          WantedName(name, catalog.MachineNames()));
}

absl::Status CheckMachineFile(const Arguments& arguments) {
  if (!arguments.Given(kMachineFile) || !arguments.Given(kMachine)) {
    return absl::OkStatus();
  }
  return arguments.Refuse(kMachineFile, "want it without --machine");
}

absl::Status SetMachineAndMode(const Arguments& arguments,
                               const Catalog& catalog, SimulatorOptions& base) {
  absl::Status status = CheckMachineFile(arguments);
  if (!status.ok()) return status;
  const bool levels_given = arguments.Given(kLevels);
  if (levels_given) {
    status = FindRunField("levels")->set(arguments.Text(kLevels), base);
    if (!status.ok()) {
      return arguments.Refuse(kLevels, std::string(status.message()));
    }
  }
  const bool long_mode = levels_given && LevelCount(base.mode) >= 4;
  SharedMachine preset;
  if (!arguments.Given(kMachineFile)) {
    auto found = PresetOf(
        arguments, catalog,
        arguments.Text(kMachine, long_mode ? "skylake-2017" : "xeon-2003"));
    if (!found.ok()) return found.status();
    preset = *std::move(found);
  }
  auto machine = MachineWith(arguments, preset);
  if (!machine.ok()) return machine.status();
  base.custom_machine = *std::move(machine);
  base.machine = std::string(base.custom_machine->name);
  if (!levels_given) {
    base.mode = base.custom_machine->features.long_mode ? PagingMode::k4Level
                                                        : PagingMode::kPae;
  }
  return absl::OkStatus();
}

// Modes of which Xen has paravirtual guests; none if --levels is not given.
absl::StatusOr<std::vector<PagingMode>> ModesOf(const Arguments& arguments) {
  const auto levels = arguments.List(kLevels);
  if (!levels.ok()) return levels.status();
  std::vector<PagingMode> modes;
  for (const std::string& word : *levels) {
    SimulatorOptions options;
    const absl::Status status = FindRunField("levels")->set(word, options);
    if (!status.ok() || options.mode == PagingMode::k5Level) {
      return arguments.Refuse(kLevels, word, "want 2, 3 or 4");
    }
    modes.push_back(options.mode);
  }
  return modes;
}

absl::StatusOr<std::vector<SharedMachine>> MachinesOf(
    const Arguments& arguments, const Catalog& catalog) {
  absl::Status status = CheckMachineFile(arguments);
  if (!status.ok()) return status;
  const auto names = arguments.List(kMachine);
  if (!names.ok()) return names.status();
  std::vector<SharedMachine> presets;
  if (arguments.Given(kMachineFile)) {
    presets.push_back(nullptr);
  } else if (names->empty() || names->front() == "all") {
    presets.assign(catalog.machines().begin(), catalog.machines().end());
  } else {
    for (const std::string& name : *names) {
      auto preset = PresetOf(arguments, catalog, name);
      if (!preset.ok()) return preset.status();
      presets.push_back(*std::move(preset));
    }
  }
  std::vector<SharedMachine> machines;
  for (const SharedMachine& preset : presets) {
    auto machine = MachineWith(arguments, preset);
    if (!machine.ok()) return machine.status();
    machines.push_back(*std::move(machine));
  }
  return machines;
}

// A trace of which the facts are kept, which are whole at its end.
class WatchedTrace final : public Workload {
 public:
  WatchedTrace(std::unique_ptr<Trace> trace,
               std::shared_ptr<TraceFactsSlot> facts)
      : trace_(std::move(trace)), facts_(std::move(facts)) {}
  ~WatchedTrace() override { facts_->Set(trace_->facts()); }

  std::string name() const override { return trace_->name(); }
  TaskId first_task() const override { return trace_->first_task(); }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    return trace_->Next(task);
  }

 private:
  std::unique_ptr<Trace> trace_;
  std::shared_ptr<TraceFactsSlot> facts_;
};

}  // namespace

std::string GroupName(RunGroup group) {
  switch (group) {
    case RunGroup::kStrategies:
      return "Strategies";
    case RunGroup::kMachine:
      return "Machine";
    case RunGroup::kGuest:
      return "Guest";
    case RunGroup::kTiming:
      return "Timing";
    case RunGroup::kRegion:
      return "Region";
  }
  return "";
}

std::vector<Option> OptionsOfRun(RunGroup group) {
  std::vector<Option> options;
  for (const RunField& field : RunFields()) {
    if (field.group != group) continue;
    options.push_back(OptionOf(field));
    if (field.key != kMachine) continue;
    options = Joined({std::move(options), OptionsOfOwnMachine()});
  }
  return options;
}

std::vector<Option> OptionsOfBases() {
  const std::string group = GroupName(RunGroup::kMachine);
  return Joined({{{.name = kMachine,
                   .group = group,
                   .value = "NAME,...",
                   .help = "machines, or all; default all"}},
                 OptionsOfOwnMachine(),
                 {{.name = kLevels,
                   .group = group,
                   .value = "N,...",
                   .help = "levels of page tables, 2 to 4; default those that "
                           "the machine has"}}});
}

std::vector<Option> OptionsOfSweep() {
  const std::string group = "Sensitivity";
  return {
      {.name = "sensitivity",
       .group = group,
       .help = "say which conclusions stand, whatever the prices within their "
               "bands, and which one turns the others; of one vCPU"},
      {.name = "prices",
       .group = group,
       .value = "WHICH",
       .help = "prices that --sensitivity sweeps: estimates (also those "
               "remembered), or all that have a band; default estimates"},
      {.name = "samples",
       .group = group,
       .value = "N",
       .help = "samples of all these prices at once that --sensitivity draws; "
               "default 1000"},
      {.name = "seed",
       .group = group,
       .value = "N",
       .help = "what the samples are drawn by; default 1"}};
}

std::vector<Option> Joined(std::vector<std::vector<Option>> groups) {
  std::vector<Option> all;
  for (std::vector<Option>& group : groups) {
    std::move(group.begin(), group.end(), std::back_inserter(all));
  }
  return all;
}

absl::StatusOr<SimulatorOptions> BaseOf(const Arguments& arguments,
                                        const Catalog& catalog) {
  SimulatorOptions base;
  absl::Status status = SetMachineAndMode(arguments, catalog, base);
  if (!status.ok()) return status;
  for (const RunField& field : RunFields()) {
    const std::string flag(field.flag);
    const bool here = field.scope == RunScope::kAllRows && flag != kMachine &&
                      flag != kLevels && arguments.Given(flag);
    if (!here) continue;
    status = field.set(arguments.Text(flag), base);
    if (!status.ok()) {
      return arguments.Refuse(flag, std::string(status.message()));
    }
  }
  if (base.flush_filter && base.custom_machine->flush_filter.lines == 0) {
    return arguments.Refuse(
        "flush-filter",
        absl::StrCat("want a machine that has one, not ", base.machine));
  }
  constexpr std::string_view kOfMigration[] = {"migrate-every"};
  if (!base.migration.wanted()) {
    status = arguments.WantsFor("--migrate=ROUNDS", kOfMigration);
    if (!status.ok()) return status;
  }
  if (base.migration.wanted() && base.region.wanted()) {
    return arguments.Refuse("migrate",
                            "want it without --skip, --warmup, --operations");
  }
  return base;
}

absl::StatusOr<std::vector<SimulatorOptions>> BasesOf(
    const Arguments& arguments, const Catalog& catalog) {
  const auto machines = MachinesOf(arguments, catalog);
  if (!machines.ok()) return machines.status();
  const auto modes = ModesOf(arguments);
  if (!modes.ok()) return modes.status();
  std::vector<SimulatorOptions> bases;
  for (const SharedMachine& machine : *machines) {
    for (const PagingMode mode :
         {PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level}) {
      const bool named =
          std::find(modes->begin(), modes->end(), mode) != modes->end();
      if (modes->empty() ? !HasMode(*machine, mode) : !named) continue;
      bases.push_back({.machine = std::string(machine->name),
                       .custom_machine = machine,
                       .mode = mode});
    }
  }
  return bases;
}

absl::StatusOr<std::optional<SweepOptions>> SweepOf(
    const Arguments& arguments) {
  const std::string prices = arguments.Text("prices", "estimates");
  if (prices != "estimates" && prices != "all") {
    constexpr std::string_view kPrices[] = {"estimates", "all"};
    return arguments.Refuse("prices", WantedName(prices, kPrices));
  }
  const auto samples = WholeNumber(arguments, "samples", SweepOptions().samples,
                                   kMaxSweepSamples);
  if (!samples.ok()) return samples.status();
  const auto seed = WholeNumber(arguments, "seed", SweepOptions().seed,
                                std::numeric_limits<uint64_t>::max());
  if (!seed.ok()) return seed.status();
  const auto wanted = arguments.IsOn("sensitivity");
  if (!wanted.ok()) return wanted.status();
  if (!*wanted) {
    constexpr std::string_view kOfSweeps[] = {"prices", "samples", "seed"};
    const absl::Status status = arguments.WantsFor("--sensitivity", kOfSweeps);
    if (!status.ok()) return status;
    return std::nullopt;
  }
  return SweepOptions{.all_bands = prices == "all",
                      .samples = static_cast<uint32_t>(*samples),
                      .seed = *seed};
}

absl::Status CheckSweepable(const SimulatorOptions& base) {
  if (base.vcpus > 1) {
    return absl::InvalidArgumentError(
        "--sensitivity: want --vcpus=1; with several, what happens depends on "
        "the prices");
  }
  if (base.timing == MemoryTiming::kAllCaches) {
    return absl::InvalidArgumentError(
        "--sensitivity: want --timing=flat or pte-caches; with all-caches, "
        "what was prefetched arrives by the clock");
  }
  return absl::OkStatus();
}

WorkloadFactory WorkloadOf(const Catalog& catalog, const std::string& spec,
                           const std::vector<std::string>& files,
                           const std::shared_ptr<TraceFactsSlot>& facts,
                           bool reads_ahead) {
  if (!spec.empty()) {
    return [&catalog, spec](const SimulatorOptions&) {
      return catalog.MakeWorkload(spec);
    };
  }
  return [files, facts, reads_ahead](const SimulatorOptions& row)
             -> absl::StatusOr<std::unique_ptr<Workload>> {
    TraceOptions options{.reads_ahead = reads_ahead};
    if (LinearAddressBits(row.mode) == 32) {
      options.address_limit = kAddressLimit32;
    }
    auto trace = OpenTrace(files, options);
    if (!trace.ok()) return trace.status();
    if (facts == nullptr) return *std::move(trace);
    return std::make_unique<WatchedTrace>(*std::move(trace), facts);
  };
}

}  // namespace xmmu::cli
