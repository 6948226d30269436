// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef XMMU_LIB_WORKLOAD_QEMU_PLUGIN_CALLS_H_
#define XMMU_LIB_WORKLOAD_QEMU_PLUGIN_CALLS_H_

// What the plug-in knows of system calls: which arguments point to what the
// recording has to have, and which calls start or end something.

#include <stdint.h>

struct call_facts {
  uint16_t number;
  uint8_t texts;          // a bit for each argument that is a string
  uint8_t vector;         // 1 + the argument that points to memory to be kept
  uint8_t length;         // 1 + the argument with its number of elements, or 0
  uint8_t element_bytes;  // of each, or of all if `length` is 0
};

// Numbers that the plug-in itself acts upon.
struct call_numbers {
  uint16_t exit;
  uint16_t exit_group;
  uint16_t execve;
  uint16_t execveat;
};
const struct call_numbers* call_numbers(void);

// Returns the facts of a call of this program's architecture, or NULL if none
// of its arguments matters.
const struct call_facts* call_facts(int64_t number);

#endif  // XMMU_LIB_WORKLOAD_QEMU_PLUGIN_CALLS_H_
