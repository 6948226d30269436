#include "xmmu/xen/physmap.h"

#include <variant>
#include <vector>

#include "xmmu/xen/errno.h"

namespace xmmu {

HypercallResult Physmap::Execute(const Hypercall& call) {
  clock().Charge(CostEvent::kHypercallWork);
  vcpu_.cpu->counters.Add(Counter::kHypercalls);
  if (const auto* give = std::get_if<DecreaseReservationCall>(&call)) {
    return {absl::OkStatus(), DecreaseReservation(give->frames)};
  }
  if (const auto* take = std::get_if<PopulatePhysmapCall>(&call)) {
    return {absl::OkStatus(), PopulatePhysmap(take->pfns)};
  }
  return {XenError(XenErrno::kENOSYS, "for paravirtual guests"), 0};
}

uint32_t Physmap::DecreaseReservation(std::span<const Mfn> frames) {
  std::vector<Mfn> given;
  for (const Mfn frame : frames) {
    const Pfn pfn(frame.value());
    const Mfn mfn = domain_.p2m().MfnOf(pfn);
    if (mfn == kInvalidMfn) break;
    user_.FrameLeaves(*vcpu_.cpu, Gfn(pfn.value()));
    domain_.p2m().Clear(pfn);
    SetRoots(mfn, kInvalidMfn);
    given.push_back(mfn);
  }
  // The flush comes before the frame is freed: a frame to which some CPU still
  // leads must not get a new owner.
  if (!given.empty()) user_.FlushLeft(*vcpu_.cpu);
  for (const Mfn mfn : given) Release(mfn);
  return static_cast<uint32_t>(given.size());
}

uint32_t Physmap::PopulatePhysmap(std::span<const Pfn> pfns) {
  uint32_t done = 0;
  for (const Pfn pfn : pfns) {
    const P2m& p2m = domain_.p2m();
    if (pfn.value() >= p2m.size() || p2m.MfnOf(pfn) != kInvalidMfn) break;
    if (!Take(pfn).has_value()) break;
    user_.FrameArrived(*vcpu_.cpu, Gfn(pfn.value()));
    ++done;
  }
  return done;
}

absl::Status Physmap::Move(Gfn gfn) {
  const Pfn pfn(gfn.value());
  const Mfn old = domain_.p2m().MfnOf(pfn);
  if (old == kInvalidMfn) {
    return absl::InvalidArgumentError("no page there to move");
  }
  if (host_.free_frames() == 0) {
    return absl::ResourceExhaustedError("no free frame to move a page to");
  }
  user_.FrameLeaves(*vcpu_.cpu, gfn);
  // The flush comes before the copy, after which a store to the old frame would
  // be lost.
  user_.FlushLeft(*vcpu_.cpu);
  domain_.p2m().Clear(pfn);
  const std::optional<Mfn> mfn = Take(pfn);
  if (mfn.has_value()) {
    host_.memory().CopyFrame(*mfn, old);
    clock().Charge(CostEvent::kCopyPage);
    SetRoots(old, *mfn);
    Release(old);
  } else {
    domain_.p2m().Set(pfn, old);  // the guest can name no free frame
  }
  user_.FrameArrived(*vcpu_.cpu, gfn);
  return mfn.has_value()
             ? absl::OkStatus()
             : absl::ResourceExhaustedError("no free frame that it can have");
}

std::optional<Mfn> Physmap::Take(Pfn pfn) {
  const std::optional<Mfn> mfn = host_.AllocFrame(domain_, pfn);
  if (!mfn.has_value()) return mfn;
  // Flush what the frame's last owner may have left in TLBs.
  const CpuMask cpus =
      host_.NeedFlush(host_.AllCpus(), host_.frames()[*mfn].tlbflush_timestamp);
  if (cpus != 0) host_.Flush(*vcpu_.cpu, cpus, TlbFlush::All());
  clock().Charge(CostEvent::kLockedOp);  // assign_pages
  return mfn;
}

void Physmap::Release(Mfn mfn) {
  PageInfo& page = host_.frames()[mfn];
  clock().Charge(CostEvent::kLockedOp, 2);  // PGC_allocated, the reference
  page.allocated = false;
  if (--page.ref_count == 0) host_.FreeFrame(mfn);
}

// A root may be moved or given back as any page.
void Physmap::SetRoots(Mfn from, Mfn to) {
  for (uint32_t id = 0; id < domain_.vcpu_count(); ++id) {
    VcpuContext& vcpu = domain_.vcpu(id);
    if (vcpu.guest_table == from) vcpu.guest_table = to;
  }
}

}  // namespace xmmu
