#ifndef XMMU_TESTS_MMU_STALENESS_CHECKER_H_
#define XMMU_TESTS_MMU_STALENESS_CHECKER_H_

// Tells whether a CPU's answers are among those the architecture permits. For
// everything that the CPU may have cached it keeps each version since the last
// invalidation; an access may be served by any translation kept for its page,
// or by a walk of the tables as they are now from the root or from any non-leaf
// entry kept on the way. AMD's processors report only faults of the walk from
// the root. Source: SDM Vol. 3A, "Caching Translation Information"; AMD APM
// Vol. 2, "TLB Management", "Use of Cached Entries When Reporting a Page Fault
// Exception".
//
// Only what a permitted way of an access seen so far would have left behind may
// be kept: the entries of a walk that completed, with P = 1, no reserved bit
// and A = 1 in each.

#include <set>
#include <span>
#include <string>
#include <vector>

#include "mmu/staleness_model.h"

namespace xmmu::staleness {

// An aligned word of table memory that an access changed.
struct Change {
  uint64_t address = 0;
  uint64_t before = 0;
  uint64_t after = 0;
};

// Watches one CPU.
class Checker {
 public:
  Checker(const Cpuid& cpuid, const PhysMemory& memory,
          const Registers& registers);

  const Registers& registers() const { return registers_; }
  size_t versions() const {
    return cached_.pages().size() + cached_.tables().size();
  }

  // Works out the ways in which `access` may go. Call this before it is made.
  void Prepare(const Access& access);
  // Whether the prepared access may end like this, with these changes to
  // memory, which have been made. Notes what it may have left cached.
  bool Accepts(const Access& access, const Outcome& outcome,
               std::span<const Change> changes);
  // The permitted ways of the access last prepared, in words.
  std::string Permitted() const;
  // Returns the outcome of a walk that trusts no cache.
  Outcome Fresh(const Access& access) const;

  // Does what a CPU may do at any time: it walks ahead of the program, and
  // caches what it finds. Here it does so for every page accessed so far, with
  // no effect on memory.
  void Speculate();

  // Follows `operation`. Returns false if it must raise #GP.
  bool Follow(const Operation& operation);

 private:
  bool MayChange(const Variant& variant, std::span<const Change> changes) const;
  // Adds the ways to go that what is cached offers.
  void PrepareFromPages(const Access& access);
  void PrepareFromTables(const Access& access);

  Cpuid cpuid_;
  const PhysMemory& memory_;
  Registers registers_;
  CachedState cached_;
  std::vector<Variant> variants_;
  // Flags that may have been set by walks whose fault an AMD processor did not
  // report.
  std::vector<FlagUpdate> strays_;
  std::set<uint64_t> pages_;  // accessed so far
};

std::string Describe(const Outcome& outcome);

}  // namespace xmmu::staleness

#endif  // XMMU_TESTS_MMU_STALENESS_CHECKER_H_
