#ifndef XMMU_MMU_INTERNAL_ACCESS_RULES_H_
#define XMMU_MMU_INTERNAL_ACCESS_RULES_H_

// Decides who may do what to a page: the rights that a walk accumulates are
// judged under the registers of the moment. The judgement is made at every
// access, from rights as they were cached, because a change of CR0.WP,
// CR4.SMAP, EFLAGS.AC, PKRU, PKRS or EFER.NXE takes effect without any
// invalidation.
// Source: SDM Vol. 3A, "Access Rights", "Determination of Access Rights",
// "Protection Keys", "Page-Fault Exceptions".
//
// Plain values; any thread.

#include <array>
#include <cstdint>

#include "xmmu/machine/control_registers.h"
#include "xmmu/mmu/access.h"

namespace xmmu {

// Rights of a mapping, accumulated over the entries that map it and not yet
// judged: kWritable and kUser are the AND over all levels, kNoExecute the OR,
// kDirty the D flag of the leaf. The leaf's protection key is in bits 7:4.
namespace rights {
inline constexpr uint8_t kWritable = 1u << 0;
inline constexpr uint8_t kUser = 1u << 1;
inline constexpr uint8_t kNoExecute = 1u << 2;
inline constexpr uint8_t kDirty = 1u << 3;
inline constexpr int kKeyShift = 4;
// Accumulation starts from these rights above the root.
inline constexpr uint8_t kAll = kWritable | kUser;
}  // namespace rights

// The registers that judge an access, worked out into tables.
class AccessRules {
 public:
  AccessRules() : AccessRules(ControlRegisters{}) {}
  // With `nested` tables kNoExecute may also come from those, and EFER.NXE does
  // not govern them: Serves() then heeds it in any case.
  explicit AccessRules(const ControlRegisters& registers, bool nested = false);

  // Whether a TLB entry with `rights` serves `access` at once: the access is
  // allowed, and it is no write that has to set D first.
  bool Serves(uint8_t rights, const Access& access) const {
    return ((served_[rights] >> AccessIndex(access)) & 1) != 0;
  }

  // The error code of the page fault that `access` to a page with `rights`
  // meets, or 0 if it is allowed. kProtection is in every such code.
  uint32_t Violation(uint8_t rights, const Access& access) const;

  // The error-code bits that tell of the access alone: kWrite, kUser, kFetch.
  // kFetch needs CR4.SMEP = 1, or CR4.PAE = 1 and EFER.NXE = 1.
  uint32_t ErrorBitsOf(const Access& access) const;

  // Position of the access in a table of the eight possible ones.
  static constexpr unsigned AccessIndex(const Access& access) {
    return static_cast<unsigned>(access.kind) * 2u +
           static_cast<unsigned>(access.user);
  }

 private:
  // Takes what protection keys forbid out of served_.
  void ApplyKeys(const ControlRegisters& registers);

  // For each rights, with the key, the accesses that are served at once, as bits
  // AccessIndex(). Where keys do not count, all keys have the same.
  std::array<uint8_t, 256> served_{};
  // For each key and U/S (index key * 2 + user page) the accesses that the key
  // forbids, as bits AccessIndex().
  std::array<uint8_t, 32> key_forbids_{};
  uint8_t config_ = 0;  // WP, SMEP, SMAP, AC, NX
  bool reports_fetch_ = false;
};

}  // namespace xmmu

#endif  // XMMU_MMU_INTERNAL_ACCESS_RULES_H_
