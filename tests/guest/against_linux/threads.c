// Threads on stacks of their own: faults and memory are the process's.

#include "measure.h"

enum { kStackPages = 64 };

static volatile int turn;
static volatile int done;
static char* volatile area;

// Runs in the new thread, on its stack.
__attribute__((used)) static void Thread(void) {
  volatile char local[10 * kPage];
  Write(local, 10);
  Write(area, 20);
  done = 1;
  Call(SYS_exit, 0);
}

long StartThread(long flags, char* stack_end);
__asm__(
    "StartThread:\n"
    "  mov $56, %eax\n"  // clone
    "  xor %edx, %edx\n"
    "  xor %r10d, %r10d\n"
    "  xor %r8d, %r8d\n"
    "  syscall\n"
    "  test %rax, %rax\n"
    "  jnz 1f\n"
    "  xor %ebp, %ebp\n"
    "  call Thread\n"
    "1: ret\n");

static void Run(void) {
  Begin(0);
  char* const stacks = MapPrivate(2 * kStackPages);
  area = MapPrivate(40);
  Mark("mapped");
  const long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                     CLONE_THREAD | CLONE_SYSVSEM;
  for (int i = 1; i <= 2; ++i) {
    done = 0;
    Must(StartThread(flags, stacks + i * kStackPages * kPage), "clone");
    while (!done) Call(SYS_sched_yield, 0);
    Mark(i == 1 ? "first" : "second");
    area += 20 * kPage;
  }
  Write(area - 40 * kPage, 40);
  Mark("written_by_the_first");
}
