#ifndef XMMU_LIB_GUEST_HYPERCALL_QUEUE_H_
#define XMMU_LIB_GUEST_HYPERCALL_QUEUE_H_

// How a paravirtual kernel gets its requests to Xen: at once, through the queue
// of mmu_update requests, or as members of multicalls. One per vCPU, as in
// Linux.

#include <vector>

#include "guest/kernel_core.h"
#include "xmmu/xen/hypercall.h"

namespace xmmu {

// Linux 2.4: QUEUE_SIZE (arch/xen/mm/hypervisor.c).
inline constexpr size_t kUpdateQueueSize = 2048;
// pvops: 512 bytes of arguments, filled to less than that, 16 bytes a request
// (arch/x86/xen/multicalls.c).
inline constexpr size_t kMulticallBatch = 31;
// pvops: MC_BATCH.
inline constexpr size_t kMulticallEntries = 32;

class HypercallQueue {
 public:
  HypercallQueue(KernelCore& core, Vcpu& vcpu) : core_(core), vcpu_(vcpu) {}

  // Issues `call` now, after everything queued.
  void Issue(const Hypercall& call);

  // One mmu_update request: queued if the options say so and the moment allows,
  // else issued now.
  void Update(const MmuUpdate& request);

  // Members of the next multicall. Without GuestOps::kMulticall they are issued
  // one by one.
  void AddMapping(VirtAddr va, uint64_t value);
  void AddExtended(const MmuextOp& op);
  void IssueMembers();

  // Issues what is queued.
  void Flush();

  void set_lazy(bool lazy) { lazy_ = lazy; }

 private:
  // A member of the multicall being put together.
  struct Member {
    bool is_mapping;
    UpdateVaMappingCall mapping = {};
    MmuextOp op = {};
  };

  size_t BatchLimit() const;
  void Execute(const Hypercall& call);
  void AddMember(const Member& member);

  KernelCore& core_;
  Vcpu& vcpu_;
  bool lazy_ = false;
  std::vector<MmuUpdate> updates_;
  std::vector<Member> members_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_HYPERCALL_QUEUE_H_
