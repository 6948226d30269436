#ifndef XMMU_LIB_MMU_MODE_WALK_H_
#define XMMU_LIB_MMU_MODE_WALK_H_

// One walk of the page walker, written once for all paging modes, all effects,
// and one dimension or two. Only page_walker.cc includes this file; it has all
// instances.

#include <algorithm>
#include <memory>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "xmmu/mmu/page_walker.h"

namespace xmmu {

// A walk in progress. Its levels are unrolled into one Descend() each, and what
// changes from level to level is in parameters, hence in registers.
template <PagingMode kMode, WalkEffects kEffects, bool kNested>
class PageWalker::ModeWalk {
 public:
  ModeWalk(const PageWalker& walker, const PagingContext& context,
           const Access& access, WalkResult& result)
      : walker_(walker), context_(context), access_(access), result_(result) {}

  ABSL_ATTRIBUTE_ALWAYS_INLINE void Run(const WalkStart& start) {
    const VirtAddr va = access_.va;
    if constexpr (kMode == PagingMode::kPae) {
      if (start.level < 3) return Enter<2>(start);
      const Trace trace = Begin(start);
      if (context_.pdptes_in_memory) return EnterPdpt(trace);
      const auto index = static_cast<size_t>(IndexOf(kMode, 3, va));
      const Pte pdpte(context_.pdpte[index]);
      if (!pdpte.present()) return Fail(trace, 0);
      GoTo<2>(pdpte.frame(), va, trace);
    } else {
      Enter<LevelCount(kMode)>(start);
    }
  }

 private:
  static constexpr int kEntryBytes = EntryBytes(kMode);
  static constexpr bool kProbe = kEffects == WalkEffects::kNone;

  // What the walk has seen on the way down, in two registers of the host.
  struct Trace {
    // AND of the entries with XD inverted: R/W, U/S and that bit count.
    uint64_t granted;
    WalkEntry* next;  // where the next entry is recorded

    uint8_t rights() const {
      return static_cast<uint8_t>((granted >> 1 & rights::kAll) |
                                  (~granted >> 63 << 2));
    }
  };

  // The result of examining an entry.
  enum class Finding : uint8_t {
    kTable,
    kLeaf,
    kNotPresent,
    kReserved,
    kViolation,  // the nested tables forbid setting A
  };

  Trace Begin(const WalkStart& start) {
    const uint64_t above = start.rights;
    return {(above & rights::kAll) << 1 | (~above << 61 & pte::kNoExecute),
            result_.entries.entries_.data()};
  }

  // Goes to the level that the walk starts from, which is kLevel or a lower
  // one.
  template <int kLevel>
  ABSL_ATTRIBUTE_ALWAYS_INLINE void Enter(const WalkStart& start) {
    if constexpr (kLevel > 1) {
      if (ABSL_PREDICT_FALSE(start.level < kLevel)) {
        return EnterBelow<kLevel - 1>(start);
      }
    }
    const Trace trace = Begin(start);
    if constexpr (kNested) {
      if (kLevel == LevelCount(kMode)) {
        return GoTo<kLevel>(FrameOf(context_.root), access_.va, trace);
      }
      tables_[kLevel] = AddressOf(start.guest_table);
    }
    Descend<kLevel>(start.table, access_.va, trace);
  }
  template <int kLevel>
  ABSL_ATTRIBUTE_NOINLINE void EnterBelow(const WalkStart& start) {
    Enter<kLevel>(start);
  }

  // Goes on to the table of kLevel that an entry above names.
  template <int kLevel>
  ABSL_ATTRIBUTE_ALWAYS_INLINE void GoTo(Mfn frame, VirtAddr va, Trace trace) {
    if constexpr (kNested) {
      GoToNested<kLevel>(frame, va, trace);
    } else {
      Descend<kLevel>(AddressOf(frame), va, trace);
    }
  }

  // As GoTo(), to a table with a guest-physical address.
  template <int kLevel>
  ABSL_ATTRIBUTE_NOINLINE void GoToNested(Mfn frame, VirtAddr va, Trace trace) {
    const GuestAddr table = AddressOf(Gfn(frame.value()));
    tables_[kLevel] = table;
    const auto offset =
        static_cast<uint64_t>(IndexOf(kMode, kLevel, va) * kEntryBytes);
    NestedPage page;
    if (!Nested(context_.nested->TableAccess(table + offset), page)) {
      return ChargeWalk(trace);
    }
    Descend<kLevel>(page.AddressOf(table), va, trace);
  }

  // Reads PAE's PDPTE in memory, where no registers hold them.
  ABSL_ATTRIBUTE_NOINLINE void EnterPdpt(Trace trace) {
    const VirtAddr va = access_.va;
    MachineAddr addr =
        EntryAddress(kMode, context_.root, IndexOf(kMode, 3, va));
    if constexpr (kNested) {
      const GuestAddr gpa(addr.value());
      NestedPage page;
      if (!Nested(context_.nested->TableAccess(gpa), page)) {
        return ChargeWalk(trace);
      }
      addr = page.AddressOf(gpa);
    }
    const Pte pdpte(LoadEntry(addr));
    WalkEntry& used = *std::construct_at(trace.next++);
    used.addr = addr;
    used.entry = pdpte;
    used.level = 3;
    if (!pdpte.present()) return Fail(trace, 0);
    if ((pdpte.raw() & context_.pdpte_reserved) != 0) {
      return Fail(trace, pf::kProtection | pf::kReserved);
    }
    GoTo<2>(pdpte.frame(), va, trace);
  }

  // Translates a guest-physical address for the walk. Returns false, with the
  // violation in the result, if the nested tables refuse.
  bool Nested(const NestedAccess& access, NestedPage& page,
              uint32_t what = nested::kLinearAddressValid) {
    uint32_t why = 0;
    const bool ok = kProbe ? context_.nested->Probe(access, page, why)
                           : context_.nested->Translate(access, page, why);
    if (ok) return true;
    result_.ok = false;
    result_.vector = FaultVector::kNestedViolation;
    result_.error_code = why | what;
    result_.gpa = access.gpa;
    return false;
  }

  // Reads the entry of kLevel in `table` and goes on from there. The common
  // case, a valid entry with A = 1, is one test.
  template <int kLevel>
  ABSL_ATTRIBUTE_ALWAYS_INLINE void Descend(MachineAddr table, VirtAddr va,
                                            Trace trace) {
    const MachineAddr addr =
        EntryAddress(kMode, table, IndexOf(kMode, kLevel, va));
    const Pte entry(LoadEntry(addr));
    // The members are set one by one: a temporary would be copied with wider
    // loads than it was stored with, which stalls the host.
    WalkEntry& used = *std::construct_at(trace.next++);
    used.addr = addr;
    used.entry = entry;
    used.level = kLevel;
    trace.granted &= entry.raw() ^ pte::kNoExecute;
    const LevelRules& rules = context_.levels[kLevel];
    if constexpr (kLevel == 1) {
      if (ABSL_PREDICT_FALSE(!rules.IsUsedLeaf(entry))) {
        return Conclude<kLevel>(Examine<kLevel>(used, rules), trace);
      }
      FinishAtLeaf<kLevel>(trace);
    } else {
      if (ABSL_PREDICT_FALSE(!rules.IsUsedTable(entry))) {
        const Finding finding = Examine<kLevel>(used, rules);
        if (finding != Finding::kTable) return Conclude<kLevel>(finding, trace);
      }
      GoTo<kLevel - 1>(entry.frame(), va, trace);
    }
  }

  // Tells what `used` is, and sets A in it if it names a table. P comes first,
  // then the reserved bits.
  template <int kLevel>
  ABSL_ATTRIBUTE_NOINLINE Finding Examine(WalkEntry& used,
                                          const LevelRules& rules) {
    const Pte entry = used.entry;
    if (!entry.present()) return Finding::kNotPresent;
    const bool leaf = kLevel == 1 || (rules.ps_maps_page && entry.page_size());
    const uint64_t reserved =
        leaf ? rules.reserved_in_leaf : rules.reserved_in_table;
    if ((entry.raw() & reserved) != 0) return Finding::kReserved;
    if (leaf) return Finding::kLeaf;
    return SetFlags(used, pte::kAccessed) ? Finding::kTable
                                          : Finding::kViolation;
  }

  // Ends the walk at an entry that is not a table.
  template <int kLevel>
  ABSL_ATTRIBUTE_NOINLINE void Conclude(Finding finding, Trace trace) {
    if (finding == Finding::kLeaf) return FinishAtLeaf<kLevel>(trace);
    if (finding == Finding::kViolation) return ChargeWalk(trace);
    Fail(trace,
         finding == Finding::kReserved ? pf::kProtection | pf::kReserved : 0);
  }

  // Every entry that a walk reads comes through here, by the address of the
  // entry in the address space that the tables live in.
  ABSL_ATTRIBUTE_ALWAYS_INLINE uint64_t LoadEntry(MachineAddr addr) {
    if constexpr (kEffects == WalkEffects::kCaches) {
      walker_.clock_.Charge(CostOfPteLoad(walker_.hierarchy_->Touch(addr)));
    }
    return walker_.memory_.ReadEntry(addr, kEntryBytes);
  }

  // Sets flags in an entry, as the locked update of the processor does. Returns
  // false if the nested tables forbid the write.
  bool SetFlags(WalkEntry& used, uint64_t flags) {
    if (ABSL_PREDICT_TRUE((used.entry.raw() & flags) == flags)) return true;
    if constexpr (kNested) {
      if (!MayUpdate(used)) return false;
    }
    if constexpr (!kProbe) UpdateEntry(used, flags);
    return true;
  }
  ABSL_ATTRIBUTE_NOINLINE void UpdateEntry(WalkEntry& used, uint64_t flags) {
    used.entry = used.entry.With(flags);
    walker_.memory_.WriteEntryByWalker(used.addr, kEntryBytes,
                                       used.entry.raw());
    walker_.clock_.Charge(CostEvent::kAdUpdate);
    walker_.counters_.Add(Counter::kAdUpdates);
  }

  // Where reading a table does not count as a write, updating it is one more
  // access to the nested tables.
  ABSL_ATTRIBUTE_NOINLINE bool MayUpdate(const WalkEntry& used) {
    if (context_.nested->table_reads_write()) return true;
    const GuestAddr gpa =
        tables_[static_cast<size_t>(used.level)] + PageOffset(used.addr);
    NestedPage page;
    return Nested({gpa, nested::kRead | nested::kWrite}, page);
  }

  // Judges the access at a valid leaf, and makes the translation.
  template <int kLevel>
  ABSL_ATTRIBUTE_ALWAYS_INLINE void FinishAtLeaf(Trace trace) {
    ChargeWalk(trace);
    WalkEntry& leaf = *(trace.next - 1);
    const Pte entry = leaf.entry;
    uint8_t rights = trace.rights();
    if constexpr (LevelCount(kMode) >= 4) {
      const uint64_t key = (entry.raw() & pte::kProtectionKey) >> 59;
      rights |= static_cast<uint8_t>(key << rights::kKeyShift);
    }
    if (access_.is_write() || entry.dirty()) rights |= rights::kDirty;
    if (ABSL_PREDICT_FALSE(!context_.rules.Serves(rights, access_))) {
      // With nested tables Serves() may refuse what Violation() allows, because
      // it heeds kNoExecute without EFER.NXE.
      const uint32_t why = context_.rules.Violation(rights, access_);
      result_.error_code = why;
      if (!kNested || why != 0) return;
    }
    if constexpr (kNested) return FinishNested<kLevel>(leaf, rights);
    SetFlags(leaf, pte::kAccessed | (access_.is_write() ? pte::kDirty : 0));
    constexpr int kShift = LevelShift(kMode, kLevel);
    result_.ok = true;
    TlbEntry& page = result_.translation;
    page.vpn = access_.va.value() >> kShift;
    page.base = PageBaseOf<kLevel>(entry);
    page.pcid = context_.pcid;
    page.page_shift = kShift;
    page.rights = rights;
    page.global = context_.global_pages && entry.global();
  }

  // Translates the guest-physical address of the page itself. The cached entry
  // is as large as the smaller of the guest's and the nested page.
  template <int kLevel>
  ABSL_ATTRIBUTE_NOINLINE void FinishNested(WalkEntry& leaf, uint8_t rights) {
    constexpr int kShift = LevelShift(kMode, kLevel);
    const Pte entry = leaf.entry;
    const uint64_t offset = access_.va.value() & ((uint64_t{1} << kShift) - 1);
    const GuestAddr gpa(PageBaseOf<kLevel>(entry).value() + offset);
    const bool write = access_.is_write();
    const uint32_t bits = write                ? nested::kWrite
                          : access_.is_fetch() ? nested::kFetch
                                               : nested::kRead;
    NestedPage target;
    const bool user = (rights & rights::kUser) != 0;
    if (!Nested({gpa, bits, user}, target,
                nested::kLinearAddressValid | nested::kFinalAddress)) {
      return;
    }
    if (!SetFlags(leaf, pte::kAccessed | (write ? pte::kDirty : 0))) return;
    constexpr uint8_t kWrites = nested_rights::kWrite | nested_rights::kDirty;
    if ((target.rights & kWrites) != kWrites) {
      rights &= static_cast<uint8_t>(~rights::kDirty);
    }
    result_.execute_only = (target.rights & nested_rights::kRead) == 0;
    if ((target.rights & NestedWalker::ExecuteRight(user)) == 0) {
      rights |= rights::kNoExecute;
    }
    const int shift = std::min<int>(kShift, target.page_shift);
    result_.ok = true;
    TlbEntry& page = result_.translation;
    page.vpn = access_.va.value() >> shift;
    page.base = MachineAddr(target.AddressOf(gpa).value() >> shift << shift);
    page.pcid = context_.pcid;
    page.page_shift = static_cast<uint8_t>(shift);
    page.guest_shift = shift < kShift ? kShift : 0;
    page.rights = rights;
    page.global = entry.global() && context_.global_pages;
  }

  template <int kLevel>
  static MachineAddr PageBaseOf(Pte leaf) {
    constexpr int kShift = LevelShift(kMode, kLevel);
    const uint64_t raw = leaf.raw() & pte::kFrameMask;
    const uint64_t base = raw >> kShift << kShift;
    if constexpr (kMode == PagingMode::k2Level && kLevel == 2) {
      // PSE-36: bits 20:13 are address bits 39:32.
      return MachineAddr(base | (raw >> 13 & 0xff) << 32);
    }
    return MachineAddr(base);
  }

  ABSL_ATTRIBUTE_NOINLINE void Fail(Trace trace, uint32_t why) {
    ChargeWalk(trace);
    result_.error_code = why | context_.rules.ErrorBitsOf(access_);
  }

  // Records the path and charges for it, whatever the outcome of the walk.
  void ChargeWalk(Trace trace) {
    WalkPath& path = result_.entries;
    const auto size = static_cast<size_t>(trace.next - path.entries_.data());
    path.size_ = size;
    if constexpr (!kProbe) {
      walker_.clock_.Charge(CostEvent::kWalkOverhead);
      walker_.counters_.Add(Counter::kPageWalks);
      walker_.counters_.Add(Counter::kPteLoads, size);
    }
    if constexpr (kEffects == WalkEffects::kFlat) {
      walker_.clock_.Charge(CostEvent::kPteLoadFlat, size);
    }
  }

  const PageWalker& walker_;
  const PagingContext& context_;
  const Access& access_;
  WalkResult& result_;
  // The guest-physical addresses of the path's tables, by level.
  std::array<GuestAddr, kNested ? 6 : 0> tables_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_MMU_MODE_WALK_H_
