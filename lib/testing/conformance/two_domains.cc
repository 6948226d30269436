#include "testing/conformance/two_domains.h"

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "testing/conformance/guest_script.h"
#include "testing/conformance/hardware_view.h"

namespace xmmu::conformance {
namespace {

constexpr TaskId kFirstProcess = 1;

// The number of a program's seed is never that of the other program.
uint64_t SeedOf(uint64_t seed, size_t program) { return 2 * seed + program; }

// Performs a step that a script has chosen. "" or why the kernel refused it.
std::string PerformOn(GuestKernel& kernel, GuestScript& script) {
  const ScriptStep step = script.Next();
  const absl::Status status = kernel.Perform(step.task, step.op);
  return status.ok() ? "" : std::string(status.message());
}

// What the programs of a guest that is alone have seen by the end.
absl::StatusOr<uint64_t> DigestAlone(const Setting& setting, uint64_t seed,
                                     int steps) {
  World world(setting, ScriptMib(setting));
  if (!world.status().ok()) return world.status();
  const absl::Status status = world.kernel().CreateProcess(kFirstProcess);
  if (!status.ok()) return status;
  GuestScript script = ScriptOf(setting, RandomChoice(seed), kFirstProcess);
  for (int i = 0; i < steps; ++i) {
    const std::string wrong = PerformOn(world.kernel(), script);
    if (!wrong.empty()) return absl::InternalError(wrong);
  }
  return world.kernel().digest();
}

// How one of the two guests of `host` can escape; see World::FirstEscape().
std::string EscapeOf(Host& host, const GuestAbi& abi) {
  const bool nested = host.domain(0).vcpu(0).vm.nested;
  if (abi.translated && !nested) return FirstShadowEscape(host);
  return abi.paravirtual || nested ? FirstEscape(host) : "";
}

// Two guests on one host.
class Pair {
 public:
  Pair(const Setting& setting, uint64_t seed)
      : host_(*FindMachine("skylake-2017"), {.cpus = setting.vcpus}),
        policy_(MakePolicyOf(setting, host_)),
        scripts_{ScriptOf(setting, RandomChoice(SeedOf(seed, 0))),
                 ScriptOf(setting, RandomChoice(SeedOf(seed, 1)))} {}

  absl::Status Boot(const Setting& setting) {
    for (auto& guest : guests_) {
      auto kernel = BootGuest(host_, *policy_, setting, ScriptMib(setting));
      if (!kernel.ok()) return kernel.status();
      guest = *std::move(kernel);
      const absl::Status status = guest->CreateProcess(kFirstProcess);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // A step of each guest. "" or what is wrong.
  std::string Turn(bool check) {
    for (size_t i = 0; i < guests_.size(); ++i) {
      const std::string wrong = PerformOn(*guests_.at(i), scripts_.at(i));
      if (!wrong.empty()) return wrong;
      const absl::Status audit = policy_->Audit();
      if (!audit.ok()) return audit.ToString();
    }
    return check ? EscapeOf(host_, guests_[0]->abi()) : "";
  }

  uint64_t digest(size_t i) const { return guests_.at(i)->digest(); }

 private:
  Host host_;
  std::unique_ptr<Policy> policy_;
  std::array<std::unique_ptr<GuestKernel>, 2> guests_;
  std::array<GuestScript, 2> scripts_;
};

}  // namespace

std::string RunTwoDomains(const Setting& setting, uint64_t seed, int steps,
                          int check_every) {
  const std::string where = NameOf(setting) + ", two domains, ";
  std::array<uint64_t, 2> alone{};
  for (size_t i = 0; i < alone.size(); ++i) {
    const auto digest = DigestAlone(setting, SeedOf(seed, i), steps);
    if (!digest.ok())
      return absl::StrCat(where, "alone: ", digest.status().message());
    alone.at(i) = *digest;
  }
  Pair pair(setting, seed);
  const absl::Status status = pair.Boot(setting);
  if (!status.ok()) return absl::StrCat(where, "boot: ", status.ToString());
  for (int turn = 1; turn <= steps; ++turn) {
    const std::string wrong =
        pair.Turn(turn % check_every == 0 || turn == steps);
    if (!wrong.empty()) return absl::StrCat(where, "turn ", turn, ": ", wrong);
  }
  for (size_t i = 0; i < alone.size(); ++i) {
    if (pair.digest(i) == alone.at(i)) continue;
    return absl::StrCat(where, "programs of domain ", i,
                        " have seen something else than when it was alone");
  }
  return "";
}

}  // namespace xmmu::conformance
