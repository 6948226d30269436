#include "xmmu/testing/conformance.h"

#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "testing/conformance/family.h"
#include "testing/conformance/hostile_guests.h"
#include "testing/conformance/lockstep.h"
#include "testing/conformance/translated_hostile.h"
#include "testing/conformance/two_domains.h"
#include "testing/conformance/world.h"

namespace xmmu::testing {
namespace {

using conformance::Setting;
using conformance::TranslatedHostile;

constexpr std::string_view kMachine = "skylake-2017";
constexpr int kMaxVcpus = 64;  // HostOptions::cpus

// Recounting after every step is most of the time; where it does not show in
// which step something went wrong, every tenth is enough.
constexpr int kSeldom = 10;

// More than any operation of hostile guests reads.
constexpr size_t kBytesAnOperation = 40;

// What is wrong with the options themselves, whatever the policy.
absl::Status CheckOptions(const ConformanceOptions& options) {
  if (options.seeds.empty() || options.vcpus.empty()) {
    return absl::InvalidArgumentError(
        "conformance: no seeds or no numbers of vCPUs: want one of each");
  }
  if (options.events < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "conformance: ", options.events, " events: want 1 at least"));
  }
  for (const int vcpus : options.vcpus) {
    if (vcpus >= 1 && vcpus <= kMaxVcpus) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("conformance: ", vcpus, " vCPUs: want 1 to ", kMaxVcpus));
  }
  return absl::OkStatus();
}

// The paging modes to run guests of under `policy`.
absl::StatusOr<std::vector<PagingMode>> ModesOf(
    const Policy& policy, const ConformanceOptions& options) {
  std::vector<PagingMode> modes;
  for (const PagingMode mode : options.modes) {
    const absl::Status status = policy.Abi(mode).status();
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrFormat("conformance: %s has no %s guests: %s", policy.name(),
                          PagingModeName(mode), status.message()));
    }
    modes.push_back(mode);
  }
  if (!modes.empty()) return modes;
  for (const PagingMode mode : kAllPagingModes) {
    if (policy.Abi(mode).ok()) modes.push_back(mode);
  }
  if (!modes.empty()) return modes;
  return absl::InvalidArgumentError(absl::StrFormat(
      "conformance: %s has guests of no paging mode", policy.name()));
}

std::string_view EnumeratorOf(PagingMode mode) {
  switch (mode) {
    case PagingMode::k2Level:
      return "k2Level";
    case PagingMode::kPae:
      return "kPae";
    case PagingMode::k4Level:
      return "k4Level";
    case PagingMode::k5Level:
      return "k5Level";
  }
  return "";
}

absl::Status Failure(PagingMode mode, int vcpus, uint64_t seed, int events,
                     const std::string& wrong) {
  return absl::InternalError(absl::StrFormat(
      "conformance: seed %d: %s\nThis guest alone: {.seeds = {%d}, .events = "
      "%d, .modes = {PagingMode::%s}, .vcpus = {%d}}",
      seed, wrong, seed, events, EnumeratorOf(mode), vcpus));
}

// One way to run guests that one seed makes. "" or what is wrong.
std::string CheckSetting(const Setting& setting, uint64_t seed, int events) {
  std::string wrong =
      conformance::RunLockstep(setting, conformance::RandomChoice(seed), events,
                               /*check_every=*/1)
          .wrong;
  if (wrong.empty() && setting.vcpus > 1) {
    wrong = conformance::RunSharedSpace(setting,
                                        conformance::RandomChoice(seed), events,
                                        /*check_every=*/1)
                .wrong;
  }
  if (wrong.empty()) wrong = conformance::CheckFamily(setting, seed);
  if (wrong.empty()) {
    wrong = conformance::RunTwoDomains(setting, seed, events, kSeldom);
  }
  return wrong;
}

// Paravirtual guests that do anything, `operations` of them. "" or what is
// wrong.
std::string CheckHostile(const PolicyFactory& make, uint8_t kind, uint64_t seed,
                         int operations) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> bytes(kBytesAnOperation *
                             static_cast<size_t>(operations));
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() >> 56);
  conformance::ByteSource source(bytes);
  conformance::HostileGuests guests(kind, make, /*opens=*/seed % 2 == 0);
  for (int i = 1; i <= operations; ++i) {
    const std::string wrong = guests.Step(source);
    if (wrong.empty()) continue;
    return absl::StrCat("hostile guests of kind ",
                        conformance::HostileGuests::KindName(kind),
                        ", operation ", i, ": ", wrong);
  }
  return "";
}

// The ways to run a guest of `mode` under the policy that `make` makes.
std::vector<Setting> SettingsOf(const Policy& policy, const PolicyFactory& make,
                                PagingMode mode, int vcpus) {
  std::vector<Setting> settings;
  const Setting setting{
      .policy = policy.name(), .mode = mode, .vcpus = vcpus, .make = make};
  const GuestAbi abi = *policy.Abi(mode);
  conformance::AddWays(abi, setting, settings);
  if (!abi.large_pages) return settings;
  // What a guest writes large entries by is the same for all of its ways.
  settings.push_back(settings.front());
  settings.back().thp = Thp::kAlways;
  return settings;
}

// All guests of one mode, number of vCPUs and seed. "" or what is wrong.
std::string CheckGuests(const Policy& policy, const PolicyFactory& make,
                        PagingMode mode, int vcpus, uint64_t seed, int events) {
  for (const Setting& setting : SettingsOf(policy, make, mode, vcpus)) {
    const std::string wrong = CheckSetting(setting, seed, events);
    if (!wrong.empty()) return wrong;
  }
  if (policy.Abi(mode)->translated) {
    const std::string wrong =
        TranslatedHostile(mode, kMachine, make).Run(seed, events, 1);
    return wrong.empty() ? "" : "hostile guests, " + wrong;
  }
  if (!policy.Abi(mode)->paravirtual) return "";
  for (uint8_t kind = 0; kind < conformance::HostileGuests::kKinds; ++kind) {
    if (conformance::HostileGuests::KindMode(kind) != mode) continue;
    const std::string wrong = CheckHostile(make, kind, seed, events);
    if (!wrong.empty()) return wrong;
  }
  return "";
}

}  // namespace

absl::Status Conformance(const PolicyFactory& make,
                         const ConformanceOptions& options) {
  const absl::Status status = CheckOptions(options);
  if (!status.ok()) return status;
  if (!make)
    return absl::InvalidArgumentError("conformance: no policy factory");
  Host host(*FindMachine(kMachine), {});
  const std::unique_ptr<Policy> policy = make(host);
  if (policy == nullptr) {
    return absl::InvalidArgumentError("conformance: the factory makes nothing");
  }
  const auto modes = ModesOf(*policy, options);
  if (!modes.ok()) return modes.status();
  for (const PagingMode mode : *modes) {
    for (const int vcpus : options.vcpus) {
      for (const uint64_t seed : options.seeds) {
        const std::string wrong =
            CheckGuests(*policy, make, mode, vcpus, seed, options.events);
        if (wrong.empty()) continue;
        return Failure(mode, vcpus, seed, options.events, wrong);
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace xmmu::testing
