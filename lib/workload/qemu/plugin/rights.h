// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef XMMU_LIB_WORKLOAD_QEMU_PLUGIN_RIGHTS_H_
#define XMMU_LIB_WORKLOAD_QEMU_PLUGIN_RIGHTS_H_

#include <stdbool.h>

// Whether this thread will have the rights `mode` (access(2)) to the file `path`
// after an exec of a program without rights of its own: exec takes away the
// capabilities of all but root (Linux 6.1, security/commoncap.c,
// cap_bprm_creds_from_file).
bool rights_after_exec(const char* path, int mode);

#endif  // XMMU_LIB_WORKLOAD_QEMU_PLUGIN_RIGHTS_H_
