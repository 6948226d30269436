#include "testing/conformance/family.h"

#include <map>
#include <span>

#include "absl/strings/str_cat.h"
#include "testing/conformance/guest_script.h"
#include "xmmu/workload/workload.h"

namespace xmmu::conformance {
namespace {

// Seeds of one family's programs are its own: two for each process.
constexpr uint64_t kSeedsAFamily = 64;

// A process that maps and touches memory, then forks some that go on each for
// itself, on memory that they share with each other copy on write.
class Family final : public Workload {
 public:
  Family(const Setting& setting, uint64_t seed)
      : setting_(setting), seed_(seed) {}

  std::string name() const override { return "family"; }
  TaskId first_task() const override { return 1; }

  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    std::vector<GuestOp>& ops = streams_[task];
    // What comes before the forks has to be there for the children.
    AddSteps(ops, task, 150);
    if (task == first_task()) {
      for (TaskId child = 2; child <= kProcesses; ++child) {
        ops.push_back({.kind = GuestOpKind::kFork, .child = child});
      }
      AddSteps(ops, task + kProcesses, 150);
      ops.insert(ops.end(), kProcesses - 1,
                 GuestOp{.kind = GuestOpKind::kWait});
    }
    ops.push_back({.kind = GuestOpKind::kExit});
    return ops;
  }

 private:
  static constexpr TaskId kProcesses = 7;

  void AddSteps(std::vector<GuestOp>& ops, uint64_t number, int steps) const {
    GuestScript script =
        ScriptOf(setting_, RandomChoice(kSeedsAFamily * seed_ + number), 1,
                 /*most=*/1);
    for (int i = 0; i < steps; ++i) {
      ops.push_back(script.Next().op);
      // What one process stores to a shared page is nothing that a private
      // mapping of another could meet: when would depend on the clocks.
      if (ops.back().backing == Backing::kFileShared) ops.back().file = 8;
    }
  }

  const Setting setting_;
  uint64_t seed_;
  std::map<TaskId, std::vector<GuestOp>> streams_;
};

}  // namespace

uint64_t Outcome::Sum(Counter counter) const {
  uint64_t sum = 0;
  for (const Counters& each : counters) sum += each[counter];
  return sum;
}

FamilyRun RunFamily(const Setting& setting, uint64_t seed) {
  FamilyRun run;
  // More processes than a script has, each with fewer large pages.
  const uint64_t scripts = setting.thp.has_value() ? 2 : 1;
  World world(setting, scripts * ScriptMib(setting));
  absl::Status status = world.status();
  Family family(setting, seed);
  if (status.ok()) status = world.kernel().Run(family);
  if (!status.ok()) {
    run.wrong = status.ToString();
    return run;
  }
  run.wrong = world.FirstEscape();
  const absl::Status audit = world.policy().Audit();
  if (run.wrong.empty() && !audit.ok()) run.wrong = audit.ToString();
  Outcome& outcome = run.outcome;
  outcome.digest = world.kernel().digest();
  for (uint32_t id = 0; id < world.host().cpu_count(); ++id) {
    outcome.tallies.push_back(world.cpu(id).clock.tallies());
    outcome.counters.push_back(world.cpu(id).counters);
    outcome.clocks.push_back(world.cpu(id).clock.now());
  }
  return run;
}

std::string CheckFamily(const Setting& setting, uint64_t seed) {
  const std::string where =
      NameOf(setting) + ", processes that are scheduled: ";
  const FamilyRun run = RunFamily(setting, seed);
  if (!run.wrong.empty()) return absl::StrCat(where, run.wrong);
  const FamilyRun bare = RunFamily({.mode = setting.mode,
                                    .thp = setting.thp,
                                    .digest_thp = setting.digest_thp},
                                   seed);
  if (!bare.wrong.empty()) return absl::StrCat("bare hardware: ", bare.wrong);
  if (run.outcome.digest != bare.outcome.digest) {
    return absl::StrCat(where,
                        "they have seen something else than on bare "
                        "hardware");
  }
  const FamilyRun again = RunFamily(setting, seed);
  if (!(again.outcome == run.outcome)) {
    return absl::StrCat(where, "two runs cost or count something else");
  }
  return "";
}

}  // namespace xmmu::conformance
