#ifndef XMMU_LIB_GUEST_SHARED_FRAMES_H_
#define XMMU_LIB_GUEST_SHARED_FRAMES_H_

// The pages of a guest whose frames it has given up by make_ro_and_share. The
// hypervisor's maps do not have them any more, so the kernel remembers in which
// frame it reads each page.

#include "absl/container/flat_hash_map.h"
#include "xmmu/base/address.h"
#include "xmmu/base/check.h"

namespace xmmu {

class SharedFrames {
 public:
  bool empty() const { return by_pfn_.empty(); }
  bool Contains(Pfn pfn) const { return by_pfn_.contains(pfn); }
  // Return kInvalidMfn or kInvalidPfn for what is not shared.
  Mfn MfnOf(Pfn pfn) const {
    const auto it = by_pfn_.find(pfn);
    return it == by_pfn_.end() ? kInvalidMfn : it->second;
  }
  Pfn PfnOf(Mfn mfn) const {
    const auto it = by_mfn_.find(mfn);
    return it == by_mfn_.end() ? kInvalidPfn : it->second;
  }

  // A guest's file pages all differ, so no two of them share a frame.
  void Add(Pfn pfn, Mfn mfn) {
    XMMU_CHECK(by_pfn_.emplace(pfn, mfn).second);
    XMMU_CHECK(by_mfn_.emplace(mfn, pfn).second);
  }
  void Remove(Pfn pfn) {
    XMMU_CHECK(by_mfn_.erase(MfnOf(pfn)) == 1);
    by_pfn_.erase(pfn);
  }

 private:
  // Both maps are only looked up, never iterated.
  absl::flat_hash_map<Pfn, Mfn> by_pfn_;
  absl::flat_hash_map<Mfn, Pfn> by_mfn_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_SHARED_FRAMES_H_
