#ifndef XMMU_LIB_GUEST_KERNEL_SPAN_H_
#define XMMU_LIB_GUEST_KERNEL_SPAN_H_

// Spans of the guest kernel: see xmmu/base/span_log.h. They have the names of
// Linux 6.1's functions, whichever Linux the guest behaves like, so that one
// piece of work has one name in all rows.

#include "xmmu/base/span_log.h"
#include "xmmu/guest/vcpu.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

inline Span KernelSpan(Vcpu& vcpu, const char* name,
                       SpanDetail detail = SpanDetail::kUsual) {
  return Span(vcpu.cpu().clock, Actor::kGuestKernel, name, detail);
}

// A change of one entry, of which there may be thousands in a call: for the
// story of one event.
inline Span EntrySpan(Vcpu& vcpu, const char* name) {
  return KernelSpan(vcpu, name, SpanDetail::kFine);
}

// The system call that an operation is.
const char* SyscallName(GuestOpKind kind);

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_KERNEL_SPAN_H_
