// The stack grows by faults.

#include "measure.h"

__attribute__((noinline)) static void Grow(void) {
  volatile char pages[64 * kPage];
  for (long i = 63; i >= 0; --i) Write(pages + i * kPage, 1);
}

static void Run(void) {
  Begin(0);
  Grow();
  Mark("grown");
  Grow();
  Mark("again");
}
