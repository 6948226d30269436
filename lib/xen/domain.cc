#include "xmmu/xen/domain.h"

#include <algorithm>

#include "xmmu/xen/host.h"
#include "xmmu/xen/internal/direct_paging_state.h"

namespace xmmu {

Pfn P2m::PfnOf(Mfn mfn) const {
  if (!moved_.empty()) {
    const auto moved = moved_.find(mfn);
    if (moved != moved_.end()) return moved->second;
  }
  const Pfn pfn = PfnByExtent(mfn);
  return pfn != kInvalidPfn && MfnOf(pfn) == mfn ? pfn : kInvalidPfn;
}

Pfn P2m::PfnByExtent(Mfn mfn) const {
  auto after = std::upper_bound(
      extents_.begin(), extents_.end(), mfn,
      [](Mfn wanted, const Extent& e) { return wanted < e.first_mfn; });
  if (after == extents_.begin()) return kInvalidPfn;
  const Extent& extent = *--after;
  const uint64_t offset = mfn - extent.first_mfn;
  return offset < extent.frames ? extent.first_pfn + offset : kInvalidPfn;
}

void P2m::Set(Pfn pfn, Mfn mfn) {
  Clear(pfn);
  const bool append = pfn.value() == to_mfn_.size();
  if (pfn.value() >= to_mfn_.size()) {
    to_mfn_.resize(pfn.value() + 1, kInvalidMfn);
  }
  to_mfn_[pfn.value()] = mfn;
  if (log_ != nullptr) log_->Mark(pfn);
  moved_.erase(mfn);
  if (PfnByExtent(mfn) == pfn) return;
  if (append && Extend(pfn, mfn)) return;
  moved_[mfn] = pfn;
}

// Appends to the highest extent, or starts a new one above it.
bool P2m::Extend(Pfn pfn, Mfn mfn) {
  if (!extents_.empty()) {
    Extent& last = extents_.back();
    const Mfn end = last.first_mfn + last.frames;
    if (mfn < end) return false;
    if (mfn == end && pfn == last.first_pfn + last.frames) {
      ++last.frames;
      return true;
    }
  }
  extents_.push_back({mfn, pfn, 1});
  return true;
}

void P2m::Clear(Pfn pfn) {
  if (pfn.value() >= to_mfn_.size()) return;
  Mfn& mfn = to_mfn_[pfn.value()];
  if (mfn == kInvalidMfn) return;
  const auto moved = moved_.find(mfn);
  if (moved != moved_.end() && moved->second == pfn) moved_.erase(moved);
  mfn = kInvalidMfn;
  if (log_ != nullptr) log_->Mark(pfn);
}

Domain::Domain(DomainId id, const DomainOptions& options)
    : id_(id),
      options_(options),
      p2m_(&dirty_log_),
      may_use_global_(options.translated ||
                      options.mode != PagingMode::k2Level),
      direct_(std::make_unique<DirectPagingState>(options.vcpus)) {
  for (int i = 0; i < options.vcpus; ++i) {
    vcpus_.push_back(std::make_unique<VcpuContext>());
    vcpus_.back()->domain = this;
    vcpus_.back()->id = static_cast<uint32_t>(i);
  }
}

Domain::~Domain() = default;

CpuMask Domain::CpusOf(CpuMask vcpus) const {
  CpuMask cpus = 0;
  for (const auto& vcpu : vcpus_) {
    const bool named = (vcpus & MaskOf(vcpu->id)) != 0;
    if (named && vcpu->cpu != nullptr) cpus |= MaskOf(vcpu->cpu->id);
  }
  return cpus;
}

}  // namespace xmmu
