// brk grows and shrinks the heap.

#include "measure.h"

static void Run(void) {
  Begin(0);
  const long start = Call(SYS_brk, 0);
  char* const heap = (char*)((start + kPage - 1) & -(long)kPage);
  Call(SYS_brk, heap + 50 * kPage);
  Write(heap, 40);
  Mark("written");
  Call(SYS_brk, heap + 20 * kPage);
  Mark("shrunk");
  Call(SYS_brk, heap + 60 * kPage);
  Write(heap, 60);
  Mark("grown_again");
}
