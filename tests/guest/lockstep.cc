#include "guest/lockstep.h"

#include <vector>

#include "absl/strings/str_cat.h"

namespace xmmu {
namespace {

// Enough for the script, and little to be recounted after each step.
constexpr uint64_t kMemoryMib = 8;

Setting BareOf(const Setting& setting) {
  return {.mode = setting.mode, .vcpus = setting.vcpus};
}

std::string StepText(int number, const ScriptStep& step) {
  const GuestOp& op = step.op;
  return absl::StrFormat(
      "step %d (process %d, operation %d at 0x%x, 0x%x bytes, rights %d, "
      "backing %d, target 0x%x, 0x%x bytes, child %d)",
      number, step.task, static_cast<int>(op.kind), op.va.value(), op.length,
      op.rights, static_cast<int>(op.backing), op.target.value(), op.new_length,
      op.child);
}

}  // namespace

Lockstep::Lockstep(const Setting& tested)
    : bare_(BareOf(tested), kMemoryMib), tested_(tested, kMemoryMib) {
  for (World* world : {&bare_, &tested_}) {
    const absl::Status status = world->kernel().CreateProcess(1);
    EXPECT_TRUE(status.ok()) << status;
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

LockstepRun RunLockstep(const Setting& setting, const Choice& choice, int steps,
                        int check_every) {
  Lockstep lockstep(setting);
  GuestScript script(setting.mode, choice);
  LockstepRun run;
  int number = 0;
  const auto perform = [&](const ScriptStep& step,
                           const std::set<TaskId>& live) {
    const bool check = ++number % check_every == 0 || number == steps;
    run.wrong = lockstep.Perform(step, live, check);
    if (!run.wrong.empty()) {
      run.wrong = absl::StrCat(NameOf(setting), ", ", StepText(number, step),
                               ": ", run.wrong);
    }
  };
  while (number < steps && run.wrong.empty()) {
    const ScriptStep step = script.Next();
    perform(step, script.live());
  }
  // Children first: nobody waits for long.
  std::set<TaskId> live = script.live();
  while (!live.empty() && run.wrong.empty()) {
    const TaskId task = *live.rbegin();
    live.erase(task);
    perform({task, {.kind = GuestOpKind::kExit}}, live);
  }
  run.pages_compared = lockstep.pages_compared();
  return run;
}

}  // namespace xmmu
