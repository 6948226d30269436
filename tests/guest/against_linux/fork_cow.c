// After a fork both sides copy what they write, but for the last owner.

#include "measure.h"

static void Run(void) {
  Begin(0);
  char* const pages = MapPrivate(100);
  Write(pages, 60);
  Read(pages + 60 * kPage, 20);
  Mark("written");
  const long child = Fork();
  if (child == 0) {
    Begin(1);
    Read(pages, 100);
    Mark("child_reads");
    Write(pages, 100);
    Mark("child_writes");
    Exit(0);
  }
  WaitFor(child);
  Begin(2);
  Write(pages, 100);
  Mark("parent_writes");
}
