// SPDX-License-Identifier: GPL-2.0-or-later

#ifndef XMMU_LIB_WORKLOAD_QEMU_PLUGIN_EXEC_H_
#define XMMU_LIB_WORKLOAD_QEMU_PLUGIN_EXEC_H_

// Recording goes on when a program starts another: QEMU would give that to the
// kernel, which would run it without QEMU.

#include <stdint.h>

// What to call QEMU with: the program for each architecture, and the plug-in with
// its arguments as -plugin takes them.
struct exec_tools {
  const char* wide;
  const char* narrow;
  const char* plugin;
  const char* self;  // the plug-in's file
};
void exec_begin(const struct exec_tools* tools);

// Does what execve(path, arguments, environment) of the program asks for, with
// guest addresses: runs the new program by QEMU, and does not return. It returns
// if the call will fail, which is left to the kernel to do and to say, and if the
// new program cannot be recorded, which it notes.
void exec_program(uint64_t path, uint64_t arguments, uint64_t environment);

// Runs without QEMU, and so without a recording, what this QEMU was called for.
// To be called before QEMU has loaded that.
_Noreturn void exec_unrecorded(void);

// The same as exec_program() for execveat(2).
void exec_program_at(uint64_t directory, uint64_t path, uint64_t arguments,
                     uint64_t environment, uint64_t flags);

#endif  // XMMU_LIB_WORKLOAD_QEMU_PLUGIN_EXEC_H_
