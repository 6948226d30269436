// The shadows of a paravirtual domain that is being logged, against its tables
// and the log.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "xen/direct/direct_write_logging.h"
#include "xmmu/xen/errno.h"

namespace xmmu {
namespace {

absl::Status Wrong(std::string what) {
  return absl::InternalError(absl::StrCat("log-dirty: ", what));
}

}  // namespace

absl::Status DirectWriteLogging::Audit() const {
  if (!on()) return absl::OkStatus();
  size_t in_use = 0;
  for (const Shadow& shadow : shadows_) {
    if (shadow.table == kInvalidMfn) continue;
    ++in_use;
    if (absl::Status ok = AuditShadow(shadow); !ok.ok()) return ok;
  }
  if (in_use + free_.size() != shadows_.size()) {
    return Wrong("shadows are neither in use nor free");
  }
  if (absl::Status ok = AuditRoots(); !ok.ok()) return ok;
  return AuditTlbs();
}

absl::Status DirectWriteLogging::AuditRoots() const {
  for (uint32_t id = 0; id < domain_.vcpu_count(); ++id) {
    const VcpuContext& vcpu = domain_.vcpu(id);
    const Mfn root = roots_[id];
    if (root == kInvalidMfn) continue;
    const bool own = root == vcpu.guest_table ||
                     root == vcpu.guest_table_user ||
                     root == domain_.direct().vcpu(id).hidden_l4;
    if (!own) return Wrong("a root is loaded that is not the vCPU's");
    const ShadowId shadow = Find(root, top_level());
    if (shadow == kNone ||
        vcpu.cr3 != AddressOf(shadows_[shadow].frame).value()) {
      return Wrong("a vCPU's CR3 is not the shadow of its root");
    }
  }
  return absl::OkStatus();
}

absl::Status DirectWriteLogging::AuditShadow(const Shadow& shadow) const {
  const PageInfo& page = std::as_const(host_).frames()[shadow.table];
  const bool hidden = page.owner == kDomInvalid;  // an L4 of Xen's own
  const bool table = IsPageTable(page.type) && page.type_count > 0 &&
                     LevelOf(page.type) >= shadow.level;
  if (!hidden && (!table || page.owner != domain_.id())) {
    return Wrong(absl::StrCat("frame ", shadow.table.value(),
                              " has a shadow and is no table"));
  }
  const int slots = EntryCount(mode_, shadow.level);
  for (int slot = 0; slot < slots; ++slot) {
    const Pte entry(
        host_.memory().ReadEntry(SlotOf(shadow, slot), entry_bytes()));
    if (!entry.present() && entry == Pte()) continue;
    if (!IsFaithful(shadow, entry, GuestEntry(shadow.table, slot))) {
      return Wrong(absl::StrCat("slot ", slot, " of the L", shadow.level,
                                " in frame ", shadow.table.value(),
                                " is not what its shadow says"));
    }
  }
  return absl::OkStatus();
}

bool DirectWriteLogging::IsFaithful(const Shadow& shadow, Pte entry,
                                    Pte guest) const {
  if (!guest.present()) return false;
  if (shadow.level == 1) {
    // A page marked since may still be read-only.
    const Pte now = LeafFor(guest);
    return entry == now || entry == now.Without(pte::kWritable);
  }
  const auto below = by_frame_.find(entry.frame());
  if (below == by_frame_.end()) return false;
  const Shadow& child = shadows_[below->second];
  return child.table == guest.frame() && child.level == shadow.level - 1 &&
         entry == LinkTo(child.frame, guest, shadow.level);
}

absl::Status DirectWriteLogging::AuditTlbs() const {
  for (uint32_t id = 0; id < host_.cpu_count(); ++id) {
    const Cpu& cpu = host_.cpu(id);
    if (cpu.current == nullptr || cpu.current->domain != &domain_) continue;
    for (const TlbEntry& entry : cpu.mmu.TlbEntries()) {
      const Pfn pfn = domain_.p2m().PfnOf(FrameOf(entry.base));
      if (!entry.writable() || pfn == kInvalidPfn) continue;
      if (domain_.dirty_log().IsDirty(pfn)) continue;
      return Wrong(absl::StrCat("CPU ", id, " may write to pfn ", pfn.value(),
                                ", which is not marked"));
    }
  }
  return absl::OkStatus();
}

}  // namespace xmmu
