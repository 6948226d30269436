#include "testing/conformance/lockstep.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "testing/conformance/op_text.h"

namespace xmmu::conformance {
namespace {

// The guest on bare hardware that is to see what that of `tested` sees. If that
// has no large pages, this one makes none, either: the flags of a large page
// are those of all its parts.
Setting BareOf(const Setting& tested, const World& world) {
  Setting bare = {.mode = tested.mode,
                  .vcpus = tested.vcpus,
                  .thp = tested.thp,
                  .digest_thp = tested.digest_thp};
  if (!tested.thp.has_value() || !world.status().ok()) return bare;
  if (world.kernel().abi().large_pages) return bare;
  bare.digest_thp = tested.digest_thp.value_or(*tested.thp);
  bare.thp = Thp::kNever;
  return bare;
}

std::string StepText(int number, const ScriptStep& step) {
  return absl::StrFormat("step %d (process %d: %s)", number, step.task,
                         OpText(step.op));
}

}  // namespace

Lockstep::Lockstep(const Setting& tested)
    : tested_(tested, ScriptMib(tested)),
      bare_(BareOf(tested, tested_), ScriptMib(tested)) {
  for (World* world : {&bare_, &tested_}) {
    if (status_.ok()) status_ = world->status();
    if (status_.ok()) status_ = world->kernel().CreateProcess(1);
  }
}

std::string Lockstep::Perform(const ScriptStep& step,
                              const std::set<TaskId>& live, bool check) {
  for (World* world : {&bare_, &tested_}) {
    const absl::Status status = world->kernel().Perform(step.task, step.op);
    if (!status.ok()) {
      return absl::StrFormat("%s: %s", world->policy().name(),
                             status.ToString());
    }
  }
  return check ? Compare(live) : "";
}

std::string Lockstep::Compare(const std::set<TaskId>& live) {
  const std::vector<TaskId> tasks(live.begin(), live.end());
  const GuestView expected = ViewOf(bare_, tasks);
  const GuestView got = ViewOf(tested_, tasks);
  for (const auto& [task, pages] : got.processes) {
    pages_compared_ += pages.size();
  }
  std::string wrong = FirstDifference(expected, got);
  if (!wrong.empty()) return wrong;
  if (bare_.kernel().digest() != tested_.kernel().digest()) {
    return "programs have seen something else";
  }
  wrong = FirstStale(bare_, expected);
  if (!wrong.empty()) return absl::StrCat("bare hardware: ", wrong);
  wrong = FirstStale(tested_, got);
  if (wrong.empty()) wrong = tested_.FirstEscape();
  if (!wrong.empty()) return wrong;
  const absl::Status audit = tested_.policy().Audit();
  return audit.ok() ? "" : audit.ToString();
}

namespace {

// Steps in lockstep, until one goes wrong: from then on they do nothing.
class Steps {
 public:
  Steps(const Setting& setting, int steps, int check_every)
      : setting_(setting),
        steps_(steps),
        check_every_(check_every),
        lockstep_(setting) {
    if (lockstep_.status().ok()) return;
    wrong_ = absl::StrCat(NameOf(setting),
                          ", boot: ", lockstep_.status().ToString());
  }

  // Everything is compared after each `check_every`-th step, the `steps`-th,
  // and those beyond that.
  void Perform(const ScriptStep& step, const std::set<TaskId>& live) {
    if (!wrong_.empty()) return;
    ++number_;
    const bool check = number_ % check_every_ == 0 || number_ >= steps_;
    wrong_ = lockstep_.Perform(step, live, check);
    if (wrong_.empty()) return;
    wrong_ = absl::StrCat(NameOf(setting_), ", ", StepText(number_, step), ": ",
                          wrong_);
  }

  int number() const { return number_; }
  const std::string& wrong() const { return wrong_; }
  uint64_t pages_compared() const { return lockstep_.pages_compared(); }

 private:
  const Setting setting_;
  const int steps_;
  const int check_every_;
  Lockstep lockstep_;
  int number_ = 0;
  std::string wrong_;
};

}  // namespace

LockstepRun RunLockstep(const Setting& setting, const Choice& choice, int steps,
                        int check_every) {
  Steps lockstep(setting, steps, check_every);
  GuestScript script = ScriptOf(setting, choice);
  while (lockstep.number() < steps && lockstep.wrong().empty()) {
    const ScriptStep step = script.Next();
    lockstep.Perform(step, script.live());
  }
  // Children first: nobody waits for long.
  std::set<TaskId> live = script.live();
  while (!live.empty() && lockstep.wrong().empty()) {
    const TaskId task = *live.rbegin();
    live.erase(task);
    lockstep.Perform({task, {.kind = GuestOpKind::kExit}}, live);
  }
  return {lockstep.wrong(), lockstep.pages_compared()};
}

LockstepRun RunSharedSpace(const Setting& setting, const Choice& choice,
                           int steps, int check_every) {
  Steps lockstep(setting, steps, check_every);
  // A step of `task` in the address space that all of them have.
  GuestScript script = ScriptOf(setting, choice, 1, /*most=*/1);
  const auto step_of = [&script](TaskId task) {
    ScriptStep step = script.Next();
    // A process that executes another program leaves the address space.
    while (step.op.kind == GuestOpKind::kExec) step = script.Next();
    step.task = task;
    return step;
  };
  std::set<TaskId> live = {1};
  const auto last = static_cast<TaskId>(setting.vcpus);
  const int steps_each = std::max(steps / setting.vcpus, 1);
  for (TaskId task = 1; task <= last; ++task) {
    for (int i = 0; i < steps_each; ++i) {
      lockstep.Perform(step_of(task), live);
    }
    if (task == last) break;
    live.insert(task + 1);
    lockstep.Perform({task, {.kind = GuestOpKind::kVfork, .child = task + 1}},
                     live);
  }
  return {lockstep.wrong(), lockstep.pages_compared()};
}

}  // namespace xmmu::conformance
