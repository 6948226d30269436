// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef XMMU_LIB_WORKLOAD_QEMU_PLUGIN_IMAGE_H_
#define XMMU_LIB_WORKLOAD_QEMU_PLUGIN_IMAGE_H_

// What exec has made before a program's first instruction: the words PROGRAM and
// MAP, and the environment as the program is to find it.

#include <stdbool.h>
#include <stdint.h>

#include "spool.h"

// Notes what is mapped. To be called before QEMU has loaded the program.
void image_note_qemu(void);

// Writes the words, once the program is loaded and before it runs.
void image_write(struct file* to);

// The path of the program that runs.
const char* image_program(void);

// Memory that QEMU puts into a 32-bit program's space for the processor's
// descriptor tables (QEMU 7.2, linux-user/i386/cpu_loop.c). A processor reads
// those as the kernel, so what is read here is no access of the program.
struct image_hidden {
  uint64_t start;
  uint64_t bytes;
};
extern struct image_hidden image_hidden __attribute__((visibility("hidden")));

// Variables that would change QEMU itself have, while they are QEMU's, a first
// letter with bit 7 set; image_write() puts that right in the program's memory.
bool image_is_of_loader(const char* variable);
void image_decode_variable(char* variable);

// Returns the path of the program that this QEMU was called for, and its words in
// `words`, which end with a null pointer; a null pointer if memory is short.
const char* image_command(char*** words);

#endif  // XMMU_LIB_WORKLOAD_QEMU_PLUGIN_IMAGE_H_
