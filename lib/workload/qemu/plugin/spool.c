// SPDX-License-Identifier: GPL-2.0-or-later

#define _GNU_SOURCE
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

// A program of a few calls needs one small window; long ones need few large.
#define FIRST_WINDOW (UINT64_C(64) << 10)
#define LARGEST_WINDOW (UINT64_C(4) << 20)
// What a program's status is when it has ended without having been run to its
// end: env(1) and timeout(1) say 125 then, too.
#define NOT_RECORDED 125

__thread struct thread* spool_self;
uint64_t spool_clock = 1;

static char directory[4096];
static struct status* status;
static unsigned long generation;
static unsigned long threads_made;
static struct thread* threads;
static bool lost;
static struct file blocks;
static uint64_t last_block;
// Guards `blocks`, `last_block`, `threads` and `threads_made`.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

const char* spool_directory(void) { return directory; }

void spool_note(const char* message, const char* name) {
  char line[1024];
  const int size = snprintf(line, sizeof(line), "%s: %s\n", name, message);
  if (status == NULL || size <= 0) return;
  const uint64_t bytes =
      (size_t)size < sizeof(line) ? (uint64_t)size : sizeof(line) - 1;
  const uint64_t at =
      __atomic_fetch_add(&status->used, bytes, __ATOMIC_RELAXED);
  if (at > sizeof(status->text) - bytes) return;
  memcpy(status->text + at, line, bytes);
}

void spool_fail(const char* message, const char* name) {
  if (status != NULL &&
      __atomic_exchange_n(&status->failed, 1, __ATOMIC_RELAXED) == 0) {
    // The line of the failure stands first, as those of programs matter no more.
    __atomic_store_n(&status->used, 0, __ATOMIC_RELAXED);
    spool_note(message, name);
  }
  _exit(NOT_RECORDED);
}

void spool_check(void) {
  if (__atomic_load_n(&status->failed, __ATOMIC_RELAXED) != 0) {
    _exit(NOT_RECORDED);
  }
}

// Programs that nobody records any more would fill the disk.
static void check_recorder(void) {
  struct stat own;
  if (status == NULL || lost || stat("/proc/self/ns/pid", &own) != 0 ||
      own.st_ino != status->pid_namespace) {
    return;
  }
  if (kill((pid_t)status->recorder, 0) != 0 && errno == ESRCH) {
    spool_fail("is gone", "xmmu record");
  }
}

// The program's own limits are not for these files.
struct limits {
  struct rlimit files;
  struct rlimit bytes;
};

// As far as it goes: only root can go beyond the hard limit.
static void lift_limit(int resource, rlim_t most, struct rlimit* own) {
  if (getrlimit(resource, own) != 0 || own->rlim_cur >= most) return;
  const struct rlimit free_of_it = {most, most};
  const struct rlimit hard = {own->rlim_max, own->rlim_max};
  if (own->rlim_max >= most || setrlimit(resource, &free_of_it) != 0) {
    setrlimit(resource, &hard);
  }
}

static void lift_limits(struct limits* own) {
  lift_limit(RLIMIT_NOFILE, 65536, &own->files);
  lift_limit(RLIMIT_FSIZE, RLIM_INFINITY, &own->bytes);
}

static void restore_limit(int resource, const struct rlimit* own) {
  struct rlimit now;
  if (getrlimit(resource, &now) == 0 &&
      (now.rlim_cur != own->rlim_cur || now.rlim_max != own->rlim_max)) {
    setrlimit(resource, own);
  }
}

static void restore_limits(const struct limits* own) {
  restore_limit(RLIMIT_NOFILE, &own->files);
  restore_limit(RLIMIT_FSIZE, &own->bytes);
}

static int open_file(const char* name, int flags) {
  char path[sizeof(directory) + 80];
  snprintf(path, sizeof(path), "%s/%s", directory, name);
  return open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

// What is written from here on goes nowhere: it is not for the process to fail.
static void lose(const char* reason) {
  char name[32];
  snprintf(name, sizeof(name), "process %ld", (long)getpid());
  if (!lost) spool_note(reason, name);
  lost = true;
}

static bool is_out_of_reach(int error) {
  return error == EACCES || error == EPERM || error == ENOENT;
}

// Whether `error` is due to what the process has done to itself.
static bool is_loss(int error) {
  if (error == EMFILE || error == EFBIG) {
    lose(
        "has set itself limits within which it cannot be recorded, so its "
        "recording ends there");
  } else if (is_out_of_reach(error)) {
    lose(
        "has given up the rights to write there, or changed its root, so its "
        "recording ends there");
  }
  return lost;
}

// A file that grows beyond the limit would get the process a signal.
static bool exceeds_limit(const struct file* file, uint64_t bytes) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 ||
      (limit.rlim_cur >= file->offset &&
       limit.rlim_cur - file->offset >= bytes)) {
    return false;
  }
  errno = EFBIG;
  return true;
}

static void set_window(struct file* file, void* window, uint64_t bytes) {
  file->window = window;
  file->bytes = bytes;
  file->next = window;
  file->end = file->window + bytes / sizeof(uint64_t);
}

// Space is allocated before it is used: a store into a hole of a full disk would
// be a SIGBUS.
static void map_window(struct file* file, int descriptor, uint64_t bytes) {
  int error;
  do {
    error = posix_fallocate(descriptor, (off_t)file->offset, (off_t)bytes);
  } while (error == EINTR);
  if (error != 0) spool_fail(strerror(error), file->name);
  void* const window = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                            descriptor, (off_t)file->offset);
  if (window == MAP_FAILED) spool_fail(strerror(errno), file->name);
  set_window(file, window, bytes);
}

static void map_nothing(struct file* file) {
  void* const window = mmap(NULL, FIRST_WINDOW, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (window == MAP_FAILED) spool_fail(strerror(errno), file->name);
  set_window(file, window, FIRST_WINDOW);
}

void spool_grow(struct file* file) {
  const int error = errno;
  spool_check();
  check_recorder();
  uint64_t bytes = FIRST_WINDOW;
  if (file->window != NULL) {
    munmap(file->window, file->bytes);
    file->offset += file->bytes;
    bytes = file->bytes < LARGEST_WINDOW ? file->bytes * 2 : LARGEST_WINDOW;
  }
  struct limits limits;
  lift_limits(&limits);
  const int descriptor = lost || exceeds_limit(file, bytes)
                             ? -1
                             : open_file(file->name, O_RDWR | O_CREAT);
  if (descriptor >= 0) {
    map_window(file, descriptor, bytes);
    close(descriptor);
  } else if (is_loss(errno)) {
    map_nothing(file);
  } else {
    spool_fail(strerror(errno), file->name);
  }
  restore_limits(&limits);
  errno = error;
}

void spool_put_bytes(struct file* file, const void* bytes, size_t size) {
  const char* from = bytes;
  while (size > 0) {
    uint64_t word = 0;
    const size_t part = size < sizeof(word) ? size : sizeof(word);
    memcpy(&word, from, part);
    spool_put(file, word);
    from += part;
    size -= part;
  }
}

// Creates the file of blocks, and by its name the program's number.
static void begin_program(void) {
  struct limits limits;
  int descriptor;
  memset(&blocks, 0, sizeof(blocks));
  lift_limits(&limits);
  generation = 0;
  do {
    snprintf(blocks.name, sizeof(blocks.name), "%ld.%lu.blocks", (long)getpid(),
             generation++);
    descriptor = open_file(blocks.name, O_RDWR | O_CREAT | O_EXCL);
  } while (descriptor < 0 && errno == EEXIST);
  --generation;
  if (descriptor >= 0) {
    close(descriptor);
  } else if (!is_loss(errno)) {
    spool_fail(strerror(errno), blocks.name);
  }
  restore_limits(&limits);
}

bool spool_begin(const char* name) {
  snprintf(directory, sizeof(directory), "%s", name);
  struct limits limits;
  lift_limits(&limits);
  const int descriptor = open_file("status", O_RDWR);
  restore_limits(&limits);
  void* page = MAP_FAILED;
  struct stat file;
  if (descriptor >= 0 && fstat(descriptor, &file) == 0 &&
      file.st_size == STATUS_BYTES) {
    page = mmap(NULL, STATUS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
                descriptor, 0);
  }
  if (page == MAP_FAILED && is_out_of_reach(errno)) return false;
  if (page == MAP_FAILED) spool_fail(strerror(errno), "status");
  close(descriptor);
  status = page;
  spool_check();
  begin_program();
  return true;
}

// The child has its parent's windows, which are not its own to write to, and
// none of its other threads.
void spool_begin_child(void) {
  static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;
  lock = unlocked;
  while (threads != NULL) {
    struct thread* const thread = threads;
    threads = thread->other;
    if (thread->file.window != NULL) {
      munmap(thread->file.window, thread->file.bytes);
    }
    free(thread);
  }
  if (blocks.window != NULL) munmap(blocks.window, blocks.bytes);
  spool_self = NULL;
  threads_made = 0;
  begin_program();
}

struct thread* spool_thread(void) {
  struct thread* thread = spool_self;
  if (thread != NULL) return thread;
  thread = calloc(1, sizeof(*thread));
  if (thread == NULL) spool_fail(strerror(errno), "thread");
  pthread_mutex_lock(&lock);
  const unsigned long number = threads_made++;
  thread->other = threads;
  threads = thread;
  pthread_mutex_unlock(&lock);
  snprintf(thread->file.name, sizeof(thread->file.name), "%ld.%lu.%lu",
           (long)getpid(), generation, number);
  thread->clock = __atomic_load_n(&spool_clock, __ATOMIC_SEQ_CST);
  spool_put(&thread->file, WORD(WORD_THREAD, (uint64_t)gettid()));
  spool_put(&thread->file, thread->clock);
  spool_self = thread;
  return thread;
}

void spool_end_thread(void) {
  struct thread* const thread = spool_self;
  if (thread == NULL) return;
  struct file* const file = &thread->file;
  const uint64_t used =
      file->offset + (uint64_t)((char*)file->next - (char*)file->window);
  munmap(file->window, file->bytes);
  const int descriptor = lost ? -1 : open_file(file->name, O_RDWR);
  if (descriptor >= 0) {
    if (ftruncate(descriptor, (off_t)used) != 0) errno = 0;
    close(descriptor);
  }
  spool_self = NULL;
  pthread_mutex_lock(&lock);
  struct thread** place = &threads;
  while (*place != NULL && *place != thread) place = &(*place)->other;
  if (*place == thread) *place = thread->other;
  pthread_mutex_unlock(&lock);
  free(thread);
}

uint64_t spool_put_block(uint64_t pc, const uint8_t* lengths, size_t count) {
  pthread_mutex_lock(&lock);
  const uint64_t id = ++last_block;
  spool_put(&blocks, id << 16 | count);
  spool_put(&blocks, pc);
  spool_put_bytes(&blocks, lengths, count);
  pthread_mutex_unlock(&lock);
  return id;
}
