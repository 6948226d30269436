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
// L1 hits are found by hints: for each side a table, indexed by low page-number
// bits, names the slot that last served such a page. A wrong hint costs a
// search, but neither the answer nor what is evicted depends on it.
//
// A search compares a filter tag of 32 bits of each way, four at a time
// (base/internal/lanes.h), and looks at an entry only where that agrees. When
// entries were last used is told by stamps of 32 bits, which are renumbered in
// their order before they run out. A flush looks only at entries that are held:
// each array has a bitmap of them for each page size, with one of its own for
// global entries, which most flushes spare.
//
// Charges nothing: the Mmu does. Single-threaded.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
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

// An entry as the arrays keep it, without what few entries have (TlbExtras). One
// comparison decides a match: the tag is the linear page address with the PCID
// in its low bits, less what the mask of the entry's kind leaves out.
class TlbSlot {
 public:
  constexpr TlbSlot() = default;  // matches nothing
  constexpr explicit TlbSlot(const TlbEntry& entry)
      : word_((entry.base.value() - entry.va().value()) | KindOf(entry) |
              entry.rights) {
    tag_ = Key(entry.va(), entry.pcid) & mask();
  }

  static constexpr uint64_t Key(VirtAddr va, uint16_t pcid) {
    return (va.value() & ~kPageOffsetMask) | pcid;
  }
  constexpr bool Matches(uint64_t key) const { return (key & mask()) == tag_; }
  constexpr MachineAddr Translate(VirtAddr va) const {
    return MachineAddr(va.value() + (word_ & ~kPageOffsetMask));
  }

  constexpr bool valid() const { return (word_ & kValid) != 0; }
  constexpr bool global() const { return (word_ & kGlobal) != 0; }
  constexpr int page_shift() const {
    return kShifts[word_ >> kSizeShift & (kShifts.size() - 1)];
  }
  // 0 for 4 KiB, 1 for 2 or 4 MiB, 2 for 1 GiB.
  constexpr size_t size_class() const {
    return ((word_ >> kSizeShift & (kShifts.size() - 1)) + 1) >> 1;
  }
  constexpr uint8_t rights() const { return static_cast<uint8_t>(word_); }
  // The page's first linear address.
  constexpr VirtAddr va() const { return VirtAddr(tag_ & ~kPageOffsetMask); }
  // The PCID of an entry that is not global.
  constexpr uint16_t pcid() const {
    return static_cast<uint16_t>(tag_ & kPageOffsetMask);
  }
  // Whether both are valid or not, global or not, and of one page size.
  constexpr bool IsOfKind(const TlbSlot& other) const {
    return ((word_ ^ other.word_) & kKindMask) == 0;
  }

 private:
  // In word_ the machine address minus the linear address is above bit 11, and
  // the rights are in bits 7:0.
  static constexpr uint64_t kValid = 1u << 8;
  static constexpr uint64_t kGlobal = 1u << 9;
  static constexpr int kSizeShift = 10;
  static constexpr uint64_t kKindMask = 0xf00;
  static constexpr std::array<uint8_t, 4> kShifts = {kPageShift, 21, 22, 30};

  // By page shift, the size in its place.
  static constexpr std::array<uint16_t, 32> kSizes = [] {
    std::array<uint16_t, 32> sizes{};
    for (size_t size = 0; size < kShifts.size(); ++size) {
      sizes[kShifts[size]] = static_cast<uint16_t>(size << kSizeShift);
    }
    return sizes;
  }();
  static constexpr uint64_t KindOf(const TlbEntry& entry) {
    return kSizes[entry.page_shift & 31] | kValid |
           (entry.global ? kGlobal : 0);
  }
  // By kind, what of a key its entries compare: neither the page offset nor,
  // if they are global, the PCID. A slot that is not valid compares nothing.
  static constexpr std::array<uint64_t, 16> kMasks = [] {
    std::array<uint64_t, 16> masks{};
    for (size_t size = 0; size < kShifts.size(); ++size) {
      const uint64_t page = ~uint64_t{0} << kShifts[size];
      masks[size << 2 | 1] = page | kPageOffsetMask;
      masks[size << 2 | 3] = page;
    }
    return masks;
  }();
  constexpr uint64_t mask() const { return kMasks[word_ >> 8 & 15]; }

  // This tag matches nothing under the mask of a slot that is not valid.
  uint64_t tag_ = 1;
  uint64_t word_ = 0;
};
static_assert(sizeof(TlbSlot) == 16);

// What else an entry may have, which most have not: a guest whose it is, the
// PCID that a global entry was made under, and the size of the guest's page. As
// one number it is compared and copied at once; 0 is nothing.
class TlbExtras {
 public:
  constexpr TlbExtras() = default;
  constexpr TlbExtras(VmTag vm, const TlbEntry& entry)
      : bits_(vm.vpid | uint64_t{vm.root} << 16 |
              uint64_t{entry.guest_shift} << 24 |
              (entry.global ? uint64_t{entry.pcid} << 32 : 0)) {}

  constexpr uint16_t vpid() const { return static_cast<uint16_t>(bits_); }
  constexpr uint8_t root() const { return static_cast<uint8_t>(bits_ >> 16); }
  constexpr uint8_t guest_shift() const {
    return static_cast<uint8_t>(bits_ >> 24);
  }
  constexpr uint16_t global_pcid() const {
    return static_cast<uint16_t>(bits_ >> 32);
  }
  constexpr bool any() const { return bits_ != 0; }
  constexpr bool BelongsTo(VmTag vm) const {
    return vpid() == vm.vpid && root() == vm.root;
  }

 private:
  uint64_t bits_ = 0;
};

class Tlb {
 public:
  // REQUIRES: in each array `ways` is 0 or divides `entries`, and there are
  // 4096 ways at most. `last_stamp` is the highest stamp of a use before stamps
  // are renumbered; REQUIRES: it is below 2^31 and above the number of entries.
  explicit Tlb(const TlbGeometry& geometry, uint32_t last_stamp = kLastStamp);

  // Returns the index of the slot that last served a page with the low bits of
  // `va` in this side's L1, or of one that matches nothing if there was none.
  size_t Guess(TlbSide side, VirtAddr va) const {
    return hints_[static_cast<size_t>(side)][HintIndex(va)];
  }
  const TlbSlot& slot(size_t index) const { return slots_[index]; }
  // Makes the slot at `index` the most recently used.
  void Touch(size_t index) { stamps_[index] = NextStamp(); }

  // Where FindL1() has searched, for the Refill() that may follow.
  class L1Set {
    friend class Tlb;
    size_t first = 0;  // the first slot of a set that holds 4 KiB pages alone
  };

  // Return the L1 or L2 entry for `va` in `pcid`, or nullptr. A hit becomes the
  // most recently used. If two page sizes match, which software must have
  // caused, the choice is always the same: the smallest size with an entry that
  // matches decides the set, and the first way in it that matches is taken.
  const TlbSlot* FindL1(TlbSide side, VirtAddr va, uint16_t pcid, L1Set& set);
  const TlbSlot* FindL2(TlbSide side, VirtAddr va, uint16_t pcid);

  // Refill() puts what FindL2() has found into L1 as well, Fill() the outcome of
  // a walk into L1 and L2. A level that does not hold the page size takes
  // nothing. REQUIRES (Refill): FindL1(), which has set `set`, and FindL2() were
  // the last calls, for the same access.
  void Refill(TlbSide side, VirtAddr va, const TlbSlot& found, L1Set set);
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
  // The entry that FindL1(), FindL2() or Guess() has found.
  TlbEntry EntryOf(const TlbSlot& found) const;
  // The number of entries held.
  size_t size() const;

 private:
  static constexpr size_t kSizeClasses = 3;  // 4 KiB, 2 or 4 MiB, 1 GiB
  static constexpr size_t kHints = 1024;
  static constexpr uint32_t kMaxWays = 4096;
  // lanes::IndexOfSmallest() takes words below 2^31.
  static constexpr uint32_t kLastStamp = (uint32_t{1} << 31) - 1;
  // A slot that is not valid has this filter tag, and no entry has it.
  static constexpr uint32_t kFreeTag = 0;

  // How a set is searched.
  enum class Search : uint8_t {
    kNone,     // nothing is held
    kFour,     // four ways, of 2^n sets
    kSixteen,  // 5 to 16 ways, of 2^n sets
    kAny,      // any number of either
  };
  // The array of a level that holds pages of one size, and which of its entries
  // have that size; two sizes may share an array.
  struct Home {
    uint32_t first = 0;  // index of its first slot
    uint32_t sets = 0;   // 0: no array holds this size
    uint32_t ways = 0;
    Search search = Search::kAny;
    bool power_of_two = true;  // whether `sets` is one
    // Its bitmaps in held_: `words` words from bits[0] on for the entries that
    // are not global, and as many from bits[1] on for the global ones.
    uint32_t words = 0;
    std::array<uint32_t, 2> bits{};
    std::array<uint32_t, 2> live{};  // entries held in each bitmap
  };
  struct Level {
    std::array<Home, kSizeClasses> homes;
    uint32_t held_sizes = 0;  // bit n: entries of size class n are held
    // How the level is searched: as the home of 4 KiB pages while only those
    // are held.
    Search search = Search::kNone;
  };

  static size_t HintIndex(VirtAddr va) {
    const uint64_t vpn = va.value() >> kPageShift;
    return (vpn ^ (vpn >> 10)) % kHints;
  }
  size_t IndexOf(const TlbSlot& slot) const {
    return static_cast<size_t>(&slot - slots_.data());
  }

  void MakeLevel(const std::array<TlbArrayGeometry, 3>& geometry, Level& level);
  Level& L1(TlbSide side) { return levels_[static_cast<size_t>(side)]; }
  Level& L2(TlbSide side) {
    return levels_[unified_l2_ ? 3 : 2 + static_cast<size_t>(side)];
  }
  // Returns the index of the first slot of the set for page number `vpn`.
  static size_t SetOf(const Home& home, uint64_t vpn);
  // What a search compares before it looks at a slot: it has the size of the
  // page, so that a search for one size sees no other, and as much of the
  // number as tells pages apart that are less than 4 TiB apart.
  static uint32_t FilterTag(size_t size_class, uint64_t vpn) {
    return static_cast<uint32_t>(vpn << 2 | (size_class + 1));
  }
  // Calls `visit(index)` for each slot with `tag` that matches `key` in the set
  // that begins at index `set`, in order, until it returns true.
  template <typename Visit>
  void VisitMatches(size_t set, uint32_t ways, uint32_t tag, uint64_t key,
                    Visit visit) const;
  // Return the index of the slot that serves the guest in force, or 0.
  size_t FindInSet(size_t set, uint32_t ways, uint32_t tag, uint64_t key) const;
  // The quick search also sets `set` to the index of the set's first slot.
  size_t FindInLevel(const Level& level, VirtAddr va, uint64_t key,
                     size_t& set) const;
  ABSL_ATTRIBUTE_NOINLINE size_t FindAmongSizes(const Level& level, VirtAddr va,
                                                uint64_t key) const;
  // Sets which sizes of pages a level holds.
  static void SetHeldSizes(Level& level, uint32_t sizes);
  // Return the index of the least recently used slot of a set. REQUIRES
  // (OldestOf): `search` is kFour or kSixteen.
  size_t OldestOf(Search search, size_t set, uint32_t ways) const;
  size_t OldestOfAny(size_t set, uint32_t ways) const;
  // Whether the slot has the tag of the guest in force.
  bool IsOwn(size_t index) const {
    return ABSL_PREDICT_TRUE(!has_extras_) || extras_[index].BelongsTo(vm_);
  }
  uint32_t NextStamp() {
    if (ABSL_PREDICT_FALSE(stamp_ == last_stamp_)) Renumber();
    return ++stamp_;
  }
  // Gives the entries held the stamps from 1 on, in the order of those that
  // they have.
  ABSL_ATTRIBUTE_NOINLINE void Renumber();

  // Puts an entry into the least recently used slot of its set, if the level
  // holds the size, and returns the index of the slot, or else 0.
  ABSL_ATTRIBUTE_NOINLINE size_t Put(Level& level, VirtAddr va, TlbSlot entry,
                                     TlbExtras extras);
  ABSL_ATTRIBUTE_NOINLINE void PutInL1(TlbSide side, VirtAddr va, TlbSlot entry,
                                       TlbExtras extras);
  // The same in few instructions, for a set of 4 KiB pages alone. Returns 0 and
  // does nothing if the slot's last entry is of another kind.
  size_t PutQuickly(const Level& level, size_t set, uint64_t vpn, TlbSlot entry,
                    TlbExtras extras);
  // Put(), in few instructions if that will do.
  size_t PutBySearch(Level& level, VirtAddr va, TlbSlot entry,
                     TlbExtras extras);
  TlbExtras ExtrasOf(const TlbSlot& slot) const {
    return ABSL_PREDICT_TRUE(!has_extras_) ? TlbExtras()
                                           : extras_[IndexOf(slot)];
  }
  // What an entry that is filled now has beside the slot.
  TlbExtras ExtrasFor(const TlbEntry& entry);
  // Enters `slot` of a level into the bitmap for its kind, or takes it out.
  void Book(Level& level, size_t slot, size_t size_class, bool global);
  void Unbook(Level& level, size_t slot);
  void Clear(size_t slot);
  // Drops the entries that match `va` in `pcid`, of the VPID in force.
  void DropMatches(VirtAddr va, uint16_t pcid, bool globals);
  // Drops the entries of all sizes, global ones or the others, for which
  // `predicate(slot, extras)` holds.
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
  // Makes Guess() find slot number `index` for `va`.
  void SetHint(TlbSide side, VirtAddr va, size_t index) {
    hints_[static_cast<size_t>(side)][HintIndex(va)] =
        static_cast<uint16_t>(index);
  }

  // slots_[0] stays invalid, as hints point to it at first. The next three have
  // the same index: the filter tags, the stamps of last use (0 if the slot is
  // free), and the extras, which are all zero unless has_extras_.
  std::vector<TlbSlot> slots_{1};
  std::vector<uint32_t> tags_;
  std::vector<uint32_t> stamps_;
  std::vector<TlbExtras> extras_;
  std::vector<uint64_t> held_;
  // The levels are L1 I, L1 D, L2 I and L2 D; with a unified L2 the L2 I arrays
  // are empty.
  std::array<Level, 4> levels_;
  bool unified_l2_;
  std::array<int, kSizeClasses> shifts_ = {kPageShift, 21, 30};
  uint32_t stamp_ = 0;
  uint32_t last_stamp_;
  VmTag vm_;
  // Whether an entry may have extras, or the guest in force has a tag.
  bool has_extras_ = false;
  // Whether entries may be held that are pieces of a larger page.
  bool fractured_ = false;
  // Hints name slots of the guest in force only, so that a hit need not check
  // whose a slot is. SetVm() forgets all hints, and slots are filled for that
  // guest alone.
  std::array<std::array<uint16_t, kHints>, 2> hints_{};
};

}  // namespace xmmu

#endif  // XMMU_MMU_INTERNAL_TLB_H_
