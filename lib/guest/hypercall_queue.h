#ifndef XMMU_LIB_GUEST_HYPERCALL_QUEUE_H_
#define XMMU_LIB_GUEST_HYPERCALL_QUEUE_H_

// How a paravirtual kernel gets its requests to Xen: at once, through the queue
// of mmu_update requests, as members of multicalls, or all through one queue
// (KernelTraits). Each vCPU has a queue, as in Linux.

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
  // Issues `ops` now, after everything queued; with one queue, together with
  // it.
  void IssueOps(std::span<const MmuextOp> ops);
  // Issues requests that belong together, after everything queued. With one
  // queue they are only added to it unless `now` is set.
  void IssueUpdates(std::span<const MmuUpdate> requests, bool now);

  // Queues one mmu_update request if the kernel does so at this moment, or else
  // issues it now.
  void Update(const MmuUpdate& request);

  // Add a member to the next multicall. Without multicalls members are issued
  // one by one; with one queue they are added to it.
  void AddMapping(const UpdateVaMappingCall& call);
  void AddExtended(const MmuextOp& op);
  // Issues the multicall that was put together.
  void IssueMembers();

  // Issues all queued requests.
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
  MulticallQueue everything_;  // used with KernelTraits::one_queue
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_HYPERCALL_QUEUE_H_
