#include "xmmu/mmu/internal/access_rules.h"

#include <algorithm>

#include "xmmu/machine/paging_mode.h"

namespace xmmu {
namespace {

// The registers that rights depend on, protection keys aside.
constexpr uint8_t kWp = 1u << 0;
constexpr uint8_t kSmep = 1u << 1;
constexpr uint8_t kSmap = 1u << 2;
constexpr uint8_t kAc = 1u << 3;
constexpr uint8_t kNx = 1u << 4;
constexpr size_t kConfigs = 32;

constexpr int kKinds = 4;
constexpr size_t kRights = 16;  // without the key

// Whether paging treats the access as one of user mode: a descriptor read is
// always the supervisor's.
constexpr bool IsUserAccess(const Access& access) {
  return access.user && access.kind != AccessKind::kImplicitRead;
}

// Source: SDM Vol. 3A, "Determination of Access Rights", user-mode accesses.
constexpr bool AllowsUser(uint8_t config, uint8_t rights,
                          const Access& access) {
  if ((rights & rights::kUser) == 0) return false;
  if (access.is_write()) return (rights & rights::kWritable) != 0;
  if (access.is_fetch()) {
    return (rights & rights::kNoExecute) == 0 || (config & kNx) == 0;
  }
  return true;
}

// Source: SDM Vol. 3A, "Determination of Access Rights", supervisor-mode
// accesses.
constexpr bool AllowsSupervisor(uint8_t config, uint8_t rights,
                                const Access& access) {
  const bool user_page = (rights & rights::kUser) != 0;
  if (access.is_fetch()) {
    if (user_page && (config & kSmep) != 0) return false;
    return (rights & rights::kNoExecute) == 0 || (config & kNx) == 0;
  }
  if (user_page && (config & kSmap) != 0) {
    // EFLAGS.AC overrides SMAP for explicit accesses only.
    const bool implicit = access.kind == AccessKind::kImplicitRead;
    if (implicit || (config & kAc) == 0) return false;
  }
  return !access.is_write() || (rights & rights::kWritable) != 0 ||
         (config & kWp) == 0;
}

constexpr bool Allows(uint8_t config, uint8_t rights, const Access& access) {
  return IsUserAccess(access) ? AllowsUser(config, rights, access)
                              : AllowsSupervisor(config, rights, access);
}

constexpr Access AccessOfIndex(int index) {
  return Access{VirtAddr(), static_cast<AccessKind>(index / 2), index % 2 != 0};
}

// For each set of registers and rights, the accesses that a TLB entry serves at
// once.
using ServedTable = std::array<std::array<uint8_t, kRights>, kConfigs>;

constexpr ServedTable MakeServedTable() {
  ServedTable table{};
  for (size_t config = 0; config < kConfigs; ++config) {
    for (size_t rights = 0; rights < kRights; ++rights) {
      for (int index = 0; index < 2 * kKinds; ++index) {
        const Access access = AccessOfIndex(index);
        const bool must_set_dirty =
            access.is_write() && (rights & rights::kDirty) == 0;
        if (!must_set_dirty && Allows(static_cast<uint8_t>(config),
                                      static_cast<uint8_t>(rights), access)) {
          table[config][rights] |= static_cast<uint8_t>(1u << index);
        }
      }
    }
  }
  return table;
}

constexpr ServedTable kServed = MakeServedTable();

// EFER.NXE has no effect on 2-level paging, whose entries have no XD bit.
uint8_t ConfigOf(const ControlRegisters& registers) {
  uint8_t config = 0;
  if ((registers.cr0 & cr0::kWp) != 0) config |= kWp;
  if ((registers.cr4 & cr4::kSmep) != 0) config |= kSmep;
  if ((registers.cr4 & cr4::kSmap) != 0) config |= kSmap;
  if (registers.ac) config |= kAc;
  const bool nx = (registers.efer & efer::kNxe) != 0 &&
                  registers.mode() != PagingMode::k2Level;
  if (nx) config |= kNx;
  return config;
}

// Whether a key with these AD and WD bits forbids `access`. PKRU holds the bits
// for user pages, whoever accesses them, and PKRS those for supervisor pages. A
// key never stops a fetch, and WD stops no supervisor's write if WP = 0.
bool KeyForbids(bool access_disable, bool write_disable, bool wp,
                const Access& access) {
  if (access.is_fetch()) return false;
  if (access_disable) return true;
  return write_disable && access.is_write() && (IsUserAccess(access) || wp);
}

}  // namespace

AccessRules::AccessRules(const ControlRegisters& registers, bool nested)
    : config_(ConfigOf(registers)),
      reports_fetch_((config_ & (kSmep | kNx)) != 0) {
  const auto& served = kServed[nested ? config_ | kNx : config_];
  for (size_t first = 0; first < served_.size(); first += kRights) {
    std::copy(served.begin(), served.end(), served_.begin() + first);
  }
  const bool keys = (registers.cr4 & (cr4::kPke | cr4::kPks)) != 0 &&
                    LevelCount(registers.mode()) >= 4;
  if (keys) ApplyKeys(registers);
}

void AccessRules::ApplyKeys(const ControlRegisters& registers) {
  const bool wp = (config_ & kWp) != 0;
  for (size_t slot = 0; slot < key_forbids_.size(); ++slot) {
    const bool user_page = slot % 2 != 0;
    const uint64_t enabled = user_page ? cr4::kPke : cr4::kPks;
    if ((registers.cr4 & enabled) == 0) continue;
    const uint32_t key_rights = user_page ? registers.pkru : registers.pkrs;
    const bool ad = (key_rights >> (slot / 2 * 2) & 1) != 0;
    const bool wd = (key_rights >> (slot / 2 * 2 + 1) & 1) != 0;
    for (int index = 0; index < 2 * kKinds; ++index) {
      const Access access = AccessOfIndex(index);
      // A user access to a supervisor page is refused anyway, and its error
      // code does not name the key.
      if (!user_page && IsUserAccess(access)) continue;
      if (KeyForbids(ad, wd, wp, access)) {
        key_forbids_[slot] |= static_cast<uint8_t>(1u << index);
      }
    }
  }
  for (size_t index = 0; index < served_.size(); ++index) {
    const size_t user_page = (index & rights::kUser) != 0 ? 1 : 0;
    const size_t key = index >> rights::kKeyShift;
    served_[index] &= static_cast<uint8_t>(~key_forbids_[key * 2 + user_page]);
  }
}

uint32_t AccessRules::Violation(uint8_t rights, const Access& access) const {
  const size_t user_page = (rights & rights::kUser) != 0 ? 1 : 0;
  const size_t key = rights >> rights::kKeyShift;
  const bool key_violation =
      (key_forbids_[key * 2 + user_page] >> AccessIndex(access) & 1) != 0;
  if (!key_violation && Allows(config_, rights, access)) return 0;
  return pf::kProtection | ErrorBitsOf(access) |
         (key_violation ? pf::kProtectionKey : 0);
}

uint32_t AccessRules::ErrorBitsOf(const Access& access) const {
  uint32_t bits = 0;
  if (access.is_write()) bits |= pf::kWrite;
  if (IsUserAccess(access)) bits |= pf::kUser;
  if (access.is_fetch() && reports_fetch_) bits |= pf::kFetch;
  return bits;
}

}  // namespace xmmu
