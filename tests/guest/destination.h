#ifndef XMMU_TESTS_GUEST_DESTINATION_H_
#define XMMU_TESTS_GUEST_DESTINATION_H_

// The other end of a live migration: a copy of a domain's memory that hears of
// the pages which the log of dirty pages reports, and of nothing else.

#include <cstdint>
#include <string>

#include "absl/strings/str_format.h"
#include "xmmu/xen/dirty_log.h"
#include "xmmu/xen/host.h"

namespace xmmu {

class Destination {
 public:
  // Holds what `domain` does now. Lies in machine memory that nobody has.
  Destination(Host& host, const Domain& domain) : host_(host), domain_(domain) {
    for (Pfn pfn; pfn.value() < domain.p2m().size(); ++pfn) Copy(pfn);
  }

  // The pages of one round. "", or a page that differs by then, its content or
  // whether there is one, and was not reported.
  std::string Receive(const DirtyBitmap& reported) {
    for (Pfn pfn; pfn.value() < domain_.p2m().size(); ++pfn) {
      const bool same = Same(pfn);
      if (!reported.Test(pfn)) {
        if (same) continue;
        return absl::StrFormat("page 0x%x was written to and not reported",
                               pfn.value());
      }
      ++reported_;
      if (!same) ++changed_;
      Copy(pfn);
    }
    return "";
  }

  // A page that differs from what was received last and is not marked; "" if
  // there is none.
  std::string Missed() const {
    for (Pfn pfn; pfn.value() < domain_.p2m().size(); ++pfn) {
      if (domain_.dirty_log().IsDirty(pfn) || Same(pfn)) continue;
      return absl::StrFormat("page 0x%x was written to and is not marked",
                             pfn.value());
    }
    return "";
  }

  uint64_t reported() const { return reported_; }
  // Those of them whose content was another by then.
  uint64_t changed() const { return changed_; }

 private:
  static constexpr uint64_t kElsewhere = uint64_t{1} << 27;

  Mfn At(Pfn pfn) const {
    return Mfn(kElsewhere * (1 + domain_.id()) + pfn.value());
  }
  // Of no page it holds zeros.
  void Copy(Pfn pfn) {
    const Mfn mfn = domain_.p2m().MfnOf(pfn);
    if (mfn == kInvalidMfn) return host_.memory().ZeroFrame(At(pfn));
    host_.memory().CopyFrame(At(pfn), mfn);
  }
  bool Same(Pfn pfn) const {
    const Mfn mfn = domain_.p2m().MfnOf(pfn);
    return mfn == kInvalidMfn || host_.memory().SameContent(At(pfn), mfn);
  }

  Host& host_;
  const Domain& domain_;
  uint64_t reported_ = 0;
  uint64_t changed_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_TESTS_GUEST_DESTINATION_H_
