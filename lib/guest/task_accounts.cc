#include "guest/task_accounts.h"

#include <cstddef>
#include <utility>

namespace xmmu {

void CpuWork::AddSince(const CpuWork& earlier, const CpuWork& later) {
  cycles += later.cycles - earlier.cycles;
  hidden += later.hidden - earlier.hidden;
  for (size_t i = 0; i < kCostEventCount; ++i) {
    tally[i] += later.tally[i] - earlier.tally[i];
  }
  own_tally.resize(later.own_tally.size());
  for (size_t i = 0; i < later.own_tally.size(); ++i) {
    own_tally[i] += later.own_tally[i] - earlier.own_tally[i];
  }
  counters += later.counters - earlier.counters;
}

CpuWork WorkOf(const Host& host, const Cpu& cpu) {
  CpuWork work = {.cycles = cpu.clock.busy(),
                  .hidden = cpu.clock.hidden(),
                  .tally = cpu.clock.tallies(),
                  .own_tally = {},
                  .counters = cpu.counters};
  for (size_t i = 0; i < host.own_events().size(); ++i) {
    work.own_tally.push_back(cpu.clock.tally(static_cast<OwnEventId>(i)));
  }
  return work;
}

void TaskAccounts::Add(const TaskName& name, const Cpu& cpu,
                       uint64_t operations) {
  CpuWork now = WorkOf(host_, cpu);
  TaskAccount& account = accounts_[name.task];
  account.name = name;
  account.operations += operations;
  account.work.AddSince(mark_, now);
  mark_ = std::move(now);
}

std::vector<TaskAccount> TaskAccounts::Take() {
  std::vector<TaskAccount> taken;
  for (auto& [id, account] : accounts_) taken.push_back(std::move(account));
  accounts_.clear();
  return taken;
}

}  // namespace xmmu
