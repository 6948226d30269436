// SPDX-License-Identifier: GPL-2.0-or-later

#define _GNU_SOURCE
#include "elf_file.h"

#include <elf.h>
#include <string.h>
#include <unistd.h>

static bool read_at(int descriptor, uint64_t offset, void* to, size_t size) {
  return pread(descriptor, to, size, (off_t)offset) == (ssize_t)size;
}

static void read_interpreter(int descriptor, uint64_t offset, uint64_t size,
                             struct elf_file* to) {
  if (size < 2 || size > sizeof(to->interpreter) ||
      !read_at(descriptor, offset, to->interpreter, size) ||
      to->interpreter[size - 1] != 0) {
    to->interpreter[0] = 0;
  }
}

static unsigned rights_of(uint32_t flags) {
  return ((flags & PF_R) != 0 ? 1u : 0u) | ((flags & PF_W) != 0 ? 2u : 0u) |
         ((flags & PF_X) != 0 ? 4u : 0u);
}

static void add_header(int descriptor, const Elf64_Phdr* header,
                       struct elf_file* to) {
  if (header->p_type == PT_INTERP) {
    read_interpreter(descriptor, header->p_offset, header->p_filesz, to);
  }
  if (header->p_type != PT_LOAD || to->segments == MOST_SEGMENTS) return;
  struct elf_segment* const segment = &to->segment[to->segments++];
  segment->va = header->p_vaddr;
  segment->offset = header->p_offset;
  segment->file_bytes = header->p_filesz;
  segment->memory_bytes = header->p_memsz;
  segment->rights = rights_of(header->p_flags);
}

static Elf64_Phdr widen(const Elf32_Phdr* header) {
  const Elf64_Phdr wide = {
      .p_type = header->p_type,
      .p_flags = header->p_flags,
      .p_offset = header->p_offset,
      .p_vaddr = header->p_vaddr,
      .p_filesz = header->p_filesz,
      .p_memsz = header->p_memsz,
  };
  return wide;
}

static void read_wide(int descriptor, struct elf_file* to) {
  Elf64_Ehdr file;
  if (!read_at(descriptor, 0, &file, sizeof(file)) ||
      file.e_machine != EM_X86_64 ||
      (file.e_type != ET_EXEC && file.e_type != ET_DYN)) {
    return;
  }
  to->kind = ELF_X86_64;
  to->movable = file.e_type == ET_DYN;
  for (unsigned i = 0; i < file.e_phnum; ++i) {
    Elf64_Phdr header;
    if (!read_at(descriptor, file.e_phoff + i * sizeof(header), &header,
                 sizeof(header))) {
      return;
    }
    add_header(descriptor, &header, to);
  }
}

static void read_narrow(int descriptor, struct elf_file* to) {
  Elf32_Ehdr file;
  if (!read_at(descriptor, 0, &file, sizeof(file)) ||
      file.e_machine != EM_386 ||
      (file.e_type != ET_EXEC && file.e_type != ET_DYN)) {
    return;
  }
  to->kind = ELF_I386;
  to->movable = file.e_type == ET_DYN;
  for (unsigned i = 0; i < file.e_phnum; ++i) {
    Elf32_Phdr header;
    if (!read_at(descriptor, file.e_phoff + i * sizeof(header), &header,
                 sizeof(header))) {
      return;
    }
    const Elf64_Phdr wide = widen(&header);
    add_header(descriptor, &wide, to);
  }
}

void elf_read(int descriptor, struct elf_file* to) {
  unsigned char ident[EI_NIDENT];
  to->kind = ELF_NONE;
  to->interpreter[0] = 0;
  to->segments = 0;
  if (!read_at(descriptor, 0, ident, sizeof(ident)) ||
      memcmp(ident, ELFMAG, SELFMAG) != 0) {
    return;
  }
  to->kind = ELF_FOREIGN;
  if (ident[EI_DATA] != ELFDATA2LSB) return;
  if (ident[EI_CLASS] == ELFCLASS64) read_wide(descriptor, to);
  if (ident[EI_CLASS] == ELFCLASS32) read_narrow(descriptor, to);
}
