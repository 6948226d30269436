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
#include "xmmu/mmu/internal/tlb_slot.h"
#include "xmmu/mmu/vm_controls.h"

namespace xmmu {

enum class TlbSide : uint8_t { kInstruction, kData };

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

  // An access that is looked up; it is in lib/mmu/tlb_search.h.
  class Probe;

  // Return the index of the L1 or L2 entry that serves the access, or 0. A hit
  // becomes the most recently used. If two page sizes match, which software must
  // have caused, the choice is always the same: the smallest size with an entry
  // that matches decides the set, and the first way in it that matches is taken.
  size_t FindL1(TlbSide side, Probe& probe);
  size_t FindL2(TlbSide side, const Probe& probe);

  // Refill() puts what FindL2() has found into L1 as well, Fill() the outcome of
  // a walk into L1 and L2. A level that does not hold the page size takes
  // nothing. REQUIRES (Refill): FindL1() and then FindL2() were the last calls,
  // with the same probe.
  void Refill(TlbSide side, size_t found, const Probe& probe);
  void Fill(TlbSide side, VirtAddr va, const TlbEntry& entry);
  // Puts the outcome of a fetch from a page that cannot be read into L1 alone:
  // a unified L2 would serve it to reads (assumed; where a processor keeps such
  // pages is unpublished).
  void FillExecuteOnly(VirtAddr va, const TlbEntry& entry);

  // The sets of L1 and L2 for a page of 4 KiB, by their first slots.
  struct Places {
    size_t l1;
    size_t l2;
  };
  // Finds them. Returns whether both levels have such sets of 4 to 16 ways, and
  // if it `searches`, whether neither can have an entry that serves the access.
  // If it is false a search must tell. Changes nothing.
  template <bool kSearches>
  bool FindPlaces(TlbSide side, VirtAddr va, Places& places) const;
  // As Fill(), of a page of 4 KiB that no nested tables have cut up.
  void FillSmall(TlbSide side, VirtAddr va, const Places& places, TlbSlot entry,
                 uint16_t pcid);

  // Does at once what FindL1(), FindL2() and Refill() do for the usual hit of
  // L2: it is of a page of 4 KiB, in sets of the usual size, `serves(slot)` is
  // true of the entry, and L1 evicts one of its kind. Sets
  // `entry` to the slot, if there was such a hit.
  enum class Quick : uint8_t {
    kRefilled,  // it was such a hit
    kMissed,    // neither level serves the access; nothing has changed
    kOther,     // a search must tell; nothing has changed
  };
  template <typename Serves>
  Quick RefillQuickly(TlbSide side, VirtAddr va, uint16_t pcid, TlbSlot& entry,
                      Serves serves);

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
  // The entry in the slot at `index`.
  TlbEntry EntryOf(size_t index) const;
  // The number of entries held.
  size_t size() const;

 private:
  static constexpr size_t kSizeClasses = 3;  // 4 KiB, 2 or 4 MiB, 1 GiB
  static constexpr size_t kHints = 1024;
  static constexpr uint32_t kMaxWays = 4096;
  // The searches of base/internal/lanes.h take words below 2^31.
  static constexpr uint32_t kLastStamp = (uint32_t{1} << 31) - 1;
  // A slot that is not valid has this filter tag, and no entry has it.
  static constexpr uint32_t kFreeTag = 0;

  // How a set is searched.
  enum class Search : uint8_t {
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
    uint32_t way_bits = 0;  // kFour, kSixteen: a bit for each way
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
    // How the level is searched: as the home of 4 KiB pages while no others
    // are held.
    Search search = Search::kAny;
    bool only_large = false;  // entries are held, and none of 4 KiB
  };

  // What RefillQuickly() must know of a side's levels, close together.
  struct QuickSide {
    // Whether both levels have the searches for it among pages of 4 KiB, and do
    // not hold other pages alone; and whether they hold no other pages at all.
    bool usable = false;
    bool small_only = false;
    uint32_t l1_first = 0;
    uint32_t l1_last_set = 0;  // 2^n - 1
    uint32_t l2_first = 0;
    uint32_t l2_last_set = 0;
    uint32_t l2_ways = 0;
    uint32_t l2_way_bits = 0;
  };

  static size_t HintIndex(VirtAddr va) {
    const uint64_t vpn = va.value() >> kPageShift;
    return (vpn ^ (vpn >> 10)) % kHints;
  }
  void MakeLevel(const std::array<TlbArrayGeometry, 3>& geometry, Level& level);
  Level& L1(TlbSide side) { return levels_[static_cast<size_t>(side)]; }
  size_t L2Index(TlbSide side) const {
    return unified_l2_ ? 3 : 2 + static_cast<size_t>(side);
  }
  Level& L2(TlbSide side) { return levels_[L2Index(side)]; }
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
  ABSL_ATTRIBUTE_NOINLINE size_t FindAmongSizes(const Level& level,
                                                const Probe& probe) const;
  // The quick search also sets `set` to the index of the set's first slot.
  size_t FindInLevel(const Level& level, const Probe& probe, size_t& set) const;
  // The first slot of the set of an access to a page of 4 KiB, and a bit for
  // each way in it that has the tag. REQUIRES: `level.search` is not kAny.
  static size_t QuickSet(const Level& level, const Probe& probe);
  uint32_t QuickMarks(const Level& level, size_t set, const Probe& probe) const;
  // Returns a bit for each way of a set that has the tag of a page. REQUIRES:
  // `home.search` is not kAny.
  uint32_t MarksIn(const Home& home, size_t set, size_t size_class,
                   uint64_t vpn) const;
  // Whether no entry of a level, or of those of a side, has the tag of a large
  // page around `va`. It may be false without need.
  bool LacksLarge(const Level& level, VirtAddr va) const;
  bool LacksLarge(TlbSide side, VirtAddr va) const;
  // Sets which sizes of pages a level holds.
  void SetHeldSizes(Level& level, uint32_t sizes);
  // Makes quick_ tell of the levels.
  void UpdateQuickSides();
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
  // The same in few instructions, of a page of 4 KiB whose home is not kAny.
  // Returns 0 and does nothing if the slot's last entry is of another kind.
  size_t PutQuickly(Level& level, size_t set, uint64_t vpn, TlbSlot entry,
                    TlbExtras extras);
  // Puts a page of 4 KiB into the slot at `index`. Returns false and does
  // nothing if the slot's last entry is of another kind.
  bool Replace(Level& level, size_t index, uint64_t vpn, TlbSlot entry,
               TlbExtras extras);
  // Put(), in few instructions if that will do.
  size_t PutBySearch(Level& level, VirtAddr va, TlbSlot entry,
                     TlbExtras extras);
  TlbExtras ExtrasOf(size_t index) const {
    return ABSL_PREDICT_TRUE(!has_extras_) ? TlbExtras() : extras_[index];
  }
  // What an entry that is filled now has beside the slot.
  TlbExtras ExtrasFor(const TlbEntry& entry);
  // Enters `slot` of a level into the bitmap for its kind, or takes it out.
  void Book(Level& level, size_t slot, size_t size_class, bool global);
  void Unbook(Level& level, size_t slot);
  void Clear(size_t slot);
  // Drops the entry at `index`, which matches, unless another VPID has it.
  void DropMatch(Level& level, size_t index, bool globals);
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
  std::array<QuickSide, 2> quick_;
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
