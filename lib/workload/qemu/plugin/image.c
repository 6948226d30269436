// SPDX-License-Identifier: GPL-2.0-or-later

#define _GNU_SOURCE
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elf_file.h"
#include "guest.h"

#define PAGE UINT64_C(4096)
#define MOST_MAPPINGS 1024
#define MOST_CLAIMS 160
#define NARROW_END (UINT64_C(1) << 32)

enum { MAP_STACK = 1 };

struct mapping {
  uint64_t start;
  uint64_t end;
  char rights[5];
  char path[256];
};
struct mappings {
  size_t count;
  struct mapping mapping[MOST_MAPPINGS];
};
struct range {
  uint64_t start;
  uint64_t end;
};

struct image_hidden image_hidden;

static struct mappings* before;
static char program[PATH_MAX];
// What the words MAP have named so far, in host addresses.
static struct range claims[MOST_CLAIMS];
static size_t claim_count;

static uint64_t page_down(uint64_t at) { return at & ~(PAGE - 1); }
static uint64_t page_up(uint64_t at) { return page_down(at + PAGE - 1); }

// A line that does not fit is cut, which paths of no interest here can be.
static struct mappings* read_mappings(void) {
  struct mappings* const list = calloc(1, sizeof(*list));
  FILE* const file = fopen("/proc/self/maps", "re");
  if (list == NULL || file == NULL) spool_fail(strerror(errno), "maps");
  char line[PATH_MAX + 128];
  while (list->count < MOST_MAPPINGS &&
         fgets(line, sizeof(line), file) != NULL) {
    struct mapping* const mapping = &list->mapping[list->count];
    if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %255[^\n]", &mapping->start,
               &mapping->end, mapping->rights, mapping->path) >= 3) {
      ++list->count;
    }
  }
  fclose(file);
  return list;
}

const char* image_program(void) { return program; }

void image_note_qemu(void) {
  if (before == NULL) before = read_mappings();
}

static bool is_qemus(uint64_t start) {
  for (size_t i = 0; before != NULL && i < before->count; ++i) {
    if (before->mapping[i].start == start) return true;
  }
  return false;
}

static void put_text(struct file* to, uint64_t kind, const char* text,
                     size_t size) {
  spool_put(to, WORD(WORD_PROGRAM, kind << 32 | size));
  spool_put_bytes(to, text, size);
}

static void put_map(struct file* to, struct range guest_range, uint64_t offset,
                    uint64_t rights, uint64_t flags, const char* path) {
  if (guest_range.start >= guest_range.end) return;
  const size_t size = strlen(path);
  spool_put(to, WORD(WORD_MAP, rights | flags << 8 | (uint64_t)size << 32));
  spool_put(to, guest_range.start);
  spool_put(to, guest_range.end);
  spool_put(to, offset);
  spool_put_bytes(to, path, size);
  if (claim_count == MOST_CLAIMS) return;
  claims[claim_count].start = guest_range.start + guest.base;
  claims[claim_count++].end = guest_range.end + guest.base;
}

// Writes `path` as /proc/self/maps does (Linux, fs/proc/task_mmu.c, show_map_vma),
// cut where a line of it is cut.
static void maps_name(const char* path, char* name, size_t size) {
  size_t used = 0;
  for (; *path != 0 && used + 1 < size; ++path) {
    if (*path == '\n') {
      used += (size_t)snprintf(name + used, size - used, "\\012");
    } else {
      name[used++] = *path;
    }
  }
  name[used < size ? used : size - 1] = 0;
}

// The lowest address at which QEMU has mapped `path` for the program, or 0.
static uint64_t find_file(const struct mappings* now, const char* path) {
  char whole[PATH_MAX];
  if (realpath(path, whole) == NULL) return 0;
  char name[sizeof(now->mapping[0].path)];
  maps_name(whole, name, sizeof(name));
  for (size_t i = 0; i < now->count; ++i) {
    const struct mapping* const mapping = &now->mapping[i];
    if (!is_qemus(mapping->start) && strcmp(mapping->path, name) == 0) {
      return mapping->start;
    }
  }
  return 0;
}

// As Linux maps a program (fs/binfmt_elf.c, elf_map, set_brk): whole pages of
// the file, and anonymous ones for what follows of the segment.
static void put_segments(struct file* to, const struct elf_file* elf,
                         uint64_t bias, const char* path) {
  for (size_t i = 0; i < elf->segments; ++i) {
    const struct elf_segment* const segment = &elf->segment[i];
    const uint64_t va = segment->va + bias;
    const uint64_t end = page_up(va + segment->memory_bytes);
    uint64_t file_end = page_up(va + segment->file_bytes);
    if (segment->file_bytes == 0) file_end = page_down(va);
    const struct range file_part = {page_down(va), file_end};
    const struct range zeros = {file_end, end};
    put_map(to, file_part, page_down(segment->offset), segment->rights, 0,
            path);
    put_map(to, zeros, 0, segment->rights, 0, "");
  }
}

static void put_file(struct file* to, const struct mappings* now,
                     const char* path, struct elf_file* elf) {
  elf->segments = 0;
  elf->interpreter[0] = 0;
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return;
  elf_read(descriptor, elf);
  close(descriptor);
  if (elf->segments == 0) return;
  uint64_t bias = 0;
  if (elf->movable) {
    const uint64_t host = find_file(now, path);
    if (host == 0) return;
    bias = host - guest.base - page_down(elf->segment[0].va);
  }
  put_segments(to, elf, bias, path);
}

// Whether a stack ends at `end`: it has the program's path at its top (QEMU 7.2,
// linux-user/linuxload.c, loader_exec).
static bool is_top(uint64_t end, const char* path) {
  const size_t size = strlen(path) + 1;
  const size_t window = size + 64;
  const char* const top = (const char*)(uintptr_t)end - window;
  return memmem(top, window, path, size) != NULL;
}

// Returns where the stack that `mapping` begins with ends, or 0. QEMU's tables may
// follow it in the same mapping.
static uint64_t stack_end(const struct mapping* mapping, const char* path) {
  if (strncmp(mapping->rights, "rw", 2) != 0 || mapping->path[0] != 0) return 0;
  const uint64_t lowest = mapping->start + 2 * PAGE + strlen(path);
  for (uint64_t end = mapping->end; end > lowest; end -= PAGE) {
    if (mapping->end - end > 16 * PAGE) return 0;
    if (is_top(end, path)) return end;
  }
  return 0;
}

bool image_is_of_loader(const char* variable) {
  static const char* const prefixes[] = {"LD_", "QEMU_",
                                         "GLIBC_TUNABLES=", "MALLOC_", "G_"};
  for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); ++i) {
    if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0) return true;
  }
  return false;
}

void image_decode_variable(char* variable) {
  const char first = variable[0];
  variable[0] = (char)(first & 0x7f);
  if (!image_is_of_loader(variable)) variable[0] = first;
}

// Variables stand at the top of the stack, each behind a zero byte. Pointers and
// random bytes below them are not taken for such: their bytes would have to be
// one of the names.
static void decode_environment(char* start, char* end) {
  for (char* at = start; at + 16 < end; ++at) {
    if (at[0] != 0 || (at[1] & 0x80) == 0) continue;
    char name[16];
    memcpy(name, at + 1, sizeof(name));
    name[0] &= 0x7f;
    name[sizeof(name) - 1] = at[sizeof(name)];
    char text[sizeof(name) + 1];
    memcpy(text, name, sizeof(name));
    text[sizeof(name)] = 0;
    if (image_is_of_loader(text)) at[1] = text[0];
  }
}

static void put_stack(struct file* to, const struct mappings* now,
                      const char* path) {
  for (size_t i = 0; i < now->count; ++i) {
    const struct mapping* const mapping = &now->mapping[i];
    if (is_qemus(mapping->start)) continue;
    const uint64_t end = stack_end(mapping, path);
    if (end == 0) continue;
    const struct range range = {mapping->start - guest.base, end - guest.base};
    put_map(to, range, 0, 3, MAP_STACK, "");
    // Linux takes no more than this for arguments and environment (fs/exec.c,
    // bprm_stack_limits).
    const uint64_t most = UINT64_C(6) << 20;
    const uint64_t bytes = end - mapping->start;
    char* const top = (char*)(uintptr_t)end;
    decode_environment(top - (bytes < most ? bytes : most), top);
    return;
  }
}

static bool is_claimed(uint64_t page) {
  for (size_t i = 0; i < claim_count; ++i) {
    if (page >= claims[i].start && page < claims[i].end) return true;
  }
  return false;
}

// What else is in a 32-bit program's space: code that a signal handler returns
// to (QEMU 7.2, linux-user/i386/signal.c, setup_sigtramp), and QEMU's tables.
static void put_rest(struct file* to, const struct mappings* now) {
  for (size_t i = 0; i < now->count; ++i) {
    const struct mapping* const mapping = &now->mapping[i];
    if (mapping->rights[0] != 'r' || mapping->start < guest.base ||
        mapping->end > guest.base + NARROW_END) {
      continue;
    }
    uint64_t start = mapping->start;
    while (start < mapping->end && is_claimed(start)) start += PAGE;
    uint64_t end = start;
    while (end < mapping->end && !is_claimed(end)) end += PAGE;
    if (start == end) continue;
    const struct range range = {start - guest.base, end - guest.base};
    if (mapping->rights[1] == 'w') {
      image_hidden.start = range.start;
      image_hidden.bytes = end - start;
    } else {
      put_map(to, range, 0, 5, 0, "");
    }
  }
}

// What QEMU was called with, from the program's name on: whoever calls it puts
// "-0 NAME -- PATH ARGUMENT..." at the end.
struct command {
  char* name;
  char* dashes;
  char* path;
  char* rest;
};

static struct command split_command(char* words, size_t size) {
  char* const end = words + size;
  char* word = words;
  while (word < end && strcmp(word, "-0") != 0) word += strlen(word) + 1;
  if (word >= end) spool_fail("QEMU was not called by xmmu record", "plug-in");
  struct command command;
  command.name = word + strlen(word) + 1;
  command.dashes = command.name + strlen(command.name) + 1;
  command.path = command.dashes + strlen(command.dashes) + 1;
  command.rest = command.path + strlen(command.path) + 1;
  return command;
}

// Returns PATH.
static const char* put_command(struct file* to, char* words, size_t size) {
  const struct command command = split_command(words, size);
  const char* const end = words + size;
  const char* const path = command.path;
  put_text(to, TEXT_PATH, path, strlen(path));
  // The arguments of the program begin with its name.
  static char line[65536];
  size_t used = (size_t)(command.dashes - command.name);
  size_t more = end > command.rest ? (size_t)(end - command.rest) : 0;
  if (used > sizeof(line)) used = sizeof(line);
  if (more > sizeof(line) - used) more = sizeof(line) - used;
  memcpy(line, command.name, used);
  memcpy(line + used, command.rest, more);
  put_text(to, TEXT_COMMAND_LINE, line, used + more - 1);
  return path;
}

static char* read_command(size_t* size) {
  const int descriptor = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  size_t capacity = 65536;
  char* words = malloc(capacity);
  *size = 0;
  while (descriptor >= 0 && words != NULL) {
    const ssize_t got = read(descriptor, words + *size, capacity - *size - 1);
    if (got <= 0) break;
    *size += (size_t)got;
    if (capacity - *size > 1) continue;
    capacity *= 2;
    words = realloc(words, capacity);
  }
  if (words == NULL || descriptor < 0) spool_fail(strerror(errno), "cmdline");
  close(descriptor);
  words[*size] = 0;
  return words;
}

const char* image_command(char*** words) {
  size_t size = 0;
  char* const text = read_command(&size);
  const struct command command = split_command(text, size);
  const char* const end = text + size;
  size_t count = 0;
  for (const char* word = text; word < end; word += strlen(word) + 1) ++count;
  *words = calloc(count + 1, sizeof(**words));
  if (*words == NULL) return NULL;
  count = 0;
  (*words)[count++] = command.name;
  for (char* word = command.rest; word < end; word += strlen(word) + 1) {
    (*words)[count++] = word;
  }
  return command.path;
}

void image_write(struct file* to) {
  static struct elf_file elf;
  struct mappings* const now = read_mappings();
  size_t size = 0;
  char* const words = read_command(&size);
  const char* const path = put_command(to, words, size);
  put_text(to, TEXT_ARCHITECTURE, guest.narrow ? "i386" : "x86_64",
           guest.narrow ? 4 : 6);
  put_file(to, now, path, &elf);
  if (realpath(path, program) == NULL) program[0] = 0;
  static char interpreter[sizeof(elf.interpreter)];
  memcpy(interpreter, elf.interpreter, sizeof(interpreter));
  if (interpreter[0] != 0) put_file(to, now, interpreter, &elf);
  put_stack(to, now, path);
  if (guest.narrow) put_rest(to, now);
  free(words);
  free(now);
  free(before);
  before = NULL;
}
