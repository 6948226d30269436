// The shadows of a paravirtual domain that is being logged, against its tables
// and the log.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "xen/direct/direct_write_logging.h"
#include "xmmu/xen/errno.h"
#include "xmmu/xen/internal/direct_paging_state.h"

namespace xmmu {
namespace {

// The answer of an audit that has found `what`.
absl::Status Wrong(std::string what) {
  return absl::InternalError(absl::StrCat("log-dirty: ", what));
}

}  // namespace

absl::Status DirectWriteLogging::Audit() const {
  if (!on()) return absl::OkStatus();
  uint32_t in_use = 0;
  for (ShadowId id = 0; id < shadows_->made(); ++id) {
    if (!(*shadows_)[id].in_use) continue;
    ++in_use;
    absl::Status status = AuditShadow(id);
    if (!status.ok()) return status;
  }
  if (in_use != shadows_->in_use()) {
    return Wrong("shadows are neither in use nor free");
  }
  absl::Status status = AuditRoots();
  if (!status.ok()) return status;
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
    if (shadow == kNoShadow ||
        vcpu.cr3 != AddressOf((*shadows_)[shadow].mfn).value()) {
      return Wrong("a vCPU's CR3 is not the shadow of its root");
    }
  }
  return absl::OkStatus();
}

absl::Status DirectWriteLogging::AuditShadow(ShadowId id) const {
  const Mfn frame = TableOf(id);
  const int level = ShadowLevel(id);
  const PageInfo& page = std::as_const(host_).frames()[frame];
  const bool hidden = page.owner == kDomInvalid;  // an L4 of Xen's own
  const bool table = IsPageTable(page.type) && page.type_count > 0 &&
                     LevelOf(page.type) >= level;
  if (!hidden && (!table || page.owner != domain_.id())) {
    return Wrong(
        absl::StrCat("frame ", frame.value(), " has a shadow and is no table"));
  }
  const int slots = EntryCount(mode_, level);
  for (int slot = 0; slot < slots; ++slot) {
    const Pte entry = shadows_->Read({id, slot});
    if (!entry.present() && entry == Pte()) continue;
    if (!IsFaithful(id, entry, GuestEntry(frame, slot))) {
      return Wrong(absl::StrCat("slot ", slot, " of the L", level, " in frame ",
                                frame.value(), " is not what its shadow says"));
    }
  }
  return absl::OkStatus();
}

bool DirectWriteLogging::IsFaithful(ShadowId id, Pte entry, Pte guest) const {
  if (!guest.present()) return false;
  if (ShadowLevel(id) == 1) {
    // The entry of a page that has been marked since may still be read-only.
    const Pte now = LeafFor(guest);
    return entry == now || entry == now.Without(pte::kWritable);
  }
  const ShadowId child = shadows_->FindFrame(entry.frame());
  if (child == kNoShadow || !(*shadows_)[child].in_use) return false;
  return TableOf(child) == guest.frame() &&
         ShadowLevel(child) == ShadowLevel(id) - 1 &&
         entry == LinkTo((*shadows_)[child].mfn, guest, ShadowLevel(id));
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
