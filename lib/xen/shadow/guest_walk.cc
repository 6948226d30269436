#include "xmmu/xen/shadow/guest_walk.h"

#include "xmmu/base/check.h"

namespace xmmu {
namespace {

class Walker {
 public:
  Walker(const Host& host, const Domain& domain, Cpu& cpu,
         const PagingContext& paging, const Access& access, bool mapped,
         GuestWalk& walk)
      : host_(host),
        domain_(domain),
        cpu_(cpu),
        paging_(paging),
        access_(access),
        mapped_(mapped),
        walk_(walk) {
    walk_.write = access.is_write();
  }

  void Run() {
    int level = LevelCount(paging_.mode);
    Gfn table(paging_.root.value() >> kPageShift);
    uint64_t offset = PageOffset(paging_.root);
    if (paging_.mode == PagingMode::kPae) {
      const int index = IndexOf(paging_.mode, 3, access_.va);
      const Pte pdpte(paging_.pdpte[static_cast<size_t>(index)]);
      if (!pdpte.present()) return Fail(0);
      table = Gfn(pdpte.frame().value());
      offset = 0;
      level = 2;
    }
    XMMU_CHECK(offset == 0);
    for (;; --level) {
      const Mfn frame = domain_.MfnOf(table);
      if (frame == kInvalidMfn) return Fail(0);
      const Pte entry = Read(table, frame, level);
      const LevelRules& rules = paging_.levels[static_cast<size_t>(level)];
      if (!entry.present()) return Fail(0);
      const bool leaf = level == 1 || (rules.ps_maps_page && entry.page_size());
      const uint64_t reserved =
          leaf ? rules.reserved_in_leaf : rules.reserved_in_table;
      if ((entry.raw() & reserved) != 0) {
        return Fail(pf::kProtection | pf::kReserved);
      }
      rights_ = AccumulateRights(rights_, entry);
      if (leaf) return Finish(entry, level);
      table = Gfn(entry.frame().value());
    }
  }

 private:
  // Reads the entry of `level` in `table`, which is in `frame`, and notes it.
  Pte Read(Gfn table, Mfn frame, int level) {
    const MachineAddr addr =
        EntryAddress(paging_.mode, AddressOf(frame),
                     IndexOf(paging_.mode, level, access_.va));
    if (!mapped_) cpu_.clock.Charge(CostEvent::kTempMap);
    cpu_.clock.Charge(CostEvent::kXenPteRead);
    const Pte entry(host_.memory().ReadEntry(addr, EntryBytes(paging_.mode)));
    walk_.entries.push_back({level, table, addr, entry});
    return entry;
  }

  // The walk ends with a page fault.
  void Fail(uint32_t why) {
    walk_.error_code = why | paging_.rules.ErrorBitsOf(access_);
  }

  // The walk has reached `leaf`; it is ok if that allows the access.
  void Finish(Pte leaf, int level) {
    const PagingMode mode = paging_.mode;
    walk_.reached_leaf = true;
    walk_.page_level = level;
    walk_.global = paging_.global_pages && leaf.global();
    const int shift = LevelShift(mode, level);
    uint64_t base = (leaf.raw() & pte::kFrameMask) >> shift << shift;
    // PSE-36: bits 20:13 are address bits 39:32.
    if (mode == PagingMode::k2Level && level == 2) {
      base |= (leaf.raw() >> 13 & 0xff) << 32;
    }
    const uint64_t within = access_.va.value() & ((uint64_t{1} << shift) - 1);
    walk_.gfn = Gfn((base + within) >> kPageShift);
    if (LevelCount(mode) >= 4) {
      const uint64_t key = (leaf.raw() & pte::kProtectionKey) >> 59;
      rights_ |= static_cast<uint8_t>(key << rights::kKeyShift);
    }
    walk_.rights = leaf.dirty() ? rights_ | rights::kDirty : rights_;
    // A write is checked as if it had set D in the leaf already.
    const uint8_t judged = access_.is_write()
                               ? static_cast<uint8_t>(rights_ | rights::kDirty)
                               : walk_.rights;
    walk_.ok = paging_.rules.Serves(judged, access_);
    if (!walk_.ok) {
      walk_.error_code = paging_.rules.Violation(judged, access_);
    }
  }

  const Host& host_;
  const Domain& domain_;
  Cpu& cpu_;
  const PagingContext& paging_;
  const Access& access_;
  const bool mapped_;
  uint8_t rights_ = rights::kAll;
  GuestWalk& walk_;
};

}  // namespace

GuestWalk WalkGuest(const Host& host, const Domain& domain, Cpu& cpu,
                    const PagingContext& paging, const Access& access,
                    bool mapped) {
  GuestWalk walk;
  Walker(host, domain, cpu, paging, access, mapped, walk).Run();
  return walk;
}

bool SetAccessedAndDirty(Host& host, Cpu& cpu, PagingMode mode,
                         const Access& access, GuestWalk& walk) {
  XMMU_CHECK(walk.ok);
  bool changed = false;
  for (GuestWalkEntry& used : walk.entries) {
    uint64_t flags = pte::kAccessed;
    const bool leaf = used.addr == walk.leaf().addr;
    if (leaf && access.is_write()) flags |= pte::kDirty;
    const Pte entry = used.entry.With(flags);
    if (entry == used.entry) continue;
    cpu.clock.Charge(CostEvent::kXenPteCas);
    host.memory().WriteEntry(used.addr, EntryBytes(mode), entry.raw());
    MarkDirty(cpu, host, FrameOf(used.addr));
    used.entry = entry;
    changed = true;
  }
  if (access.is_write()) walk.rights |= rights::kDirty;
  return changed;
}

}  // namespace xmmu
