#ifndef XMMU_LIB_XEN_DIRECT_AUDIT_H_
#define XMMU_LIB_XEN_DIRECT_AUDIT_H_

// Recounts the references and types of a paravirtual domain's frames from the
// tables, pins and base pointers themselves, and compares the counts with those
// in the frame table (Xen 2.0: audit_domain).
//
// Tables that are open for writing (xmmu/xen/internal/ptwr.h) count as they
// were when they were opened, hooked and mapped read-only: they need not be
// closed first. Charges nothing; for tests and debugging. Single-threaded.

#include <span>

#include "absl/status/status.h"
#include "xmmu/base/address.h"
#include "xmmu/xen/domain.h"
#include "xmmu/xen/host.h"
#include "xmmu/xen/internal/page_info.h"

namespace xmmu {

// A reference of both kinds that no table, pin or base pointer accounts for.
struct HeldReference {
  Mfn mfn;
  PageType type = PageType::kNone;
};

// Returns OK, or Internal with the first difference, by pfn, in words. `held`
// are references that only the caller knows of. REQUIRES: `domain` is not
// translated.
absl::Status AuditDomain(const Host& host, const Domain& domain,
                         std::span<const HeldReference> held = {});

// Compares the counts of shared frames, over all domains, and their contents
// with what the table of shared contents says
// (xmmu/xen/internal/shared_pages.h). The mappings of each domain are recounted
// by AuditDomain. OK, or Internal with the first difference.
absl::Status AuditSharing(const Host& host);

}  // namespace xmmu

#endif  // XMMU_LIB_XEN_DIRECT_AUDIT_H_
