#include "xmmu/xen/domain.h"

#include <algorithm>

#include "xmmu/base/check.h"
#include "xmmu/xen/host.h"
#include "xmmu/xen/internal/direct_paging_state.h"

namespace xmmu {

Mfn P2m::FindMfn(Pfn pfn) const {
  const uint64_t change = changes_.Get(pfn.value());
  if (change == kNowhere) return kInvalidMfn;
  if (change != 0) return Mfn(change - 1);
  return pfn.value() < main_.frames ? main_.first_mfn + pfn.value()
                                    : kInvalidMfn;
}

Pfn P2m::FindPfn(Mfn mfn) const {
  if (!moved_.empty()) {
    const auto moved = moved_.find(mfn);
    if (moved != moved_.end()) return moved->second;
  }
  const Pfn pfn = PfnByExtent(mfn);
  return pfn != kInvalidPfn && MfnOf(pfn) == mfn ? pfn : kInvalidPfn;
}

uint64_t P2m::RunFrom(Pfn pfn, uint64_t count) const {
  const Mfn mfn = MfnOf(pfn);
  uint64_t run = 1;
  while (run < count) {
    const uint64_t next = pfn.value() + run;
    if (MfnOf(Pfn(next)) != mfn + run) break;
    const bool unchanged = changes_.Find(next) == nullptr;
    const uint64_t end =
        std::min(decltype(changes_)::NextChunk(next), main_.frames);
    run = unchanged && next < end ? end - pfn.value() : run + 1;
  }
  return std::min(run, count);
}

void P2m::SetAll(Mfn mfn, uint64_t count) {
  XMMU_CHECK(size_ == 0);
  main_ = {mfn, count};
  size_ = count;
  populated_ = count;
}

void P2m::Set(Pfn pfn, Mfn mfn) {
  Clear(pfn);
  ++populated_;
  size_ = std::max(size_, pfn.value() + 1);
  moved_.erase(mfn);
  if (PfnByExtent(mfn) == pfn) {
    changes_.At(pfn.value()) = 0;
  } else {
    changes_.At(pfn.value()) = mfn.value() + 1;
    moved_[mfn] = pfn;
  }
  changed_ = true;
  if (log_ != nullptr) log_->Mark(pfn);
}

void P2m::Clear(Pfn pfn) {
  const Mfn mfn = MfnOf(pfn);
  if (mfn == kInvalidMfn) return;
  const auto moved = moved_.find(mfn);
  if (moved != moved_.end() && moved->second == pfn) moved_.erase(moved);
  changes_.At(pfn.value()) = kNowhere;
  changed_ = true;
  --populated_;
  if (log_ != nullptr) log_->Mark(pfn);
}

uint64_t P2m::host_bytes() const {
  return changes_.host_bytes() + moved_.size() * sizeof(std::pair<Mfn, Pfn>);
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
