#include "testing/conformance/hardware_view.h"

#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_format.h"
#include "testing/conformance/nested_view.h"
#include "xen/direct/direct_write_logging.h"
#include "xen/layout.h"
#include "xmmu/machine/pte.h"
#include "xmmu/xen/direct/direct_paging.h"
#include "xmmu/xen/internal/direct_paging_state.h"

namespace xmmu::conformance {
namespace {

std::string FrameText(Mfn mfn) {
  return absl::StrFormat("frame 0x%x", mfn.value());
}

bool InUseAs(const PageInfo& page, PageType type) {
  return page.type == type && page.type_count > 0;
}

// Whether Xen lets the guest write to the table for now, and so must let no
// processor use it.
bool IsOpen(const Domain& domain, Mfn mfn) {
  return domain.direct().FindOpen(mfn) != nullptr;
}

// Whether it is a copy of an open table, which the guest writes to instead.
bool IsCopy(const Domain& domain, Mfn mfn) {
  for (const PtwrInfo& open : domain.direct().ptwr()) {
    const bool copied = open.in_use() && open.method == PtwrMethod::kCopy;
    if (copied && open.snapshot == mfn) return true;
  }
  return false;
}

// Whether it is open, and not by way of a copy.
bool IsOpenItself(const Domain& domain, Mfn mfn) {
  const PtwrInfo* const open = domain.direct().FindOpen(mfn);
  return open != nullptr && open->method != PtwrMethod::kCopy;
}

// What is wrong with a guest of `domain` reaching `mfn` as data.
std::string JudgePage(const Host& host, const Domain& domain, Mfn mfn,
                      bool writable) {
  if (!host.frames().Valid(mfn)) return FrameText(mfn) + ", which is not there";
  const PageInfo& page = host.frames()[mfn];
  if (page.owner == kDomCow) {
    return writable ? FrameText(mfn) + ", which is shared, for writing" : "";
  }
  if (IsCopy(domain, mfn)) return "";
  if (page.owner != domain.id()) return FrameText(mfn) + " of somebody else";
  const bool guarded = (IsPageTable(page.type) && page.type_count > 0) ||
                       InUseAs(page, PageType::kSegDesc);
  if (guarded && writable && !IsOpenItself(domain, mfn)) {
    return FrameText(mfn) + ", guarded by its type, for writing";
  }
  return "";
}

// What is wrong with `mfn` serving `domain` as a table of `level`.
std::string JudgeTable(const Host& host, const Domain& domain, Mfn mfn,
                       int level, bool in_use) {
  if (!host.frames().Valid(mfn)) return FrameText(mfn) + ", which is not there";
  const PageInfo& page = host.frames()[mfn];
  if (page.owner != domain.id()) return FrameText(mfn) + " of somebody else";
  // A linear entry leads to a table of a higher level than it is used as.
  if (!IsPageTable(page.type) || LevelOf(page.type) < level ||
      (in_use && !page.validated)) {
    return absl::StrFormat("%s, which is no L%d", FrameText(mfn), level);
  }
  if (IsOpen(domain, mfn)) return FrameText(mfn) + ", a table open for writing";
  return "";
}

// Goes down the tables of one domain from a root, each table once for a level
// and right.
class Descent {
 public:
  Descent(const Host& host, const Domain& domain)
      : host_(host), domain_(domain), mode_(domain.mode()) {}

  std::string From(Mfn root) {
    return Table(root, LevelCount(mode_), /*writable=*/true);
  }

 private:
  std::string Table(Mfn table, int level, bool writable) {
    const uint64_t key = table.value() << 4 |
                         static_cast<uint64_t>(level) << 1 |
                         static_cast<uint64_t>(writable);
    if (!seen_.insert(key).second) return "";
    std::string wrong =
        JudgeTable(host_, domain_, table, level, /*in_use=*/true);
    if (!wrong.empty()) return "a walk meets " + wrong;
    if (!host_.memory().HasWords(table)) return "";
    const int slots = EntryCount(mode_, level);
    for (int slot = 0; slot < slots && wrong.empty(); ++slot) {
      const Pte entry(host_.memory().ReadEntry(
          EntryAddress(mode_, AddressOf(table), slot), EntryBytes(mode_)));
      if (entry.present() && !IsXens(table, slot)) {
        wrong = Entry(entry, level, writable);
      }
    }
    return wrong;
  }

  std::string Entry(Pte entry, int level, bool writable) {
    // PAE's L3 entries have no rights where the processor loads them.
    const bool grants = mode_ == PagingMode::kPae && level == 3;
    const bool may_write = writable && (grants || entry.writable());
    if (level > 1) return Table(entry.frame(), level - 1, may_write);
    std::string wrong = JudgePage(host_, domain_, entry.frame(), may_write);
    // Even where the path above is read-only.
    if (wrong.empty() && !HasOrIsNoShare(entry)) {
      wrong = FrameText(entry.frame()) + ", shared by others or writable";
    }
    return wrong.empty() ? "" : "a walk leads to " + wrong;
  }

  // Whether the entry leads to no shared frame, or read-only to one that the
  // domain has by sharing.
  bool HasOrIsNoShare(Pte entry) const {
    if (host_.frames()[entry.frame()].owner != kDomCow) return true;
    return !entry.writable() &&
           host_.sharing().Mappings(entry.frame(), domain_.id()) > 0;
  }

  // The table's type decides: through a linear entry an L4 is walked as an L3,
  // and Xen's slots are Xen's there too.
  bool IsXens(Mfn table, int slot) const {
    const PageInfo& page = host_.frames()[table];
    const XenSlots xen = XenSlotsOf(mode_);
    if (LevelOf(page.type) != xen.level) return false;
    if (mode_ == PagingMode::kPae && !page.pae_xen_l2) return false;
    return xen.Contains(slot);
  }

  const Host& host_;
  const Domain& domain_;
  PagingMode mode_;
  absl::flat_hash_set<uint64_t> seen_;
};

std::string EscapeByTables(const Host& host, const Domain& domain) {
  Descent descent(host, domain);
  for (uint32_t i = 0; i < domain.vcpu_count(); ++i) {
    const VcpuContext& vcpu = domain.vcpu(i);
    for (const Mfn root : {vcpu.guest_table, vcpu.guest_table_user}) {
      if (root == kInvalidMfn) continue;
      const std::string wrong = descent.From(root);
      if (!wrong.empty()) return wrong;
    }
  }
  return "";
}

// Goes down the shadows that processors walk for a paravirtual domain while it
// is being logged.
class LoggedDescent {
 public:
  LoggedDescent(const Host& host, const Domain& domain, PagingMode mode)
      : host_(host), domain_(domain), mode_(mode) {}

  std::string Table(Mfn table, int level, bool writable) {
    if (!seen_.insert(table.value() << 1 | (writable ? 1 : 0)).second) {
      return "";
    }
    if (!domain_.direct().write_logging()->IsShadow(table)) {
      return "a walk meets " + FrameText(table) + ", which is no shadow";
    }
    std::string wrong;
    const int slots = EntryCount(mode_, level);
    for (int slot = 0; slot < slots && wrong.empty(); ++slot) {
      const Pte entry(host_.memory().ReadEntry(
          EntryAddress(mode_, AddressOf(table), slot), EntryBytes(mode_)));
      if (entry.present()) wrong = Entry(entry, level, writable);
    }
    return wrong;
  }

 private:
  std::string Entry(Pte entry, int level, bool writable) {
    const bool grants = mode_ == PagingMode::kPae && level == 3;
    const bool may_write = writable && (grants || entry.writable());
    if (level > 1) return Table(entry.frame(), level - 1, may_write);
    const Mfn mfn = entry.frame();
    std::string wrong = JudgePage(host_, domain_, mfn, may_write);
    if (!wrong.empty()) return "a walk of shadows leads to " + wrong;
    const Pfn pfn = domain_.p2m().PfnOf(mfn);
    if (may_write && !domain_.dirty_log().IsDirty(pfn)) {
      return FrameText(mfn) + ", not marked, is reached for writing";
    }
    return "";
  }

  const Host& host_;
  const Domain& domain_;
  PagingMode mode_;
  absl::flat_hash_set<uint64_t> seen_;
};

std::string EscapeByShadows(const Host& host, const Domain& domain) {
  if (domain.direct().write_logging() == nullptr) return "";
  const PagingMode mode =
      HardwareMode(domain.mode(), host.model().features, host.linear_map());
  for (uint32_t i = 0; i < domain.vcpu_count(); ++i) {
    const VcpuContext& vcpu = domain.vcpu(i);
    if (vcpu.guest_table == kInvalidMfn) continue;
    LoggedDescent descent(host, domain, mode);
    const Mfn root = FrameOf(MachineAddr(vcpu.cr3));
    std::string wrong = descent.Table(root, LevelCount(mode), true);
    if (!wrong.empty()) return wrong;
    const bool runs = vcpu.cpu->current == &vcpu;
    if (runs && vcpu.cpu->mmu.registers().cr3 != vcpu.cr3) {
      return "a vCPU runs on another root than its own";
    }
  }
  return "";
}

// Beyond the guest's segments, or Xen's own.
bool OutOfReach(PagingMode mode, VirtAddr va) {
  if (LevelCount(mode) < 4 && (va.value() >> 32) != 0) return true;
  return IsHypervisorAddress(mode, va);
}

// Free, but not to be had without a flush of `cpu`.
bool OwesFlush(const Host& host, const Cpu& cpu, Mfn mfn) {
  if (!host.frames().Valid(mfn)) return false;
  const PageInfo& page = host.frames()[mfn];
  return page.owner == kDomInvalid && page.ref_count == 0 &&
         host.NeedFlush(MaskOf(cpu.id), page.tlbflush_timestamp) != 0;
}

std::string EscapeByTlb(const Host& host, const Cpu& cpu,
                        const Domain& domain) {
  for (const TlbEntry& entry : cpu.mmu.TlbEntries()) {
    if (entry.vm != VmTag()) continue;  // another domain's: NestedView
    if (OutOfReach(domain.mode(), entry.va())) continue;
    // Entries of an address space that is not loaded are skipped: the
    // flush filter drops them, or keeps them right, until it is loaded again.
    if (!cpu.mmu.Serves(entry)) continue;
    const Mfn mfn = FrameOf(entry.base);
    if (OwesFlush(host, cpu, mfn)) continue;
    const std::string wrong =
        entry.page_shift == kPageShift
            ? JudgePage(host, domain, mfn, entry.writable())
            : "a large page";
    if (wrong.empty()) continue;
    return absl::StrFormat("a TLB entry of CPU %d for 0x%x leads to %s", cpu.id,
                           entry.va().value(), wrong);
  }
  return "";
}

std::string EscapeByStructures(const Host& host, const Cpu& cpu,
                               const Domain& domain) {
  for (const auto& entry : cpu.mmu.PagingStructureEntries()) {
    if (entry.tag != VmTag()) continue;
    if (OutOfReach(domain.mode(), entry.va)) continue;
    if (!cpu.mmu.Serves(entry)) continue;
    const Mfn mfn = FrameOf(entry.table);
    if (OwesFlush(host, cpu, mfn)) continue;
    if (const DirectWriteLogging* const log = domain.direct().write_logging()) {
      if (log->IsShadow(mfn)) continue;
      return FrameText(mfn) + ", no shadow, is in a paging-structure cache";
    }
    // A table that has lost its last use keeps type and content until it is
    // given another, for which the CPU is flushed.
    const std::string wrong = JudgeTable(host, domain, mfn, entry.level - 1,
                                         /*in_use=*/false);
    if (wrong.empty()) continue;
    return absl::StrFormat(
        "a paging-structure entry of CPU %d for 0x%x leads to %s", cpu.id,
        entry.va.value(), wrong);
  }
  return "";
}

// Goes down the tables that a processor walks for a translated guest.
class ShadowDescent {
 public:
  ShadowDescent(const Host& host, const Cpu& cpu)
      : host_(host),
        mode_(cpu.mmu.mode()),
        domain_(cpu.current->domain->id()),
        reserved_(PagingContext(cpu.mmu.registers(), cpu.mmu.features())
                      .levels[1]
                      .reserved_in_leaf) {}

  std::string Table(Mfn table, int level, uint64_t offset = 0) {
    if (offset == 0 && !seen_.insert(table).second) return "";
    if (host_.frames()[table].owner != kDomInvalid) {
      return "a walk meets " + FrameText(table) + ", a domain's";
    }
    std::string wrong;
    const int slots = EntryCount(mode_, level);
    for (int slot = 0; slot < slots && wrong.empty(); ++slot) {
      const Pte entry(host_.memory().ReadEntry(
          EntryAddress(mode_, AddressOf(table) + offset, slot),
          EntryBytes(mode_)));
      if (!entry.present()) continue;
      // No processor gets past reserved bits.
      if (level == 1 && (entry.raw() & reserved_) != 0) continue;
      const bool leaf = level == 1 || (level == 2 && entry.page_size());
      const int shift = leaf ? LevelShift(mode_, level) - kPageShift : 0;
      wrong = leaf ? Pages(entry.frame(), uint64_t{1} << shift)
                   : Table(entry.frame(), level - 1);
    }
    return wrong;
  }

  std::string Pages(Mfn first, uint64_t frames) const {
    for (uint64_t i = 0; i < frames; ++i) {
      if (host_.frames()[first + i].owner == domain_) continue;
      return FrameText(first + i) + " of somebody else is reached";
    }
    return "";
  }

 private:
  const Host& host_;
  PagingMode mode_;
  DomainId domain_;
  uint64_t reserved_;  // bits of an L1 entry
  absl::flat_hash_set<Mfn> seen_;
};

std::string ShadowEscapeOn(const Host& host, const Cpu& cpu) {
  const MachineAddr root(cpu.mmu.registers().cr3);
  const Mfn table = FrameOf(root);
  // A guest's own: nested paging.
  if (host.frames()[table].owner == cpu.current->domain->id()) return "";
  ShadowDescent descent(host, cpu);
  const int level = LevelCount(cpu.mmu.mode());
  std::string wrong = descent.Table(table, level, PageOffset(root));
  for (const TlbEntry& entry : cpu.mmu.TlbEntries()) {
    if (!wrong.empty()) break;
    wrong = descent.Pages(FrameOf(entry.base),
                          uint64_t{1} << (entry.page_shift - kPageShift));
  }
  for (const auto& entry : cpu.mmu.PagingStructureEntries()) {
    if (!wrong.empty()) break;
    const Mfn next = FrameOf(entry.table);
    if (host.frames()[next].owner != kDomInvalid) {
      wrong = "a paging-structure entry leads to " + FrameText(next);
    }
  }
  return wrong;
}

}  // namespace

std::string FirstEscape(Host& host) {
  for (size_t i = 0; i < host.domain_count(); ++i) {
    if (host.domain(i).translated()) continue;
    std::string wrong = EscapeByTables(host, host.domain(i));
    if (wrong.empty()) wrong = EscapeByShadows(host, host.domain(i));
    if (!wrong.empty()) return wrong;
  }
  for (uint32_t id = 0; id < host.cpu_count(); ++id) {
    const Cpu& cpu = host.cpu(id);
    if (cpu.current == nullptr) continue;
    const Domain& domain = *cpu.current->domain;
    if (domain.translated()) continue;
    std::string wrong = EscapeByTlb(host, cpu, domain);
    if (wrong.empty()) wrong = EscapeByStructures(host, cpu, domain);
    if (!wrong.empty()) return wrong;
  }
  return NestedView(host).FirstEscape();
}

std::string FirstShadowEscape(Host& host) {
  for (uint32_t id = 0; id < host.cpu_count(); ++id) {
    const Cpu& cpu = host.cpu(id);
    if (cpu.current == nullptr || !cpu.current->domain->translated()) continue;
    const std::string wrong = ShadowEscapeOn(host, cpu);
    if (!wrong.empty()) return wrong;
  }
  return "";
}

}  // namespace xmmu::conformance
