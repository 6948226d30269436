// A child that writes to a large page gets small copies of what it writes.

#include "measure.h"

static void Run(void) {
  Begin(0);
  char* const pages = MapLarge(2);
  Advise(pages, 2 * kLargePage, MADV_HUGEPAGE);
  Write(pages, 2 * 512);
  Mark("written");
  const long child = Fork();
  if (child == 0) {
    Begin(1);
    Read(pages, 2 * 512);
    Mark("child_reads");
    Write(pages, 1);
    Mark("child_writes_one");
    Write(pages, 40);
    Mark("child_writes");
    Exit(0);
  }
  WaitFor(child);
  Begin(2);
  Write(pages, 1);
  Mark("parent_writes_one");
  Write(pages, 2 * 512);
  Mark("parent_writes");
}
