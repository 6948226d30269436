#ifndef XMMU_LIB_GUEST_DIGEST_H_
#define XMMU_LIB_GUEST_DIGEST_H_

// What one task could observe, folded into a hash in the order it observed it.
// Frame numbers and cycles are left out, as they may differ between policies.

#include <cstdint>
#include <memory>
#include <utility>

#include "guest/sightings.h"
#include "xmmu/machine/phys_memory.h"
#include "xmmu/machine/pte.h"
#include "xmmu/mmu/access.h"

namespace xmmu {

class TaskDigest {
 public:
  void Loaded(uint64_t token) { hash_ = MixHash(hash_, token); }
  void Faulted(const PageFault& fault) {
    Fold(1, PageBase(fault.va).value() | fault.error_code);
  }
  // Folds in a refused fault in a VMA that is digest_plain: whether there is a
  // page that refuses it depends on the guest's large pages, or on others.
  void FaultedInPlain(const PageFault& fault) {
    Fold(1, PageBase(fault.va).value() | (fault.error_code & ~pf::kProtection));
  }
  // Folds in an entry of `vma` that is given up, as the kernel found it: rights
  // and A/D flags, and the page's content unless others may write it. Of a VMA
  // that is digest_plain only content counts that is not zero: what is more
  // there in some guests is zero. Of a zero-filled object none does there, as
  // what others have written decides which of its pages are mapped around a
  // fault's own, and which content a populated copy has; loads tell what the
  // task saw of it.
  void GaveUp(const Vma& vma, VirtAddr va, uint64_t entry, uint64_t token) {
    constexpr uint64_t kVisible = pte::kPresent | pte::kWritable |
                                  pte::kAccessed | pte::kDirty |
                                  pte::kNoExecute;
    if (vma.shared()) token = 0;
    if (vma.digest_plain) {
      const bool of_object = vma.file != nullptr && vma.file->zero_filled();
      if (token == 0 || of_object) return;
      entry = 0;
    }
    hash_ = MixHash(hash_ + 2, va.value());
    hash_ = MixHash(hash_, entry & kVisible);
    hash_ = MixHash(hash_, token);
    if (sightings_ == nullptr || sightings_->races()) return;
    if (!vma.digest_plain) {
      sightings_->Other(va.value() + 2);
      sightings_->Other(entry & kVisible);
    }
    sightings_->GaveUp(vma, va, token);
  }
  void Refused(VirtAddr va) { Fold(3, va.value()); }
  uint64_t value() const { return hash_; }
  // Sets what Loaded() has made of value() elsewhere.
  void set_value(uint64_t value) { hash_ = value; }

  // On several vCPUs the same events sorted by page; else nullptr.
  Sightings* sightings() { return sightings_.get(); }
  void KeepSightings(TaskId task) {
    sightings_ = std::make_unique<Sightings>(task);
  }
  std::unique_ptr<Sightings> TakeSightings() { return std::move(sightings_); }

 private:
  void Fold(uint64_t kind, uint64_t event) {
    hash_ = MixHash(hash_ + kind, event);
    if (sightings_ == nullptr || sightings_->races()) return;
    sightings_->Other(event + kind);
  }

  uint64_t hash_ = 0;
  std::unique_ptr<Sightings> sightings_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_DIGEST_H_
