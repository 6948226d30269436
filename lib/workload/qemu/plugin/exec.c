// SPDX-License-Identifier: GPL-2.0-or-later

#define _GNU_SOURCE
#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "elf_file.h"
#include "guest.h"
#include "image.h"
#include "rights.h"
#include "spool.h"

// Linux 6.1, fs/exec.c, exec_binprm: a script's interpreter may be a script, five
// times; include/uapi/linux/binfmts.h: its first line is read up to 256 bytes.
#define MOST_SCRIPTS 5
#define SCRIPT_LINE 256

static struct exec_tools tools;

// A program to run: `path` is opened, `words` are what stands before the second
// of the caller's arguments.
struct plan {
  char path[PATH_MAX];
  const char* words[2 * MOST_SCRIPTS + 2];
  size_t count;
  char lines[MOST_SCRIPTS][SCRIPT_LINE + 1];
  char scripts[MOST_SCRIPTS][PATH_MAX];
  struct elf_file elf;
};

void exec_begin(const struct exec_tools* given) { tools = *given; }

// Puts `word` in front of the words of the plan.
static void push_front(struct plan* plan, const char* word) {
  memmove(plan->words + 1, plan->words, plan->count * sizeof(word));
  plan->words[0] = word;
  ++plan->count;
}

static char* skip_blanks(char* at) { return at + strspn(at, " \t"); }

// Reads "#!INTERPRETER [ARGUMENT]" (Linux, fs/binfmt_script.c, load_script): the
// argument is the rest of the line. Returns whether it is there.
static bool follow_script(int descriptor, struct plan* plan, int depth) {
  char* const line = plan->lines[depth];
  const ssize_t size = pread(descriptor, line, SCRIPT_LINE, 0);
  if (size < 3 || line[0] != '#' || line[1] != '!') return false;
  line[size] = 0;
  line[strcspn(line, "\n")] = 0;
  for (size_t end = strlen(line);
       end > 2 && (line[end - 1] == ' ' || line[end - 1] == '\t');) {
    line[--end] = 0;
  }
  char* const interpreter = skip_blanks(line + 2);
  if (interpreter[0] == 0) return false;
  char* rest = interpreter + strcspn(interpreter, " \t");
  if (*rest != 0) {
    *rest = 0;
    rest = skip_blanks(rest + 1);
  }
  // What is called by the caller's first argument is called by its path now.
  strcpy(plan->scripts[depth], plan->path);
  if (plan->count > 0) {
    plan->words[0] = plan->scripts[depth];
  } else {
    push_front(plan, plan->scripts[depth]);
  }
  if (*rest != 0) push_front(plan, rest);
  push_front(plan, interpreter);
  snprintf(plan->path, sizeof(plan->path), "%s", interpreter);
  return true;
}

// Whether the kernel would change the rights of who runs this file (Linux,
// fs/exec.c, bprm_fill_uid; security/commoncap.c, get_file_caps).
static bool changes_rights(int descriptor, const struct stat* file) {
  struct statvfs system;
  if (fstatvfs(descriptor, &system) == 0 && (system.f_flag & ST_NOSUID) != 0) {
    return false;
  }
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) return false;
  if ((file->st_mode & S_ISUID) != 0 && file->st_uid != geteuid()) return true;
  if ((file->st_mode & S_ISGID) != 0 && (file->st_mode & S_IXGRP) != 0 &&
      file->st_gid != getegid()) {
    return true;
  }
  char capabilities[64];
  return geteuid() != 0 && fgetxattr(descriptor, "security.capability",
                                     capabilities, sizeof(capabilities)) > 0;
}

static bool is_readable(const char* path) {
  return faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0;
}

// Looks at the file that plan->path names. Returns 1 to go on with a script's
// interpreter, 0 if QEMU can run it, -1 if the kernel has to answer.
static int look_at(struct plan* plan, int depth) {
  struct stat file;
  if (stat(plan->path, &file) != 0 || !S_ISREG(file.st_mode) ||
      faccessat(AT_FDCWD, plan->path, X_OK, AT_EACCESS) != 0) {
    return -1;
  }
  const int descriptor = open(plan->path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    spool_note("cannot be read, so it was not recorded", plan->path);
    return -1;
  }
  elf_read(descriptor, &plan->elf);
  int answer = -1;
  if (plan->elf.kind == ELF_FOREIGN) {
    spool_note("is no program for x86, so it was not recorded", plan->path);
  } else if (plan->elf.kind == ELF_NONE) {
    if (depth < MOST_SCRIPTS && follow_script(descriptor, plan, depth)) {
      answer = 1;
    }
  } else if (changes_rights(descriptor, &file)) {
    spool_note(
        "runs with rights of its own (set-uid, set-gid or capabilities), "
        "so it was not recorded",
        plan->path);
  } else if (plan->elf.interpreter[0] == 0 ||
             is_readable(plan->elf.interpreter)) {
    answer = 0;
  }
  close(descriptor);
  return answer;
}

// Marks what would change QEMU, for image_write() to put right.
static void encode_environment(char** variables) {
  for (; *variables != NULL; ++variables) {
    if (image_is_of_loader(*variables)) (*variables)[0] |= (char)0x80;
  }
}

static size_t count_of(char** texts) {
  size_t count = 0;
  while (texts[count] != NULL) ++count;
  return count;
}

static void start(struct plan* plan, char** arguments, char** environment) {
  const char* const qemu =
      plan->elf.kind == ELF_I386 ? tools.narrow : tools.wide;
  if (qemu == NULL || qemu[0] == 0) {
    spool_note("there is no qemu-i386, so it was not recorded", plan->path);
    return;
  }
  const size_t count = count_of(arguments);
  const char** const words =
      calloc(count + plan->count + 16, sizeof(const char*));
  if (words == NULL) return;
  size_t n = 0;
  words[n++] = qemu;
  words[n++] = "-cpu";
  words[n++] = "max";
  words[n++] = "-plugin";
  words[n++] = tools.plugin;
  words[n++] = "-0";
  words[n++] = plan->count > 0 ? plan->words[0] : count > 0 ? arguments[0] : "";
  words[n++] = "--";
  words[n++] = plan->path;
  for (size_t i = 1; i < plan->count; ++i) words[n++] = plan->words[i];
  for (size_t i = 1; i < count; ++i) words[n++] = arguments[i];
  encode_environment(environment);
  execve(qemu, (char* const*)(uintptr_t)words, environment);
  if (errno != E2BIG) {
    spool_note("QEMU cannot be run here, so it was not recorded", plan->path);
  }
  free(words);
}

// Whether QEMU, its plug-in and the spool can be used by what is started here.
static bool can_record(const char* path) {
  char status[PATH_MAX];
  snprintf(status, sizeof(status), "%s/status", spool_directory());
  if (rights_after_exec(spool_directory(), W_OK | X_OK) &&
      rights_after_exec(status, R_OK | W_OK) &&
      rights_after_exec(tools.self, R_OK)) {
    return true;
  }
  spool_note(
      "was started without the rights to write to the recording or to read "
      "the plug-in, so it was not recorded",
      path);
  return false;
}

static void run(const char* path, uint64_t arguments, uint64_t environment) {
  struct plan* const plan = calloc(1, sizeof(*plan));
  if (plan == NULL || strlen(path) >= sizeof(plan->path)) {
    free(plan);
    return;
  }
  strcpy(plan->path, path);
  int more = 1;
  for (int depth = 0; more == 1; ++depth) more = look_at(plan, depth);
  if (more == 0 && !can_record(path)) more = -1;
  char** const words = more == 0 ? guest_texts(arguments) : NULL;
  char** const variables = more == 0 ? guest_texts(environment) : NULL;
  if (words != NULL && variables != NULL) start(plan, words, variables);
  free(variables);
  free(words);
  free(plan);
}

// Whether the guest asks for its own program by /proc, where the kernel has
// QEMU. QEMU does as much (linux-user/syscall.c, is_proc_myself).
static bool is_own_program(const char* path) {
  char own[64];
  snprintf(own, sizeof(own), "/proc/%ld/exe", (long)getpid());
  return strcmp(path, "/proc/self/exe") == 0 || strcmp(path, own) == 0;
}

_Noreturn void exec_unrecorded(void) {
  char** words = NULL;
  const char* const path = image_command(&words);
  for (char** variable = environ; *variable != NULL; ++variable) {
    image_decode_variable(*variable);
  }
  if (path != NULL) execve(path, words, environ);
  // What env(1) says of what is there and cannot be run.
  _exit(126);
}

void exec_program(uint64_t path, uint64_t arguments, uint64_t environment) {
  const int error = errno;
  char* const name = guest_text(path, PATH_MAX);
  if (name != NULL && name[0] != 0) {
    run(is_own_program(name) ? image_program() : name, arguments, environment);
  }
  free(name);
  errno = error;
}

// Returns the file that `directory` has open, by its name.
static bool name_of_descriptor(uint64_t directory, char* name, size_t size) {
  char link[64];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", (int)directory);
  const ssize_t got = readlink(link, name, size - 1);
  if (got <= 0) return false;
  name[got] = 0;
  if (access(name, F_OK) == 0) return true;
  spool_note("has no name any more, so it was not recorded", name);
  return false;
}

void exec_program_at(uint64_t directory, uint64_t path, uint64_t arguments,
                     uint64_t environment, uint64_t flags) {
  const int error = errno;
  char* const name = guest_text(path, PATH_MAX);
  char place[PATH_MAX];
  if (name == NULL) return;
  if (name[0] == '/' || (name[0] != 0 && (int)directory == AT_FDCWD)) {
    run(name, arguments, environment);
  } else if (name[0] == 0 && (flags & AT_EMPTY_PATH) != 0) {
    if (name_of_descriptor(directory, place, sizeof(place))) {
      run(place, arguments, environment);
    }
  } else if (name_of_descriptor(directory, place, sizeof(place))) {
    const size_t used = strlen(place);
    snprintf(place + used, sizeof(place) - used, "/%s", name);
    run(place, arguments, environment);
  }
  free(name);
  errno = error;
}
