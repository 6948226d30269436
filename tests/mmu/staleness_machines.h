#ifndef XMMU_TESTS_MMU_STALENESS_MACHINES_H_
#define XMMU_TESTS_MMU_STALENESS_MACHINES_H_

// What the staleness checker can be pointed at: the library's Mmu, and a CPU
// that hoards, keeping all it ever cached until an operation drops it, whose
// operations can be crippled one at a time.

#include <memory>
#include <optional>
#include <random>

#include "mmu/staleness_model.h"
#include "xmmu/machine/machine_model.h"

namespace xmmu::staleness {

// One CPU under test.
class Cpu {
 public:
  virtual ~Cpu() = default;
  virtual Outcome Perform(const Access& access) = 0;
  // What a fresh walk would answer.
  virtual Outcome Probe(const Access& access) = 0;
  // False if the operation raised #GP.
  virtual bool Perform(const Operation& operation) = 0;
  // A digest of all that is cached, where it can be seen.
  virtual uint64_t CacheDigest() const { return 0; }
  // Moves to CR3 that a flush filter kept from flushing.
  virtual uint64_t Filtered() const { return 0; }
};

// A defect of the hoarding CPU that is not the lack of a row.
enum class Quirk : uint8_t {
  kNone,
  kClearBit63TakenForSet,
  kMovCr3FlushesThePcidItLeaves,
  kInvpcidFlushesTheCurrentPcid,
  kPdptesKeptByMovCr3,
  kPdptesKeptByMovCr4,
  kPdptesKeptByMovCr0,
  kPdptesReadByWalks,
  kWriteThroughCleanEntryLeavesD,
  kNotPresentIsCached,
  kFragmentsOfALargePageStay,
  kGlobalWithoutPge,
  kPcidIsNoPartOfTheTag,
  kRightsAboveAreForgotten,
  kCachedRightsAreNotJudged,
  kReservedBitsAreCached,
  kAccessedIsNotSet,
  kReadsSetDirty,
  // Of an AMD CPU: faults reported by what is cached.
  kPagesFaultAtOnce,
  kTablesFaultAtOnce,
  kProbesSetAccessed,
};

struct Cripple {
  const char* name = "complete";
  std::optional<Row> without = std::nullopt;
  Quirk quirk = Quirk::kNone;
};

// The CPU of the library, with the caches of `model`.
std::unique_ptr<Cpu> MakeMmuCpu(const MachineModel& model, PhysMemory& memory,
                                const Registers& registers);
std::unique_ptr<Cpu> MakeHoardingCpu(const Cripple& cripple, const Cpuid& cpuid,
                                     PhysMemory& memory,
                                     const Registers& registers, uint64_t seed);

}  // namespace xmmu::staleness

#endif  // XMMU_TESTS_MMU_STALENESS_MACHINES_H_
