#include "report/compared_figures.h"

#include "xmmu/base/counters.h"

namespace xmmu {
namespace {

constexpr std::optional<uint64_t> IndexOf(Counter counter) {
  return static_cast<uint64_t>(counter);
}

template <uint32_t kNumber>
uint64_t CallsOfText(const LinuxTextSummary&, const XenCounts& counts) {
  const XenCounts::Call& call = counts.calls[kNumber];
  return call.calls + call.members;
}
template <uint32_t kNumber>
uint64_t OperationsOfText(const LinuxTextSummary&, const XenCounts& counts) {
  return counts.calls[kNumber].operations;
}
template <XenEventKind kKind>
uint64_t EventsOfText(const LinuxTextSummary&, const XenCounts& counts) {
  return counts.of(kKind);
}

// What goes on with a call that was preempted is no call.
template <uint32_t kNumber>
uint64_t CallsOfXen(const XentraceCounts& xen) {
  const XentraceCounts::Call& call = xen.call(kNumber);
  return call.records + call.members - call.continuations -
         call.member_continuations;
}
template <uint32_t kNumber>
uint64_t OperationsOfXen(const XentraceCounts& xen) {
  return xen.call(kNumber).operations + xen.call(kNumber).member_operations;
}

uint64_t MmuHypercallsOfXen(const XentraceCounts& xen) {
  uint64_t sum = xen.multicalls_whole();
  for (const uint32_t number :
       {kHypercallMmuUpdate, kHypercallUpdateVaMapping, kHypercallMmuextOp}) {
    sum += xen.call(number).records - xen.call(number).continuations;
  }
  return sum;
}

constexpr ComparedFigure kComparedFigures[] = {
    {"page_faults", "page faults at addresses of programs, the kernel's too",
     [](const LinuxTextSummary& text, const XenCounts& counts) {
       return &counts == &text.xen ? text.program.faults : 0;
     },
     false,
     [](const XentraceCounts& xen) {
       return xen.events_named("PV_PAGE_FAULT");
     },
     IndexOf(Counter::kGuestFaults)},
    {"forks", "processes forked",
     [](const LinuxTextSummary& text, const XenCounts& counts) {
       return &counts == &text.xen ? text.program.forks : 0;
     },
     false, nullptr, IndexOf(Counter::kForks)},
    {"execs", "programs executed",
     [](const LinuxTextSummary& text, const XenCounts& counts) {
       return &counts == &text.xen ? text.program.execs : 0;
     },
     false, nullptr, IndexOf(Counter::kExecs)},
    {"mmu_hypercalls",
     "entries into Xen for page tables: mmu_update, update_va_mapping and "
     "mmuext_op by themselves, and multicalls",
     [](const LinuxTextSummary&, const XenCounts& counts) {
       return counts.hypercalls();
     },
     true, &MmuHypercallsOfXen, IndexOf(Counter::kHypercalls)},
    {"mmu_update_calls", "mmu_update calls, members of multicalls too",
     &CallsOfText<kHypercallMmuUpdate>, true, &CallsOfXen<kHypercallMmuUpdate>,
     IndexOf(Counter::kCallsToMmuUpdate)},
    {"mmu_updates", "updates that these carried",
     &OperationsOfText<kHypercallMmuUpdate>, true,
     &OperationsOfXen<kHypercallMmuUpdate>, IndexOf(Counter::kNumPageUpdates)},
    {"update_va_mapping_calls",
     "update_va_mapping calls, members of multicalls too",
     &CallsOfText<kHypercallUpdateVaMapping>, true,
     &CallsOfXen<kHypercallUpdateVaMapping>,
     IndexOf(Counter::kCallsToUpdateVaMapping)},
    {"mmuext_op_calls", "mmuext_op calls, members of multicalls too",
     &CallsOfText<kHypercallMmuextOp>, true, &CallsOfXen<kHypercallMmuextOp>,
     IndexOf(Counter::kCallsToMmuextOp)},
    {"mmuext_ops",
     "operations that these carried: pins, unpins, base "
     "pointers, flushes",
     &OperationsOfText<kHypercallMmuextOp>, true,
     &OperationsOfXen<kHypercallMmuextOp>, IndexOf(Counter::kNumMmuextOps)},
    {"multicalls",
     "multicalls; one that was cut short and entered again is one",
     [](const LinuxTextSummary&, const XenCounts& counts) {
       return counts.multicalls;
     },
     true, [](const XentraceCounts& xen) { return xen.multicalls_whole(); },
     IndexOf(Counter::kMulticalls)},
    {"emulated_writes",
     "entries written by an ordinary instruction, which Xen emulated; no event "
     "of Linux's tells of them",
     nullptr, false,
     [](const XentraceCounts& xen) {
       return xen.events_named("PV_PTWR_EMULATION");
     },
     IndexOf(Counter::kPtwrEmulations)},
    {"set_pte_alone",
     "set_pte events that were a hypercall by themselves",
     [](const LinuxTextSummary&, const XenCounts& counts) {
       return counts.lone_set_ptes;
     },
     true,
     nullptr,
     {}},
    {"set_pte_queued",
     "set_pte events whose update was queued",
     [](const LinuxTextSummary&, const XenCounts& counts) {
       return counts.queued_set_ptes;
     },
     true,
     nullptr,
     {}},
    {"modify_prot",
     "entries whose rights changed (ptep_modify_prot_commit)",
     &EventsOfText<XenEventKind::kProtCommit>,
     true,
     nullptr,
     {}},
    {"set_pmd",
     "set_pmd events: L2 entries",
     &EventsOfText<XenEventKind::kSetPmd>,
     true,
     nullptr,
     {}},
    {"set_pud",
     "set_pud events: L3 entries",
     &EventsOfText<XenEventKind::kSetPud>,
     true,
     nullptr,
     {}},
    {"set_p4d",
     "set_p4d events: L4 entries",
     &EventsOfText<XenEventKind::kSetP4d>,
     true,
     nullptr,
     {}},
    {"tables_made",
     "pages that became page tables (alloc_ptpage)",
     &EventsOfText<XenEventKind::kAllocTable>,
     true,
     nullptr,
     {}},
    {"tables_freed",
     "page tables that became pages (release_ptpage)",
     &EventsOfText<XenEventKind::kReleaseTable>,
     true,
     nullptr,
     {}},
    {"pgd_pins",
     "address spaces pinned",
     &EventsOfText<XenEventKind::kPin>,
     true,
     nullptr,
     {}},
    {"pgd_unpins",
     "address spaces unpinned",
     &EventsOfText<XenEventKind::kUnpin>,
     true,
     nullptr,
     {}},
    {"cr3_writes",
     "base pointers loaded, those of kernel and user apart",
     &EventsOfText<XenEventKind::kWriteCr3>,
     true,
     nullptr,
     {}},
    {"page_flushes", "flushes of one address on the CPU itself",
     [](const LinuxTextSummary&, const XenCounts& counts) {
       return counts.of(XenEventKind::kFlushOne) +
              counts.of(XenEventKind::kFlushSingle);
     },
     true, nullptr, IndexOf(Counter::kTlbPageFlushes)},
    {"remote_flushes",
     "flushes that other CPUs have to do, too",
     [](const LinuxTextSummary&, const XenCounts& counts) {
       return counts.of(XenEventKind::kFlushMulti) +
              counts.of(XenEventKind::kFlushOthers);
     },
     true,
     nullptr,
     {}},
    {"queue_flushes",
     "times that the queue of calls was issued",
     &EventsOfText<XenEventKind::kFlush>,
     true,
     nullptr,
     {}},
    {"empty_queue_flushes",
     "of these with nothing in it",
     [](const LinuxTextSummary&, const XenCounts& counts) {
       return counts.empty_flushes;
     },
     true,
     nullptr,
     {}},
};

}  // namespace

std::span<const ComparedFigure> ComparedFigures() { return kComparedFigures; }

}  // namespace xmmu
