// SPDX-License-Identifier: GPL-2.0-or-later

#define _GNU_SOURCE
#include "guest.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)

struct guest guest;

// Where system-call filters forbid process_vm_readv(2), /proc does it.
static ssize_t read_by_file(uint64_t host, void* to, size_t size) {
  const int descriptor = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return -1;
  const ssize_t got = pread(descriptor, to, size, (off_t)host);
  close(descriptor);
  return got;
}

// Pieces end at pages, as a piece is read as a whole or not at all.
size_t guest_read(uint64_t address, void* to, size_t size) {
  static bool by_file;
  size_t done = 0;
  while (done < size) {
    const uint64_t host = guest.base + address + done;
    size_t piece = (size_t)(PAGE - host % PAGE);
    if (piece > size - done) piece = size - done;
    const struct iovec local = {(char*)to + done, piece};
    const struct iovec remote = {(void*)(uintptr_t)host, piece};
    ssize_t got = -1;
    if (!by_file) {
      got = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
    }
    if (got < 0) {
      got = read_by_file(host, local.iov_base, piece);
      if (got > 0) by_file = true;
    }
    if (got <= 0) break;
    done += (size_t)got;
  }
  return done;
}

char* guest_text(uint64_t address, size_t longest) {
  if (address == 0) return NULL;
  size_t size = 0;
  size_t capacity = 256;
  char* text = malloc(capacity);
  while (text != NULL) {
    const size_t got = guest_read(address + size, text + size, capacity - size);
    const char* const end = memchr(text + size, 0, got);
    if (end != NULL) return text;
    size += got;
    if (size < capacity || size > longest) break;
    capacity *= 4;
    char* const more = realloc(text, capacity);
    if (more == NULL) break;
    text = more;
  }
  free(text);
  return NULL;
}

// The number of pointers before the null pointer, or -1.
static long count_texts(uint64_t address) {
  const size_t width = guest.narrow ? 4 : 8;
  const long most = 4 << 20;
  for (long count = 0; count < most; ++count) {
    uint64_t pointer = 0;
    if (guest_read(address + (uint64_t)count * width, &pointer, width) !=
        width) {
      return -1;
    }
    if (pointer == 0) return count;
  }
  return -1;
}

// Copies the string of `text` behind the `used` bytes of `*arena`, whose
// capacity doubles as needed.
static bool append(char** arena, size_t* used, size_t* capacity,
                   const char* text) {
  const size_t size = strlen(text) + 1;
  while (*capacity - *used < size) {
    char* const more = realloc(*arena, *capacity * 2);
    if (more == NULL) return false;
    *arena = more;
    *capacity *= 2;
  }
  memcpy(*arena + *used, text, size);
  *used += size;
  return true;
}

char** guest_texts(uint64_t address) {
  const size_t width = guest.narrow ? 4 : 8;
  const long count = address == 0 ? 0 : count_texts(address);
  if (count < 0) return NULL;
  // Pointers stand first; they are offsets until the allocation is final.
  size_t used = ((size_t)count + 1) * sizeof(char*);
  size_t capacity = used + 4096;
  char* arena = malloc(capacity);
  if (arena == NULL) return NULL;
  for (long i = 0; i < count; ++i) {
    uint64_t pointer = 0;
    guest_read(address + (uint64_t)i * width, &pointer, width);
    char* const text = guest_text(pointer, LONGEST_TEXT);
    const size_t at = used;
    const bool good = text != NULL && append(&arena, &used, &capacity, text);
    free(text);
    if (!good) {
      free(arena);
      return NULL;
    }
    ((size_t*)(void*)arena)[i] = at;
  }
  char** const texts = (char**)(void*)arena;
  for (long i = 0; i < count; ++i) texts[i] = arena + (size_t)texts[i];
  texts[count] = NULL;
  return texts;
}
