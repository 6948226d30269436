#include "xmmu/mmu/page_walker.h"

#include <optional>

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

// A walk in progress.
template <PagingMode kMode, bool kProbe>
class PageWalker::ModeWalk {
 public:
  ModeWalk(const PageWalker& walker, const PagingContext& context,
           const Access& access, WalkResult& result)
      : walker_(walker), context_(context), access_(access), result_(result) {}

  void Run(const WalkStart& start) {
    MachineAddr table = start.table;
    rights_ = start.rights;
    int level = start.level;
    if constexpr (kMode == PagingMode::kPae) {
      if (level == 3) {
        const std::optional<MachineAddr> directory = PageDirectory();
        if (!directory) return Fail(0);
        table = *directory;
        level = 2;
      }
    }
    for (; level >= 1; --level) {
      const Step step = TakeEntry(table, level);
      if (step == Step::kLeaf) return FinishAtLeaf();
      if (step == Step::kFault) return;
      table = AddressOf(result_.entries.back().entry.frame());
    }
  }

 private:
  enum class Step : uint8_t { kTable, kLeaf, kFault };

  static constexpr int kEntryBytes = EntryBytes(kMode);

  // The directory that the PDPTE register of the address names.
  std::optional<MachineAddr> PageDirectory() const {
    const auto index =
        static_cast<size_t>(IndexOf(PagingMode::kPae, 3, access_.va));
    const Pte pdpte(context_.pdpte[index]);
    if (!pdpte.present()) return std::nullopt;
    return AddressOf(pdpte.frame());
  }

  // Every entry that a walk reads comes through here, by the address of the
  // entry in the address space that the tables live in.
  uint64_t LoadEntry(MachineAddr addr) {
    if constexpr (!kProbe) {
      ++loads_;
      if (walker_.hierarchy_ != nullptr) {
        walker_.clock_.Charge(CostOfLoad(walker_.hierarchy_->Touch(addr)));
      }
    }
    return walker_.memory_.ReadEntry(addr, kEntryBytes);
  }

  // Sets flags in an entry, as the locked update of the processor does.
  void SetFlags(WalkEntry& used, uint64_t flags) {
    const Pte updated = used.entry.With(flags);
    if (ABSL_PREDICT_TRUE(updated == used.entry)) return;
    if constexpr (!kProbe) {
      used.entry = updated;
      walker_.memory_.WriteEntry(used.addr, kEntryBytes, updated.raw());
      walker_.clock_.Charge(CostEvent::kAdUpdate);
      walker_.counters_.Add(Counter::kAdUpdates);
    }
  }

  // Reads and checks the entry of `level` in `table`.
  Step TakeEntry(MachineAddr table, int level) {
    const int index = IndexOf(kMode, level, access_.va);
    const MachineAddr addr = EntryAddress(kMode, table, index);
    const Pte entry(LoadEntry(addr));
    WalkEntry& used = result_.entries.emplace_back();
    used = {level, addr, entry, rights_};
    if (!entry.present()) return FailStep(0);
    const LevelRules& rules = context_.levels[static_cast<size_t>(level)];
    const bool leaf = level == 1 || (rules.ps_maps_page && entry.page_size());
    const uint64_t reserved =
        leaf ? rules.reserved_in_leaf : rules.reserved_in_table;
    if ((entry.raw() & reserved) != 0) {
      return FailStep(pf::kProtection | pf::kReserved);
    }
    rights_ = Accumulate(rights_, RightsOf(entry));
    used.rights = rights_;
    if (leaf) return Step::kLeaf;
    SetFlags(used, pte::kAccessed);
    return Step::kTable;
  }

  void FinishAtLeaf() {
    WalkEntry& leaf = result_.entries.back();
    uint8_t rights = rights_;
    if constexpr (LevelCount(kMode) >= 4) {
      const uint64_t key = (leaf.entry.raw() & pte::kProtectionKey) >> 59;
      rights |= static_cast<uint8_t>(key << rights::kKeyShift);
    }
    const uint32_t violation = context_.rules.Violation(rights, access_);
    if (violation != 0) {
      Finish();
      result_.error_code = violation;
      return;
    }
    SetFlags(leaf, pte::kAccessed | (access_.is_write() ? pte::kDirty : 0));
    if (leaf.entry.dirty()) rights |= rights::kDirty;
    Finish();
    result_.ok = true;
    result_.translation = Translation(leaf, rights);
  }

  TlbEntry Translation(const WalkEntry& leaf, uint8_t rights) const {
    const int shift = LevelShift(kMode, leaf.level);
    TlbEntry entry;
    entry.vpn = access_.va.value() >> shift;
    entry.base = PageBaseOf(leaf);
    entry.pcid = context_.pcid;
    entry.page_shift = static_cast<uint8_t>(shift);
    entry.rights = rights;
    entry.global = context_.global_pages && leaf.entry.global();
    return entry;
  }

  static MachineAddr PageBaseOf(const WalkEntry& leaf) {
    const uint64_t raw = leaf.entry.raw() & pte::kFrameMask;
    const uint64_t base = raw >> LevelShift(kMode, leaf.level)
                                     << LevelShift(kMode, leaf.level);
    if (kMode == PagingMode::k2Level && leaf.level == 2) {
      // PSE-36: bits 20:13 are address bits 39:32.
      return MachineAddr(base | (raw >> 13 & 0xff) << 32);
    }
    return MachineAddr(base);
  }

  Step FailStep(uint32_t why) {
    Fail(why);
    return Step::kFault;
  }
  void Fail(uint32_t why) {
    Finish();
    result_.error_code = why | context_.rules.ErrorBitsOf(access_);
  }

  // Charges what a walk takes whatever its outcome.
  void Finish() {
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
  const PagingContext& context_;
  const Access& access_;
  WalkResult& result_;
  uint8_t rights_ = 0;
  uint64_t loads_ = 0;
};

template <bool kProbe>
WalkResult PageWalker::WalkInMode(const PagingContext& context,
                                  const Access& access,
                                  const WalkStart& start) const {
  WalkResult result;
  switch (context.mode) {
    case PagingMode::k2Level:
      ModeWalk<PagingMode::k2Level, kProbe>(*this, context, access, result)
          .Run(start);
      break;
    case PagingMode::kPae:
      ModeWalk<PagingMode::kPae, kProbe>(*this, context, access, result)
          .Run(start);
      break;
    case PagingMode::k4Level:
      ModeWalk<PagingMode::k4Level, kProbe>(*this, context, access, result)
          .Run(start);
      break;
    case PagingMode::k5Level:
      ModeWalk<PagingMode::k5Level, kProbe>(*this, context, access, result)
          .Run(start);
      break;
  }
  return result;
}

WalkResult PageWalker::Walk(const PagingContext& context, const Access& access,
                            const WalkStart& start) {
  return WalkInMode<false>(context, access, start);
}

WalkResult PageWalker::Probe(const PagingContext& context,
                             const Access& access) const {
  return WalkInMode<true>(context, access, context.StartAtRoot());
}

}  // namespace xmmu
