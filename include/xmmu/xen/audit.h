#ifndef XMMU_XEN_AUDIT_H_
#define XMMU_XEN_AUDIT_H_

// Recounts the references and types of a paravirtual domain's frames from the
// tables, pins and base pointers themselves, and compares them with what the
// frame table says (Xen 2.0: audit_domain).
//
// Charges nothing; for tests and debugging. Single-threaded.

#include "absl/status/status.h"
#include "xmmu/xen/domain.h"
#include "xmmu/xen/host.h"

namespace xmmu {

// OK, or Internal with the first difference, by pfn, in words. Whatever holds
// references that only a policy knows of, an unhooked L1 say, must be put back
// first. REQUIRES: `domain` is not translated.
absl::Status AuditDomain(const Host& host, const Domain& domain);

}  // namespace xmmu

#endif  // XMMU_XEN_AUDIT_H_
