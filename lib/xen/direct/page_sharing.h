#ifndef XMMU_LIB_XEN_DIRECT_PAGE_SHARING_H_
#define XMMU_LIB_XEN_DIRECT_PAGE_SHARING_H_

// HYPERVISOR_make_ro_and_share: see MakeRoAndShareCall in
// xmmu/xen/hypercall.h for what it does.
//
// Single-threaded.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "xen/direct/l1_lookup.h"
#include "xen/direct/page_types.h"
#include "xen/direct/request.h"
#include "xmmu/xen/hypercall.h"

namespace xmmu {

// A page that a guest wants to share, and the entries that map it.
struct ShareCandidate {
  Mfn frame = kInvalidMfn;
  std::vector<MachineAddr> entries;
};

class PageSharing : private RequestPart {
 public:
  explicit PageSharing(PvRequest& request)
      : RequestPart(request), types_(request), lookup_(request) {}

  HypercallResult MakeRoAndShare(const MakeRoAndShareCall& call);

 private:
  // Collects the entries of the page that the addresses from `first` on map.
  // Returns the first address that maps another page.
  size_t NextPage(std::span<const VirtAddr> mappings, size_t first,
                  ShareCandidate& page, XenErrno& error);
  // The present L1 entry of the domain's that maps `va`.
  std::optional<MachineAddr> FindMappedEntry(VirtAddr va);
  // Makes all mappings of the page read-only; on a refusal nothing has changed.
  XenErrno MakeReadOnly(ShareCandidate& page);
  // Refuses a page that more than the mappings named refers to.
  XenErrno CheckSoleMappings(const ShareCandidate& page);
  // Shares a page that is read-only by now, which cannot fail.
  void SharePage(const ShareCandidate& page);
  // A shared frame with the content of `mfn`, compared word by word.
  std::optional<Mfn> FindSame(Mfn mfn, uint64_t hash);
  // Makes the page the shared one, which is its domain's no more.
  void Donate(Mfn mfn);
  // Frees a page whose mappings lead to the shared frame by now.
  void GiveUp(const ShareCandidate& page);

  PageTypes types_;
  L1Lookup lookup_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_XEN_DIRECT_PAGE_SHARING_H_
