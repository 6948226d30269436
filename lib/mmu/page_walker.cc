#include "xmmu/mmu/page_walker.h"

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"

namespace xmmu {
namespace {

// Cost of an entry load by where it was served.
CostEvent CostOfLoad(MemoryLevel level) {
  switch (level) {
    case MemoryLevel::kL1:
      return CostEvent::kPteLoadL1;
    case MemoryLevel::kL2:
      return CostEvent::kPteLoadL2;
    case MemoryLevel::kL3:
      return CostEvent::kPteLoadL3;
    case MemoryLevel::kDram:
      break;
  }
  return CostEvent::kPteLoadDram;
}

// Rights accumulated `above`, and then through `entry`: R/W and U/S are and'ed,
// XD is or'ed. 4-byte entries have no XD and bring 0.
uint8_t Accumulate(uint8_t above, Pte entry) {
  const uint64_t granted = above & (entry.raw() >> 1) & rights::kAll;
  const uint64_t no_execute = entry.raw() >> 63 << 2;
  return static_cast<uint8_t>(granted | (above & rights::kNoExecute) |
                              no_execute);
}
static_assert(pte::kWritable >> 1 == rights::kWritable);
static_assert(pte::kUser >> 1 == rights::kUser);
static_assert(pte::kNoExecute >> 63 << 2 == rights::kNoExecute);

}  // namespace

// A walk in progress. Its levels are unrolled: one Descend() each.
template <PagingMode kMode, bool kProbe>
class PageWalker::ModeWalk {
 public:
  ModeWalk(const PageWalker& walker, TableFinder* finder,
           const PagingContext& context, const Access& access,
           WalkResult& result)
      : walker_(walker),
        finder_(finder),
        context_(context),
        access_(access),
        result_(result) {}

  void Run(const WalkStart& start) {
    if constexpr (kMode == PagingMode::kPae) {
      return start.level == 3 ? RunFromPdpteRegister() : Enter<2>(start);
    } else {
      Enter<LevelCount(kMode)>(start);
    }
  }

 private:
  static constexpr int kEntryBytes = EntryBytes(kMode);

  // What an entry turns out to be.
  enum class Finding : uint8_t { kTable, kLeaf, kNotPresent, kReserved };

  // Goes to the level that the walk starts from: kLevel or one below.
  template <int kLevel>
  void Enter(const WalkStart& start) {
    if constexpr (kLevel > 1) {
      if (ABSL_PREDICT_FALSE(start.level < kLevel)) {
        return EnterBelow<kLevel - 1>(start);
      }
    }
    Descend<kLevel>(start.table, start.rights);
  }
  template <int kLevel>
  ABSL_ATTRIBUTE_NOINLINE void EnterBelow(const WalkStart& start) {
    Enter<kLevel>(start);
  }

  void RunFromPdpteRegister() {
    const auto index =
        static_cast<size_t>(IndexOf(PagingMode::kPae, 3, access_.va));
    const Pte pdpte(context_.pdpte[index]);
    if (!pdpte.present()) return Fail(0);
    Descend<2>(AddressOf(pdpte.frame()), rights::kAll);
  }

  // Reads the entry of kLevel in `table` and goes on from there. The common
  // case, a valid entry with A = 1, is one test.
  template <int kLevel>
  ABSL_ATTRIBUTE_ALWAYS_INLINE void Descend(MachineAddr table, uint8_t above) {
    const MachineAddr addr =
        EntryAddress(kMode, table, IndexOf(kMode, kLevel, access_.va));
    const Pte entry(LoadEntry<kLevel>(addr));
    const uint8_t rights = Accumulate(above, entry);
    WalkEntry& used = result_.entries.emplace_back();
    // Member by member: a temporary would be copied with wider loads than it
    // was stored with, which stalls the host.
    used.addr = addr;
    used.entry = entry;
    used.level = kLevel;
    used.rights = rights;
    const LevelRules& rules = context_.levels[kLevel];
    if constexpr (kLevel == 1) {
      if (ABSL_PREDICT_FALSE(!rules.IsUsedLeaf(entry))) {
        return Conclude<kLevel>(Examine<kLevel>(used, rules), used);
      }
      FinishAtLeaf<kLevel>(used);
    } else {
      if (ABSL_PREDICT_FALSE(!rules.IsUsedTable(entry))) {
        const Finding finding = Examine<kLevel>(used, rules);
        if (finding != Finding::kTable) return Conclude<kLevel>(finding, used);
      }
      Descend<kLevel - 1>(AddressOf(entry.frame()), rights);
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
    SetFlags(used, pte::kAccessed);
    return Finding::kTable;
  }

  // Ends the walk at an entry that is not a table.
  template <int kLevel>
  ABSL_ATTRIBUTE_NOINLINE void Conclude(Finding finding, WalkEntry& used) {
    if (finding == Finding::kLeaf) return FinishAtLeaf<kLevel>(used);
    Fail(finding == Finding::kReserved ? pf::kProtection | pf::kReserved : 0);
  }

  // Every entry that a walk reads comes through here, by the address of the
  // entry in the address space that the tables live in.
  template <int kLevel>
  uint64_t LoadEntry(MachineAddr addr) {
    if constexpr (kProbe) {
      return walker_.memory_.ReadEntry(addr, kEntryBytes);
    } else {
      if (walker_.hierarchy_ != nullptr) ChargeLoad(addr);
      const uint64_t region = access_.va.value() >> LevelShift(kMode, kLevel) >>
                              IndexBits(kMode, 1);
      const PhysMemory::Frame* const frame =
          finder_->Find(walker_.memory_, kLevel, region, FrameOf(addr));
      if (ABSL_PREDICT_FALSE(frame == nullptr)) return 0;
      return PhysMemory::ReadEntry(*frame, addr, kEntryBytes);
    }
  }

  ABSL_ATTRIBUTE_NOINLINE void ChargeLoad(MachineAddr addr) {
    walker_.clock_.Charge(CostOfLoad(walker_.hierarchy_->Touch(addr)));
  }

  // Sets flags in an entry, as the locked update of the processor does.
  void SetFlags(WalkEntry& used, uint64_t flags) {
    if (ABSL_PREDICT_TRUE((used.entry.raw() & flags) == flags)) return;
    if constexpr (!kProbe) UpdateEntry(used, flags);
  }
  ABSL_ATTRIBUTE_NOINLINE void UpdateEntry(WalkEntry& used, uint64_t flags) {
    used.entry = used.entry.With(flags);
    walker_.memory_.WriteEntry(used.addr, kEntryBytes, used.entry.raw());
    walker_.clock_.Charge(CostEvent::kAdUpdate);
    walker_.counters_.Add(Counter::kAdUpdates);
  }

  template <int kLevel>
  void FinishAtLeaf(WalkEntry& leaf) {
    ChargeWalk();
    const Pte entry = leaf.entry;
    uint8_t rights = leaf.rights;
    if constexpr (LevelCount(kMode) >= 4) {
      const uint64_t key = (entry.raw() & pte::kProtectionKey) >> 59;
      rights |= static_cast<uint8_t>(key << rights::kKeyShift);
    }
    if (access_.is_write() || entry.dirty()) rights |= rights::kDirty;
    if (ABSL_PREDICT_FALSE(!context_.rules.Serves(rights, access_))) {
      result_.error_code = context_.rules.Violation(rights, access_);
      return;
    }
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

  ABSL_ATTRIBUTE_NOINLINE void Fail(uint32_t why) {
    ChargeWalk();
    result_.error_code = why | context_.rules.ErrorBitsOf(access_);
  }

  // What a walk takes whatever its outcome.
  void ChargeWalk() {
    if constexpr (!kProbe) {
      walker_.clock_.Charge(CostEvent::kWalkOverhead);
      walker_.counters_.Add(Counter::kPageWalks);
      const uint64_t loads = result_.entries.size();
      walker_.counters_.Add(Counter::kPteLoads, loads);
      if (walker_.hierarchy_ == nullptr) {
        walker_.clock_.Charge(CostEvent::kPteLoadFlat, loads);
      }
    }
  }

  const PageWalker& walker_;
  TableFinder* const finder_;  // null for a probe
  const PagingContext& context_;
  const Access& access_;
  WalkResult& result_;
};

template <bool kProbe>
void PageWalker::WalkInMode(TableFinder* finder, const PagingContext& context,
                            const Access& access, const WalkStart& start,
                            WalkResult& result) const {
  switch (context.mode) {
    case PagingMode::k2Level:
      return ModeWalk<PagingMode::k2Level, kProbe>(*this, finder, context,
                                                   access, result)
          .Run(start);
    case PagingMode::kPae:
      return ModeWalk<PagingMode::kPae, kProbe>(*this, finder, context, access,
                                                result)
          .Run(start);
    case PagingMode::k4Level:
      return ModeWalk<PagingMode::k4Level, kProbe>(*this, finder, context,
                                                   access, result)
          .Run(start);
    case PagingMode::k5Level:
      return ModeWalk<PagingMode::k5Level, kProbe>(*this, finder, context,
                                                   access, result)
          .Run(start);
  }
}

WalkResult PageWalker::Walk(const PagingContext& context, const Access& access,
                            const WalkStart& start) {
  WalkResult result;
  WalkInMode<false>(&finder_, context, access, start, result);
  return result;
}

WalkResult PageWalker::Probe(const PagingContext& context,
                             const Access& access) const {
  WalkResult result;
  WalkInMode<true>(nullptr, context, access, context.StartAtRoot(), result);
  return result;
}

}  // namespace xmmu
