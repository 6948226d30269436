#include "pv_rules.h"

namespace xmmu {
namespace {

using pte::kAccessed;
using pte::kAvail;
using pte::kAvailHigh;
using pte::kDirty;
using pte::kGlobal;
using pte::kNoExecute;
using pte::kPageSize;
using pte::kPat;
using pte::kPcd;
using pte::kPwt;
using pte::kUser;
using pte::kWritable;

static_assert(kPageSize == kPat);

// Xen 4.17, xen/arch/x86/mm.c: base_disallow_mask (PAGE_CACHE_ATTRS, PSE,
// GLOBAL), L1_DISALLOW_MASK, l1_disallow_mask, l3_disallow_mask.
constexpr uint64_t kCacheAttributes = kPwt | kPcd | kPat;
constexpr uint64_t kUpperDisallowed = kCacheAttributes | kGlobal;
constexpr uint64_t kHighFlags = kAvailHigh | kNoExecute;
constexpr uint64_t kCompatL3Disallowed = kUpperDisallowed | kHighFlags;
// Reserved in the PDPTEs of the hardware (SDM Vol. 3A, "PAE Paging"); as Xen
// 3.0.0's L3_DISALLOW_MASK.
constexpr uint64_t kPdpteDisallowed =
    kWritable | kUser | kAccessed | kDirty | kPageSize | kGlobal | kHighFlags;
// Xen 4.17: FASTPATH_FLAG_WHITELIST.
constexpr uint64_t kFastPath417 =
    kHighFlags | kAvail | kGlobal | kDirty | kAccessed | kUser;
// Xen 3.0.0, mod_l1_entry: frame, P and RW decide. Its mod_l2_entry took RW for
// free, too, and so let a guest make a linear entry writable: XSA-182, fixed
// here as it was in later versions.
constexpr uint64_t kFastPath30 = 0xffc;
constexpr uint64_t kDisallowed30 = kPat | kGlobal;

// Xen 4.17: LINEAR_PT_VIRT_START is slot 258 of the L4.
constexpr int kLinearSlot417 = 258;
// Xen 3.0.0, xen/include/asm-x86/config.h, sizes of the areas from the top of
// the address space down: LINEAR_PT_VIRT_START is 0xfdc00000.
constexpr int kLinearSlot30 = 0xfdc00000u >> 22;

constexpr PvRules k4LevelRules = {
    .mode = PagingMode::k4Level,
    .hardware = PagingMode::k4Level,
    .xen_slots = XenSlotsOf(PagingMode::k4Level),
    .xen_slot_error = XenErrno::kEINVAL,
    .disallowed = {0, 0, kUpperDisallowed, kUpperDisallowed, kUpperDisallowed},
    .io_only = kCacheAttributes,
    .fast_path = {0, kFastPath417, kFastPath417, kFastPath417, kFastPath417},
    .added = {0, 0, kUser, kUser, kUser | kAccessed},
    .taken_back = 0,
    .marks_kernel_l1 = true,
    .forces_uncached_mmio = true,
    .linear = {false, false, true, true, true},
    .linear_slot = kLinearSlot417,
    .va_lookup = VaLookup::kLinearL2,
    .kernel_l2 = false,
    .hidden_l4 = false,
    .upper_half_fixup = false,
    .plain_emulated_store = false,
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

// 32-bit guest of a 64-bit Xen.
constexpr PvRules CompatRules() {
  PvRules rules = k4LevelRules;
  rules.mode = PagingMode::kPae;
  rules.xen_slots = XenSlotsOf(PagingMode::kPae);
  rules.xen_slot_error = XenErrno::kEPERM;
  rules.disallowed = {0, 0, kUpperDisallowed, kCompatL3Disallowed, 0};
  rules.added = {0, 0, 0, kWritable | kUser, 0};
  rules.taken_back = kWritable | kUser | kAccessed;
  rules.marks_kernel_l1 = false;
  rules.linear = {false, false, true, false, false};
  rules.kernel_l2 = true;
  rules.hidden_l4 = true;
  rules.upper_half_fixup = true;
  rules.user_baseptr = XenErrno::kEINVAL;
  return rules;
}

// The same guest where the hardware itself walks its L3: the entries of that
// must be good PDPTEs, and there is nowhere to hang a linear map of the root.
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

}  // namespace

const PvRules* FindPvRules(PagingMode mode, const CpuFeatures& features) {
  switch (mode) {
    case PagingMode::k2Level:
      return &kTwoLevelRules;
    case PagingMode::kPae:
      return features.long_mode ? &kCompatRules : &kPaeRules;
    case PagingMode::k4Level:
      return features.long_mode ? &k4LevelRules : nullptr;
    case PagingMode::k5Level:
      return nullptr;
  }
  return nullptr;
}

VirtAddr LinearAddress(const PvRules& rules, VirtAddr va, int steps) {
  const int bits = LinearAddressBits(rules.hardware);
  const int index_bits = IndexBits(rules.hardware, 1);
  const uint64_t mask = bits == 32 ? 0xffffffffu : (uint64_t{1} << bits) - 1;
  const auto slot = static_cast<uint64_t>(rules.linear_slot);
  // Each turn shifts the indices down a level and puts the slot on top.
  uint64_t page = (va.value() & mask) >> kPageShift;
  const int page_bits = bits - kPageShift;
  uint64_t last_index = 0;
  for (int i = 0; i < steps; ++i) {
    last_index = page & ((uint64_t{1} << index_bits) - 1);
    page = page >> index_bits | slot << (page_bits - index_bits);
  }
  uint64_t linear =
      page << kPageShift |
      last_index * static_cast<uint64_t>(EntryBytes(rules.hardware));
  if (bits == 48 && (linear >> 47) != 0) linear |= ~mask;
  return VirtAddr(linear);
}

}  // namespace xmmu
