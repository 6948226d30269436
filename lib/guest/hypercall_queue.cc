#include "guest/hypercall_queue.h"

namespace xmmu {

// The queue that holds everything is full after traits.batch requests of
// whatever kind.
HypercallQueue::HypercallQueue(KernelCore& core, Vcpu& vcpu)
    : core_(core),
      vcpu_(vcpu),
      everything_(core, vcpu, {.requests = core.traits.batch}) {}

void HypercallQueue::Execute(const Hypercall& call) {
  const HypercallResult result = vcpu_.Hypercall(call);
  if (!result.status.ok()) core_.Fail(result.status);
}

void HypercallQueue::Issue(const UpdateVaMappingCall& call) {
  Flush();
  Execute(call);
}

void HypercallQueue::IssueOps(std::span<const MmuextOp> ops) {
  if (core_.traits.one_queue) {
    for (const MmuextOp& op : ops) everything_.AddOp(op);
    everything_.Flush();
  } else {
    Flush();
    Execute(MmuextCall{.ops = ops});
  }
}

void HypercallQueue::IssueUpdates(std::span<const MmuUpdate> requests,
                                  bool now) {
  if (core_.traits.one_queue) {
    for (const MmuUpdate& request : requests) everything_.AddUpdate(request);
    if (now) everything_.Flush();
  } else {
    Flush();
    Execute(MmuUpdateCall{.requests = requests});
  }
}

void HypercallQueue::Update(const MmuUpdate& request) {
  if (core_.traits.one_queue) {
    everything_.AddUpdate(request);
    return;
  }
  updates_.push_back(request);
  const size_t limit = lazy_ ? core_.traits.lazy_batch : core_.traits.batch;
  if (updates_.size() >= limit) Flush();
}

// Only one of the two queues is ever used, by KernelTraits::one_queue.
void HypercallQueue::Flush() {
  everything_.Flush();
  if (updates_.empty()) return;
  Execute(MmuUpdateCall{.requests = updates_});
  updates_.clear();
}

// A multicall is issued when it is as long as pvops makes them; without
// multicalls each member is issued at once.
void HypercallQueue::AddMember(const Member& member) {
  members_.push_back(member);
  const bool full = members_.size() == MulticallQueue::kMaxEntries;
  if (!core_.traits.multicalls || full) IssueMembers();
}

void HypercallQueue::AddMapping(const UpdateVaMappingCall& call) {
  if (core_.traits.one_queue) {
    everything_.AddMapping(call);
  } else {
    AddMember({.is_mapping = true, .mapping = call});
  }
}

void HypercallQueue::AddExtended(const MmuextOp& op) {
  if (core_.traits.one_queue) {
    everything_.AddOp(op);
  } else {
    AddMember({.is_mapping = false, .op = op});
  }
}

void HypercallQueue::IssueMembers() {
  if (members_.empty()) return;
  Flush();
  std::vector<Subcall> calls;
  calls.reserve(members_.size());
  for (const Member& member : members_) {
    if (member.is_mapping) {
      calls.push_back(member.mapping);
    } else {
      calls.push_back(MmuextCall{.ops = {&member.op, 1}});
    }
  }
  // A single member is issued as the plain hypercall it is.
  if (calls.size() > 1) {
    Execute(MulticallCall{.calls = calls});
  } else if (members_[0].is_mapping) {
    Execute(members_[0].mapping);
  } else {
    Execute(MmuextCall{.ops = {&members_[0].op, 1}});
  }
  members_.clear();
}

}  // namespace xmmu
