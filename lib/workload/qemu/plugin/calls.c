// SPDX-License-Identifier: GPL-2.0-or-later

#include "calls.h"

#include <stddef.h>

#include "guest.h"

#define FIRST 1
#define SECOND 2
#define BOTH 3
#define FOURTH 8

// Numbers: Linux 6.1, arch/x86/entry/syscalls/syscall_64.tbl. Strings are the
// arguments that strncpy_from_user or getname copies; vectors are those of
// struct iovec.
static const struct call_facts wide_calls[] = {
    {2, FIRST, 0, 0, 0},              // open
    {4, FIRST, 0, 0, 0},              // stat
    {6, FIRST, 0, 0, 0},              // lstat
    {19, 0, 2, 3, 16},                // readv
    {20, 0, 2, 3, 16},                // writev
    {21, FIRST, 0, 0, 0},             // access
    {59, FIRST, 0, 0, 0},             // execve
    {76, FIRST, 0, 0, 0},             // truncate
    {80, FIRST, 0, 0, 0},             // chdir
    {82, BOTH, 0, 0, 0},              // rename
    {83, FIRST, 0, 0, 0},             // mkdir
    {84, FIRST, 0, 0, 0},             // rmdir
    {85, FIRST, 0, 0, 0},             // creat
    {86, BOTH, 0, 0, 0},              // link
    {87, FIRST, 0, 0, 0},             // unlink
    {88, BOTH, 0, 0, 0},              // symlink
    {89, FIRST, 0, 0, 0},             // readlink
    {90, FIRST, 0, 0, 0},             // chmod
    {92, FIRST, 0, 0, 0},             // chown
    {94, FIRST, 0, 0, 0},             // lchown
    {132, FIRST, 0, 0, 0},            // utime
    {133, FIRST, 0, 0, 0},            // mknod
    {137, FIRST, 0, 0, 0},            // statfs
    {161, FIRST, 0, 0, 0},            // chroot
    {165, BOTH, 0, 0, 0},             // mount
    {166, FIRST, 0, 0, 0},            // umount2
    {188, BOTH, 0, 0, 0},             // setxattr
    {189, BOTH, 0, 0, 0},             // lsetxattr
    {190, SECOND, 0, 0, 0},           // fsetxattr
    {191, BOTH, 0, 0, 0},             // getxattr
    {192, BOTH, 0, 0, 0},             // lgetxattr
    {193, SECOND, 0, 0, 0},           // fgetxattr
    {194, FIRST, 0, 0, 0},            // listxattr
    {195, FIRST, 0, 0, 0},            // llistxattr
    {197, BOTH, 0, 0, 0},             // removexattr
    {198, BOTH, 0, 0, 0},             // lremovexattr
    {235, FIRST, 0, 0, 0},            // utimes
    {254, SECOND, 0, 0, 0},           // inotify_add_watch
    {257, SECOND, 0, 0, 0},           // openat
    {258, SECOND, 0, 0, 0},           // mkdirat
    {259, SECOND, 0, 0, 0},           // mknodat
    {260, SECOND, 0, 0, 0},           // fchownat
    {261, SECOND, 0, 0, 0},           // futimesat
    {262, SECOND, 0, 0, 0},           // newfstatat
    {263, SECOND, 0, 0, 0},           // unlinkat
    {264, SECOND | FOURTH, 0, 0, 0},  // renameat
    {265, SECOND | FOURTH, 0, 0, 0},  // linkat
    {266, FIRST | 4, 0, 0, 0},        // symlinkat
    {267, SECOND, 0, 0, 0},           // readlinkat
    {268, SECOND, 0, 0, 0},           // fchmodat
    {269, SECOND, 0, 0, 0},           // faccessat
    {280, SECOND, 0, 0, 0},           // utimensat
    {295, 0, 2, 3, 16},               // preadv
    {296, 0, 2, 3, 16},               // pwritev
    {316, SECOND | FOURTH, 0, 0, 0},  // renameat2
    {319, FIRST, 0, 0, 0},            // memfd_create
    {322, SECOND, 0, 0, 0},           // execveat
    {327, 0, 2, 3, 16},               // preadv2
    {328, 0, 2, 3, 16},               // pwritev2
    {332, SECOND, 0, 0, 0},           // statx
    {437, SECOND, 3, 0, 24},          // openat2
    {439, SECOND, 0, 0, 0},           // faccessat2
};

// Numbers: Linux 6.1, arch/x86/entry/syscalls/syscall_32.tbl. mmap and select
// have their arguments in memory (sys_ia32.c, struct mmap_arg_struct32; struct
// sel_arg_struct), socketcall up to six words of them (net/socket.c).
static const struct call_facts narrow_calls[] = {
    {5, FIRST, 0, 0, 0},              // open
    {8, FIRST, 0, 0, 0},              // creat
    {9, BOTH, 0, 0, 0},               // link
    {10, FIRST, 0, 0, 0},             // unlink
    {11, FIRST, 0, 0, 0},             // execve
    {12, FIRST, 0, 0, 0},             // chdir
    {14, FIRST, 0, 0, 0},             // mknod
    {15, FIRST, 0, 0, 0},             // chmod
    {16, FIRST, 0, 0, 0},             // lchown
    {21, BOTH, 0, 0, 0},              // mount
    {30, FIRST, 0, 0, 0},             // utime
    {33, FIRST, 0, 0, 0},             // access
    {38, BOTH, 0, 0, 0},              // rename
    {39, FIRST, 0, 0, 0},             // mkdir
    {40, FIRST, 0, 0, 0},             // rmdir
    {52, FIRST, 0, 0, 0},             // umount2
    {61, FIRST, 0, 0, 0},             // chroot
    {82, 0, 1, 0, 20},                // select
    {83, BOTH, 0, 0, 0},              // symlink
    {85, FIRST, 0, 0, 0},             // readlink
    {90, 0, 1, 0, 24},                // mmap
    {92, FIRST, 0, 0, 0},             // truncate
    {99, FIRST, 0, 0, 0},             // statfs
    {102, 0, 2, 0, 24},               // socketcall
    {106, FIRST, 0, 0, 0},            // stat
    {107, FIRST, 0, 0, 0},            // lstat
    {145, 0, 2, 3, 8},                // readv
    {146, 0, 2, 3, 8},                // writev
    {182, FIRST, 0, 0, 0},            // chown
    {193, FIRST, 0, 0, 0},            // truncate64
    {195, FIRST, 0, 0, 0},            // stat64
    {196, FIRST, 0, 0, 0},            // lstat64
    {198, FIRST, 0, 0, 0},            // lchown32
    {212, FIRST, 0, 0, 0},            // chown32
    {226, BOTH, 0, 0, 0},             // setxattr
    {227, BOTH, 0, 0, 0},             // lsetxattr
    {229, BOTH, 0, 0, 0},             // getxattr
    {230, BOTH, 0, 0, 0},             // lgetxattr
    {232, FIRST, 0, 0, 0},            // listxattr
    {233, FIRST, 0, 0, 0},            // llistxattr
    {268, FIRST, 0, 0, 0},            // statfs64
    {271, FIRST, 0, 0, 0},            // utimes
    {292, SECOND, 0, 0, 0},           // inotify_add_watch
    {295, SECOND, 0, 0, 0},           // openat
    {296, SECOND, 0, 0, 0},           // mkdirat
    {297, SECOND, 0, 0, 0},           // mknodat
    {298, SECOND, 0, 0, 0},           // fchownat
    {299, SECOND, 0, 0, 0},           // futimesat
    {300, SECOND, 0, 0, 0},           // fstatat64
    {301, SECOND, 0, 0, 0},           // unlinkat
    {302, SECOND | FOURTH, 0, 0, 0},  // renameat
    {303, SECOND | FOURTH, 0, 0, 0},  // linkat
    {304, FIRST | 4, 0, 0, 0},        // symlinkat
    {305, SECOND, 0, 0, 0},           // readlinkat
    {306, SECOND, 0, 0, 0},           // fchmodat
    {307, SECOND, 0, 0, 0},           // faccessat
    {320, SECOND, 0, 0, 0},           // utimensat
    {333, 0, 2, 3, 8},                // preadv
    {334, 0, 2, 3, 8},                // pwritev
    {353, SECOND | FOURTH, 0, 0, 0},  // renameat2
    {356, FIRST, 0, 0, 0},            // memfd_create
    {358, SECOND, 0, 0, 0},           // execveat
    {378, 0, 2, 3, 8},                // preadv2
    {379, 0, 2, 3, 8},                // pwritev2
    {383, SECOND, 0, 0, 0},           // statx
    {412, SECOND, 0, 0, 0},           // utimensat_time64
    {437, SECOND, 3, 0, 24},          // openat2
    {439, SECOND, 0, 0, 0},           // faccessat2
};

const struct call_numbers* call_numbers(void) {
  static const struct call_numbers wide = {60, 231, 59, 322};
  static const struct call_numbers narrow = {1, 252, 11, 358};
  return guest.narrow ? &narrow : &wide;
}

const struct call_facts* call_facts(int64_t number) {
  const struct call_facts* low = guest.narrow ? narrow_calls : wide_calls;
  size_t count = guest.narrow ? sizeof(narrow_calls) / sizeof(narrow_calls[0])
                              : sizeof(wide_calls) / sizeof(wide_calls[0]);
  while (count > 0) {
    const size_t half = count / 2;
    if (low[half].number == number) return &low[half];
    if (low[half].number < number) {
      low += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  return NULL;
}
