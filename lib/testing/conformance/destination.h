#ifndef XMMU_TESTING_CONFORMANCE_DESTINATION_H_
#define XMMU_TESTING_CONFORMANCE_DESTINATION_H_

// The other end of a live migration: a copy of a domain's memory that hears of
// the pages which the log of dirty pages reports, and of nothing else. With a
// page come its type, as far as it is in use as a page table, and its pin (Xen:
// XEN_DOMCTL_PFINFO_L1TAB.., _LPINTAB): the copy makes tables of its pages by
// them.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "xmmu/xen/dirty_log.h"
#include "xmmu/xen/host.h"
#include "xmmu/xen/internal/page_info.h"

namespace xmmu::conformance {

class Destination {
 public:
  // Holds what `domain` does now. Lies in machine memory that nobody has.
  Destination(Host& host, const Domain& domain) : host_(host), domain_(domain) {
    for (Pfn pfn; pfn.value() < domain.p2m().size(); ++pfn) Copy(pfn);
  }

  // The pages of one round. "", or a page that differs by then, its content,
  // its type or whether there is one, and was not reported.
  std::string Receive(const DirtyBitmap& reported) {
    for (Pfn pfn; pfn.value() < domain_.p2m().size(); ++pfn) {
      const bool same = Same(pfn);
      if (!reported.Test(pfn)) {
        if (same) continue;
        return absl::StrFormat("page 0x%x %s and was not reported", pfn.value(),
                               Difference(pfn));
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
      return absl::StrFormat("page 0x%x %s and is not marked", pfn.value(),
                             Difference(pfn));
    }
    return "";
  }

  uint64_t reported() const { return reported_; }
  // Counts the reported pages whose content or type had changed.
  uint64_t changed() const { return changed_; }

 private:
  static constexpr uint64_t kElsewhere = uint64_t{1} << 27;

  Mfn At(Pfn pfn) const {
    return Mfn(kElsewhere * (1 + domain_.id()) + pfn.value());
  }
  // What the toolstack is told of a page besides its content.
  struct Info {
    PageType table = PageType::kNone;
    bool pinned = false;
    bool operator==(const Info&) const = default;
  };
  Info InfoOf(Pfn pfn) const {
    const Mfn mfn = domain_.p2m().MfnOf(pfn);
    if (mfn == kInvalidMfn) return {};
    const PageInfo& page = std::as_const(host_).frames()[mfn];
    Info info;
    if (IsPageTable(page.type) && page.type_count > 0) info.table = page.type;
    // Xen 3.0.0 does not mark a table in use whose pin changes.
    if (domain_.mode() != PagingMode::k2Level) info.pinned = page.pinned;
    return info;
  }
  // If no page is there, the copy holds zeros.
  void Copy(Pfn pfn) {
    const Mfn mfn = domain_.p2m().MfnOf(pfn);
    if (pfn.value() >= infos_.size()) infos_.resize(pfn.value() + 1);
    infos_[pfn.value()] = InfoOf(pfn);
    if (mfn == kInvalidMfn) return host_.memory().ZeroFrame(At(pfn));
    host_.memory().CopyFrame(At(pfn), mfn);
  }
  bool SameContent(Pfn pfn) const {
    const Mfn mfn = domain_.p2m().MfnOf(pfn);
    return mfn == kInvalidMfn || host_.memory().SameContent(At(pfn), mfn);
  }
  bool SameInfo(Pfn pfn) const {
    const bool known = pfn.value() < infos_.size();
    return InfoOf(pfn) == (known ? infos_[pfn.value()] : Info());
  }
  bool Same(Pfn pfn) const { return SameContent(pfn) && SameInfo(pfn); }
  std::string_view Difference(Pfn pfn) const {
    return SameContent(pfn) ? "has another type or pin" : "was written to";
  }

  Host& host_;
  const Domain& domain_;
  std::vector<Info> infos_;  // by pfn
  uint64_t reported_ = 0;
  uint64_t changed_ = 0;
};

}  // namespace xmmu::conformance

#endif  // XMMU_TESTING_CONFORMANCE_DESTINATION_H_
