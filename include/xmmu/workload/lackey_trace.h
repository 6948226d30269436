#ifndef XMMU_WORKLOAD_LACKEY_TRACE_H_
#define XMMU_WORKLOAD_LACKEY_TRACE_H_

// A workload read from the logs of Valgrind's Lackey tool: the memory accesses
// and system calls of a real process tree. examples/record.sh makes the logs:
//
//   valgrind --tool=lackey --trace-mem=yes --trace-syscalls=yes
//     --trace-children=yes --log-file=trace.%p COMMAND...
//
// and keeps what an exec would overwrite: the logs of the programs that one
// process ran, one after the other, are one log, in order. Logs are plain or
// gzip, told apart by content. The whole set is one stream for each process,
// the same in every run and however the streams are interleaved.
//
// The lines of a log become these operations:
//   I, L, S, M lines    kFetch, kLoad, kStore, kModify, one for one
//   mmap, brk, shmat    kMap; munmap, shmdt, brk downwards: kUnmap
//   mprotect            kProtect; mremap: kRemap
//   madvise             kDiscard for MADV_DONTNEED, MADV_DONTNEED_LOCKED and
//                       MADV_REMOVE (of which the object's pages stay);
//                       kAdvise for those of Advice; else kSyscall
//   mlock and its kin   kAdvise; later mappings are locked after MCL_FUTURE
//   open, memfd         kOpenFile; close, and close-on-exec, of the last
//                       descriptor that is a copy of it (dup): kCloseFile
//   unlink, rename      kRemoveFile of what loses its name; shmctl IPC_RMID
//   fork, clone, vfork  kFork, kVfork; threads stay in their process's stream
//   wait4, waitid       kWait for the child that the call returned, or for any
//                       one where the log does not say which (a signal came)
//   a further program   kExec
//   calls that block    kYield: poll, select, epoll_wait and their kin, futex,
//                       nanosleep, clock_nanosleep, pause, rt_sigsuspend,
//                       rt_sigtimedwait, sched_yield, flock, accept, recvfrom,
//                       recvmsg, recvmmsg, msgrcv, mq_timedreceive, semop,
//                       semtimedop; wait4 and waitid for no child, or for one
//                       that was waited for already; and read and readv from
//                       what was not opened by a path
//   other calls         kSyscall
//   end of the log      kExit
//
// What the kernel reads of a program's memory for a call is a kCopyIn before
// these, what it writes a kCopyOut behind them, and all but the last of the
// operations of one call have kCallGoesOn. One table has which arguments of
// which calls are memory and how long (system_calls.h lists it). An argument
// that is not printed in the form that the table has is passed over. A copy
// ends where nothing is mapped, or not with that right. What a call's vectors
// point to, arguments of exec, frames of signals and buffers of io_uring are in
// no log.
//
// A failed call changes nothing, with these exceptions: a name was read; a
// poll, select or sleep that a signal ended has read its arguments and written
// what is left; a waitid has written that it found no child; a madvise has done
// its work beside holes, and before a mapping that it refuses; an mprotect or
// an mlock has done it before the first hole.
//
// Mappings that the kernel makes at exec are not in a log. They are inferred
// from the first access (or mprotect) to a page in no known mapping:
//   - [0x1f00000000, 0x2000000000), where Valgrind puts the stack: kStack, from
//     128 KiB below that page (as Linux sets up a new stack, fs/exec.c
//     setup_arg_pages) up to the pages above, or to 0x1fff001000;
//   - elsewhere: the aligned 64 KiB around (assumed), less what is mapped,
//     kFilePrivate with all rights. The file is the program named by the
//     "Command:" line below 0x4000000, the dynamic linker from there on.
// The stream leaves out accesses that raised a signal in the recorded program:
// those to a mapping without the right, those to no mapping below 64 KiB (Linux
// vm.mmap_min_addr), and those from 2^47 on. The vsyscall page, which is the
// kernel's and not the program's, lies there, too.
//
// System calls are taken in exactly the form in which Valgrind 3.19 prints
// them, with the numbers of x86-64, which the name beside each number confirms.
// Of calls that are in the table for their buffers alone, arguments in another
// form mean that nothing is copied for them.
// A record that is damaged, whose name is another number's (a 32-bit program's,
// another machine's), whose flags Linux does not have or whose result it cannot
// have given is an error. So is a log that lacks what a replay needs: the head
// (-q), the system calls, the accesses (their options), the program behind an
// exec. Options that add lines (-v, --trace-superblocks, --trace-sched,
// --time-stamp) do not matter.
//
// A log is believed as far as Linux 6.1 can have done what it says. A record of
// a call on mappings that says it succeeded where Linux refuses it is an error
// of its line, with what Linux answers. That covers ranges that are not whole
// pages of user space, mprotect, madvise or mremap over a hole, mmap or shmat
// without leave over another mapping, mremap onto itself, of two mappings at
// once or over a third one, and a break that grows over another mapping.
// Whether a file was opened for what its mapping allows is not checked: the
// replay needs only which file it is. An mprotect, madvise or mremap infers
// mappings only where exec can have made some: beside those that accesses have
// shown, below 0x4800000 and in the stack, and not where a call has unmapped
// them.
//
// A vfork is recorded as a fork (Valgrind runs it as one): what the child maps
// before its exec is not in its parent's log.
//
// Files and objects are told apart by what made them:
//   - A file by its path, looked up from the working directory or the
//     directory that the call names, as far as the log shows those. Two
//     processes that map one library share it, whatever their order. A rename
//     moves the identity of a file that the process has open or mapped; a file
//     that is made at a path whose old file is still open has one of its own.
//     Other processes than those that it forks do not know of either.
//   - /dev/zero is anonymous memory. What is written to it or to /dev/null is
//     not read (write_null). Files in /dev/shm are zero-filled.
//   - Each memfd, each file of O_TMPFILE and each shared anonymous mapping is
//     an object of its own.
//   - A System V segment by its number. It is as large as the process has seen
//     it made. If it has not, it is at least as large as shmget asked. Accesses
//     above it show the rest, by the aligned 64 KiB around them, and so do
//     calls that need the pages and succeeded, by what they are on.
//   - /proc/self/fd/N and its like (/dev/fd/N, /dev/stdin) are what descriptor
//     N is. A descriptor that another process sent (SCM_RIGHTS, pidfd_getfd),
//     or whose link is of another process, stands for a file of its own: the
//     log does not show what it is.
//
// Owns one open file and about 300 KiB for each live process whose stream has
// been asked for, and a map of the mappings of each live process.
// Single-threaded.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "xmmu/workload/trace.h"

namespace xmmu {

// Opens the logs of one process tree, in any order, and checks the head of
// each. Charges nothing: a workload has no clock.
//
// Errors, each one line `FILE:LINE: what is wrong, expected what`:
// InvalidArgument for no file, for a file that cannot be read, is no regular
// one, is empty or no Lackey log, for two logs of one process, and unless
// exactly one process is the root. An error further down, including a log that
// ends too early, a fork without the child's log, a log that nothing forks or
// bytes behind the compressed data, is returned by Workload::Next() when the
// reading gets there.
absl::StatusOr<std::unique_ptr<Trace>> OpenLackeyTrace(
    std::vector<std::string> files, TraceOptions options);

}  // namespace xmmu

#endif  // XMMU_WORKLOAD_LACKEY_TRACE_H_
