#ifndef XMMU_TESTS_MMU_STALENESS_SEQUENCE_H_
#define XMMU_TESTS_MMU_STALENESS_SEQUENCE_H_

// Random sequences for the staleness checker: several CPUs share one memory,
// with so few tables, slots and addresses that all collide; tables are shared
// between levels and sometimes contain themselves.

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "mmu/staleness_checker.h"
#include "mmu/staleness_machines.h"

namespace xmmu::staleness {

struct SequenceOptions {
  int levels = 4;
  bool flips_pae = false;  // levels 2 and 3 take turns
  int cpus = 2;
  Cpuid cpuid;
  uint64_t seed = 0;
  int steps = 2000;
  // CPUs may walk ahead of the program when CR3 has been loaded.
  bool speculates = false;
  std::function<std::unique_ptr<Cpu>(PhysMemory&, const Registers&)> make_cpu;
};

class Sequence {
 public:
  explicit Sequence(const SequenceOptions& options);

  // Returns what went wrong, with the steps that led there, or nullopt.
  std::optional<std::string> Run();

  // How many accesses went through, and how many a fresh walk would have
  // answered otherwise.
  int translated() const { return translated_; }
  int stale() const { return stale_; }

 private:
  struct Step {
    enum Kind : uint8_t { kAccess, kProbe, kOperation, kStore } kind;
    size_t cpu = 0;
    Access access = {};
    Outcome outcome = {};
    Operation operation = {};
    uint64_t address = 0;  // kStore
    uint64_t value = 0;
  };

  // A word of table memory and its value as last seen.
  struct Watched {
    uint64_t address = 0;
    uint64_t value = 0;
  };

  uint64_t Below(uint64_t end) { return random_() % end; }
  bool Chance(uint64_t in) { return Below(in) == 0; }
  template <typename T>
  const T& Pick(const std::vector<T>& of) {
    return of[Below(of.size())];
  }

  void MakeAddresses();
  void MakeTables();
  int top_level() const;
  uint64_t TableFor(int levels, int level);
  uint64_t RandomEntry(int levels, int level);
  uint64_t RandomLeaf(int levels, int level);

  bool DoStep();
  void Store();
  bool DoAccess(size_t cpu);
  bool DoProbe(size_t cpu);
  bool DoOperation(size_t cpu);
  Access RandomAccess();
  Operation RandomOperation(const Registers& registers);
  // Changes an operation so that only PDPTEs can make it raise #GP.
  void Fit(const Registers& registers, Operation& operation);
  std::vector<Change> CollectChanges();
  std::string Report(const std::string& complaint) const;

  SequenceOptions options_;
  std::mt19937_64 random_;
  PhysMemory memory_;
  std::vector<uint64_t> addresses_;
  std::vector<std::vector<uint64_t>> tables_;  // by level
  std::vector<Watched> watched_;               // by address
  std::vector<Op> operations_;                 // by weight
  uint64_t next_frame_ = 0x20;
  uint64_t store_share_ = 0;      // in 100 steps
  uint64_t operation_share_ = 0;  // in 100 steps
  std::vector<std::unique_ptr<Cpu>> cpus_;
  std::vector<Checker> checkers_;
  std::vector<Step> log_;
  std::string complaint_;
  int translated_ = 0;
  int stale_ = 0;
};

}  // namespace xmmu::staleness

#endif  // XMMU_TESTS_MMU_STALENESS_SEQUENCE_H_
