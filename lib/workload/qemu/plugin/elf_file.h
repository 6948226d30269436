// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef XMMU_LIB_WORKLOAD_QEMU_PLUGIN_ELF_FILE_H_
#define XMMU_LIB_WORKLOAD_QEMU_PLUGIN_ELF_FILE_H_

// What exec reads of an ELF file. Source: elf(5).

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOST_SEGMENTS 64

enum elf_kind {
  ELF_NONE,     // no ELF file
  ELF_FOREIGN,  // of another processor, or damaged
  ELF_X86_64,
  ELF_I386,
};

struct elf_segment {
  uint64_t va;
  uint64_t offset;
  uint64_t file_bytes;
  uint64_t memory_bytes;
  unsigned rights;  // 1 read, 2 write, 4 execute, as in words MAP
};

struct elf_file {
  enum elf_kind kind;
  bool movable;            // ET_DYN
  char interpreter[4096];  // empty: none
  size_t segments;         // PT_LOAD
  struct elf_segment segment[MOST_SEGMENTS];
};

// Reads the headers of the file that `descriptor` has open.
void elf_read(int descriptor, struct elf_file* to);

#endif  // XMMU_LIB_WORKLOAD_QEMU_PLUGIN_ELF_FILE_H_
