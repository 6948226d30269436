#ifndef XMMU_MMU_ACCESS_H_
#define XMMU_MMU_ACCESS_H_

// One memory access and the answer of translation: a machine address or a
// fault. A fault is a value, never an exception and never an absl::Status.
// Source: SDM Vol. 3A, "Access Rights", "Page-Fault Exceptions".
//
// Plain values; any thread.

#include <cstdint>

#include "xmmu/base/address.h"

namespace xmmu {

enum class AccessKind : uint8_t {
  kRead,
  kWrite,
  kExecute,       // instruction fetch
  kImplicitRead,  // descriptor-table read: supervisor, whatever `user` is
};

struct Access {
  VirtAddr va;
  AccessKind kind = AccessKind::kRead;
  bool user = false;  // CPL = 3

  constexpr bool is_write() const { return kind == AccessKind::kWrite; }
  constexpr bool is_fetch() const { return kind == AccessKind::kExecute; }
};

// Bits of a page-fault error code.
namespace pf {
inline constexpr uint32_t kProtection = 1u << 0;  // P: 0 = not present
inline constexpr uint32_t kWrite = 1u << 1;
inline constexpr uint32_t kUser = 1u << 2;
inline constexpr uint32_t kReserved = 1u << 3;
inline constexpr uint32_t kFetch = 1u << 4;
inline constexpr uint32_t kProtectionKey = 1u << 5;
}  // namespace pf

// Why the nested tables stopped an access: the bits of an EPT violation's exit
// qualification (SDM Vol. 3C, "Exit Qualification for EPT Violations"). AMD's
// EXITINFO1 has the same information in other bits; these bits are used for
// both.
namespace nested {
inline constexpr uint32_t kRead = 1u << 0;
inline constexpr uint32_t kWrite = 1u << 1;
inline constexpr uint32_t kFetch = 1u << 2;
// The rights that the entries seen grant; none for an address that is not
// mapped.
inline constexpr uint32_t kReadable = 1u << 3;
inline constexpr uint32_t kWritable = 1u << 4;
inline constexpr uint32_t kExecutable = 1u << 5;
// With mode-based execute control this is the right of user-mode addresses, and
// kExecutable that of supervisor-mode ones.
inline constexpr uint32_t kUserExecutable = 1u << 6;
inline constexpr uint32_t kLinearAddressValid = 1u << 7;
// Set if the page of the access itself could not be translated, clear if it was
// a table of the guest.
inline constexpr uint32_t kFinalAddress = 1u << 8;
// An entry has a form that is not allowed (EPT misconfiguration; AMD: RSV). The
// bit is our own, as on Intel a misconfiguration is another exit reason.
inline constexpr uint32_t kMisconfiguration = 1u << 31;
}  // namespace nested

enum class FaultVector : uint8_t {
  kInvalidOpcode = 6,       // the processor lacks the instruction
  kGeneralProtection = 13,  // non-canonical address; error code 0
  kPageFault = 14,
  // This is no vector but a VM exit: EPT violation or misconfiguration, AMD's
  // #NPF.
  kNestedViolation = 48,
  // This is neither: the processor refuses an entry to a guest (SDM Vol. 3C,
  // "VM-Entry Failures"; AMD: VMEXIT_INVALID).
  kFailedEntry = 49,
};

struct PageFault {
  VirtAddr va;              // CR2, for kPageFault; the linear address
  uint32_t error_code = 0;  // bits of namespace pf, or nested
  FaultVector vector = FaultVector::kPageFault;
  GuestAddr gpa = {};  // kNestedViolation: what could not be translated

  constexpr bool is_violation() const {
    return vector == FaultVector::kNestedViolation;
  }
  constexpr bool not_present() const {
    return (error_code & pf::kProtection) == 0;
  }
  constexpr bool is_write() const { return (error_code & pf::kWrite) != 0; }
  constexpr bool is_user() const { return (error_code & pf::kUser) != 0; }
  bool operator==(const PageFault&) const = default;
};

// Either the machine address of an access or its fault.
class [[nodiscard]] TranslateResult {
 public:
  constexpr explicit TranslateResult(MachineAddr addr) : addr_(addr) {}
  constexpr explicit TranslateResult(const PageFault& fault)
      : fault_(fault), ok_(false) {}

  constexpr bool ok() const { return ok_; }
  // REQUIRES: ok().
  constexpr MachineAddr addr() const { return addr_; }
  // REQUIRES: !ok().
  constexpr const PageFault& fault() const { return fault_; }

 private:
  union {
    MachineAddr addr_;
    PageFault fault_;
  };
  bool ok_ = true;
};

}  // namespace xmmu

#endif  // XMMU_MMU_ACCESS_H_
