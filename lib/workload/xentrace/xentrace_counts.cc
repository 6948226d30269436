#include "workload/xentrace/xentrace_counts.h"

#include <algorithm>

namespace xmmu {
namespace {

using absl::string_view;

// Payloads for a 64-bit guest (TRC_64_FLAG).
constexpr uint32_t kWideLayout = 0x100;
constexpr uint32_t kLostRecords = 0x01f001;
constexpr uint32_t kPvHypercall = 0x20100d;
constexpr uint32_t kPvSubcall = 0x20200e;
constexpr uint32_t kClassBits = 0x0fff0000;
constexpr uint32_t kShadowClass = 0x400000;
// 081002 and 081102; from Xen 4.19 on AMD's are 081003 and 081103.
constexpr uint32_t kHvmExit = 0x081002;
constexpr uint32_t kHvmExitSvm = 0x081003;
constexpr uint32_t kNested = 0x400;

constexpr uint32_t kMmuUpdateNumber = 1;
constexpr uint32_t kMulticallNumber = 13;
constexpr uint32_t kMmuextOpNumber = 26;
// Of the count of mmu_update and mmuext_op (Xen, xen/arch/x86/mm.c,
// MMU_UPDATE_PREEMPTED).
constexpr uint32_t kContinues = uint32_t{1} << 31;

struct EventName {
  uint32_t event;  // without kWideLayout
  string_view name;
};
// Source: Xen, xen/include/public/trace.h.
constexpr EventName kXentraceNames[] = {
    {0x01f001, "LOST_RECORDS"},
    {0x01f002, "WRAP_BUFFER"},
    {0x021002, "CONTINUE_RUNNING"},
    {0x081001, "HVM_VMENTRY"},
    {0x081002, "HVM_VMEXIT"},
    {0x081003, "HVM_VMEXIT_SVM"},
    // Of a guest's own guest (TRC_HVM_NESTEDFLAG).
    {0x081401, "HVM_VMENTRY nested"},
    {0x081402, "HVM_VMEXIT nested"},
    {0x081403, "HVM_VMEXIT_SVM nested"},
    {0x082001, "HVM_PF_XEN"},
    {0x082002, "HVM_PF_INJECT"},
    {0x082003, "HVM_INJ_EXC"},
    {0x082004, "HVM_INJ_VIRQ"},
    {0x082005, "HVM_REINJ_VIRQ"},
    {0x082006, "HVM_IO_READ"},
    {0x082007, "HVM_IO_WRITE"},
    {0x082008, "HVM_CR_READ"},
    {0x082009, "HVM_CR_WRITE"},
    {0x08200a, "HVM_DR_READ"},
    {0x08200b, "HVM_DR_WRITE"},
    {0x08200c, "HVM_MSR_READ"},
    {0x08200d, "HVM_MSR_WRITE"},
    {0x08200e, "HVM_CPUID"},
    {0x08200f, "HVM_INTR"},
    {0x082010, "HVM_NMI"},
    {0x082011, "HVM_SMI"},
    {0x082012, "HVM_VMMCALL"},
    {0x082013, "HVM_HLT"},
    {0x082014, "HVM_INVLPG"},
    {0x082015, "HVM_MCE"},
    {0x082016, "HVM_IOPORT_READ"},
    {0x082017, "HVM_IOMEM_READ"},
    {0x082018, "HVM_CLTS"},
    {0x082019, "HVM_LMSW"},
    {0x08201a, "HVM_RDTSC"},
    {0x082020, "HVM_INTR_WINDOW"},
    {0x082021, "HVM_NPF"},
    {0x082022, "HVM_REALMODE_EMULATE"},
    {0x082023, "HVM_TRAP"},
    {0x082024, "HVM_TRAP_DEBUG"},
    {0x082025, "HVM_VLAPIC"},
    {0x082216, "HVM_IOPORT_WRITE"},
    {0x082217, "HVM_IOMEM_WRITE"},
    {0x10f001, "MEM_PAGE_GRANT_MAP"},
    {0x10f002, "MEM_PAGE_GRANT_UNMAP"},
    {0x10f003, "MEM_PAGE_GRANT_TRANSFER"},
    {0x10f004, "MEM_SET_P2M_ENTRY"},
    {0x10f005, "MEM_DECREASE_RESERVATION"},
    {0x10f010, "MEM_POD_POPULATE"},
    {0x10f011, "MEM_POD_ZERO_RECLAIM"},
    {0x10f012, "MEM_POD_SUPERPAGE_SPLINTER"},
    {0x201001, "PV_HYPERCALL"},
    {0x201003, "PV_TRAP"},
    {0x201004, "PV_PAGE_FAULT"},
    {0x201005, "PV_FORCED_INVALID_OP"},
    {0x201006, "PV_EMULATE_PRIVOP"},
    {0x201007, "PV_EMULATE_4GB"},
    {0x201008, "PV_MATH_STATE_RESTORE"},
    {0x201009, "PV_PAGING_FIXUP"},
    {0x20100a, "PV_GDT_LDT_MAPPING_FAULT"},
    {0x20100b, "PV_PTWR_EMULATION"},
    {0x20100c, "PV_PTWR_EMULATION_PAE"},
    {0x20100d, "PV_HYPERCALL_V2"},
    {0x20200e, "PV_HYPERCALL_SUBCALL"},
};
// Behind 40f0nn, 40f1nn and 40f2nn: guests of 2, 3 and 4 levels.
constexpr string_view kShadowNames[] = {"",
                                        "SHADOW_NOT_SHADOW",
                                        "SHADOW_FAST_PROPAGATE",
                                        "SHADOW_FAST_MMIO",
                                        "SHADOW_FALSE_FAST_PATH",
                                        "SHADOW_MMIO",
                                        "SHADOW_FIXUP",
                                        "SHADOW_DOMF_DYING",
                                        "SHADOW_EMULATE",
                                        "SHADOW_EMULATE_UNSHADOW_USER",
                                        "SHADOW_EMULATE_UNSHADOW_EVTINJ",
                                        "SHADOW_EMULATE_UNSHADOW_UNHANDLED",
                                        "SHADOW_WRMAP_BF",
                                        "SHADOW_PREALLOC_UNPIN",
                                        "SHADOW_RESYNC_FULL",
                                        "SHADOW_RESYNC_ONLY"};

constexpr string_view kHypercallNames[] = {"set_trap_table",
                                           "mmu_update",
                                           "set_gdt",
                                           "stack_switch",
                                           "set_callbacks",
                                           "fpu_taskswitch",
                                           "sched_op_compat",
                                           "platform_op",
                                           "set_debugreg",
                                           "get_debugreg",
                                           "update_descriptor",
                                           "",
                                           "memory_op",
                                           "multicall",
                                           "update_va_mapping",
                                           "set_timer_op",
                                           "event_channel_op_compat",
                                           "xen_version",
                                           "console_io",
                                           "physdev_op_compat",
                                           "grant_table_op",
                                           "vm_assist",
                                           "update_va_mapping_otherdomain",
                                           "iret",
                                           "vcpu_op",
                                           "set_segment_base",
                                           "mmuext_op",
                                           "xsm_op",
                                           "nmi_op",
                                           "sched_op",
                                           "callback_op",
                                           "xenoprof_op",
                                           "event_channel_op",
                                           "physdev_op",
                                           "hvm_op",
                                           "sysctl",
                                           "domctl",
                                           "kexec_op",
                                           "tmem_op",
                                           "argo_op",
                                           "xenpmu_op",
                                           "dm_op",
                                           "hypfs_op"};

}  // namespace

string_view XentraceEventName(uint32_t event) {
  if ((event & kClassBits) == kShadowClass) {
    const uint32_t number = event & 0xff;
    return number < std::size(kShadowNames) ? kShadowNames[number] : "";
  }
  // Changes of runstate have the states in their number.
  if ((event & ~uint32_t{0xff0}) == 0x021001) return "RUNSTATE_CHANGE";
  for (const EventName& row : kXentraceNames) {
    if (row.event == (event & ~kWideLayout)) return row.name;
  }
  return "";
}

string_view HypercallName(uint32_t number) {
  return number < std::size(kHypercallNames) ? kHypercallNames[number] : "";
}

uint64_t XentraceCounts::events_of(uint32_t event) const {
  const auto found = events_.find(event);
  return found == events_.end() ? 0 : found->second;
}

uint64_t XentraceCounts::events_named(string_view name) const {
  uint64_t sum = 0;
  for (const auto& [event, count] : events_) {
    if (XentraceEventName(event) == name) sum += count;
  }
  return sum;
}

XentraceCounts::ByWords XentraceCounts::words_of(uint32_t event) const {
  const auto found = words_.find(event);
  return found == words_.end() ? ByWords{} : found->second;
}

void XentraceCounts::CloseMulticall(Multicall& multicall) {
  if (!multicall.open) return;
  ++(multicall.executed >= multicall.count ? multicalls_whole_
                                           : multicalls_cut_);
  multicall.open = false;
}

// Word 0 has the number and which arguments follow; the one that counts for the
// MMU is the count of mmu_update, mmuext_op and multicall, the only one there.
void XentraceCounts::AddCall(const XentraceRecord& record, bool member) {
  if (record.words == 0) return;
  const uint32_t number = record.payload[0] & 0xfffff;
  if (number >= kNumbers) return;
  Call& call = calls_[number];
  ++(member ? call.members : call.records);
  Multicall& multicall = multicalls_[record.cpu];
  if (member) ++multicall.executed;
  if (!member && number == kMulticallNumber) CloseMulticall(multicall);
  if (record.words < 2) return;
  const uint32_t count = record.payload[1];
  if (number == kMulticallNumber) {
    call.operations += count;
    multicall = {.open = true, .count = count, .executed = 0};
    return;
  }
  if (number != kMmuUpdateNumber && number != kMmuextOpNumber) return;
  if ((count & kContinues) != 0) {
    ++(member ? call.member_continuations : call.continuations);
  } else {
    (member ? call.member_operations : call.operations) += count;
  }
}

XentraceCounts::Cpu& XentraceCounts::NoteTime(const XentraceRecord& record) {
  Cpu& cpu = cpus_[record.cpu];
  ++cpu.records;
  if (!record.timed) return cpu;
  cpu.went_back +=
      cpu.seen.first <= cpu.seen.last && record.tsc < cpu.seen.last;
  cpu.seen.first = std::min(cpu.seen.first, record.tsc);
  cpu.seen.last = std::max(cpu.seen.last, record.tsc);
  return cpu;
}

void XentraceCounts::Add(const XentraceRecord& record,
                         const TscWindow& window) {
  if (record.tsc < window.first || record.tsc > window.last) return;
  ++records_;
  ++events_[record.event];
  ++words_[record.event][record.words];
  Cpu& cpu = NoteTime(record);
  if (record.tsc != 0) {
    seen_.first = std::min(seen_.first, record.tsc);
    seen_.last = std::max(seen_.last, record.tsc);
  }
  if (record.event == kLostRecords && record.words >= 1) {
    lost_ += record.payload[0];
    cpu.lost += record.payload[0];
  } else if (record.event == kPvHypercall || record.event == kPvSubcall) {
    AddCall(record, record.event == kPvSubcall);
  } else {
    const uint32_t event = record.event & ~(kWideLayout | kNested);
    if (record.words == 0) return;
    if (event == kHvmExit) ++exits_[record.payload[0]];
    if (event == kHvmExitSvm) ++svm_exits_[record.payload[0]];
  }
}

void XentraceCounts::End() {
  for (auto& [cpu, multicall] : multicalls_) CloseMulticall(multicall);
}

absl::StatusOr<XentraceSummary> SummarizeXentrace(const std::string& path,
                                                  const TscWindow& window) {
  absl::StatusOr<XentraceReader> reader = XentraceReader::Open(path);
  if (!reader.ok()) return reader.status();
  XentraceSummary summary;
  for (;;) {
    const auto record = reader->Next();
    if (!record.ok()) return record.status();
    if (!record->has_value()) break;
    summary.counts.Add(**record, window);
  }
  summary.counts.End();
  summary.bytes = reader->bytes();
  summary.windows = reader->windows();
  summary.windows_by_cpu = reader->windows_by_cpu();
  summary.truncated = reader->truncated();
  return summary;
}

}  // namespace xmmu
