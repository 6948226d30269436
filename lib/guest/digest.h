#ifndef XMMU_LIB_GUEST_DIGEST_H_
#define XMMU_LIB_GUEST_DIGEST_H_

// What one task could observe, folded into a hash in the order it observed it.
// No frame numbers and no cycles: those may differ between policies.

#include <cstdint>

#include "xmmu/machine/phys_memory.h"
#include "xmmu/machine/pte.h"
#include "xmmu/mmu/access.h"

namespace xmmu {

class TaskDigest {
 public:
  void Loaded(uint64_t token) { hash_ = MixHash(hash_, token); }
  void Faulted(const PageFault& fault) {
    hash_ = MixHash(hash_ + 1, PageBase(fault.va).value() | fault.error_code);
  }
  // An entry given up, as the kernel found it: rights and A/D flags, and the
  // page's content.
  void GaveUp(VirtAddr va, uint64_t entry, uint64_t token) {
    constexpr uint64_t kVisible = pte::kPresent | pte::kWritable |
                                  pte::kAccessed | pte::kDirty |
                                  pte::kNoExecute;
    hash_ = MixHash(hash_ + 2, va.value());
    hash_ = MixHash(hash_, entry & kVisible);
    hash_ = MixHash(hash_, token);
  }
  void Refused(VirtAddr va) { hash_ = MixHash(hash_ + 3, va.value()); }
  uint64_t value() const { return hash_; }

 private:
  uint64_t hash_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_DIGEST_H_
