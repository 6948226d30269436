#include "xmmu/sim/simulator.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "sim/measurement.h"
#include "sim/migration.h"
#include "sim/own_names.h"
#include "sim/stoppable_workload.h"
#include "xmmu/base/address.h"
#include "xmmu/policy/tick.h"

namespace xmmu {
namespace {

// Guest memory is a multiple of the largest page that any guest kernel's direct
// map is made of. It is so for all, so that what runs under one policy runs
// under every other.
constexpr uint64_t kMemoryGranule = uint64_t{4} << 20;

// CR3 is 32 bits wide outside of IA-32e mode (SDM Vol. 3A, "PAE Paging").
constexpr uint64_t kCr3Frames = uint64_t{1} << (32 - kPageShift);

// The factor is odd, so that multiplying loses nothing of a digest.
constexpr uint64_t kDigestFactor = 0x9e3779b97f4a7c15;

// Refuses values that an enumeration does not have: a cast or an uninitialised
// struct can contain them.
absl::Status CheckChoices(const SimulatorOptions& options) {
  const auto is_one_of = [](const auto& all, auto value) {
    return std::find(all.begin(), all.end(), value) != all.end();
  };
  const auto complain = [](std::string_view option, auto value) {
    return absl::InvalidArgumentError(
        absl::StrCat("option ", Abs(option), " has a value, ",
                     static_cast<int>(value), ", that is none of its kind"));
  };
  if (!is_one_of(kAllPagingModes, options.mode))
    return complain("mode", options.mode);
  if (!is_one_of(AllMemoryTimings(), options.timing)) {
    return complain("timing", options.timing);
  }
  if (!is_one_of(AllLinearMaps(), options.linear_map)) {
    return complain("linear_map", options.linear_map);
  }
  if (options.guest_ops && !is_one_of(AllGuestOps(), *options.guest_ops)) {
    return complain("guest_ops", *options.guest_ops);
  }
  if (options.pin && !is_one_of(AllPinWhen(), *options.pin)) {
    return complain("pin", *options.pin);
  }
  if (options.thp && !is_one_of(AllThp(), *options.thp)) {
    return complain("thp", *options.thp);
  }
  if (options.digest_thp && !is_one_of(AllThp(), *options.digest_thp)) {
    return complain("digest_thp", *options.digest_thp);
  }
  if (!is_one_of(AllReclaim(), options.reclaim)) {
    return complain("reclaim", options.reclaim);
  }
  return absl::OkStatus();
}

absl::Status CheckRegion(const SimulatorOptions& options) {
  const RegionOptions& region = options.region;
  for (const uint64_t number :
       {region.skip, region.warmup, region.operations.value_or(1),
        region.interval.value_or(1)}) {
    if (number <= kMaxRegionOperations) continue;
    return absl::InvalidArgumentError(absl::StrCat("a region of ", number,
                                                   " operations, want at most ",
                                                   kMaxRegionOperations));
  }
  if (region.operations == 0u || region.interval == 0u) {
    return absl::InvalidArgumentError(
        "a region or interval of 0 operations, want one at least");
  }
  if (region.interval.has_value() && options.per != Per::kNothing) {
    return absl::InvalidArgumentError(
        "intervals and parts by vCPU or task: want one of both");
  }
  if (region.wanted() && options.migration.wanted()) {
    return absl::InvalidArgumentError(
        "a region and a migration, which is of the whole run: want one of "
        "both");
  }
  return absl::OkStatus();
}

// Refuses numbers out of range, so that nothing below has to check them.
absl::Status CheckRanges(const SimulatorOptions& options) {
  if (options.vcpus < 1 || options.vcpus > kMaxCpus) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a guest has 1 to ", kMaxCpus, " vCPUs, not ", options.vcpus));
  }
  if (options.domains < 1 || options.domains > kMaxDomains) {
    return absl::InvalidArgumentError(
        absl::StrCat("1 to ", kMaxDomains, " domains, not ", options.domains));
  }
  if (options.guest_memory_bytes == 0 ||
      options.guest_memory_bytes % kMemoryGranule != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("guest memory is a multiple of 4 MiB, not ",
                     options.guest_memory_bytes, " bytes"));
  }
  const Overlap& overlap = options.overlap;
  if (overlap.walkers < 1 || overlap.walkers > kMaxWalkers ||
      overlap.hidden_per_mille < 0 || overlap.hidden_per_mille > 1000) {
    return absl::InvalidArgumentError(
        absl::StrCat("an overlap of ", overlap.walkers, " walkers and ",
                     overlap.hidden_per_mille, " thousandths: want 1 to ",
                     kMaxWalkers, " walkers and 0 to 1000 thousandths"));
  }
  if (options.spans.has_value() && overlap.on()) {
    return absl::InvalidArgumentError(
        "spans beside an overlap, where time steps back: want one of both");
  }
  const MigrationOptions& migration = options.migration;
  if (migration.rounds < 0 || (migration.wanted() && migration.every_ops < 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a migration of ", migration.rounds, " rounds every ",
                     migration.every_ops, " operations"));
  }
  absl::Status status = CheckRegion(options);
  return status.ok() ? CheckLinearMap(options) : status;
}

HostOptions HostOptionsOf(const SimulatorOptions& options) {
  HostOptions host;
  host.cpus = options.vcpus;
  host.timing = options.timing;
  host.linear_map = options.linear_map;
  return host;
}

// What is left of `whole` is nobody's.
std::vector<RowPart> PartsOf(std::vector<RowPart> parts, const Cost& whole) {
  if (parts.empty()) return parts;
  Cost sum;
  for (const RowPart& part : parts) sum += part.cost;
  RowPart rest = {.domain = 0,
                  .vcpu = std::nullopt,
                  .task = std::nullopt,
                  .operations = 0,
                  .cost = whole - sum};
  rest.cost.elapsed = Cycles();
  if (rest.cost.cycles.count() > 0 || rest.cost.counters != Counters()) {
    parts.push_back(std::move(rest));
  }
  return parts;
}

// Options that are not set are the defaults for the ABI.
GuestOptions GuestOptionsOf(const SimulatorOptions& options,
                            const GuestAbi& abi) {
  GuestOptions guest = DefaultGuestOptions(abi, options.mode);
  guest.ops = options.guest_ops.value_or(guest.ops);
  guest.pin = options.pin.value_or(guest.pin);
  guest.quantum_ops = options.quantum_ops.value_or(guest.quantum_ops);
  guest.fault_around_pages =
      options.fault_around_pages.value_or(guest.fault_around_pages);
  guest.flush_ceiling_pages =
      options.flush_ceiling_pages.value_or(guest.flush_ceiling_pages);
  guest.fork_copies_all = options.fork_copies_all;
  guest.keeps_tables = options.keeps_tables;
  guest.share_file_pages = options.share_file_pages;
  guest.thp = options.thp.value_or(guest.thp);
  guest.digest_thp = options.digest_thp.value_or(guest.thp);
  guest.reclaim = options.reclaim;
  return guest;
}

}  // namespace

Simulator::Simulator(const SimulatorOptions& options,
                     const MachineModel& machine)
    : options_(options),
      machine_(machine),
      host_(machine_, HostOptionsOf(options)),
      measurement_(
          std::make_unique<Measurement>(host_, options.region, options.per)) {
  for (uint32_t i = 0; i < host_.cpu_count(); ++i) {
    host_.cpu(i).clock.SetOverlap(options.overlap);
  }
}

Simulator::~Simulator() = default;

absl::StatusOr<std::unique_ptr<Simulator>> Simulator::Create(
    const SimulatorOptions& options) {
  if (absl::Status status = CheckChoices(options); !status.ok()) return status;
  if (absl::Status status = CheckRanges(options); !status.ok()) return status;
  if (options.stop.stop_requested()) return absl::CancelledError("stopped");
  absl::StatusOr<MachineModel> machine = MachineOf(options);
  if (!machine.ok()) return machine.status();
  if (absl::Status status = CheckName("machine", machine->name); !status.ok()) {
    return status;
  }
  std::unique_ptr<Simulator> simulator(new Simulator(options, *machine));
  if (absl::Status status = simulator->MakePolicy(); !status.ok())
    return status;
  if (absl::Status status = simulator->Boot(); !status.ok()) return status;
  return simulator;
}

absl::Status Simulator::MakePolicy() {
  if (options_.custom_policy) {
    policy_ = options_.custom_policy(host_);
    if (policy_ == nullptr) {
      return absl::InvalidArgumentError("custom_policy made no policy");
    }
    const absl::Status status = CheckName("policy", policy_->name());
    return status.ok() ? CheckOwn(*policy_, host_) : status;
  }
  const PolicyEntry* entry = FindPolicy(options_.policy);
  if (entry == nullptr) {
    return UnknownName("policy", options_.policy, Policies(),
                       [](const PolicyEntry& e) { return e.name; });
  }
  policy_ = entry->make(host_);
  return absl::OkStatus();
}

absl::Status Simulator::Boot() {
  const absl::StatusOr<GuestAbi> abi = policy_->Abi(options_.mode);
  if (!abi.ok()) return abi.status();
  // The machine may have room for more than the guest's kernel can map.
  const absl::Status memory = GuestKernel::CheckMemory(
      options_.mode, options_.guest_memory_bytes >> kPageShift);
  if (!memory.ok()) return memory;
  for (int i = 0; i < options_.domains; ++i) {
    if (absl::Status status = BootGuest(*abi); !status.ok()) return status;
  }
  boot_ = CostOf(host_);
  // All CPUs begin at the same time, so that no one has to catch up first.
  for (uint32_t i = 0; i < host_.cpu_count(); ++i) {
    host_.cpu(i).clock.AdvanceTo(boot_.elapsed);
  }
  if (options_.spans.has_value()) {
    spans_ = std::make_unique<SpanLog>(*options_.spans, boot_.elapsed);
    for (uint32_t i = 0; i < host_.cpu_count(); ++i) {
      host_.cpu(i).clock.set_span_log(spans_.get(), i);
    }
  }
  policy_->BootEnded();
  StartTicks(*policy_, host_);
  return absl::OkStatus();
}

absl::Status Simulator::BootGuest(const GuestAbi& abi) {
  DomainOptions domain_options;
  domain_options.mode = options_.mode;
  domain_options.memory_frames = options_.guest_memory_bytes >> kPageShift;
  domain_options.vcpus = options_.vcpus;
  domain_options.translated = abi.translated;
  absl::StatusOr<Domain*> domain = host_.CreateDomain(domain_options);
  if (!domain.ok()) return domain.status();
  // This is checked for every policy, so that all rows of a comparison can run.
  const Mfn last =
      (*domain)->p2m().MfnOf(Pfn(domain_options.memory_frames - 1));
  if (LinearAddressBits(options_.mode) == 32 && last.value() >= kCr3Frames) {
    return absl::InvalidArgumentError(absl::StrCat(
        options_.domains, " domains of ", options_.guest_memory_bytes >> 20,
        " MiB: a 32-bit guest's page tables lie below 4 GiB, where CR3 "
        "reaches; want fewer domains or less memory"));
  }
  absl::StatusOr<std::unique_ptr<GuestKernel>> guest = GuestKernel::Boot(
      host_, *policy_, **domain, GuestOptionsOf(options_, abi));
  if (!guest.ok()) return guest.status();
  guests_.push_back(*std::move(guest));
  return absl::OkStatus();
}

absl::StatusOr<ReportRow> Simulator::Run(Workload& workload) {
  if (absl::Status status = RunOn(0, workload); !status.ok()) return status;
  return Row();
}

absl::StatusOr<ReportRow> Simulator::Run(std::span<Workload* const> workloads) {
  if (workloads.size() != guests_.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(workloads.size(), " workloads for ", guests_.size(),
                     " domains: want one each"));
  }
  for (size_t i = 0; i < workloads.size(); ++i) {
    if (workloads[i] != nullptr) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("workload ", i, " is a null pointer"));
  }
  for (size_t i = 0; i < guests_.size(); ++i) {
    if (absl::Status status = RunOn(i, *workloads[i]); !status.ok())
      return status;
  }
  return Row();
}

absl::Status Simulator::RunOn(size_t index, Workload& workload) {
  if (!options_.stop.stop_possible()) return Measure(index, workload);
  StoppableWorkload stoppable(workload, options_.stop);
  return Measure(index, stoppable);
}

absl::Status Simulator::Measure(size_t index, Workload& workload) {
  GuestKernel& guest = *guests_[index];
  const auto number = static_cast<int>(index);
  if (!options_.migration.wanted()) {
    return measurement_->Run(number, guest, workload, [] {});
  }
  if (!migration_.has_value()) migration_.emplace();
  MigratingWorkload migrating(workload, host_, *policy_, domain(index),
                              options_.migration, *migration_);
  return measurement_->Run(number, guest, migrating,
                           [&] { migrating.Finish(); });
}

std::shared_ptr<const SpanLog> Simulator::Spans() const {
  if (spans_ == nullptr) return nullptr;
  auto spans = std::make_shared<SpanLog>(*spans_);
  for (uint32_t i = 0; i < host_.cpu_count(); ++i) {
    spans->CatchUp(host_.cpu(i).clock);
  }
  return spans;
}

ReportRow Simulator::Row() const {
  const GuestKernel& first = *guests_.front();
  ReportRow row;
  row.policy = std::string(policy_->name());
  row.paravirtual = first.abi().paravirtual;
  row.guest_ops = first.options().ops;
  row.pin = first.options().pin;
  row.shares_file_pages = first.options().share_file_pages;
  if (row.paravirtual) row.linear_map = options_.linear_map;
  row.thp = first.options().thp;
  row.thp_chosen = options_.thp.has_value();
  row.large_pages = first.abi().large_pages;
  row.nested_pages = policy_->NestedPageCounts();
  const Cost whole = cost();
  row.cost = options_.region.wanted() ? measurement_->cost() : whole;
  row.cost.own_tally.resize(host_.own_events().size());  // if nothing has run
  row.operations = measurement_->operations();
  row.intervals = measurement_->intervals();
  row.parts = PartsOf(measurement_->parts(), row.cost);
  row.hypothetical = std::string(HypotheticalPart(whole, machine_));
  row.guest_digest = first.digest();
  uint64_t spaces = 0;
  uint64_t frames = host_.peak_xen_frames();
  for (const auto& guest : guests_) {
    const NotCompared left_out = guest->not_compared();
    row.not_compared.accesses += left_out.accesses;
    row.not_compared.pages += left_out.pages;
    row.not_compared.threaded_spaces += left_out.threaded_spaces;
    spaces += guest->peak_address_spaces();
    frames += guest->peak_page_table_frames() - guest->boot_page_table_frames();
    row.page_table_bytes += guest->peak_page_table_frames() * kPageSize;
    // The digest depends on the order of the domains.
    if (guest != guests_.front()) {
      row.guest_digest = row.guest_digest * kDigestFactor + guest->digest();
    }
  }
  if (spaces > 0) row.page_table_bytes_per_space = frames * kPageSize / spaces;
  row.memory_overhead_bytes = row.page_table_bytes +
                              host_.peak_xen_frames() * kPageSize +
                              policy_->BookkeepingBytes();
  if (policy_->has_hypervisor()) {
    row.memory_overhead_bytes += host_.frame_bookkeeping_bytes();
  }
  row.host_bytes = host_.host_bytes() + policy_->HostBytes();
  for (const auto& guest : guests_) row.host_bytes += guest->host_bytes();
  row.memory_parts = policy_->MemoryParts();
  row.migration = migration_;
  row.spans = Spans();
  row.vcpus = options_.vcpus * options_.domains;
  for (const auto& guest : guests_) row.idle_vcpus += guest->idle_vcpus();
  row.by_mark = CyclesByMark(row.cost, machine_.costs);
  row.figures = policy_->Figures();
  for (size_t i = 0; i < host_.own_events().size(); ++i) {
    const OwnEvent& event = host_.own_events()[i];
    const uint64_t count = row.cost.own_tally[i];
    row.own_events.push_back({event, count, Cycles(count * event.price)});
  }
  return row;
}

}  // namespace xmmu
