#include "guest/multicall_queue.h"

namespace xmmu {

size_t MulticallQueue::CountOf(Kind kind) const {
  switch (kind) {
    case Kind::kUpdates:
      return updates_.size();
    case Kind::kOps:
      return ops_.size();
    case Kind::kMapping:
      return mappings_.size();
  }
  return 0;
}

// Source: __xen_mc_entry and xen_mc_extend_args, which extend only the last
// entry and flush the queue when the arguments do not fit.
void MulticallQueue::Reserve(Kind kind, size_t bytes, bool extends) {
  const bool room = bytes_ + bytes < limits_.bytes;
  if (extends && room && !entries_.empty() && entries_.back().kind == kind) {
    ++entries_.back().count;
  } else {
    if (entries_.size() == limits_.entries || !room) Flush();
    entries_.push_back({.kind = kind, .first = CountOf(kind)});
  }
  bytes_ += bytes;
}

void MulticallQueue::IssueIfFull() {
  if (updates_.size() + ops_.size() + mappings_.size() == limits_.requests) {
    Flush();
  }
}

void MulticallQueue::AddUpdate(const MmuUpdate& request) {
  Reserve(Kind::kUpdates, kUpdateBytes, /*extends=*/true);
  updates_.push_back(request);
  IssueIfFull();
}

void MulticallQueue::AddOp(const MmuextOp& op) {
  Reserve(Kind::kOps, kOpBytes, /*extends=*/true);
  ops_.push_back(op);
  IssueIfFull();
}

// A mapping's arguments are in the entry itself, so a mapping never extends
// another.
void MulticallQueue::AddMapping(const UpdateVaMappingCall& call) {
  Reserve(Kind::kMapping, 0, /*extends=*/false);
  mappings_.push_back(call);
  IssueIfFull();
}

Subcall MulticallQueue::SubcallOf(const Entry& entry) const {
  switch (entry.kind) {
    case Kind::kUpdates:
      return MmuUpdateCall{
          .requests = std::span(updates_).subspan(entry.first, entry.count)};
    case Kind::kOps:
      return MmuextCall{.ops =
                            std::span(ops_).subspan(entry.first, entry.count)};
    case Kind::kMapping:
      break;
  }
  return mappings_[entry.first];
}

void MulticallQueue::Flush() {
  if (entries_.empty()) return;
  // A single entry is issued as the plain hypercall it is (xen_mc_flush).
  std::vector<Subcall> calls;
  calls.reserve(entries_.size());
  for (const Entry& entry : entries_) calls.push_back(SubcallOf(entry));
  const HypercallResult result =
      calls.size() > 1
          ? vcpu_.Hypercall(MulticallCall{.calls = calls})
          : std::visit([&](const auto& call) { return vcpu_.Hypercall(call); },
                       calls.front());
  if (!result.status.ok()) core_.Fail(result.status);
  entries_.clear();
  updates_.clear();
  ops_.clear();
  mappings_.clear();
  bytes_ = 0;
}

}  // namespace xmmu
