#include "sim/measurement.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"

namespace xmmu {
namespace {

constexpr uint64_t kAll = std::numeric_limits<uint64_t>::max();

absl::Status TooShort(uint64_t has, absl::string_view want) {
  return absl::InvalidArgumentError(
      absl::StrCat("the workload has ", has, " operation", has == 1 ? "" : "s",
                   ", want ", want));
}

}  // namespace

absl::Status Measurement::Approach(GuestKernel& guest, Workload& workload) {
  last_ = CostOf(host_);
  if (per_ == Per::kTask) guest.KeepTaskAccounts();
  BeginParts(guest);
  absl::Status status = guest.Begin(workload);
  if (!status.ok()) return status;
  const uint64_t before = options_.skip + options_.warmup;
  if (before == 0) return absl::OkStatus();
  const auto skipped = guest.RunFor(workload, options_.skip);
  if (!skipped.ok()) return skipped.status();
  if (options_.skip > 0) host_.MakeCold();
  const auto warmed = guest.RunFor(workload, options_.warmup);
  if (!warmed.ok()) return warmed.status();
  if (!guest.has_tasks()) {
    return TooShort(
        *skipped + *warmed,
        absl::StrCat("more than ", before, ", behind which the region begins"));
  }
  last_ = CostOf(host_);
  BeginParts(guest);
  return absl::OkStatus();
}

void Measurement::BeginParts(GuestKernel& guest) {
  guest.TakeTaskAccounts();
  cpus_.clear();
  if (per_ != Per::kVcpu) return;
  for (uint32_t i = 0; i < host_.cpu_count(); ++i) {
    cpus_.push_back(CostOf(host_, i));
  }
}

void Measurement::AddParts(int domain, GuestKernel& guest) {
  for (uint32_t i = 0; i < cpus_.size(); ++i) {
    parts_.push_back({.domain = domain,
                      .vcpu = i,
                      .task = std::nullopt,
                      .operations = 0,
                      .cost = CostOf(host_, i) - cpus_[i]});
  }
  for (const TaskAccount& account : guest.TakeTaskAccounts()) {
    parts_.push_back({.domain = domain,
                      .vcpu = std::nullopt,
                      .task = account.name,
                      .operations = account.operations,
                      .cost = CostOf(host_, account.work)});
  }
}

absl::Status Measurement::Add(int domain, uint64_t first, uint64_t operations) {
  const Cost now = CostOf(host_);
  const Cost cost = now - last_;
  last_ = now;
  cost_ += cost;
  operations_ += operations;
  if (!options_.interval.has_value()) return absl::OkStatus();
  if (intervals_.size() == kMaxIntervals) {
    return absl::InvalidArgumentError(
        absl::StrCat("more than ", kMaxIntervals, " intervals, want longer ",
                     "ones than ", *options_.interval, " operations"));
  }
  intervals_.push_back({domain, first, operations, cost});
  return absl::OkStatus();
}

absl::Status Measurement::Run(int domain, GuestKernel& guest,
                              Workload& workload,
                              absl::FunctionRef<void()> ended) {
  absl::Status status = Approach(guest, workload);
  if (!status.ok()) return status;
  const uint64_t before = options_.skip + options_.warmup;
  uint64_t done = 0;
  const uint64_t wanted = options_.operations.value_or(kAll);
  while (done < wanted && guest.has_tasks()) {
    const uint64_t piece =
        std::min(wanted - done, options_.interval.value_or(kAll));
    const auto ran = guest.RunFor(workload, piece);
    if (!ran.ok()) return ran.status();
    if (!guest.has_tasks()) ended();
    status = Add(domain, before + done + 1, *ran);
    if (!status.ok()) return status;
    done += *ran;
  }
  AddParts(domain, guest);
  if (options_.operations.has_value() && done < wanted) {
    return TooShort(before + done,
                    absl::StrCat(before + wanted, ", where the region ends"));
  }
  if (!guest.has_tasks()) return absl::OkStatus();
  status = guest.RunFor(workload, kAll).status();
  ended();
  return status;
}

}  // namespace xmmu
