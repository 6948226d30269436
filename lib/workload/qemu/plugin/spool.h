// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef XMMU_LIB_WORKLOAD_QEMU_PLUGIN_SPOOL_H_
#define XMMU_LIB_WORKLOAD_QEMU_PLUGIN_SPOOL_H_

// The files that the plug-in writes: for each thread of a program, and one for
// the blocks of code that were translated. They are sequences of 64-bit words,
// written through shared mappings, so that nothing that has been written is lost
// when the process is killed, and no descriptor stays open for the program to
// find or to close.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Types of words whose bit 63 is clear, in bits 62 to 56.
enum word_type {
  WORD_BLOCK = 1,
  WORD_CLOCK,
  WORD_CALL,
  WORD_RETURN,
  WORD_TEXT,
  WORD_MAP,
  WORD_THREAD,
  WORD_PROGRAM,
  WORD_FORKED,
  WORD_MEMORY,
  WORD_EXIT,
};
#define WORD(type, payload) ((uint64_t)(type) << 56 | (payload))

enum program_text { TEXT_PATH = 1, TEXT_COMMAND_LINE, TEXT_ARCHITECTURE };

struct file {
  uint64_t* next;  // the next word to write
  uint64_t* end;   // of the window
  uint64_t* window;
  uint64_t offset;  // of the window in the file, bytes
  uint64_t bytes;   // of the window
  char name[64];
};

struct thread {
  struct file file;
  uint64_t clock;  // the last value that is in the file
  // The stack as the translated code of the last block calls from it.
  uintptr_t code_frame;
  bool skips_return;
  struct thread* other;  // the next in a list of all
};

// The file `status` of the directory, which whoever records makes and reads:
// the first error, and lines about what could not be recorded.
#define STATUS_BYTES 65536
struct status {
  uint64_t failed;    // not 0: the recording is void, and all its programs end
  uint64_t used;      // bytes of text, more than fit if lines were left out
  uint64_t recorder;  // its process id; when it is gone, all programs end
  uint64_t pid_namespace;  // that it is in: the inode of /proc/self/ns/pid
  char text[STATUS_BYTES - 32];
};

// Begins the files of a program in `directory`. Returns false if that is out of
// reach of this process, which has not the rights or has another root; the
// process ends if there is another reason.
bool spool_begin(const char* directory);
// Begins those of a child that has just been forked.
void spool_begin_child(void);
const char* spool_directory(void);

// This thread's file, which the first call makes.
struct thread* spool_thread(void);
// Gives up this thread's window; what is written later opens another.
void spool_end_thread(void);
extern __thread struct thread* spool_self
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

// The clock of the calls of all threads of the process.
extern uint64_t spool_clock __attribute__((visibility("hidden")));

void spool_grow(struct file* file);

static inline void spool_put(struct file* file, uint64_t word) {
  if (__builtin_expect(file->next == file->end, 0)) spool_grow(file);
  *file->next++ = word;
}

// Appends `bytes`, filled up to whole words with zeros.
void spool_put_bytes(struct file* file, const void* bytes, size_t size);

// Appends a block of code to the file of blocks and returns its number. Any
// thread.
uint64_t spool_put_block(uint64_t pc, const uint8_t* lengths, size_t count);

// Tells whoever records, a line of `message` and `name`.
void spool_note(const char* message, const char* name);
// As spool_note(), and ends this process and, at their next call, all others of
// the recording.
void spool_fail(const char* message, const char* name)
    __attribute__((noreturn));
// Ends this process if the recording has failed.
void spool_check(void);

#endif  // XMMU_LIB_WORKLOAD_QEMU_PLUGIN_SPOOL_H_
