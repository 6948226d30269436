// Each shared anonymous mapping is an object, which only forks share.

#include "measure.h"

static void Run(void) {
  Begin(0);
  const int rights = PROT_READ | PROT_WRITE;
  const int flags = MAP_SHARED | MAP_ANONYMOUS;
  char* const one = Map(50 * kPage, rights, flags, -1);
  char* const other = Map(50 * kPage, rights, flags, -1);
  Write(one, 30);
  Mark("written");
  Read(one, 50);
  Mark("read");
  Read(other, 10);
  Mark("the_other_read");
  const long child = Fork();
  if (child == 0) {
    Begin(1);
    Write(one, 50);
    Mark("child_writes");
    Write(other, 50);
    Mark("child_writes_the_other");
    Exit(0);
  }
  WaitFor(child);
  Begin(2);
  Read(other, 50);
  Mark("parent_reads");
  Advise(one, 50 * kPage, MADV_DONTNEED);
  Mark("discarded");
  Write(one, 50);
  Mark("again");
}
