#ifndef XMMU_TESTS_MMU_STALENESS_MACHINES_H_
#define XMMU_TESTS_MMU_STALENESS_MACHINES_H_

// The CPUs that the staleness checker can watch: the library's Mmu, and a
// hoarding CPU, which keeps all that it ever cached until an operation drops
// it, and whose operations can be crippled one at a time.

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
  // Returns the outcome of a fresh walk.
  virtual Outcome Probe(const Access& access) = 0;
  // Returns false if the operation raised #GP.
  virtual bool Perform(const Operation& operation) = 0;
  // Returns a digest of all that is cached, if the CPU can show it.
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
  // An AMD CPU reports faults from what is cached.
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
