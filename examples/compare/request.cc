#include "compare/request.h"

#include <cmath>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "xmmu/machine/machine_file.h"
#include "xmmu/report/machine_report.h"
#include "xmmu/report/report.h"
#include "xmmu/workload/lackey_trace.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::compare {
namespace {

// A 32-bit guest kernel begins at 3 GiB (Linux's PAGE_OFFSET).
constexpr uint64_t kAddressLimit32 = 0xC0000000;
// Beyond what any machine here has; keeps the arithmetic in 64 bits.
constexpr uint64_t kMaxMemoryMib = uint64_t{1} << 24;
constexpr char kAll[] = "all";
constexpr char kAllAndVariants[] = "all+variants";

absl::Status BadFlag(std::string_view flag, std::string_view value,
                     std::string_view want) {
  return absl::InvalidArgumentError(absl::StrCat("--", std::string(flag), "=",
                                                 std::string(value), ": want ",
                                                 std::string(want)));
}

// One name out of `all`.
template <typename T>
absl::Status ParseName(std::string_view flag, const std::string& name,
                       std::span<const T> all, std::string_view (*name_of)(T),
                       T& result) {
  std::vector<std::string> names;
  for (T value : all) {
    names.emplace_back(name_of(value));
    if (name_of(value) != name) continue;
    result = value;
    return absl::OkStatus();
  }
  return BadFlag(flag, name, absl::StrJoin(names, ", "));
}

// A list of names out of `all`, or "all".
template <typename T>
absl::Status ParseNames(std::string_view flag,
                        const std::vector<std::string>& list,
                        std::span<const T> all, std::string_view (*name_of)(T),
                        std::vector<T>& result) {
  for (const std::string& name : list) {
    if (name == kAll) {
      result.assign(all.begin(), all.end());
      continue;
    }
    T value{};
    absl::Status ok = ParseName(flag, name, all, name_of, value);
    if (!ok.ok()) return ok;
    result.push_back(value);
  }
  return absl::OkStatus();
}

absl::Status SetMachine(const Flags& flags, SimulatorOptions& base) {
  const bool from_file = !flags.own_machine.file.empty();
  if (from_file && !flags.machine.empty()) {
    return BadFlag("machine-file", flags.own_machine.file,
                   "it without --machine");
  }
  std::string name = flags.machine;
  if (name.empty()) {
    name = flags.levels.value_or(0) >= 4 ? "skylake-2017" : "xeon-2003";
  }
  auto machine = MakeMachine(name, flags.own_machine);
  if (!machine.ok()) return machine.status();
  const int levels =
      flags.levels.value_or((*machine)->features.long_mode ? 4 : 3);
  const std::optional<PagingMode> mode = PagingModeOfLevels(levels);
  if (!mode.has_value()) {
    return BadFlag("levels", absl::StrCat(levels), "2, 3 (PAE), 4 or 5");
  }
  base.mode = *mode;
  base.custom_machine = *std::move(machine);
  base.machine = std::string(base.custom_machine->name);
  base.flush_filter = flags.flush_filter;
  if (flags.flush_filter && base.custom_machine->flush_filter.lines == 0) {
    return BadFlag("flush-filter", "true",
                   absl::StrCat("a machine that has one, not ", base.machine));
  }
  return absl::OkStatus();
}

absl::Status SetGuest(const Flags& flags, SimulatorOptions& base) {
  if (flags.vcpus < 1 || flags.vcpus > kMaxCpus) {
    return BadFlag("vcpus", absl::StrCat(flags.vcpus), "1 to 64");
  }
  base.vcpus = flags.vcpus;
  if (flags.domains < 1 || flags.domains > kMaxDomains) {
    return BadFlag("domains", absl::StrCat(flags.domains),
                   absl::StrCat("1 to ", kMaxDomains));
  }
  base.domains = flags.domains;
  if (flags.memory_mib < 1 || flags.memory_mib > kMaxMemoryMib) {
    return BadFlag("memory", absl::StrCat(flags.memory_mib),
                   absl::StrCat("MiB, 1 to ", kMaxMemoryMib));
  }
  base.guest_memory_bytes = flags.memory_mib << 20;
  if (flags.quantum != 0) base.quantum_ops = flags.quantum;
  const int around = flags.fault_around;
  if (around < 0 || around > 512 || (around & (around - 1)) != 0) {
    return BadFlag("fault-around", absl::StrCat(around),
                   "pages, a power of two up to 512");
  }
  if (around != 0) base.fault_around_pages = around;
  if (flags.flush_ceiling < -1) {
    return BadFlag("flush-ceiling", absl::StrCat(flags.flush_ceiling),
                   "pages, from 0 on, or -1");
  }
  if (flags.flush_ceiling >= 0) {
    base.flush_ceiling_pages = static_cast<uint64_t>(flags.flush_ceiling);
  }
  if (flags.migrate < 0) {
    return BadFlag("migrate", absl::StrCat(flags.migrate),
                   "rounds, from 1 on, or 0");
  }
  if (flags.migrate_every < 1) {
    return BadFlag("migrate-every", "0", "operations, from 1 on");
  }
  base.migration = {.rounds = flags.migrate, .every_ops = flags.migrate_every};
  return ParseName("timing", flags.timing, AllMemoryTimings(),
                   &MemoryTimingName, base.timing);
}

absl::Status SetOverlap(const Flags& flags, SimulatorOptions& base) {
  if (flags.walkers < 1 || flags.walkers > kMaxWalkers) {
    return BadFlag("walkers", absl::StrCat(flags.walkers),
                   absl::StrCat("1 to ", kMaxWalkers));
  }
  const double thousandths = std::round(flags.overlap * 1000);
  // None holds of what is no number. Decimal fractions are not exact.
  const bool whole = std::abs(flags.overlap * 1000 - thousandths) < 1e-6;
  if (!(flags.overlap >= 0 && flags.overlap <= 1 && whole)) {
    return BadFlag("overlap", absl::StrCat(flags.overlap),
                   "0 to 1 in thousandths");
  }
  base.overlap = {.walkers = flags.walkers,
                  .hidden_per_mille = static_cast<int>(thousandths)};
  return absl::OkStatus();
}

absl::Status SetPolicies(const Flags& flags, ComparisonOptions& options) {
  options.policies.clear();
  for (const std::string& name : flags.policies) {
    const bool variants = name == kAllAndVariants;
    if (name == kAll || variants) {
      options.leave_out_unsupported = true;
      for (const PolicyEntry& entry : Policies()) {
        if (!entry.variant_of.empty() && !variants) continue;
        options.policies.push_back({std::string(entry.name)});
      }
      continue;
    }
    if (FindPolicy(name) == nullptr) {
      std::vector<std::string> names;
      for (const PolicyEntry& entry : Policies()) {
        names.emplace_back(entry.name);
      }
      return BadFlag("policies", name,
                     absl::StrCat(absl::StrJoin(names, ", "), ", ", kAll,
                                  " or ", kAllAndVariants));
    }
    options.policies.push_back({name});
  }
  if (!options.policies.empty()) return absl::OkStatus();
  return BadFlag("policies", "", "names, see --list");
}

absl::Status SetWorkload(const Flags& flags, Request& request) {
  request.traces = flags.traces;
  request.workload = flags.workload;
  if (flags.traces.empty() == flags.workload.empty()) {
    return absl::InvalidArgumentError(
        "want the files of one trace, or --workload=NAME; see --help");
  }
  return absl::OkStatus();
}

void AddName(std::string& text, std::string_view name, std::string_view help) {
  const std::string padding(name.size() < 18 ? 18 - name.size() : 1, ' ');
  absl::StrAppend(&text, "  ", std::string(name), padding, std::string(help),
                  "\n");
}

template <typename T>
void AddNames(std::string& text, std::string_view title, std::span<const T> all,
              std::string_view (*name)(T), std::string_view (*help)(T)) {
  absl::StrAppend(&text, "\n", std::string(title), "\n");
  for (T value : all) AddName(text, name(value), help(value));
}

}  // namespace

absl::StatusOr<Request> CheckFlags(const Flags& flags) {
  Request request;
  SimulatorOptions& base = request.options.base;
  absl::Status ok = SetWorkload(flags, request);
  if (ok.ok()) ok = SetMachine(flags, base);
  if (ok.ok()) ok = SetGuest(flags, base);
  if (ok.ok()) ok = SetOverlap(flags, base);
  if (ok.ok()) ok = SetPolicies(flags, request.options);
  request.options.share_file_pages = flags.share_file_pages;
  if (ok.ok()) {
    ok = ParseNames("guest-ops", flags.guest_ops, AllGuestOps(), &GuestOpsName,
                    request.options.guest_ops);
  }
  if (ok.ok()) {
    ok = ParseNames("pin", flags.pin, AllPinWhen(), &PinWhenName,
                    request.options.pins);
  }
  if (ok.ok()) {
    ok = ParseNames("linear-map", flags.linear_map, AllLinearMaps(),
                    &LinearMapName, request.options.linear_maps);
  }
  if (ok.ok()) {
    ok = ParseName("format", flags.format, AllReportFormats(),
                   &ReportFormatName, request.format);
  }
  if (!ok.ok()) return ok;
  return request;
}

absl::StatusOr<std::string> ListCosts(const Flags& flags) {
  std::vector<std::string> names;
  for (const MachineFormat format : AllMachineFormats()) {
    names.emplace_back(MachineFormatName(format));
    if (names.back() != flags.format) continue;
    SimulatorOptions base;
    absl::Status ok = SetMachine(flags, base);
    if (!ok.ok()) return ok;
    return FormatMachine(*base.custom_machine, format);
  }
  return BadFlag("format", flags.format, absl::StrJoin(names, ", "));
}

absl::StatusOr<std::unique_ptr<Workload>> OpenWorkload(const Request& request,
                                                       PagingMode mode) {
  if (request.traces.empty()) return MakeSyntheticWorkload(request.workload);
  LackeyOptions options;
  if (LinearAddressBits(mode) == 32) options.address_limit = kAddressLimit32;
  return OpenLackeyTrace(request.traces, options);
}

std::string ListNames() {
  std::string text = absl::StrCat("policies (--policies; also: ", kAll, ", ",
                                  kAllAndVariants, "), variants indented\n");
  for (const PolicyEntry& entry : Policies()) {
    const char* const indent = entry.variant_of.empty() ? "" : "  ";
    AddName(text, absl::StrCat(indent, std::string(entry.name)), entry.help);
  }
  text += "\nmachines (--machine)\n";
  for (const MachineModel* machine : Machines()) {
    AddName(text, machine->name, machine->description);
  }
  text += "\nworkloads (--workload=NAME[:parameter=value,...])\n";
  for (const SyntheticWorkload& workload : SyntheticWorkloads()) {
    AddName(text, workload.name, workload.help);
    for (const SyntheticParameter& parameter : workload.parameters) {
      AddName(text, "",
              absl::StrCat(std::string(parameter.name), "=",
                           parameter.default_value, "  ",
                           std::string(parameter.help)));
    }
  }
  AddNames(text, "how paravirtual guests write page tables (--guest-ops)",
           AllGuestOps(), &GuestOpsName, &GuestOpsHelp);
  AddNames(text, "when paravirtual guests pin page tables (--pin)",
           AllPinWhen(), &PinWhenName, &PinWhenHelp);
  AddNames(text, "how Xen reaches page tables (--linear-map)", AllLinearMaps(),
           &LinearMapName, &LinearMapHelp);
  AddNames(text, "what memory takes (--timing)", AllMemoryTimings(),
           &MemoryTimingName, &MemoryTimingHelp);
  return text;
}

}  // namespace xmmu::compare
