#include "pv_rules.h"

namespace xmmu {
namespace {

static_assert(pte::kPageSize == pte::kPat);

// Xen 4.17, xen/arch/x86/mm.c: base_disallow_mask (PAGE_CACHE_ATTRS, PSE,
// GLOBAL), L1_DISALLOW_MASK, l1_disallow_mask, l3_disallow_mask.
constexpr uint64_t kPageCacheAttributes = pte::kPwt | pte::kPcd | pte::kPat;
constexpr uint64_t kUpperDisallowed = kPageCacheAttributes | pte::kGlobal;
constexpr uint64_t kHighFlags = pte::kAvailHigh | pte::kNoExecute;
constexpr uint64_t kCompatL3Disallowed = kUpperDisallowed | kHighFlags;
// The flags that are reserved in the PDPTEs of the hardware (SDM Vol. 3A, "PAE
// Paging"); so is Xen 3.0.0's L3_DISALLOW_MASK.
constexpr uint64_t kPdpteDisallowed =
    pte::kWritable | pte::kUser | pte::kAccessed | pte::kDirty |
    pte::kPageSize | pte::kGlobal | kHighFlags;
// Xen 4.17: FASTPATH_FLAG_WHITELIST.
constexpr uint64_t kFastPath417 = kHighFlags | pte::kAvail | pte::kGlobal |
                                  pte::kDirty | pte::kAccessed | pte::kUser;
// Xen 3.0.0, mod_l1_entry: new references are taken if frame, P or RW change.
// Its mod_l2_entry let RW change without, and so let a guest make a linear
// entry writable: XSA-182, fixed here as it was in later versions.
constexpr uint64_t kFastPath30 = 0xffc;
constexpr uint64_t kDisallowed30 = pte::kPat | pte::kGlobal;

// Xen 4.17: LINEAR_PT_VIRT_START is slot 258 of the L4.
constexpr int kLinearSlot417 = 258;
// Xen 3.0.0, xen/include/asm-x86/config.h, sizes of the areas from the top of
// the address space down: LINEAR_PT_VIRT_START is 0xfdc00000.
constexpr int kLinearSlot30 = 0xfdc00000u >> 22;
// In the PAE build of Xen 3.0.0 the map begins at 0xfd400000, in 2 MiB slots.
constexpr int kLinearSlotPae30 = (0xfd400000u >> 21) % 512;

constexpr PvRules k4LevelRules = {
    .mode = PagingMode::k4Level,
    .hardware = PagingMode::k4Level,
    .xen_slots = XenSlotsOf(PagingMode::k4Level),
    .xen_slot_error = XenErrno::kEINVAL,
    .disallowed = {0, 0, kUpperDisallowed, kUpperDisallowed, kUpperDisallowed},
    .io_only = kPageCacheAttributes,
    .fast_path = {0, kFastPath417, kFastPath417, kFastPath417, kFastPath417},
    .added = {0, 0, pte::kUser, pte::kUser, pte::kUser | pte::kAccessed},
    .taken_back = 0,
    .marks_kernel_l1 = true,
    .forces_uncached_mmio = true,
    .linear = {false, false, true, true, true},
    .linear_slot = kLinearSlot417,
    .va_lookup = VaLookup::kLinearL2,
    .kernel_l2 = false,
    .shared_kernel_l2 = false,
    .hidden_l4 = false,
    .upper_half_fixup = false,
    .plain_emulated_store = false,
    .pins_mark = true,
    .spares_logged_type_flush = true,
    .flush_on_upper_update = true,
    .flush_on_teardown = false,
    .full_flush = FlushScope::kAll,
    .invlpg_mask_is_full_here = false,
    .defers_local_flush = false,
    .big_lock = false,
    .locked_ops_of_last_put = 1,
    .detailed_errors = true,
    .pin_above_root = XenErrno::kOk,
    .user_baseptr = XenErrno::kOk,
};

// The rules of a 32-bit PAE guest under a 64-bit Xen.
constexpr PvRules CompatRules() {
  PvRules rules = k4LevelRules;
  rules.mode = PagingMode::kPae;
  rules.xen_slots = XenSlotsOf(PagingMode::kPae);
  rules.xen_slot_error = XenErrno::kEPERM;
  rules.disallowed = {0, 0, kUpperDisallowed, kCompatL3Disallowed, 0};
  rules.added = {0, 0, 0, pte::kWritable | pte::kUser, 0};
  rules.taken_back = pte::kWritable | pte::kUser | pte::kAccessed;
  rules.marks_kernel_l1 = false;
  rules.linear = {false, false, true, false, false};
  rules.kernel_l2 = true;
  rules.hidden_l4 = true;
  rules.upper_half_fixup = true;
  rules.user_baseptr = XenErrno::kEINVAL;
  return rules;
}

// The rules of a PAE guest where the hardware itself walks its L3: the entries
// of that must be good PDPTEs, and there is nowhere to hang a linear map of the
// root.
constexpr PvRules PaeRules() {
  PvRules rules = CompatRules();
  rules.hardware = PagingMode::kPae;
  rules.disallowed[3] = kPdpteDisallowed;
  rules.added[3] = 0;
  rules.taken_back = 0;
  rules.linear_slot = -1;
  rules.va_lookup = VaLookup::kWalk;
  rules.hidden_l4 = false;
  return rules;
}

// The rules of a PAE guest under a 32-bit Xen: those of 4.17, except that there
// are no global pages, so that a load of CR3 flushes all of the guest's entries
// (Xen 3.0.0, L1_DISALLOW_MASK; write_cr3).
constexpr PvRules Xen32Rules(LinearMap linear_map) {
  PvRules rules = PaeRules();
  rules.disallowed[1] = pte::kGlobal;
  rules.full_flush = FlushScope::kNonGlobal;
  if (linear_map == LinearMap::kNone) return rules;
  rules.linear_slot = kLinearSlotPae30;
  rules.va_lookup = VaLookup::kLinearL1;
  rules.shared_kernel_l2 = linear_map == LinearMap::kSharedL2;
  return rules;
}

// The rules of a 64-bit guest: Xen 4.17's.
constexpr PvRules FourLevelRules(LinearMap linear_map) {
  PvRules rules = k4LevelRules;
  rules.va_lookup = VaLookup::kLinearL1;
  if (linear_map == LinearMap::kPerTable) return rules;
  rules.linear_slot = -1;
  rules.va_lookup = VaLookup::kWalk;
  return rules;
}

// The rules of a 2-level guest: Xen 3.0.0's.
constexpr PvRules TwoLevelRules() {
  PvRules rules = k4LevelRules;
  rules.mode = PagingMode::k2Level;
  rules.hardware = PagingMode::k2Level;
  rules.xen_slots = XenSlotsOf(PagingMode::k2Level);
  rules.disallowed = {0, kDisallowed30, kDisallowed30, 0, 0};
  rules.io_only = 0;
  rules.fast_path = {0, kFastPath30, kFastPath30, 0, 0};
  rules.added = {};
  rules.marks_kernel_l1 = false;
  rules.forces_uncached_mmio = false;
  rules.linear = {false, false, true, false, false};
  rules.linear_slot = kLinearSlot30;
  rules.va_lookup = VaLookup::kLinearL1;
  rules.plain_emulated_store = true;
  rules.pins_mark = false;
  rules.spares_logged_type_flush = false;
  rules.flush_on_upper_update = false;
  rules.flush_on_teardown = true;
  rules.full_flush = FlushScope::kNonGlobal;
  rules.invlpg_mask_is_full_here = true;
  rules.defers_local_flush = true;
  rules.big_lock = true;
  rules.locked_ops_of_last_put = 2;
  rules.detailed_errors = false;
  rules.pin_above_root = XenErrno::kEINVAL;
  rules.user_baseptr = XenErrno::kENOSYS;
  return rules;
}

constexpr PvRules kCompatRules = CompatRules();
constexpr PvRules kPaeRules = PaeRules();
constexpr PvRules kTwoLevelRules = TwoLevelRules();

// The rules of a 2-level guest without a linear map: Xen 4.x had no such
// guests, so these are Xen 3.0's with a walk in software (assumed).
constexpr PvRules TwoLevelWalkRules() {
  PvRules rules = kTwoLevelRules;
  rules.linear_slot = -1;
  rules.va_lookup = VaLookup::kWalk;
  return rules;
}

// One table for each LinearMap that the mode allows: kSharedL2 exists for PAE
// only.
constexpr PvRules kTwoLevelWalkRules = TwoLevelWalkRules();
constexpr PvRules k4LevelLinearRules = FourLevelRules(LinearMap::kPerTable);
constexpr PvRules k4LevelWalkRules = FourLevelRules(LinearMap::kNone);
constexpr PvRules kXen32PerTableRules = Xen32Rules(LinearMap::kPerTable);
constexpr PvRules kXen32SharedRules = Xen32Rules(LinearMap::kSharedL2);
constexpr PvRules kXen32WalkRules = Xen32Rules(LinearMap::kNone);

// The rules of a PAE guest, which may run under a Xen of either width.
const PvRules* FindPaeRules(const CpuFeatures& features, LinearMap linear_map) {
  switch (linear_map) {
    case LinearMap::kDefault:
      return features.long_mode ? &kCompatRules : &kPaeRules;
    case LinearMap::kPerTable:
      return &kXen32PerTableRules;
    case LinearMap::kSharedL2:
      return &kXen32SharedRules;
    case LinearMap::kNone:
      return &kXen32WalkRules;
  }
  return nullptr;
}

}  // namespace

const PvRules* FindPvRules(PagingMode mode, const CpuFeatures& features,
                           LinearMap linear_map) {
  if (!HasLinearMap(linear_map, mode)) return nullptr;
  const bool walks = linear_map == LinearMap::kNone;
  switch (mode) {
    case PagingMode::k2Level:
      return walks ? &kTwoLevelWalkRules : &kTwoLevelRules;
    case PagingMode::kPae:
      return FindPaeRules(features, linear_map);
    case PagingMode::k4Level:
      if (!features.long_mode) return nullptr;
      if (linear_map == LinearMap::kDefault) return &k4LevelRules;
      return walks ? &k4LevelWalkRules : &k4LevelLinearRules;
    case PagingMode::k5Level:
      return nullptr;
  }
  return nullptr;
}

VirtAddr LinearAddress(const PvRules& rules, VirtAddr va, int steps) {
  const PagingMode mode = rules.hardware;
  const int bits = LinearAddressBits(mode);
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  const bool in_kernel_l2 = mode == PagingMode::kPae;
  const int level = in_kernel_l2 ? 2 : LevelCount(mode);
  const uint64_t base = static_cast<uint64_t>(rules.linear_slot)
                        << LevelShift(mode, level);
  const uint64_t above = in_kernel_l2 ? uint64_t{3} << LevelShift(mode, 3) : 0;
  uint64_t linear = va.value() & mask;
  for (int i = 0; i < steps; ++i) {
    const uint64_t page = linear >> kPageShift;
    linear = above + base + page * static_cast<uint64_t>(EntryBytes(mode));
  }
  if (bits == 48 && (linear >> 47) != 0) linear |= ~mask;
  return VirtAddr(linear);
}

}  // namespace xmmu
