// One address, walked level by level, with the cycles of each step: on a cold
// machine, then the page beside it, which the paging-structure caches shorten
// the way to, and at last the same page again, which the TLB knows.
//
// There is no guest here: the tables are written by hand, and the Mmu is used
// as a processor would be.

#include <cstdio>
#include <string>

#include "xmmu/machine/machine_model.h"
#include "xmmu/machine/memory_hierarchy.h"
#include "xmmu/machine/phys_memory.h"
#include "xmmu/machine/pte.h"
#include "xmmu/mmu/mmu.h"

namespace {

using xmmu::CostEvent;
using xmmu::Mfn;

constexpr uint64_t kFlags =
    xmmu::pte::kPresent | xmmu::pte::kWritable | xmmu::pte::kUser;
constexpr xmmu::VirtAddr kVa{0x7f1234560000};

// Frame 4 is the root, an L4 table, 1 the L1 table. The two pages at kVa are
// frames 100 and 101.
void BuildTables(xmmu::PhysMemory& memory) {
  const auto mode = xmmu::PagingMode::k4Level;
  for (int level = 4; level >= 1; --level) {
    const xmmu::MachineAddr table = AddressOf(Mfn(uint64_t(level)));
    const int slot = IndexOf(mode, level, kVa);
    const Mfn next(level > 1 ? uint64_t(level - 1) : 100);
    memory.Write64(EntryAddress(mode, table, slot),
                   xmmu::Pte(next, kFlags).raw());
    if (level > 1) continue;
    memory.Write64(EntryAddress(mode, table, slot + 1),
                   xmmu::Pte(next + 1, kFlags).raw());
  }
}

// One processor of `model` with caches that are cold.
struct Machine {
  explicit Machine(const xmmu::MachineModel& model)
      : l3(model.l3), caches(model, &l3), clock(model.prices()) {}

  xmmu::PhysMemory memory;
  xmmu::CacheArray l3;
  xmmu::MemoryHierarchy caches;
  xmmu::CycleClock clock;
  xmmu::Counters counters;
};

// Prints where each entry of a walk from the root comes from, for `caches` that
// are as cold as those of the walk itself.
void PrintSteps(const xmmu::Mmu& mmu, const xmmu::Access& access,
                xmmu::MemoryHierarchy& caches, const xmmu::CycleClock& clock) {
  for (const xmmu::WalkEntry& step : mmu.ProbeWalk(access).entries) {
    const CostEvent event = CostOfPteLoad(caches.Touch(step.addr));
    std::printf("  L%d entry at 0x%llx: 0x%llx, %s, %llu cycles\n", step.level,
                static_cast<unsigned long long>(step.addr.value()),
                static_cast<unsigned long long>(step.entry.raw()),
                std::string(CostEventName(event)).c_str(),
                static_cast<unsigned long long>(clock.price(event)));
  }
}

// Translates and prints what was charged.
void Translate(xmmu::Mmu& mmu, const xmmu::CycleClock& clock,
               const xmmu::Access& access) {
  const xmmu::CostTally before = clock.tallies();
  const xmmu::Cycles begin = clock.now();
  const xmmu::TranslateResult result = mmu.Translate(access);
  for (size_t i = 0; i < before.size(); ++i) {
    const auto event = static_cast<CostEvent>(i);
    const uint64_t times = clock.tally(event) - before[i];
    if (times == 0) continue;
    std::printf("  charged: %llu x %s at %llu\n",
                static_cast<unsigned long long>(times),
                std::string(CostEventName(event)).c_str(),
                static_cast<unsigned long long>(clock.price(event)));
  }
  std::printf("  0x%llx is 0x%llx after %llu cycles\n",
              static_cast<unsigned long long>(access.va.value()),
              static_cast<unsigned long long>(result.addr().value()),
              static_cast<unsigned long long>((clock.now() - begin).count()));
}

}  // namespace

int main() {
  const xmmu::MachineModel& model = *xmmu::FindMachine("skylake-2017");
  Machine machine(model);
  BuildTables(machine.memory);
  xmmu::Mmu mmu(model, machine.memory, &machine.caches, machine.clock,
                machine.counters);
  xmmu::ControlRegisters registers =
      KernelControlRegisters(xmmu::PagingMode::k4Level, model.features);
  registers.cr3 = AddressOf(Mfn(4)).value();
  if (mmu.Reset(registers).has_value()) return 1;

  // All four entries come from memory, and the walk sets A in each of them. The
  // caches of a twin say so before the walk warms the machine's own.
  xmmu::Access read{kVa, xmmu::AccessKind::kRead, /*user=*/true};
  std::printf("cold:\n");
  Machine twin(model);
  PrintSteps(mmu, read, twin.caches, machine.clock);
  Translate(mmu, machine.clock, read);

  // The way to the L1 table is known by now, and the line of its entry cached.
  read.va += xmmu::kPageSize;
  std::printf("the next page:\n");
  Translate(mmu, machine.clock, read);
  std::printf("the same again:\n");
  Translate(mmu, machine.clock, read);
}
