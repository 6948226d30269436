#include "guest/hypercall_queue.h"

namespace xmmu {

void HypercallQueue::Execute(const Hypercall& call) {
  const HypercallResult result = vcpu_.Hypercall(call);
  if (!result.status.ok()) core_.Fail(result.status);
}

void HypercallQueue::Issue(const Hypercall& call) {
  Flush();
  Execute(call);
}

size_t HypercallQueue::BatchLimit() const {
  switch (core_.options.ops) {
    case GuestOps::kQueue:
      return kUpdateQueueSize;
    case GuestOps::kMulticall:
      return lazy_ ? kMulticallBatch : 1;
    case GuestOps::kStores:
    case GuestOps::kUpdateVaMapping:
    case GuestOps::kPvops:  // has a queue of its own
      return 1;
  }
  return 1;
}

void HypercallQueue::Update(const MmuUpdate& request) {
  updates_.push_back(request);
  if (updates_.size() >= BatchLimit()) Flush();
}

void HypercallQueue::Flush() {
  if (updates_.empty()) return;
  Execute(MmuUpdateCall{.requests = updates_});
  updates_.clear();
}

void HypercallQueue::AddMember(const Member& member) {
  members_.push_back(member);
  const bool batches = core_.options.ops == GuestOps::kMulticall;
  if (!batches || members_.size() == kMulticallEntries) IssueMembers();
}

void HypercallQueue::AddMapping(VirtAddr va, uint64_t value) {
  AddMember({.is_mapping = true, .mapping = {.va = va, .value = value}});
}

void HypercallQueue::AddExtended(const MmuextOp& op) {
  AddMember({.is_mapping = false, .op = op});
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
  // A queue of one entry is issued as a plain hypercall.
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
