#include "xmmu/mmu/internal/nested_walker.h"

#include "xmmu/base/span_log.h"

namespace xmmu {
namespace {

// The frame bits of an entry above MAXPHYADDR, which are reserved.
uint64_t BeyondMachine(const CpuFeatures& features) {
  return pte::kFrameMask & (~uint64_t{0} << features.maxphyaddr);
}

// The frame bits from `low` on that a large leaf of `level` does not use, which
// are reserved.
uint64_t LeafHole(int level, int low) {
  if (level == 1) return 0;
  const int shift = LevelShift(PagingMode::k4Level, level);
  return (uint64_t{1} << shift) - (uint64_t{1} << low);
}

// The paging-structure caches are looked up by guest-physical address.
VirtAddr KeyOf(GuestAddr gpa) { return VirtAddr(gpa.value()); }

}  // namespace

NestedWalker::NestedWalker(const MachineModel& model, PhysMemory& memory,
                           MemoryHierarchy* hierarchy, CycleClock& clock,
                           Counters& counters)
    : model_(model),
      memory_(memory),
      hierarchy_(hierarchy),
      clock_(clock),
      counters_(counters),
      ept_(model.features.vendor == Vendor::kIntel),
      accessed_(ept_ ? ept::kAccessed : pte::kAccessed),
      dirty_(ept_ ? ept::kDirty : pte::kDirty),
      psc_(model.nested.psc),
      tlb_(model.nested.tlb_entries) {
  for (int level = 1; level < static_cast<int>(ept_levels_.size()); ++level) {
    const auto i = static_cast<size_t>(level);
    ept_levels_[i] = EptLevelOf(level);
    usual_levels_[i] = ept_ ? UsualEptLevel(level) : UsualNptLevel(level);
  }
}

void NestedWalker::Enter(const VmControls& controls, VmTag tag) {
  controls_ = controls;
  // EPT entries carry no VPID; AMD's ASID tags both dimensions (see VmTag).
  tag_ = ept_ ? VmTag{0, tag.root} : tag;
  flags_ = !ept_ || controls.accessed_dirty;
  table_reads_write_ = flags_;
  leaf_also_ = ept_ && controls.mode_based_execute ? ept::kUserExecute : 0;
  link_also_ = leaf_also_ | (flags_ ? accessed_ : 0);
  psc_.SetVm(tag_);
  psc_.SetMode(controls.nested_mode);
}

uint8_t NestedWalker::RightsFor(const NestedAccess& access) {
  static_assert(nested::kRead == nested_rights::kRead);
  static_assert(nested::kWrite == nested_rights::kWrite);
  auto needed =
      static_cast<uint8_t>(access.bits & (nested::kRead | nested::kWrite));
  if ((access.bits & nested::kFetch) != 0) needed |= ExecuteRight(access.user);
  return needed;
}

bool NestedWalker::Serves(const NestedPage& page, const NestedAccess& access) {
  uint8_t needed = RightsFor(access);
  if ((access.bits & nested::kWrite) != 0) needed |= nested_rights::kDirty;
  return (page.rights & needed) == needed;
}

// A cached page that does not serve the access is dropped and looked up in
// memory again before a violation is reported (assumed for EPT, where the
// processor need not do so).
bool NestedWalker::Translate(const NestedAccess& access, NestedPage& page,
                             uint32_t& why) {
  const size_t hit = tlb_.Find(access.gpa, tag_);
  if (hit != NestedTlb::kNone) {
    if (Serves(tlb_[hit], access)) {
      tlb_.Use(hit);
      counters_.Add(Counter::kNestedTlbHits);
      page = tlb_[hit];
      return true;
    }
    tlb_.Drop(hit);
  }
  const auto walk = [&] {
    return ABSL_PREDICT_TRUE(!clock_.does_more())
               ? Walk<false>(access, page, why)
               : WalkAndTell(access, page, why);
  };
  bool found = walk();
  if (ABSL_PREDICT_FALSE(!found)) {
    DropAddress(access.gpa);
    // AMD's processors report a violation only after a walk that used no cached
    // entry.
    if (!ept_ && used_cache_) {
      found = walk();
      if (!found) DropAddress(access.gpa);
    }
  }
  if (found) tlb_.Fill(page);
  return found;
}

bool NestedWalker::Probe(const NestedAccess& access, NestedPage& page,
                         uint32_t& why) const {
  // With kProbe the walk changes nothing, so the cast is safe.
  return const_cast<NestedWalker*>(this)->Walk<true>(access, page, why);
}

NestedWalker::Decoded NestedWalker::Decode(Pte entry, int level) const {
  return ept_ ? DecodeEpt(entry.raw(), level) : DecodeNpt(entry, level);
}

bool NestedWalker::MayMap(int level) const {
  const bool pages_1g = model_.features.pages_1g;
  if (level == 2) return !ept_ || model_.nested.pages_2m;
  return level == 3 && pages_1g && (!ept_ || model_.nested.pages_1g);
}

uint8_t NestedWalker::EptRights(uint64_t raw) const {
  static_assert(ept::kRead == nested_rights::kRead);
  static_assert(ept::kWrite == nested_rights::kWrite);
  static_assert(ept::kExecute == nested_rights::kExecute);
  auto rights = static_cast<uint8_t>(raw & ept::kRights);
  const uint64_t user_execute =
      controls_.mode_based_execute ? ept::kUserExecute : ept::kExecute;
  if ((raw & user_execute) != 0) rights |= nested_rights::kUserExecute;
  return rights;
}

NestedWalker::EptLevel NestedWalker::EptLevelOf(int level) const {
  const bool may_map = MayMap(level);
  const uint64_t beyond = BeyondMachine(model_.features);
  EptLevel bits;
  bits.leaf = level == 1 ? ~uint64_t{0} : may_map ? ept::kPageSize : 0;
  bits.reserved_in_leaf = beyond | LeafHole(level, kPageShift);
  bits.reserved_in_table = beyond | ept::kMemoryType | uint64_t{1} << 6 |
                           (may_map ? 0 : ept::kPageSize);
  return bits;
}

// Reserved bits, reserved memory types and write-only entries are
// misconfigurations.
// Source: SDM Vol. 3C, "EPT Misconfigurations".
NestedWalker::Decoded NestedWalker::DecodeEpt(uint64_t raw, int level) const {
  Decoded entry;
  entry.rights = EptRights(raw);
  entry.present = entry.rights != 0;
  if (!entry.present) return entry;
  const EptLevel& bits = ept_levels_[static_cast<size_t>(level)];
  entry.leaf = (raw & bits.leaf) != 0;
  const uint64_t reserved =
      entry.leaf ? bits.reserved_in_leaf : bits.reserved_in_table;
  constexpr uint64_t kBadTypes = 1u << 2 | 1u << 3 | 1u << 7;
  const uint64_t type = (raw & ept::kMemoryType) >> 3;
  const bool bad_type = entry.leaf && (kBadTypes >> type & 1) != 0;
  const bool unreadable =
      (raw & ept::kRead) == 0 &&
      ((raw & ept::kWrite) != 0 || !model_.nested.execute_only);
  entry.misconfigured = unreadable || bad_type || (raw & reserved) != 0;
  return entry;
}

NestedWalker::UsualLevel NestedWalker::UsualEptLevel(int level) const {
  const EptLevel& bits = ept_levels_[static_cast<size_t>(level)];
  UsualLevel usual;
  const uint64_t leaf = level == 1 ? 0 : bits.leaf;
  if (level > 1) {
    usual.link_mask = ept::kRights | bits.reserved_in_table | leaf;
    usual.link = ept::kRights;
  }
  if (level == 1 || leaf != 0) {
    usual.leaf_mask =
        ept::kRights | ept::kMemoryType | bits.reserved_in_leaf | leaf;
    usual.leaf = ept::kRights | ept::kWriteBack | leaf;
  }
  return usual;
}

NestedWalker::UsualLevel NestedWalker::UsualNptLevel(int level) const {
  constexpr uint64_t kAll = pte::kPresent | pte::kWritable | pte::kUser;
  const uint64_t leaf = level == 1 ? 0 : pte::kPageSize;
  UsualLevel usual;
  if (level > 1) {
    usual.link_mask =
        kAll | pte::kNoExecute | ReservedInNpt(level, /*leaf=*/false) | leaf;
    usual.link = kAll;
  }
  if (level == 1 || MayMap(level)) {
    usual.leaf_mask =
        kAll | pte::kNoExecute | ReservedInNpt(level, /*leaf=*/true) | leaf;
    usual.leaf = kAll | leaf;
  }
  return usual;
}

uint64_t NestedWalker::ReservedInNpt(int level, bool leaf) const {
  uint64_t reserved = BeyondMachine(model_.features);
  if (!model_.features.nx) reserved |= pte::kNoExecute;
  if (leaf) return reserved | LeafHole(level, kPageShift + 1);  // bit 12 is PAT
  if (!MayMap(level)) reserved |= pte::kPageSize;
  if (level >= 4) reserved |= pte::kGlobal;
  return reserved;
}

// Under AMD's rules EFER.NXE of the hypervisor is 1 (assumed: Xen's is).
NestedWalker::Decoded NestedWalker::DecodeNpt(Pte entry, int level) const {
  Decoded decoded;
  decoded.present = entry.present();
  if (!decoded.present) return decoded;
  decoded.leaf = level == 1 || (MayMap(level) && entry.page_size());
  decoded.misconfigured =
      (entry.raw() & ReservedInNpt(level, decoded.leaf)) != 0;
  // All nested accesses are user accesses: a supervisor page grants nothing.
  if (!entry.user()) return decoded;
  decoded.rights = nested_rights::kRead;
  if (entry.writable()) decoded.rights |= nested_rights::kWrite;
  if (!entry.no_execute()) {
    decoded.rights |= nested_rights::kExecute | nested_rights::kUserExecute;
  }
  return decoded;
}

void NestedWalker::ChargeLoad(MachineAddr addr) {
  clock_.Charge(hierarchy_ == nullptr ? CostEvent::kPteLoadFlat
                                      : CostOfPteLoad(hierarchy_->Touch(addr)));
  counters_.Add(Counter::kPteLoads);
  counters_.Add(Counter::kNestedPteLoads);
}

template <bool kProbe>
void NestedWalker::SetFlags(MachineAddr addr, Pte entry, uint64_t flags) {
  if (kProbe || !flags_ || (entry.raw() & flags) == flags) return;
  memory_.WriteEntryByWalker(addr, sizeof(uint64_t), entry.With(flags).raw());
  clock_.Charge(CostEvent::kAdUpdate);
  counters_.Add(Counter::kAdUpdates);
}

bool NestedWalker::Fail(const NestedAccess& access, uint8_t rights,
                        bool misconfigured, uint32_t& why) const {
  why = access.bits;
  if (misconfigured) {
    why |= nested::kMisconfiguration;
  } else {
    constexpr uint8_t kShown =
        nested_rights::kRead | nested_rights::kWrite | nested_rights::kExecute;
    why |= static_cast<uint32_t>(rights & kShown) << 3;
    const bool user_execute = (rights & nested_rights::kUserExecute) != 0;
    if (controls_.mode_based_execute && ept_ && user_execute) {
      why |= nested::kUserExecutable;
    }
  }
  static_assert(nested_rights::kRead << 3 == nested::kReadable);
  static_assert(nested_rights::kExecute << 3 == nested::kExecutable);
  return false;
}

template <bool kProbe>
bool NestedWalker::Walk(const NestedAccess& access, NestedPage& page,
                        uint32_t& why) {
  const VirtAddr key = KeyOf(access.gpa);
  int level = top_level();
  MachineAddr table = controls_.root;
  uint8_t rights = nested_rights::kAll;
  // An address beyond the reach of the tables is mapped by none.
  const int bits = kPageShift + 9 * level;
  if (access.gpa.value() >> bits != 0) return Fail(access, 0, false, why);
  if constexpr (!kProbe) {
    used_cache_ = false;
    if (const PagingStructureEntry* hit = psc_.Lookup(key, /*pcid=*/0)) {
      used_cache_ = true;
      counters_.Add(Counter::kNestedPscHits);
      level = hit->level - 1;
      table = hit->table;
      rights = hit->rights;
    }
  }
  for (;; --level) {
    // Tables of four and of five levels have the same entries, and there are no
    // others.
    constexpr PagingMode kEntries = PagingMode::k4Level;
    const MachineAddr addr =
        EntryAddress(kEntries, table, IndexOf(kEntries, level, key));
    if constexpr (!kProbe) ChargeLoad(addr);
    const Pte entry(memory_.Read64(addr));
    table = xmmu::AddressOf(entry.frame());
    const UsualLevel& usual = usual_levels_[static_cast<size_t>(level)];
    bool leaf = (entry.raw() & (usual.link_mask | link_also_)) !=
                (usual.link | link_also_);
    const bool usual_leaf = (entry.raw() & (usual.leaf_mask | leaf_also_)) ==
                            (usual.leaf | leaf_also_);
    if (ABSL_PREDICT_FALSE(leaf && !usual_leaf)) {
      const Decoded decoded = Decode(entry, level);
      if (!decoded.present || decoded.misconfigured) {
        return Fail(access, 0, decoded.misconfigured, why);
      }
      leaf = decoded.leaf;
      rights &= decoded.rights;
      if (!leaf) SetFlags<kProbe>(addr, entry, accessed_);
    }
    if (!leaf) {
      if constexpr (!kProbe) {
        psc_.FillMissed(level, key, /*pcid=*/0, table, rights);
      }
      continue;
    }
    const uint8_t needed = RightsFor(access);
    if ((rights & needed) != needed) return Fail(access, rights, false, why);
    const bool write = (access.bits & nested::kWrite) != 0;
    SetFlags<kProbe>(addr, entry, accessed_ | (write ? dirty_ : 0));
    const bool dirty = !flags_ || write || (entry.raw() & dirty_) != 0;
    if (dirty) rights |= nested_rights::kDirty;
    const int shift = LevelShift(kEntries, level);
    page.gpa = GuestAddr(access.gpa.value() >> shift << shift);
    page.base = MachineAddr(table.value() >> shift << shift);
    page.page_shift = static_cast<uint8_t>(shift);
    page.rights = rights;
    page.tag = tag_;
    return true;
  }
}

bool NestedWalker::WalkAndTell(const NestedAccess& access, NestedPage& page,
                               uint32_t& why) {
  Span span(clock_, Actor::kProcessor, "nested walk");
  span.Hex("gpa", access.gpa.value());
  const bool found = Walk<false>(access, page, why);
  span.Word("from", used_cache_ ? "cached entry" : "root");
  if (found) span.Arg("page_kib", uint64_t{1} << (page.page_shift - 10));
  return found;
}

void NestedWalker::DropAddress(GuestAddr gpa) {
  size_t entry = tlb_.Find(gpa, tag_);
  while (entry != NestedTlb::kNone) {
    tlb_.Drop(entry);
    entry = tlb_.Find(gpa, tag_);
  }
  psc_.DropAddress(KeyOf(gpa), /*pcid=*/0);
}

void NestedWalker::DropRoot(uint8_t root) {
  tlb_.DropIf([root](const NestedPage& page) { return page.tag.root == root; });
  psc_.DropIf([root](const PagingStructureEntry& entry) {
    return entry.tag.root == root;
  });
}

void NestedWalker::DropVpid(uint16_t vpid) {
  tlb_.DropIf([vpid](const NestedPage& page) { return page.tag.vpid == vpid; });
  psc_.DropIf([vpid](const PagingStructureEntry& entry) {
    return entry.tag.vpid == vpid;
  });
}

void NestedWalker::DropAll() {
  tlb_.DropIf([](const NestedPage&) { return true; });
  psc_.DropIf([](const PagingStructureEntry&) { return true; });
}

}  // namespace xmmu
