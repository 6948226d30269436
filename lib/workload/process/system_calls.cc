#include "xmmu/workload/system_calls.h"

#include "absl/strings/str_cat.h"
#include "workload/process/call_buffers.h"
#include "workload/process/call_number.h"

namespace xmmu {
namespace {

std::string LengthText(const BufferLength& length) {
  const std::string extra =
      length.extra == 0 ? "" : absl::StrCat(" and ", length.extra, " bytes");
  const std::string times =
      length.unit == 1 ? "" : absl::StrCat(" times ", length.unit, " bytes");
  switch (length.of) {
    case BufferLength::Of::kBytes:
      return absl::StrCat(length.unit, length.unit == 1 ? " byte" : " bytes");
    case BufferLength::Of::kArgument:
      return absl::StrCat("argument ", length.argument, times, extra);
    case BufferLength::Of::kResult:
      return absl::StrCat("the result", times, extra);
    case BufferLength::Of::kText:
      return "its string";
    case BufferLength::Of::kBits:
      return absl::StrCat("argument ", length.argument, " bits");
    case BufferLength::Of::kPages:
      return absl::StrCat("1 byte a page of argument ", length.argument);
  }
  return "";
}

std::string WhenText(const BufferWhen& when) {
  switch (when.condition) {
    case BufferWhen::If::kAlways:
      return "";
    case BufferWhen::If::kReturned:
      return " if the result is not 0";
    case BufferWhen::If::kInterrupted:
      return " if a signal came";
    case BufferWhen::If::kEvenThen:
      return " even if a signal came";
    case BufferWhen::If::kAlsoFailed:
      return " also if it fails";
    case BufferWhen::If::kArgumentIs:
      break;
  }
  const std::string range = when.low == when.high
                                ? absl::StrCat(when.low)
                                : absl::StrCat(when.low, " to ", when.high);
  return absl::StrCat(" if argument ", when.argument, " is ", range);
}

std::string BuffersText(const CallRow& row, CallBuffer::Way way) {
  std::string text;
  for (const CallBuffer& buffer : row.buffers) {
    if (buffer.way != way) continue;
    absl::StrAppend(&text, text.empty() ? "" : "; ", buffer.pointer, ": ",
                    LengthText(buffer.length), WhenText(buffer.when));
  }
  return text;
}

// The requests of ioctl that are a row of their own, in the order of the table.
std::string IoctlText(CallBuffer::Way way) {
  std::string text;
  for (const IoctlRow& row : IoctlRows()) {
    if (row.way != way) continue;
    absl::StrAppend(&text, text.empty() ? "2: " : ", ", row.bytes,
                    " bytes of 0x", absl::Hex(row.request));
  }
  return text;
}

constexpr struct {
  const char* name;
  const char* reason;
} kUnreplayed[] = {
    {"readv, preadv, preadv2, recvmsg, recvmmsg",
     "what the vectors point to, which no log says; the vectors themselves are "
     "read"},
    {"writev, pwritev, pwritev2, vmsplice, sendmsg, sendmmsg",
     "what the vectors point to, likewise"},
    {"execve, execveat",
     "the argument strings; the first pointer of either array is read"},
    {"ioctl", "requests of no certain size; those that have one are listed"},
    {"io_uring_setup, io_uring_enter, io_uring_register",
     "rings and buffers, whose addresses are no arguments"},
    {"io_setup, io_submit, io_getevents, io_cancel", "the buffers, likewise"},
    {"process_vm_readv, process_vm_writev, ptrace",
     "the vectors, and another process's memory"},
    {"keyctl, add_key, request_key, bpf, perf_event_open, quotactl, "
     "init_module, semctl, msgctl, get_mempolicy, mbind, move_pages, "
     "name_to_handle_at",
     "structures and strings of many forms, rare in programs"},
    {"signals", "the frames that the kernel writes to the stack"},
    {"exit",
     "the word that a thread asked to have cleared (CLEARTID), and "
     "robust futexes"},
    {"rseq", "the fields that the kernel keeps up to date; Valgrind has none"},
    {"the vDSO", "its data pages: Valgrind makes its calls system calls"},
    {"madvise",
     "MADV_COLLAPSE, as khugepaged; MADV_COLD and MADV_PAGEOUT, as reclaim of "
     "anonymous memory; MADV_MERGEABLE, as KSM; of MADV_REMOVE that the "
     "object's pages go"},
};

}  // namespace

std::vector<ReplayedCall> ReplayedCalls() {
  std::vector<ReplayedCall> calls;
  for (const CallRow& row : CallRows()) {
    ReplayedCall& call = calls.emplace_back();
    const bool ioctl = row.number == kIoctl;
    call.number = row.number;
    call.name = LinuxName(row);
    call.becomes = row.becomes.empty() ? "kSyscall" : std::string(row.becomes);
    call.reads = ioctl ? IoctlText(CallBuffer::Way::kIn)
                       : BuffersText(row, CallBuffer::Way::kIn);
    call.writes = ioctl ? IoctlText(CallBuffer::Way::kOut)
                        : BuffersText(row, CallBuffer::Way::kOut);
  }
  return calls;
}

std::vector<UnreplayedAccess> UnreplayedAccesses() {
  std::vector<UnreplayedAccess> accesses;
  for (const auto& [name, reason] : kUnreplayed) {
    accesses.push_back({name, reason});
  }
  return accesses;
}

}  // namespace xmmu
