// SPDX-License-Identifier: GPL-2.0-or-later

// A plug-in of QEMU's user-mode emulation that writes down what programs do to
// memory: the blocks of code that they run, their loads and stores, their system
// calls, what exec has mapped. `xmmu record` runs QEMU with it and makes a trace
// of what it writes: lib/workload/README.md says what the files mean.
//
// Arguments, from `xmmu record`: spool=DIRECTORY,wide=QEMU,narrow=QEMU,
// self=PLUGIN.
//
// What QEMU makes of the instructions limits what is seen. A vector access comes
// as pieces of 8 bytes. A repeated string instruction counts each repetition. Of
// a block that a signal or a fault leaves half way, the rest counts as fetched.

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "calls.h"
#include "exec.h"
#include "guest.h"
#include "image.h"
#include "qemu_plugin_api.h"
#include "spool.h"

#define ACCESS (UINT64_C(1) << 63)
#define STORE (UINT64_C(1) << 62)
#define VA_MASK ((UINT64_C(1) << 47) - 1)
#define MOST_INSTRUCTIONS 512
// What MEMORY is given of an argument, at most: UIO_MAXIOV vectors of 16 bytes
// (Linux, include/uapi/linux/uio.h).
#define MOST_MEMORY (1024 * 16)

QEMU_PLUGIN_EXPORT int qemu_plugin_version = 1;

static bool has_image;
static pid_t parent;

// A number of the process's clock, up by one at each call and return.
static uint64_t tick(void) {
  return __atomic_add_fetch(&spool_clock, 1, __ATOMIC_SEQ_CST);
}

// What the first thread of a program writes before its first block.
static void put_head(struct thread* thread) {
  has_image = true;
  image_write(&thread->file);
}

static struct thread* this_thread(void) {
  struct thread* const thread = spool_self;
  return __builtin_expect(thread != NULL, 1) ? thread : spool_thread();
}

static void on_block(unsigned int vcpu, void* data) {
  (void)vcpu;
  struct thread* const thread = this_thread();
  thread->code_frame = (uintptr_t)__builtin_frame_address(0);
  if (__builtin_expect(!has_image, 0)) put_head(thread);
  const uint64_t clock = __atomic_load_n(&spool_clock, __ATOMIC_RELAXED);
  if (__builtin_expect(clock != thread->clock, 0)) {
    thread->clock = clock;
    spool_put(&thread->file, WORD(WORD_CLOCK, clock));
  }
  spool_put(&thread->file, WORD(WORD_BLOCK, (uint64_t)(uintptr_t)data));
}

// `data` has the bits that are the same each time. QEMU 7.2 calls what is
// registered for loads alone, or for stores alone, at each access, so one
// function is registered for both.
//
// QEMU's own accesses to the program's memory come here, too, once code has left
// the callback of its last instruction behind: registers that it stores for a
// handler of a signal and loads after it, descriptors of segments (QEMU 7.2,
// linux-user/i386/signal.c, setup_rt_frame, and target/i386/tcg/fpu_helper.c,
// do_fxsave; later ones clear the callback, accel/tcg/cpu-exec.c, cpu_tb_exec).
// It makes them when it has returned from the code, so they are called from above
// the frame of that on the stack, and those of the code from there or below.
static void on_access(unsigned int vcpu, qemu_plugin_meminfo_t info,
                      uint64_t va, void* data) {
  (void)vcpu;
  if (__builtin_expect(va - image_hidden.start < image_hidden.bytes, 0)) return;
  struct thread* const thread = this_thread();
  const uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
  if (__builtin_expect(frame > thread->code_frame, 0)) return;
  const uint64_t store = qemu_plugin_mem_is_store(info) ? STORE : 0;
  const uint64_t shift = qemu_plugin_mem_size_shift(info);
  spool_put(&thread->file, (uint64_t)(uintptr_t)data | ACCESS | store |
                               shift << 59 | (va & VA_MASK));
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb* block) {
  (void)id;
  uint8_t lengths[MOST_INSTRUCTIONS];
  size_t count = qemu_plugin_tb_n_insns(block);
  if (count > MOST_INSTRUCTIONS) count = MOST_INSTRUCTIONS;
  for (size_t i = 0; i < count; ++i) {
    struct qemu_plugin_insn* const insn = qemu_plugin_tb_get_insn(block, i);
    lengths[i] = (uint8_t)qemu_plugin_insn_size(insn);
    void* const data = (void*)(uintptr_t)((uint64_t)i << 50);
    qemu_plugin_register_vcpu_mem_cb(insn, on_access, QEMU_PLUGIN_CB_NO_REGS,
                                     QEMU_PLUGIN_MEM_RW, data);
    if (!guest.has_base && qemu_plugin_insn_haddr(insn) != NULL) {
      guest.base = (uint64_t)(uintptr_t)qemu_plugin_insn_haddr(insn) -
                   qemu_plugin_insn_vaddr(insn);
      guest.has_base = true;
    }
  }
  const uint64_t number =
      spool_put_block(qemu_plugin_tb_vaddr(block), lengths, count);
  qemu_plugin_register_vcpu_tb_exec_cb(block, on_block, QEMU_PLUGIN_CB_NO_REGS,
                                       (void*)(uintptr_t)number);
}

static void put_text(struct thread* thread, uint64_t argument,
                     uint64_t address) {
  char* const text = guest_text(address, 4096);
  if (text == NULL) return;
  const size_t size = strlen(text);
  spool_put(&thread->file, WORD(WORD_TEXT, argument << 32 | size));
  spool_put_bytes(&thread->file, text, size);
  free(text);
}

static void put_memory(struct thread* thread, const struct call_facts* facts,
                       const uint64_t* arguments) {
  const uint64_t argument = facts->vector - 1u;
  uint64_t size = facts->element_bytes;
  if (facts->length != 0) {
    const uint64_t elements = arguments[facts->length - 1];
    size = elements > MOST_MEMORY / size ? MOST_MEMORY : elements * size;
  }
  char bytes[MOST_MEMORY];
  size = guest_read(arguments[argument], bytes, size);
  if (size == 0) return;
  spool_put(&thread->file, WORD(WORD_MEMORY, argument << 32 | size));
  spool_put_bytes(&thread->file, bytes, size);
}

static void put_facts(struct thread* thread, int64_t number,
                      const uint64_t* arguments) {
  const struct call_facts* const facts = call_facts(number);
  if (facts == NULL) return;
  for (unsigned i = 0; i < 6; ++i) {
    if ((facts->texts >> i & 1) != 0) put_text(thread, i, arguments[i]);
  }
  if (facts->vector != 0) put_memory(thread, facts, arguments);
}

static void follow_call(struct thread* thread, int64_t number,
                        const uint64_t* arguments) {
  const struct call_numbers* const numbers = call_numbers();
  if (number == numbers->exit || number == numbers->exit_group) {
    spool_put(&thread->file, WORD(WORD_EXIT, (uint64_t)gettid()));
    // Others may go on, and as many as there are may follow.
    if (number == numbers->exit) spool_end_thread();
  } else if (number == numbers->execve) {
    exec_program(arguments[0], arguments[1], arguments[2]);
  } else if (number == numbers->execveat) {
    exec_program_at(arguments[0], arguments[1], arguments[2], arguments[3],
                    arguments[4]);
  }
}

// What is sign-extended of a 32-bit program's values is none of them.
static uint64_t value_of(uint64_t value) {
  return guest.narrow ? value & UINT32_MAX : value;
}

static void on_call(qemu_plugin_id_t id, unsigned int vcpu, int64_t number,
                    uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                    uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
  (void)id, (void)vcpu, (void)a7, (void)a8;
  const int error = errno;
  spool_check();
  const uint64_t arguments[] = {value_of(a1), value_of(a2), value_of(a3),
                                value_of(a4), value_of(a5), value_of(a6)};
  struct thread* const thread = this_thread();
  thread->skips_return = false;
  thread->clock = tick();
  spool_put(&thread->file,
            WORD(WORD_CALL, ((uint64_t)number & 0xffff) | thread->clock << 16));
  for (size_t i = 0; i < 6; ++i) spool_put(&thread->file, arguments[i]);
  put_facts(thread, number, arguments);
  follow_call(thread, number, arguments);
  errno = error;
}

// Errors are -4095 to -1 (Linux, include/linux/err.h, MAX_ERRNO).
static uint64_t result_of(int64_t result) {
  const bool failed = result < 0 && result >= -4095;
  return failed ? (uint64_t)result : value_of((uint64_t)result);
}

static void on_return(qemu_plugin_id_t id, unsigned int vcpu, int64_t number,
                      int64_t result) {
  (void)id, (void)vcpu;
  struct thread* const thread = this_thread();
  if (thread->skips_return) {
    thread->skips_return = false;
    return;
  }
  thread->clock = tick();
  spool_put(&thread->file, WORD(WORD_RETURN, ((uint64_t)number & 0xffff) |
                                                 thread->clock << 16));
  spool_put(&thread->file, result_of(result));
}

// QEMU loads the program next.
static void on_first_vcpu(qemu_plugin_id_t id, unsigned int vcpu) {
  (void)id, (void)vcpu;
  if (!has_image) image_note_qemu();
}

static void before_fork(void) { parent = getpid(); }

// The child returns from a call that it has not made.
static void after_fork(void) {
  spool_begin_child();
  struct thread* const thread = spool_thread();
  spool_put(&thread->file, WORD(WORD_FORKED, (uint64_t)parent));
  thread->skips_return = true;
}

// Whether `argument` is "name=value"; gives a copy of the value.
static bool take(const char* argument, const char* name, const char** value) {
  const size_t size = strlen(name);
  if (strncmp(argument, name, size) != 0 || argument[size] != '=') return false;
  *value = strdup(argument + size + 1);
  return *value != NULL;
}

// Appends to `to` with each comma doubled, as -plugin takes them.
static void append_option(char* to, const char* text) {
  to += strlen(to);
  for (; *text != 0; ++text) {
    if (*text == ',') *to++ = ',';
    *to++ = *text;
  }
  *to = 0;
}

// Puts together again what -plugin was given.
static char* plugin_option(const char* self, int argc, char** argv) {
  size_t size = 2 * strlen(self) + 1;
  for (int i = 0; i < argc; ++i) size += 2 * strlen(argv[i]) + 1;
  char* const option = calloc(size, 1);
  if (option == NULL) return NULL;
  append_option(option, self);
  for (int i = 0; i < argc; ++i) {
    strcat(option, ",");
    append_option(option, argv[i]);
  }
  return option;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
                                           const qemu_info_t* info, int argc,
                                           char** argv) {
  const char* spool = NULL;
  const char* self = NULL;
  struct exec_tools tools = {NULL, NULL, NULL, NULL};
  for (int i = 0; i < argc; ++i) {
    if (!take(argv[i], "spool", &spool) && !take(argv[i], "self", &self) &&
        !take(argv[i], "wide", &tools.wide)) {
      take(argv[i], "narrow", &tools.narrow);
    }
  }
  if (spool == NULL || self == NULL || info->system_emulation) return 1;
  tools.plugin = plugin_option(self, argc, argv);
  guest.narrow = strcmp(info->target_name, "i386") == 0;
  tools.self = self;
  if (!spool_begin(spool)) exec_unrecorded();
  exec_begin(&tools);
  pthread_atfork(before_fork, NULL, after_fork);
  qemu_plugin_register_vcpu_init_cb(id, on_first_vcpu);
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
  qemu_plugin_register_vcpu_syscall_cb(id, on_call);
  qemu_plugin_register_vcpu_syscall_ret_cb(id, on_return);
  return 0;
}
