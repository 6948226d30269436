// What a policy answers that has no hypervisor and no part in an event.

#include "xmmu/policy/policy.h"

#include "xmmu/xen/errno.h"

namespace xmmu {

HypercallResult Policy::Hypercall(VcpuContext&, const xmmu::Hypercall&) {
  return {XenError(XenErrno::kENOSYS, "there is no hypervisor to call"), 0};
}

absl::Status Policy::MovePage(VcpuContext&, Gfn) {
  return absl::UnimplementedError("the guest knows its machine frames");
}

absl::StatusOr<WriteLogging*> Policy::WriteLoggingOf(Domain&) {
  return absl::UnimplementedError("nothing here logs writes");
}

}  // namespace xmmu
