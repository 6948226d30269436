#include "workload/lackey/call_form.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "workload/process/call_buffers.h"
#include "workload/process/call_number.h"

namespace xmmu {
namespace {

// Source: Valgrind 3.19, coregrind/m_syswrap, the PRINT of each wrapper. The
// table is sorted by number for FindCallForm().
constexpr CallForm kForms[] = {
    {kRead, "sys_read", "", 3, 3},
    {kOpen, "sys_open", "", 2, 3},
    {kClose, "sys_close", "", 1, 1},
    {kPoll, "sys_poll", "", kNoList, kNoList},
    {kMmap, "sys_mmap", "", 6, 6},
    {kMprotect, "sys_mprotect", "", 3, 3},
    {kMunmap, "sys_munmap", "", 2, 2},
    {kBrk, "sys_brk", "", 1, 1},
    {kReadv, "sys_readv", "", 3, 3},
    {kSelect, "sys_select", "", kNoList, kNoList},
    {kSchedYield, "sched_yield", "sys_sched_yield", kNoList, kNoList},
    {kMremap, "sys_mremap", "", 4, 5},
    {kMadvise, "sys_madvise", "", 3, 3},
    {kShmget, "sys_shmget", "", 3, 3},
    {kShmat, "sys_shmat", "", 3, 3},
    {kDup, "sys_dup", "", 1, 1},
    {kDup2, "sys_dup2", "", 2, 2},
    {kPause, "sys_pause", "", kNoList, kNoList},
    {kNanosleep, "sys_nanosleep", "", kNoList, kNoList},
    {kAccept, "sys_accept", "", kNoList, kNoList},
    {kRecvfrom, "sys_recvfrom", "", kNoList, kNoList},
    {kRecvmsg, "sys_recvmsg", "", kNoList, kNoList},
    {kClone, "sys_clone", "", 1, 5},
    {kForkCall, "sys_fork", "", 0, 0},
    {kVforkCall, "sys_fork", "sys_vfork", 0, 0},
    {kExecve, "sys_execve", "", kNoList, kNoList},
    {kExitThread, "exit", "", kNoList, kNoList},
    {kWait4, "sys_wait4", "", 4, 4},
    {kSemop, "sys_semop", "", kNoList, kNoList},
    {kShmdt, "sys_shmdt", "", 1, 1},
    {kMsgrcv, "sys_msgrcv", "", kNoList, kNoList},
    {kFcntl, "sys_fcntl", "", 2, 3},
    {kFlock, "sys_flock", "", kNoList, kNoList},
    {kCreat, "sys_creat", "", 2, 2},
    {kRtSigtimedwait, "sys_rt_sigtimedwait", "", kNoList, kNoList},
    {kRtSigsuspend, "sys_rt_sigsuspend", "", kNoList, kNoList},
    {kFutex, "sys_futex", "", kNoList, kNoList},
    {kSemtimedop, "sys_semtimedop", "", kNoList, kNoList},
    {kClockNanosleep, "sys_clock_nanosleep", "", kNoList, kNoList},
    {kExitGroup, "exit_group", "", kNoList, kNoList},
    {kEpollWait, "sys_epoll_wait", "", kNoList, kNoList},
    {kMqTimedreceive, "sys_mq_timedreceive", "", kNoList, kNoList},
    {kWaitid, "sys_waitid", "", 5, 5},
    {kOpenat, "sys_openat", "", 3, 4},
    {kPselect6, "sys_pselect6", "", kNoList, kNoList},
    {kPpoll, "sys_ppoll", "", kNoList, kNoList},
    {kEpollPwait, "sys_epoll_pwait", "", kNoList, kNoList},
    {kAccept4, "sys_accept4", "", kNoList, kNoList},
    {kDup3, "sys_dup3", "", 3, 3},
    {kMemfdCreate, "sys_memfd_create", "", 2, 2},
    {kExecveat, "sys_execveat", "", kNoList, kNoList},
    {kPkeyMprotect, "sys_pkey_mprotect", "", 4, 4},
    {kCloseRange, "sys_close_range", "", 3, 3},
    {kOpenat2, "sys_openat2", "", 4, 4},
    {kEpollPwait2, "sys_epoll_pwait2", "", kNoList, kNoList},
};

struct Pair {
  uint16_t number;
  absl::string_view name;
};

// Numbers of i386 (Linux, arch/x86/entry/syscalls/syscall_32.tbl) beside the
// names that Valgrind prints for them. They suffice to recognise a 32-bit log:
// the calls that start and end every program, and the most frequent others. No
// pair is also one of x86-64's.
constexpr Pair kI386[] = {
    {1, "exit"},
    {2, "sys_fork"},
    {3, "sys_read"},
    {4, "sys_write"},
    {5, "sys_open"},
    {6, "sys_close"},
    {7, "sys_waitpid"},
    {8, "sys_creat"},
    {9, "sys_link"},
    {10, "sys_unlink"},
    {11, "sys_execve"},
    {12, "sys_chdir"},
    {13, "sys_time"},
    {15, "sys_chmod"},
    {19, "sys_lseek"},
    {20, "sys_getpid"},
    {24, "sys_getuid"},
    {24, "sys_getuid16"},
    {27, "sys_alarm"},
    {29, "sys_pause"},
    {33, "sys_access"},
    {37, "sys_kill"},
    {38, "sys_rename"},
    {39, "sys_mkdir"},
    {40, "sys_rmdir"},
    {41, "sys_dup"},
    {42, "sys_pipe"},
    {45, "sys_brk"},
    {47, "sys_getgid16"},
    {49, "sys_geteuid16"},
    {50, "sys_getegid16"},
    {54, "sys_ioctl"},
    {55, "sys_fcntl"},
    {63, "sys_dup2"},
    {64, "sys_getppid"},
    {67, "sys_sigaction"},
    {72, "sys_sigsuspend"},
    {78, "sys_gettimeofday"},
    {82, "old_select"},
    {85, "sys_readlink"},
    {90, "old_mmap"},
    {91, "sys_munmap"},
    {102, "sys_socketcall"},
    {114, "sys_wait4"},
    {117, "sys_ipc"},
    {119, "sys_sigreturn"},
    {120, "sys_clone"},
    {122, "sys_newuname"},
    {125, "sys_mprotect"},
    {126, "sys_sigprocmask"},
    {140, "sys_llseek"},
    {142, "sys_select"},
    {143, "sys_flock"},
    {145, "sys_readv"},
    {146, "sys_writev"},
    {158, "sys_sched_yield"},
    {158, "sched_yield"},
    {162, "sys_nanosleep"},
    {163, "sys_mremap"},
    {168, "sys_poll"},
    {173, "sys_rt_sigreturn"},
    {174, "sys_rt_sigaction"},
    {175, "sys_rt_sigprocmask"},
    {177, "sys_rt_sigtimedwait"},
    {179, "sys_rt_sigsuspend"},
    {180, "sys_pread64"},
    {183, "sys_getcwd"},
    {186, "sys_sigaltstack"},
    {191, "sys_getrlimit"},
    {192, "sys_mmap2"},
    {195, "sys_stat64"},
    {196, "sys_lstat64"},
    {197, "sys_fstat64"},
    {199, "sys_getuid"},
    {200, "sys_getgid"},
    {201, "sys_geteuid"},
    {202, "sys_getegid"},
    {219, "sys_madvise"},
    {220, "sys_getdents64"},
    {221, "sys_fcntl64"},
    {224, "sys_gettid"},
    {240, "sys_futex"},
    {243, "sys_set_thread_area"},
    {252, "exit_group"},
    {256, "sys_epoll_wait"},
    {258, "sys_set_tid_address"},
    {265, "sys_clock_gettime"},
    {267, "sys_clock_nanosleep"},
    {268, "sys_statfs64"},
    {270, "sys_tgkill"},
    {284, "sys_waitid"},
    {295, "sys_openat"},
    {300, "sys_fstatat64"},
    {305, "sys_readlinkat"},
    {308, "sys_pselect6"},
    {309, "sys_ppoll"},
    {311, "sys_set_robust_list"},
    {319, "sys_epoll_pwait"},
    {330, "sys_dup3"},
    {331, "sys_pipe2"},
    {340, "sys_prlimit64"},
    {355, "sys_getrandom"},
    {356, "sys_memfd_create"},
    {358, "sys_execveat"},
    {364, "sys_accept4"},
    {371, "sys_recvfrom"},
    {372, "sys_recvmsg"},
    {380, "sys_pkey_mprotect"},
    {383, "sys_statx"},
    {395, "sys_shmget"},
    {397, "sys_shmat"},
    {398, "sys_shmdt"},
    {401, "sys_msgrcv"},
    {403, "sys_clock_gettime64"},
    {407, "sys_clock_nanosleep_time64"},
    {413, "sys_pselect6_time64"},
    {414, "sys_ppoll_time64"},
    {420, "sys_semtimedop_time64"},
    {422, "sys_futex_time64"},
};

bool IsI386(uint64_t number, absl::string_view name) {
  return std::any_of(std::begin(kI386), std::end(kI386), [&](const Pair& pair) {
    return pair.number == number && pair.name == name;
  });
}

// Whether `name` is one of the form's names. A form without a second name has
// "" for it, which must not match.
bool HasName(const CallForm& form, absl::string_view name) {
  return !name.empty() && (name == form.name || name == form.other_name);
}

}  // namespace

const CallForm* FindCallForm(uint64_t number) {
  const CallForm* found = std::lower_bound(
      std::begin(kForms), std::end(kForms), number,
      [](const CallForm& form, uint64_t n) { return form.number < n; });
  return found != std::end(kForms) && found->number == number ? found : nullptr;
}

std::string CheckCallName(uint64_t number, absl::string_view name) {
  const CallForm* form = FindCallForm(number);
  if (form != nullptr && HasName(*form, name)) return {};
  // A 32-bit program's log is told by the pair, as its numbers mean other
  // calls.
  if (IsI386(number, name)) {
    return absl::StrCat("call ", number, " is ", name,
                        ", as in a 32-bit program (i386), expected the log of "
                        "an x86-64 program: others cannot be replayed yet");
  }
  if (form != nullptr) {
    return absl::StrCat("call ", number, " is '", name, "', expected ",
                        form->name, ", as x86-64 numbers it");
  }
  for (const CallForm& other : kForms) {
    // A known name beside an unknown number: another machine's log.
    if (!HasName(other, name)) continue;
    return absl::StrCat("call ", number, " is ", name, ", expected the number ",
                        other.number, " of x86-64");
  }
  // The others of the table have one name each.
  const CallRow* const row = FindCallRow(number);
  if (row != nullptr && row->name != name) {
    return absl::StrCat("call ", number, " is '", name, "', expected ",
                        row->name, ", as x86-64 numbers it");
  }
  return {};
}

}  // namespace xmmu
