#include "workload/linux_text/xen_tally.h"

#include <string>

namespace xmmu {
namespace {

// Calls in a queue at most (MC_BATCH, arch/x86/xen/multicalls.c: 32).
constexpr size_t kMostQueued = 256;
constexpr size_t kMostSpaces = 65536;

bool SetsEntry(XenEventKind kind) {
  return kind >= XenEventKind::kSetPte && kind <= XenEventKind::kSetP4d;
}

}  // namespace

uint64_t XenCounts::hypercalls() const {
  return multicalls + calls[kHypercallMmuUpdate].calls +
         calls[kHypercallUpdateVaMapping].calls +
         calls[kHypercallMmuextOp].calls;
}

XenCounts& XenCounts::operator+=(const XenCounts& other) {
  for (size_t i = 0; i < events.size(); ++i) events[i] += other.events[i];
  for (size_t i = 0; i < calls.size(); ++i) {
    calls[i].calls += other.calls[i].calls;
    calls[i].members += other.calls[i].members;
    calls[i].operations += other.calls[i].operations;
  }
  multicalls += other.multicalls;
  empty_flushes += other.empty_flushes;
  joined += other.joined;
  lone_set_ptes += other.lone_set_ptes;
  queued_set_ptes += other.queued_set_ptes;
  for (size_t i = 0; i < tables_pinned.size(); ++i) {
    tables_pinned[i] += other.tables_pinned[i];
    tables_unpinned[i] += other.tables_unpinned[i];
  }
  user_cr3 += other.user_cr3;
  for (const auto& [size, times] : other.flush_sizes) {
    flush_sizes[size] += times;
  }
  return *this;
}

void XenTally::Add(const TextEvent& event, const XenEvent& xen,
                   XenCounts& counts) {
  ++counts.events[static_cast<size_t>(xen.kind)];
  if (!xen.mm.empty() && spaces_.size() < kMostSpaces) {
    spaces_.emplace(xen.mm);
  }
  Cpu& cpu = cpus_[event.cpu];
  switch (xen.kind) {
    case XenEventKind::kAllocTable: {
      // Linux counts levels from the root: its 2 is an L3 table.
      const size_t level = xen.level >= 1 && xen.level <= 4 ? 5 - xen.level : 0;
      ++(xen.pinned ? counts.tables_pinned : counts.tables_unpinned)[level];
      break;
    }
    case XenEventKind::kWriteCr3:
      counts.user_cr3 += xen.user ? 1 : 0;
      break;
    case XenEventKind::kEntry:
    case XenEventKind::kExtend:
      Queue(xen, cpu, counts);
      break;
    case XenEventKind::kFlush:
      Flush(xen, cpu, counts);
      break;
    default:
      break;
  }
  if (SetsEntry(xen.kind) || xen.kind == XenEventKind::kProtCommit) {
    cpu.set_pte_last = xen.kind == XenEventKind::kSetPte;
  }
  if (xen.kind == XenEventKind::kSetPte) {
    ++counts.lone_set_ptes;
    ++counts.calls[kHypercallMmuUpdate].calls;
    ++counts.calls[kHypercallMmuUpdate].operations;
  }
}

// A set_pte in lazy mode queues its update at once, so what it was counted as is
// taken back.
void XenTally::Queue(const XenEvent& xen, Cpu& cpu, XenCounts& counts) {
  // It may have been counted elsewhere: the caller decides where.
  if (xen.op == kHypercallMmuUpdate && cpu.set_pte_last &&
      counts.lone_set_ptes > 0) {
    cpu.set_pte_last = false;
    --counts.lone_set_ptes;
    ++counts.queued_set_ptes;
    --counts.calls[kHypercallMmuUpdate].calls;
    --counts.calls[kHypercallMmuUpdate].operations;
  }
  if (xen.kind == XenEventKind::kExtend) {
    if (xen.extend != XenExtend::kOk) return;
    ++counts.joined;
    if (!cpu.queue.empty()) ++cpu.queue.back().operations;
    return;
  }
  if (cpu.queue.size() < kMostQueued) {
    cpu.queue.push_back({xen.op, 1});
  } else {
    ++cpu.unknown;
  }
}

void XenTally::Flush(const XenEvent& xen, Cpu& cpu, XenCounts& counts) {
  ++counts.flush_sizes[xen.calls];
  if (xen.calls == 0) ++counts.empty_flushes;
  if (xen.calls > 1) ++counts.multicalls;
  if (xen.calls != cpu.queue.size() + cpu.unknown) ++unlike_;
  for (const Queued& queued : cpu.queue) {
    if (queued.op >= kHypercallNumbers) continue;
    XenCounts::Call& call = counts.calls[queued.op];
    ++(xen.calls > 1 ? call.members : call.calls);
    call.operations += queued.operations;
  }
  cpu.queue.clear();
  cpu.unknown = 0;
}

}  // namespace xmmu
