// SPDX-License-Identifier: GPL-2.0-or-later

#define _GNU_SOURCE
#include "rights.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// Capabilities 0 to 63, of which a structure of the kernel has 32.
#define CAPABILITIES 64
#define WORDS _LINUX_CAPABILITY_U32S_3

static struct __user_cap_header_struct this_thread(void) {
  const struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3,
                                                  0};
  return header;
}

// The capabilities for which prctl(`option`, `argument`, capability) is 1.
static uint64_t set_of(int option, unsigned long argument, bool has_argument) {
  uint64_t set = 0;
  for (unsigned long i = 0; i < CAPABILITIES; ++i) {
    const int has = has_argument ? prctl(option, argument, i, 0, 0)
                                 : prctl(option, i, 0, 0, 0);
    if (has < 0) break;
    set |= (uint64_t)has << i;
  }
  return set;
}

// What is effective after an exec, of what is permitted now.
static void set_effective_of_exec(struct __user_cap_data_struct* data) {
  const bool is_root = geteuid() == 0 && (prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) &
                                          SECBIT_NOROOT) == 0;
  const uint64_t set =
      is_root ? set_of(PR_CAPBSET_READ, 0, false)
              : set_of(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, true);
  for (unsigned i = 0; i < WORDS; ++i) {
    uint32_t word = (uint32_t)(set >> (32 * i));
    if (is_root) word |= data[i].inheritable;
    data[i].effective = data[i].permitted & word;
  }
}

bool rights_after_exec(const char* path, int mode) {
  struct __user_cap_header_struct header = this_thread();
  struct __user_cap_data_struct before[WORDS];
  struct __user_cap_data_struct after[WORDS];
  if (syscall(SYS_capget, &header, before) != 0) {
    return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0;
  }
  for (unsigned i = 0; i < WORDS; ++i) after[i] = before[i];
  set_effective_of_exec(after);
  header = this_thread();
  const bool changed = syscall(SYS_capset, &header, after) == 0;
  const bool has = faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0;
  header = this_thread();
  // What is permitted may be made effective again at any time.
  if (changed) syscall(SYS_capset, &header, before);
  return has;
}
