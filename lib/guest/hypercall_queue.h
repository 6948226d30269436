#ifndef XMMU_LIB_GUEST_HYPERCALL_QUEUE_H_
#define XMMU_LIB_GUEST_HYPERCALL_QUEUE_H_

// How a paravirtual kernel gets its requests to Xen: at once, through the queue
// of mmu_update requests, as members of multicalls, or all through one queue
// (KernelTraits). One per vCPU, as in Linux.

#include <span>
#include <vector>

#include "guest/kernel_core.h"
#include "guest/multicall_queue.h"
#include "xmmu/xen/hypercall.h"

namespace xmmu {

class HypercallQueue {
 public:
  HypercallQueue(KernelCore& core, Vcpu& vcpu);

  // Issues `call` now, after everything queued.
  void Issue(const UpdateVaMappingCall& call);
  // The same with operations; with what is queued, where that is possible.
  void IssueOps(std::span<const MmuextOp> ops);
  // The same with requests that belong together. Where they can be queued with
  // everything else they are only that, unless it is to be `now`.
  void IssueUpdates(std::span<const MmuUpdate> requests, bool now);

  // One mmu_update request: queued if the kernel does so and the moment allows,
  // else issued now.
  void Update(const MmuUpdate& request);

  // Members of the next multicall; without multicalls they are issued one by
  // one, or queued with everything else.
  void AddMapping(const UpdateVaMappingCall& call);
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

  void Execute(const Hypercall& call);
  void AddMember(const Member& member);

  KernelCore& core_;
  Vcpu& vcpu_;
  bool lazy_ = false;
  std::vector<MmuUpdate> updates_;
  std::vector<Member> members_;
  MulticallQueue everything_;  // with KernelTraits::one_queue
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_HYPERCALL_QUEUE_H_
