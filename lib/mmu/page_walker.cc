#include "xmmu/mmu/page_walker.h"

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

// Rights of `entry` alone; XD of 4-byte entries does not exist and is 0.
uint8_t RightsOf(Pte entry) {
  return static_cast<uint8_t>((entry.raw() >> 1 & rights::kAll) |
                              (entry.no_execute() ? rights::kNoExecute : 0));
}
static_assert(pte::kWritable >> 1 == rights::kWritable);
static_assert(pte::kUser >> 1 == rights::kUser);

// Rights accumulated `above`, and then through an entry with rights `own`.
uint8_t Accumulate(uint8_t above, uint8_t own) {
  return static_cast<uint8_t>((above & own & rights::kAll) |
                              ((above | own) & rights::kNoExecute));
}

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
    rights_ = start.rights;
    if constexpr (kMode == PagingMode::kPae) {
      return start.level == 3 ? RunFromPdpteRegister() : Enter<2>(start);
    } else {
      Enter<LevelCount(kMode)>(start);
    }
  }

 private:
  static constexpr int kEntryBytes = EntryBytes(kMode);

  // Goes to the level that the walk starts from; kLevel or one below.
  template <int kLevel>
  void Enter(const WalkStart& start) {
    if constexpr (kLevel > 1) {
      if (start.level < kLevel) return Enter<kLevel - 1>(start);
    }
    Descend<kLevel>(start.table);
  }

  void RunFromPdpteRegister() {
    const auto index =
        static_cast<size_t>(IndexOf(PagingMode::kPae, 3, access_.va));
    const Pte pdpte(context_.pdpte[index]);
    if (!pdpte.present()) return Fail(0);
    Descend<2>(AddressOf(pdpte.frame()));
  }

  // Reads and checks the entry of kLevel in `table`, and goes on from there.
  template <int kLevel>
  void Descend(MachineAddr table) {
    const MachineAddr addr =
        EntryAddress(kMode, table, IndexOf(kMode, kLevel, access_.va));
    const Pte entry(LoadEntry<kLevel>(addr));
    WalkEntry& used = result_.entries.emplace_back();
    used = {addr, entry, kLevel, rights_};
    if (ABSL_PREDICT_FALSE(!entry.present())) return Fail(0);
    const LevelRules& rules = context_.levels[kLevel];
    const bool leaf = kLevel == 1 || (rules.ps_maps_page && entry.page_size());
    const uint64_t reserved =
        leaf ? rules.reserved_in_leaf : rules.reserved_in_table;
    if (ABSL_PREDICT_FALSE((entry.raw() & reserved) != 0)) {
      return Fail(pf::kProtection | pf::kReserved);
    }
    rights_ = Accumulate(rights_, RightsOf(entry));
    used.rights = rights_;
    if constexpr (kLevel > 1) {
      if (!leaf) {
        SetFlags(used, pte::kAccessed);
        return Descend<kLevel - 1>(AddressOf(entry.frame()));
      }
    }
    FinishAtLeaf<kLevel>(used, entry);
  }

  // Every entry that a walk reads comes through here, by the address of the
  // entry in the address space that the tables live in.
  template <int kLevel>
  uint64_t LoadEntry(MachineAddr addr) {
    if constexpr (kProbe) {
      return walker_.memory_.ReadEntry(addr, kEntryBytes);
    } else {
      ++loads_;
      if (walker_.hierarchy_ != nullptr) {
        walker_.clock_.Charge(CostOfLoad(walker_.hierarchy_->Touch(addr)));
      }
      const uint64_t region = access_.va.value() >> LevelShift(kMode, kLevel) >>
                              IndexBits(kMode, 1);
      const PhysMemory::Frame* const frame =
          finder_->Find(walker_.memory_, kLevel, region, FrameOf(addr));
      if (ABSL_PREDICT_FALSE(frame == nullptr)) return 0;
      return PhysMemory::ReadEntry(*frame, addr, kEntryBytes);
    }
  }

  // Sets flags in an entry, as the locked update of the processor does.
  void SetFlags(WalkEntry& used, uint64_t flags) {
    if (ABSL_PREDICT_TRUE((used.entry.raw() & flags) == flags)) return;
    if constexpr (!kProbe) {
      used.entry = used.entry.With(flags);
      walker_.memory_.WriteEntry(used.addr, kEntryBytes, used.entry.raw());
      walker_.clock_.Charge(CostEvent::kAdUpdate);
      walker_.counters_.Add(Counter::kAdUpdates);
    }
  }

  template <int kLevel>
  void FinishAtLeaf(WalkEntry& leaf, Pte entry) {
    ChargeWalk();
    uint8_t rights = rights_;
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
    result_.translation = {access_.va.value() >> kShift,
                           PageBaseOf<kLevel>(entry),
                           context_.pcid,
                           kShift,
                           rights,
                           context_.global_pages && entry.global()};
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

  void Fail(uint32_t why) {
    ChargeWalk();
    result_.error_code = why | context_.rules.ErrorBitsOf(access_);
  }

  // What a walk takes whatever its outcome.
  void ChargeWalk() {
    if constexpr (!kProbe) {
      walker_.clock_.Charge(CostEvent::kWalkOverhead);
      walker_.counters_.Add(Counter::kPageWalks);
      walker_.counters_.Add(Counter::kPteLoads, loads_);
      if (walker_.hierarchy_ == nullptr) {
        walker_.clock_.Charge(CostEvent::kPteLoadFlat, loads_);
      }
    }
  }

  const PageWalker& walker_;
  TableFinder* const finder_;  // null for a probe
  const PagingContext& context_;
  const Access& access_;
  WalkResult& result_;
  uint8_t rights_ = 0;
  uint64_t loads_ = 0;
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
