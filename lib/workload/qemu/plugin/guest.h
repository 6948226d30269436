// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef XMMU_LIB_WORKLOAD_QEMU_PLUGIN_GUEST_H_
#define XMMU_LIB_WORKLOAD_QEMU_PLUGIN_GUEST_H_

// The recorded program's memory, which is part of QEMU's process: a guest
// address plus a constant is a host address.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest {
  bool narrow;    // a 32-bit program
  bool has_base;  // `base` is known, since a block has been translated
  uint64_t base;
};
extern struct guest guest __attribute__((visibility("hidden")));

// The longest string that exec takes (Linux, include/uapi/linux/binfmts.h,
// MAX_ARG_STRLEN).
#define LONGEST_TEXT (32 * 4096)

// Copies up to `size` bytes from the program's `address`, as many as are
// readable; returns how many.
size_t guest_read(uint64_t address, void* to, size_t size);

// Returns the string at `address`, for free(), or NULL if it is not readable or
// longer than `longest`.
char* guest_text(uint64_t address, size_t longest);

// Returns the vector of strings at `address`, which ends with a null pointer, as
// one allocation for free(); NULL if it is not readable or longer than exec
// takes. A null `address` is an empty vector.
char** guest_texts(uint64_t address);

#endif  // XMMU_LIB_WORKLOAD_QEMU_PLUGIN_GUEST_H_
