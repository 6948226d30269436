#ifndef XMMU_MMU_INTERNAL_TLB_H_
#define XMMU_MMU_INTERNAL_TLB_H_

// The TLBs of one CPU: L1 for instructions and for data, L2 split or unified,
// each of up to three arrays by page size (machine/machine_model.h). An entry
// caches one translation with its rights as accumulated by the walk, not yet
// judged. Replacement in a set is true LRU (assumed; real ones are
// unpublished). Source: SDM Vol. 3A, "Translation Lookaside Buffers (TLBs)".
//
// A fill goes to L1 and L2; an L2 hit refills L1; neither level includes the
// other, so an entry may leave L2 and live on in L1.
//
// Hits are found by hints: for each side a table, indexed by low page-number
// bits, names the slot that last served such a page. A wrong hint costs a
// search, but neither the answer nor what is evicted depends on it.
//
// A search of many ways without a hint compares one byte of each way's page
// number, eight at a time, and looks at an entry only where that byte agrees. A
// flush looks only at entries that are held: each array has a bitmap of them
// for each page size, with one of its own for global entries, which most
// flushes spare.
//
// Charges nothing: the Mmu does. Single-threaded.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "xmmu/base/address.h"
#include "xmmu/machine/machine_model.h"
#include "xmmu/mmu/internal/access_rules.h"
#include "xmmu/mmu/vm_controls.h"

namespace xmmu {

// One cached translation.
struct TlbEntry {
  uint64_t vpn = 0;  // linear address >> page_shift
  MachineAddr base;  // machine address of the page
  uint16_t pcid = 0;
  uint8_t page_shift = kPageShift;  // 12, 21, 22 or 30
  uint8_t rights = 0;               // namespace rights, key included
  bool global = false;              // matches under any PCID
  // The size of the guest's page where nested tables cut it up ("fractured"); 0
  // if it is as large as the entry.
  uint8_t guest_shift = 0;
  VmTag vm = {};  // a fill takes the Tlb's own

  constexpr bool writable() const { return (rights & rights::kWritable) != 0; }
  constexpr bool user() const { return (rights & rights::kUser) != 0; }
  constexpr bool no_execute() const {
    return (rights & rights::kNoExecute) != 0;
  }
  constexpr bool dirty() const { return (rights & rights::kDirty) != 0; }
  constexpr int protection_key() const { return rights >> rights::kKeyShift; }

  constexpr VirtAddr va() const { return VirtAddr(vpn << page_shift); }
  constexpr uint64_t page_bytes() const { return uint64_t{1} << page_shift; }
  bool operator==(const TlbEntry&) const = default;
};

enum class TlbSide : uint8_t { kInstruction, kData };

// An entry as the arrays keep it. One comparison decides a match: the tag is
// the linear page address with the PCID in its low bits, and the mask leaves
// out the page offset and, for a global entry, the PCID.
struct TlbSlot {
  // This tag matches nothing until the slot is filled.
  uint64_t tag = 1;
  uint64_t mask = 0;
  uint64_t delta = 0;  // machine address minus linear address
  uint16_t pcid = 0;
  uint16_t vpid = 0;
  uint8_t page_shift = 0;
  uint8_t rights = 0;
  uint8_t root = 0;
  uint8_t guest_shift = 0;

  static constexpr uint64_t Key(VirtAddr va, uint16_t pcid) {
    return (va.value() & ~kPageOffsetMask) | pcid;
  }
  static constexpr uint64_t MaskOf(const TlbEntry& entry) {
    return ~(entry.page_bytes() - 1) | (entry.global ? 0 : kPageOffsetMask);
  }
  constexpr bool valid() const { return mask != 0; }
  constexpr bool global() const { return (mask & 1) == 0; }
  constexpr bool Matches(uint64_t key) const { return (key & mask) == tag; }
  constexpr bool BelongsTo(VmTag vm) const {
    return vpid == vm.vpid && root == vm.root;
  }
  // Whether the guest's page contains `va`, whatever the PCID.
  constexpr bool IsOfPage(VirtAddr va) const {
    const int shift = guest_shift != 0 ? guest_shift : page_shift;
    return valid() && ((va.value() ^ tag) >> shift) == 0;
  }
  constexpr MachineAddr Translate(VirtAddr va) const {
    return MachineAddr(va.value() + delta);
  }
  void Assign(const TlbEntry& entry);
  // Makes the slot match nothing again.
  void Clear() {
    tag = 1;
    mask = 0;
  }
  TlbEntry ToEntry() const;
};

class Tlb {
 public:
  // REQUIRES: in each array `ways` is 0 or divides `entries`, and there are
  // 4096 ways at most.
  explicit Tlb(const TlbGeometry& geometry);

  // Returns the slot that last served a page with the low bits of `va` in this
  // side's L1, or a slot that matches nothing if there was none.
  TlbSlot& Guess(TlbSide side, VirtAddr va) {
    return slots_[hints_[static_cast<size_t>(side)][HintIndex(va)]];
  }
  // Makes `slot` the most recently used.
  void Touch(const TlbSlot& slot) { last_use_[IndexOf(slot)] = ++use_; }

  // Return the L1 or L2 entry for `va` in `pcid`, or nullptr. A hit becomes the
  // most recently used. If two page sizes match, which software must have
  // caused, the choice is always the same.
  TlbSlot* FindL1(TlbSide side, VirtAddr va, uint16_t pcid);
  TlbSlot* FindL2(TlbSide side, VirtAddr va, uint16_t pcid);

  // Refill() puts an L2 entry into L1 as well, Fill() the outcome of a walk
  // into L1 and L2. A level that does not hold the page size takes nothing.
  // REQUIRES (Refill): `va` lies in the page.
  void Refill(TlbSide side, VirtAddr va, const TlbSlot& entry);
  void Fill(TlbSide side, VirtAddr va, const TlbEntry& entry);
  // Puts the outcome of a fetch from a page that cannot be read into L1 alone:
  // a unified L2 would serve it to reads (assumed; where a processor keeps such
  // pages is unpublished).
  void FillExecuteOnly(VirtAddr va, const TlbEntry& entry);

  // These drop entries of the VPID in force, on both sides and levels and under
  // whichever nested tables. DropPage() drops every entry whose page contains
  // `va` in `pcid`, with globals under any PCID or without any globals. If
  // nested tables have cut the page up it drops all pieces (SDM Vol. 3A,
  // "Operations that Invalidate TLBs and Paging-Structure Caches", on pages
  // cached as several); DropEntry() drops one. DropPcid() drops a PCID's
  // entries, with or without its global ones, DropNonGlobal() and DropAll()
  // those of all PCIDs.
  void DropPage(VirtAddr va, uint16_t pcid, bool globals);
  void DropEntry(VirtAddr va, uint16_t pcid);
  void DropPcid(uint16_t pcid, bool globals);
  void DropNonGlobal();
  void DropAll();
  // These drop entries of any guest: a VPID's, with or without its global ones;
  // a VPID's for an address in any PCID; all with a VPID; those of a nested
  // root; or everything.
  void DropVpid(uint16_t vpid, bool globals);
  void DropVpidPage(uint16_t vpid, VirtAddr va);
  void DropTagged();
  void DropRoot(uint8_t root);
  void DropAllVms();

  // Sets the guest whose entries are looked up and filled from now on.
  void SetVm(VmTag vm);

  // Sets the size of kLarge pages, which follows the paging mode: 21, or 22 in
  // 2-level paging without nested tables. Drops everything if that changes.
  void SetLargeShift(int shift);

  // All entries in array order: L1 instruction, L1 data, L2 instruction, L2
  // data; an entry held by two arrays comes twice.
  std::vector<TlbEntry> Entries() const;
  // The number of entries held.
  size_t size() const;

 private:
  static constexpr size_t kSizeClasses = 3;  // 4 KiB, 2 or 4 MiB, 1 GiB
  static constexpr size_t kHints = 1024;
  // The search for the oldest way keeps the way in these low bits of a stamp.
  // The other bits count uses and last for months.
  static constexpr int kWayBits = 12;

  // The array of a level that holds pages of one size, and which of its entries
  // have that size; two sizes may share an array.
  struct Home {
    uint32_t first = 0;  // index of its first slot
    uint32_t sets = 0;   // 0: no array holds this size
    uint32_t ways = 0;
    bool power_of_two = true;  // whether `sets` is one
    uint8_t byte_shift = 0;    // number of page-number bits that choose the set
    // Its bitmaps in held_: `words` words from bits[0] on for the entries that
    // are not global, and as many from bits[1] on for the global ones.
    uint32_t words = 0;
    std::array<uint32_t, 2> bits{};
    std::array<uint32_t, 2> live{};  // entries held in each bitmap
  };
  struct Level {
    std::array<Home, kSizeClasses> homes;
    uint32_t held_sizes = 0;  // bit n: entries of size class n are held
  };

  static size_t HintIndex(VirtAddr va) {
    const uint64_t vpn = va.value() >> kPageShift;
    return (vpn ^ (vpn >> 10)) % kHints;
  }
  static size_t SizeClass(int page_shift);
  size_t IndexOf(const TlbSlot& slot) const {
    return static_cast<size_t>(&slot - slots_.data());
  }

  void MakeLevel(const std::array<TlbArrayGeometry, 3>& geometry, Level& level);
  TlbSlot SlotFor(const TlbEntry& entry);
  Level& L1(TlbSide side) { return levels_[static_cast<size_t>(side)]; }
  Level& L2(TlbSide side) {
    return levels_[unified_l2_ ? 3 : 2 + static_cast<size_t>(side)];
  }
  // Returns the index of the first slot of the set for page number `vpn`.
  static size_t SetOf(const Home& home, uint64_t vpn);
  // The byte of a page number by which a search first tells the ways of a set
  // apart.
  static uint8_t ByteOf(const Home& home, uint64_t vpn) {
    return static_cast<uint8_t>(vpn >> home.byte_shift);
  }
  // Calls `visit(slot)` for each slot of page number `vpn`'s set that matches
  // `key`, in order, until it returns true. Slots of another page size may be
  // among them.
  template <typename Visit>
  void VisitMatches(const Home& home, uint64_t vpn, uint64_t key, Visit visit);
  TlbSlot* FindInLevel(Level& level, VirtAddr va, uint16_t pcid);

  // Returns the slot to be filled for `va`, marked as used and booked under the
  // new mask, or nullptr if the level does not hold the size.
  TlbSlot* TakeSlot(Level& level, int page_shift, VirtAddr va, uint64_t mask);
  // Returns the index of the least recently used slot of a set.
  size_t OldestOf(size_t set, uint32_t ways) const;
  // Enters `slot` of a level into the bitmap for its mask, or takes it out.
  void Book(Level& level, size_t slot, size_t size_class, bool global);
  void Unbook(Level& level, size_t slot);
  void Drop(Level& level, TlbSlot& slot);
  // Drops the entries that match `va` in `pcid`, of the VPID in force.
  void DropMatches(VirtAddr va, uint16_t pcid, bool globals);
  // Drops the entries of all sizes, global ones or the others, for which
  // `predicate(slot)` holds.
  template <typename Predicate>
  void DropIf(bool global, Predicate predicate);
  // As DropIf(), for globals and others.
  template <typename Predicate>
  void DropIfAny(Predicate predicate) {
    DropIf(/*global=*/false, predicate);
    DropIf(/*global=*/true, predicate);
  }
  template <typename Predicate>
  void DropInWord(Home& home, bool global, uint32_t word, Predicate predicate);
  // Makes Guess() find `slot` for `va`.
  void SetHint(TlbSide side, VirtAddr va, const TlbSlot& slot);

  // slots_[0] stays invalid, as hints point to it at first. The next two have
  // the same index: when each slot was last used (0 if it is free), and its
  // ByteOf().
  std::vector<TlbSlot> slots_{1};
  std::vector<uint64_t> last_use_{0};
  std::vector<uint8_t> bytes_{0};
  std::vector<uint64_t> held_;
  // The levels are L1 I, L1 D, L2 I and L2 D; with a unified L2 the L2 I arrays
  // are empty.
  std::array<Level, 4> levels_;
  bool unified_l2_;
  std::array<int, kSizeClasses> shifts_ = {kPageShift, 21, 30};
  uint64_t use_ = 0;
  VmTag vm_;
  // Whether entries may be held that are pieces of a larger page.
  bool fractured_ = false;
  // Hints name slots of the guest in force only, so that a hit need not check
  // whose a slot is. SetVm() forgets all hints, and slots are filled for that
  // guest alone.
  std::array<std::array<uint16_t, kHints>, 2> hints_{};
};

}  // namespace xmmu

#endif  // XMMU_MMU_INTERNAL_TLB_H_
